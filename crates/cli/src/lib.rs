//! The parts that all Fanlight programs share: options, logs, secrets, signals and exit codes.
//!
//! In the order in which a program uses them:
//!
//! - [`options`]: flags, environment and file become one value of the program's own options type;
//! - [`run`]: the steps around `main`: `--check-config`, logs, errors that a user can act on, exit codes;
//! - [`log`]: lines on stderr, as text or JSON, a repeated one at most once in ten seconds;
//! - [`secret`]: users, passwords and tokens, read from the environment and masked in all output;
//! - [`state_folder`]: the folder for what must outlive a relay;
//! - [`stop`]: one stop request that reaches every thread.
//!
//! This crate has nothing that only one program needs, and nothing about frames, streams or the bus.
//!
//! # How a program uses it
//!
//! Two steps. The user's options are a struct of `Option`s and `Vec`s. The program's settings are a second struct
//! without any, made from the first in one function that contains every default and every rule:
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
//!     /// Loudness, 1 to 10 [default: 5]
//!     #[arg(long, env = "FANLIGHT_LOUDNESS", value_name = "N")]
//!     loudness: Option<u8>,
//!
//!     /// A song to sing; repeatable. In the environment: separated by commas
//!     #[arg(long = "song", env = "FANLIGHT_SONG", value_delimiter = ',')]
//!     #[serde(rename = "song")]
//!     songs: Vec<String>,
//!
//!     /// Sing even in the rain
//!     #[arg(long, env = "FANLIGHT_RAIN", num_args = 0..=1, default_missing_value = "true")]
//!     rain: Option<bool>,
//!
//!     /// Token that listeners must present
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
//!         anyhow::ensure!((1..=10).contains(&loudness), "--loudness {loudness}: write 1 to 10");
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
//! Every program also has `--config`, `--check-config`, `--log` and `--log-level` ([`options::Common`]).

pub mod log;
pub mod options;
mod run;
pub mod secret;
pub mod state_folder;
pub mod stop;

pub use options::Options;
pub use run::run;
