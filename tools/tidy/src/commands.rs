//! The commands of `tidy`: each prints to `out`, and returns whether its check passed.

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};

use crate::layout::{self, Mode, graph, modules, sizes};
use crate::prose::census::MOST_SUBJECTLESS;
use crate::repository::Repository;
use crate::{figures, names, prose};

/// Runs all checks, the layout strictly.
pub fn check(root: &Path, out: &mut dyn Write) -> Result<bool> {
    let repository = Repository::read(root)?;
    let prose = print_prose(&repository, &[], out)?;
    Ok(print_layout(&repository, Mode::Strict, out)? && prose)
}

/// Checks the texts of the files below the given paths, or of all.
pub fn prose(root: &Path, paths: &[&str], out: &mut dyn Write) -> Result<bool> {
    print_prose(&Repository::read(root)?, paths, out)
}

/// Prints the number of hits by folder and rule instead of the hits.
pub fn prose_report(root: &Path, paths: &[&str], out: &mut dyn Write) -> Result<bool> {
    let outcome = prose::check(&Repository::read(root)?, paths)?;
    write!(out, "{}", outcome.census.report())?;
    Ok(outcome.passed())
}

/// Checks the boundaries between crates and between modules.
pub fn layout(root: &Path, mode: Mode, out: &mut dyn Write) -> Result<bool> {
    print_layout(&Repository::read(root)?, mode, out)
}

/// Prints the imports between sibling modules of one crate.
pub fn imports(root: &Path, folder: &str, out: &mut dyn Write) -> Result<bool> {
    let crates = modules::crates(&Repository::read(root)?)?;
    let folder = folder.trim_end_matches('/');
    let Some(krate) = crates.iter().find(|krate| krate.folder == folder) else {
        bail!("{folder} is no crate with a folder `src`");
    };
    for (parent, siblings) in graph::edges(krate) {
        let parent = parent.iter().map(|name| format!("{name}::")).collect::<String>();
        for ((from, to), edge) in siblings {
            writeln!(out, "{parent}{from} → {to}  ({}:{} {})", edge.file, edge.line, edge.path)?;
        }
    }
    Ok(true)
}

/// Prints the types that share a name, and the tests with banned phrases in theirs.
pub fn names(root: &Path, out: &mut dyn Write) -> Result<bool> {
    write!(out, "{}", names::report(&Repository::read(root)?)?)?;
    Ok(true)
}

/// Prints the places of words in identifiers and file names.
pub fn uses(root: &Path, words: &[&str], out: &mut dyn Write) -> Result<bool> {
    write!(out, "{}", names::uses(&Repository::read(root)?, words))?;
    Ok(true)
}

/// Prints the figures of the repository.
pub fn report(root: &Path, out: &mut dyn Write) -> Result<bool> {
    write!(out, "{}", figures::report(&Repository::read(root)?)?)?;
    Ok(true)
}

/// Prints the violations and their number. Lists doc comments without a subject if paths are given or their share is
/// too large.
fn print_prose(repository: &Repository, paths: &[&str], out: &mut dyn Write) -> Result<bool> {
    let outcome = prose::check(repository, paths)?;
    let share = outcome.census.total;
    let listed =
        if share.is_too_large() || !paths.is_empty() { &outcome.subjectless[..] } else { &[] };
    for finding in outcome.findings.iter().chain(listed) {
        writeln!(out, "{finding}")?;
    }
    writeln!(
        out,
        "prose: {} violations; {} of {} doc comments have no subject ({:.1} %, at most {MOST_SUBJECTLESS} %)",
        outcome.findings.len(),
        share.subjectless,
        share.docs,
        share.percent()
    )?;
    Ok(outcome.passed())
}

/// Prints the violations and their number. Long files are warnings.
fn print_layout(repository: &Repository, mode: Mode, out: &mut dyn Write) -> Result<bool> {
    let findings = layout::check(repository, mode)?;
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    let files = repository.files.iter();
    for finding in files.filter_map(|file| sizes::long_file(file, repository.is_test(file))) {
        writeln!(out, "warning: {finding}")?;
    }
    writeln!(out, "layout: {} violations", findings.len())?;
    Ok(findings.is_empty())
}
