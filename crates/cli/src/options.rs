//! Options from four places: a flag overrides the environment, which overrides the file, which overrides the default.
//!
//! serde reads the file, and clap puts environment and flags over it. Defaults belong to the program's second step: a
//! `default_value` given to clap would count as set by the user and silently override the file.
//!
//! A program's options type has only `Option` and `Vec` fields, each with `#[arg(long, env = "FANLIGHT_…")]`; the crate's
//! front page has an example. One struct defines an option for the flag, the environment and the file. A list given by
//! flag or environment replaces the file's list.
//!
//! Options that two structs share are a struct of their own, marked `#[command(flatten)]` and `#[serde(flatten)]`.

mod file;
mod value;

use std::ffi::OsString;
use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Command, FromArgMatches, Parser};
use serde::de::DeserializeOwned;

use crate::log::{LogFormat, LogLevel};
use crate::secret::mask_url;
use file::File;
pub use value::{InvalidOption, Mismatch, from_table, from_text};

/// A program's options as the user wrote them.
pub trait Options: Parser + DeserializeOwned {
    /// Long names of flags that a file cannot set; their fields are `#[serde(skip)]`.
    const FLAGS_ONLY: &'static [&'static str] = &[];
    /// Keys of a file that are no flags; their fields are `#[arg(skip)]`.
    const FILE_ONLY: &'static [&'static str] = &[];
}

/// The options of a program and those that every program has.
#[derive(Debug)]
pub struct Loaded<O> {
    /// The program's own options.
    pub options: O,
    /// The options that every program has.
    pub common: Common,
}

/// The options that every program has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Common {
    /// The file that was read.
    pub config: Option<PathBuf>,
    /// Check the options, then exit.
    pub check_config: bool,
    /// Format of the log.
    pub log: LogFormat,
    /// Least severe level that is logged.
    pub log_level: LogLevel,
}

/// The reason why a program exits before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Help or version: for stdout, exit code 0.
    Text(String),
    /// Invalid options: for stderr, exit code 2. Never contains a password.
    Error(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Text(text) | Self::Error(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Stop {}

/// Reads options from flags (`args`, the program's name first), the environment, and the file named by `--config`.
///
/// # Errors
/// [`Stop::Text`] if the user asked for help or version, [`Stop::Error`] if an option is invalid.
pub fn load<O: Options>(args: impl IntoIterator<Item = OsString>) -> Result<Loaded<O>, Stop> {
    let args: Vec<OsString> = args.into_iter().collect();
    let mut command = command::<O>();
    let matches = command
        .try_get_matches_from_mut(&args)
        .map_err(|error| stop(&error.with_cmd(&command), &command, &args))?;
    let common =
        Written::from_arg_matches(&matches).map_err(|error| stop(&error, &command, &args))?;
    let mut file = common.config.as_deref().map(File::read).transpose()?.unwrap_or_default();
    let (log, log_level) = (file.take("log")?, file.take("log-level")?);
    let mut options: O = file.options(&keys::<O>())?;
    options.update_from_arg_matches(&matches).map_err(|error| stop(&error, &command, &args))?;
    Ok(Loaded {
        options,
        common: Common {
            config: common.config,
            check_config: common.check_config.unwrap_or(false),
            log: common.log.or(log).unwrap_or_default(),
            log_level: common.log_level.or(log_level).unwrap_or_default(),
        },
    })
}

/// Returns a program's command line: its own options, and those that every program has.
pub fn command<O: Options>() -> Command {
    Written::augment_args(O::command())
}

/// Returns the keys that a file may have: the program's and the common ones.
fn keys<O: Options>() -> Vec<String> {
    let command = O::command();
    let flags = command.get_arguments().filter_map(|arg| arg.get_long());
    let flags = flags.filter(|flag| !O::FLAGS_ONLY.contains(flag));
    flags.chain(O::FILE_ONLY.iter().chain(Written::KEYS).copied()).map(str::to_owned).collect()
}

// The common options as the user wrote them. (Not rustdoc: clap would show it instead of the program's own.)
#[derive(Debug, Args)]
#[command(next_help_heading = "Every program")]
struct Written {
    /// Read options from this TOML file; its keys are the names of the flags
    #[arg(long, env = "FANLIGHT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Check all options, report whether they are valid, and exit
    #[arg(long, env = "FANLIGHT_CHECK_CONFIG", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    check_config: Option<bool>,

    /// Format of the log on stderr. If nothing reads stderr, 64 KiB of lines are queued; further lines are dropped and
    /// counted [default: text]
    #[arg(long, env = "FANLIGHT_LOG", value_name = "FORMAT")]
    log: Option<LogFormat>,

    /// Least severe level that is logged [default: info]
    #[arg(long, env = "FANLIGHT_LOG_LEVEL", value_name = "LEVEL")]
    log_level: Option<LogLevel>,
}

impl Written {
    /// The common options that a file may set.
    const KEYS: &[&str] = &["log", "log-level"];
}

/// Turns help, a version or an error of clap into a [`Stop`].
fn stop(error: &clap::Error, command: &Command, args: &[OsString]) -> Stop {
    let rendered = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let colour = std::io::stdout().is_terminal();
            Stop::Text(if colour { rendered.ansi().to_string() } else { rendered.to_string() })
        }
        _ => {
            let text = rendered.to_string();
            let text = text.trim_end().strip_prefix("error: ").unwrap_or(&text).to_owned();
            Stop::Error(mask_url(&(plain_words(&text) + &origin(error, command, args))))
        }
    }
}

/// Replaces the standard library's messages about numbers and addresses with plain words.
fn plain_words(text: &str) -> String {
    let words = [
        ("invalid digit found in string", "a whole number is required"),
        ("cannot parse integer from empty string", "a whole number is required"),
        ("number too large to fit in target type", "the number is too large"),
        (
            "invalid socket address syntax",
            "an address and a port are required, for example 127.0.0.1:7474",
        ),
    ];
    words.iter().fold(text.to_owned(), |text, (std, plain)| text.replace(std, plain))
}

/// Names the environment variable that an invalid value came from; clap itself names only the flag.
fn origin(error: &clap::Error, command: &Command, args: &[OsString]) -> String {
    let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidArg) else {
        return String::new();
    };
    let Some(arg) = command.get_arguments().find(|arg| arg.to_string() == *wrong) else {
        return String::new();
    };
    let flag = format!("--{}", arg.get_long().unwrap_or_default());
    let flagged = args.iter().any(|given| given.to_string_lossy().starts_with(&flag));
    match arg.get_env() {
        Some(name) if !flagged && std::env::var_os(name).is_some() => {
            format!("\n\nThe value came from the environment variable {}.", name.to_string_lossy())
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Write;

    use serde::Deserialize;

    use super::*;
    use crate::secret::Secret;

    /// Sings.
    #[derive(Debug, Default, PartialEq, Parser, Deserialize)]
    #[command(name = "sing", version = "1.2.3")]
    #[serde(rename_all = "kebab-case", default)]
    struct Song {
        #[arg(long, env = "FANLIGHT_TEST_MAX_LOUDNESS")]
        max_loudness: Option<u8>,
        #[arg(long = "word")]
        #[serde(rename = "word")]
        words: Vec<String>,
        #[arg(long, num_args = 0..=1, default_missing_value = "true")]
        rain: Option<bool>,
        #[arg(long)]
        token: Option<Secret>,
        #[arg(long, num_args = 0..=1, default_missing_value = "true")]
        #[serde(skip)]
        list_songs: Option<bool>,
        #[arg(skip)]
        verses: BTreeMap<String, u8>,
        #[command(flatten)]
        #[serde(flatten)]
        venue: Venue,
    }

    impl Options for Song {
        const FLAGS_ONLY: &'static [&'static str] = &["list-songs"];
        const FILE_ONLY: &'static [&'static str] = &["verses"];
    }

    #[derive(Debug, Default, PartialEq, Args, Deserialize)]
    #[serde(rename_all = "kebab-case", default)]
    struct Venue {
        #[arg(long)]
        seats: Option<u16>,
        #[arg(skip)]
        owner: Option<String>,
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn sing(args: &[&str]) -> Result<Loaded<Song>, Stop> {
        load(std::iter::once("sing").chain(args.iter().copied()).map(Into::into))
    }

    fn sing_from(text: &str, args: &[&str]) -> Result<Loaded<Song>, Stop> {
        let file = file(text);
        let config = format!("--config={}", file.path().display());
        sing(&[&[config.as_str()], args].concat())
    }

    fn refused(result: Result<Loaded<Song>, Stop>) -> String {
        match result.unwrap_err() {
            Stop::Error(text) => text,
            Stop::Text(text) => panic!("not an error: {text}"),
        }
    }

    #[test]
    fn no_options_set_nothing() {
        let loaded = sing(&[]).unwrap();
        assert_eq!(loaded.options, Song::default());
        let (log, log_level) = (LogFormat::Text, LogLevel::Info);
        let common =
            Common { config: loaded.common.config.clone(), check_config: false, log, log_level };
        assert_eq!(loaded.common, common);
    }

    #[test]
    fn a_flag_overrides_only_its_own_key_of_the_file() {
        let text = "max-loudness = 3\nrain = true\nlog = 'json'\nlog-level = 'debug'";
        let loaded = sing_from(text, &["--max-loudness", "9", "--log-level", "warn"]).unwrap();
        assert_eq!(loaded.options.max_loudness, Some(9));
        assert_eq!(loaded.options.rain, Some(true));
        assert_eq!(loaded.common.log, LogFormat::Json);
        assert_eq!(loaded.common.log_level, LogLevel::Warn);
    }

    #[test]
    fn a_list_by_flag_replaces_the_list_of_the_file() {
        let text = "word = ['la', 'li']";
        assert_eq!(sing_from(text, &[]).unwrap().options.words, ["la", "li"]);
        assert_eq!(sing_from(text, &["--word", "lu"]).unwrap().options.words, ["lu"]);
    }

    #[test]
    fn a_flag_can_switch_off_what_the_file_switches_on() {
        assert_eq!(sing(&["--rain"]).unwrap().options.rain, Some(true));
        assert_eq!(sing_from("rain = true", &["--rain=false"]).unwrap().options.rain, Some(false));
    }

    #[test]
    fn some_options_are_only_flags_and_some_only_keys_of_the_file() {
        let song = sing_from("[verses]\nfirst = 1", &["--list-songs"]).unwrap().options;
        assert_eq!(song.list_songs, Some(true));
        assert_eq!(song.verses.get("first"), Some(&1));
        assert!(refused(sing_from("list-songs = true", &[])).contains("no option"));
        let text = refused(sing_from("[verses]\nfirst = 'one'", &[]));
        assert!(text.contains(": verses.first: a whole number"), "{text}");
    }

    /// Runs the test `environment` in a process that has the variable set to `value`: a test must not change its own
    /// environment.
    fn sung_with_env(value: &str) -> String {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "options::tests::environment", "--ignored", "--nocapture"])
            .env("FANLIGHT_TEST_MAX_LOUDNESS", value)
            .output()
            .unwrap();
        String::from_utf8(child.stdout).unwrap()
    }

    #[test]
    #[ignore = "a part of the tests below, which run it in a separate process"]
    #[expect(clippy::print_stdout, reason = "the result goes to the tests below")]
    fn environment() {
        let text = "max-loudness = 3";
        let loudness = |args| sing_from(text, args).map(|loaded| loaded.options.max_loudness);
        println!("{:?} {:?}", loudness(&[]), loudness(&["--max-loudness=9"]));
    }

    #[test]
    fn the_environment_overrides_the_file_and_a_flag_overrides_both() {
        let sung = sung_with_env("7");
        assert!(sung.contains("Ok(Some(7)) Ok(Some(9))"), "{sung}");
    }

    #[test]
    fn an_invalid_value_in_the_environment_is_reported_with_its_variable() {
        let sung = sung_with_env("high");
        assert!(
            sung.contains("came from the environment variable FANLIGHT_TEST_MAX_LOUDNESS"),
            "{sung}"
        );
        assert!(sung.contains("Ok(Some(9))"), "the flag overrides it: {sung}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let text = refused(sing(&["--config", "/nowhere/fanlight.toml"]));
        assert!(text.contains("/nowhere/fanlight.toml"), "{text}");
    }

    #[test]
    fn an_unknown_key_is_reported_with_the_known_ones() {
        let text = refused(sing_from("max-lowdness = 3", &[]));
        assert!(text.contains(r#": there is no option "max-lowdness""#), "{text}");
        assert!(
            text.contains("max-loudness, word, rain, token, seats, verses, log, log-level"),
            "{text}"
        );
    }

    #[test]
    fn an_invalid_value_in_the_file_is_reported_with_file_and_key() {
        let text = refused(sing_from("max-loudness = 'high'", &[]));
        assert!(
            text.ends_with(
                ": max-loudness: a whole number from 0 to 255 is required here, not this text"
            ),
            "{text}"
        );
        let text = refused(sing_from("seats = 'many'", &[]));
        assert!(text.contains(": seats: a whole number from 0 to 65535"), "{text}");
        let text = refused(sing_from("log = 'xml'", &[]));
        assert!(text.ends_with(r#": log: "xml" is not one of: text, json"#), "{text}");
    }

    #[test]
    fn a_flattened_option_is_a_flag_and_a_key() {
        let seats = |result: Result<Loaded<Song>, Stop>| result.unwrap().options.venue.seats;
        assert_eq!(seats(sing_from("seats = 3", &[])), Some(3));
        assert_eq!(seats(sing_from("seats = 3", &["--seats=4"])), Some(4));
        assert!(refused(sing_from("owner = 'me'", &[])).contains(r#"no option "owner""#));
    }

    #[test]
    fn a_syntax_error_is_reported_with_its_line() {
        let text = refused(sing_from("rain = true\nword = ", &[]));
        assert!(text.contains(": line 2, column 8: "), "{text}");
    }

    #[test]
    fn an_error_in_the_file_never_shows_a_secret() {
        for broken in ["token = \"hunter2", "token = hunter2", "token = ['hunter2']"] {
            let text = refused(sing_from(broken, &[]));
            assert!(!text.contains("hunter2"), "{text}");
            assert!(text.contains(".tmp"), "names the file: {text}");
        }
    }

    #[test]
    fn an_error_on_the_command_line_never_shows_a_password() {
        let text = refused(sing(&["--max-loudness", "rtsp://admin:hunter2@cam/"]));
        assert!(!text.contains("hunter2") && !text.contains("admin"), "{text}");
        assert!(text.contains("--max-loudness"), "{text}");
    }

    #[test]
    fn help_and_version_are_not_errors() {
        let Err(Stop::Text(help)) = sing(&["--help"]) else { panic!("help") };
        assert!(help.starts_with("Sings\n"), "{help}");
        assert!(help.contains("--check-config") && help.contains("--max-loudness"), "{help}");
        assert_eq!(sing(&["--version"]).unwrap_err(), Stop::Text("sing 1.2.3\n".into()));
    }
}
