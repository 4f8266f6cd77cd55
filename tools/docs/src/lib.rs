//! Keeps the documents and the programs in agreement.
//!
//! - [`section`]: the generated sections of a document, compared with what the code says or written from it;
//! - [`options`]: clap's options as Markdown tables;
//! - [`constants`]: the constants that a document names;
//! - [`links`]: the links of Markdown files, and whether each leads somewhere.
//!
//! Its tests compare `docs/reference/options.md` with the options of all programs, look for the constants that
//! ARCHITECTURE.md names, and follow every relative link. The end-to-end suite compares `docs/reference/metrics.md` with a
//! running relay. With `FANLIGHT_WRITE_DOCS=1` in the environment these tests rewrite the sections instead of failing.
//!
//! Prose does not belong here, nor does anything that a program needs at run time.

pub mod constants;
pub mod links;
pub mod options;
pub mod section;
