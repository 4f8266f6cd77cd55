//! What Fanlight's programs do alike, so that whoever knows one of them knows the others.
//!
//! In the order a program passes through it:
//!
//! - [`options`]: flags, environment and file become one value of the program's own options type;
//! - [`run`]: the frame around `main`: `--check-config`, logs, errors for a stranger's eyes, exit codes;
//! - [`log`]: lines on stderr, as text or JSON, a repeated one at most once in ten seconds;
//! - [`secret`]: users, passwords and tokens, taken from the environment and kept out of sight;
//! - [`stop`]: one request to stop that reaches every thread.
//!
//! What does not belong here: anything that only one program needs, and anything about frames, streams or the bus.
//!
//! # How a program uses it
//!
//! Two steps. What the user wrote is a struct of `Option`s and `Vec`s; what the program works with is a second struct
//! without any, made from the first in one function that holds every default and every rule:
//!
//! ```
//! use std::process::ExitCode;
//!
//! use fanlight_cli::secret::Secret;
//! use serde::Deserialize;
//!
//! /// Sings.
//! #[derive(Debug, Default, clap::Parser, Deserialize)]
//! #[command(version)]
//! #[serde(rename_all = "kebab-case", default)]
//! struct Options {
//!     /// How loud, 1 to 10 [default: 5]
//!     #[arg(long, env = "FANLIGHT_LOUDNESS", value_name = "N")]
//!     loudness: Option<u8>,
//!
//!     /// What to sing; repeatable. In the environment: separated by commas
//!     #[arg(long = "song", env = "FANLIGHT_SONG", value_delimiter = ',')]
//!     #[serde(rename = "song")]
//!     songs: Vec<String>,
//!
//!     /// Sing in the rain, too
//!     #[arg(long, env = "FANLIGHT_RAIN", num_args = 0..=1, default_missing_value = "true")]
//!     rain: Option<bool>,
//!
//!     /// Who may listen
//!     #[arg(long, env = "FANLIGHT_TOKEN", hide_env_values = true)]
//!     token: Option<Secret>,
//! }
//!
//! impl fanlight_cli::Options for Options {}
//!
//! struct Settings {
//!     loudness: u8,
//!     songs: Vec<String>,
//! }
//!
//! impl TryFrom<Options> for Settings {
//!     type Error = anyhow::Error;
//!
//!     fn try_from(options: Options) -> anyhow::Result<Self> {
//!         let loudness = options.loudness.unwrap_or(5);
//!         anyhow::ensure!((1..=10).contains(&loudness), "--loudness {loudness}: 1 to 10 are possible");
//!         Ok(Self { loudness, songs: options.songs })
//!     }
//! }
//!
//! fn main() -> ExitCode {
//! #   if true { return ExitCode::SUCCESS }
//!     fanlight_cli::run(
//!         |options: Options| Settings::try_from(options),
//!         |settings| sing(settings),
//!     )
//! }
//!
//! fn sing(settings: Settings) -> anyhow::Result<()> {
//!     tracing::info!(loudness = settings.loudness, "singing {} songs", settings.songs.len());
//!     Ok(())
//! }
//! ```
//!
//! `--config`, `--check-config`, `--log` and `--log-level` come by themselves ([`options::Common`]).

pub mod log;
pub mod options;
mod run;
pub mod secret;
pub mod stop;

pub use options::Options;
pub use run::run;
