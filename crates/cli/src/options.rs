//! One value of options from four places: a flag beats the environment, which beats the file, which beats the default.
//!
//! figment reads the file, and clap lays flags and environment over it. Defaults are the program's own second step: a
//! `default_value` given to clap would count as said by the user and silently beat the file.
//!
//! A program's options type has only `Option` and `Vec` fields, each with `#[arg(long, env = "FANLIGHT_…")]`; the crate's
//! front page shows one whole. A list given by flag or environment replaces the file's list. What makes no sense in a
//! file is marked `#[serde(skip)]`, and what only a file can hold `#[arg(skip)]`.

mod file;

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

/// A program's options: what the user wrote.
pub trait Options: Parser + DeserializeOwned {}

impl<O: Parser + DeserializeOwned> Options for O {}

/// What [`load`] found.
#[derive(Debug)]
pub struct Loaded<O> {
    /// The program's own options.
    pub options: O,
    /// Those that every program has.
    pub common: Common,
}

/// The options that every program has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Common {
    /// Whether only to check the options.
    pub check_config: bool,
    /// How to write logs.
    pub log: LogFormat,
    /// How much to log.
    pub log_level: LogLevel,
}

/// The program ends before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Help or version: for stdout, exit code 0.
    Text(String),
    /// Wrong options: for stderr, exit code 2. Never holds a password.
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
/// [`Stop::Text`] when help or version was asked for, [`Stop::Error`] when an option is wrong.
pub fn load<O: Options>(args: impl IntoIterator<Item = OsString>) -> Result<Loaded<O>, Stop> {
    let args: Vec<OsString> = args.into_iter().collect();
    let mut command = command::<O>();
    let matches = command
        .try_get_matches_from_mut(&args)
        .map_err(|error| stop(&error.with_cmd(&command), &command, &args))?;
    let common =
        Written::from_arg_matches(&matches).map_err(|error| stop(&error, &command, &args))?;
    let file = common.config.as_deref().map(File::read).transpose()?.unwrap_or_default();
    let mut options: O = file.options(Written::KEYS)?;
    options.update_from_arg_matches(&matches).map_err(|error| stop(&error, &command, &args))?;
    Ok(Loaded {
        options,
        common: Common {
            check_config: common.check_config.unwrap_or(false),
            log: common.log.or(file.key("log")?).unwrap_or_default(),
            log_level: common.log_level.or(file.key("log-level")?).unwrap_or_default(),
        },
    })
}

/// Returns a program's command line: its own options, and those that every program has.
pub fn command<O: Options>() -> Command {
    Written::augment_args(O::command())
}

// The common options as the user wrote them. (Not rustdoc: clap would show it in the place of the program's own.)
#[derive(Debug, Args)]
#[command(next_help_heading = "Every program")]
struct Written {
    /// Read options from this TOML file; its keys are the names of the flags
    #[arg(long, env = "FANLIGHT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Check all options, say whether they are valid, and end
    #[arg(long, env = "FANLIGHT_CHECK_CONFIG", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    check_config: Option<bool>,

    /// How to write logs, to stderr; where nothing reads them, 64 KiB of lines wait, and those beyond are dropped and
    /// counted [default: text]
    #[arg(long, env = "FANLIGHT_LOG", value_name = "FORMAT")]
    log: Option<LogFormat>,

    /// How much to log [default: info]
    #[arg(long, env = "FANLIGHT_LOG_LEVEL", value_name = "LEVEL")]
    log_level: Option<LogLevel>,
}

impl Written {
    /// Those of the common options that a file may hold.
    const KEYS: &[&str] = &["log", "log-level"];
}

/// What clap said.
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
            let text = IN_WORDS.iter().fold(text, |text, (std, words)| text.replace(std, words));
            Stop::Error(mask_url(&(text + &origin(error, command, args))))
        }
    }
}

/// What the standard library says of numbers, in the words of people.
const IN_WORDS: [(&str, &str); 4] = [
    ("invalid digit found in string", "a whole number is wanted"),
    ("cannot parse integer from empty string", "a whole number is wanted"),
    ("number too large to fit in target type", "the number is too large"),
    ("invalid socket address syntax", "an address and a port are wanted, as in 127.0.0.1:7474"),
];

/// Names the environment variable that a wrong value came from; clap itself only names the flag.
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
    #[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
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
    fn nothing_written_is_nothing_set() {
        let loaded = sing(&[]).unwrap();
        assert_eq!(loaded.options, Song::default());
        let (log, log_level) = (LogFormat::Text, LogLevel::Info);
        assert_eq!(loaded.common, Common { check_config: false, log, log_level });
    }

    #[test]
    fn a_flag_beats_the_file_and_leaves_the_rest_of_it() {
        let text = "max-loudness = 3\nrain = true\nlog = 'json'\nlog-level = 'debug'";
        let loaded = sing_from(text, &["--max-loudness", "9", "--log-level", "warn"]).unwrap();
        assert_eq!(loaded.options.max_loudness, Some(9));
        assert_eq!(loaded.options.rain, Some(true));
        assert_eq!(loaded.common.log, LogFormat::Json);
        assert_eq!(loaded.common.log_level, LogLevel::Warn);
    }

    #[test]
    fn a_list_by_flag_replaces_that_of_the_file() {
        let text = "word = ['la', 'li']";
        assert_eq!(sing_from(text, &[]).unwrap().options.words, ["la", "li"]);
        assert_eq!(sing_from(text, &["--word", "lu"]).unwrap().options.words, ["lu"]);
    }

    #[test]
    fn a_switch_can_be_switched_off_again() {
        assert_eq!(sing(&["--rain"]).unwrap().options.rain, Some(true));
        assert_eq!(sing_from("rain = true", &["--rain=false"]).unwrap().options.rain, Some(false));
    }

    #[test]
    fn what_only_flags_or_only_the_file_can_say_is_kept() {
        let song = sing_from("[verses]\nfirst = 1", &["--list-songs"]).unwrap().options;
        assert_eq!(song.list_songs, Some(true));
        assert_eq!(song.verses.get("first"), Some(&1));
        assert!(refused(sing_from("list-songs = true", &[])).contains("no option"));
        let text = refused(sing_from("[verses]\nfirst = 'one'", &[]));
        assert!(text.contains(": verses.first: a whole number"), "{text}");
    }

    /// What `environment` becomes in a process that has the variable set to `value`: a test must not change its own.
    fn sung_with_env(value: &str) -> String {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "options::tests::environment", "--ignored", "--nocapture"])
            .env("FANLIGHT_TEST_MAX_LOUDNESS", value)
            .output()
            .unwrap();
        String::from_utf8(child.stdout).unwrap()
    }

    #[test]
    #[ignore = "a part of the tests below, which run it in a process of its own"]
    #[expect(clippy::print_stdout, reason = "this is how it answers")]
    fn environment() {
        let text = "max-loudness = 3";
        let loudness = |args| sing_from(text, args).map(|loaded| loaded.options.max_loudness);
        println!("{:?} {:?}", loudness(&[]), loudness(&["--max-loudness=9"]));
    }

    #[test]
    fn the_environment_beats_the_file_and_a_flag_beats_both() {
        let sung = sung_with_env("7");
        assert!(sung.contains("Ok(Some(7)) Ok(Some(9))"), "{sung}");
    }

    #[test]
    fn a_wrong_value_in_the_environment_is_found_by_its_variable() {
        let sung = sung_with_env("high");
        assert!(
            sung.contains("came from the environment variable FANLIGHT_TEST_MAX_LOUDNESS"),
            "{sung}"
        );
        assert!(sung.contains("Ok(Some(9))"), "the flag is not asked about it: {sung}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let text = refused(sing(&["--config", "/nowhere/fanlight.toml"]));
        assert!(text.contains("/nowhere/fanlight.toml"), "{text}");
    }

    #[test]
    fn an_unknown_key_is_named_beside_the_known_ones() {
        let text = refused(sing_from("max-lowdness = 3", &[]));
        assert!(text.contains(r#": there is no option "max-lowdness""#), "{text}");
        assert!(text.contains("max-loudness, word, rain, token, verses, log, log-level"), "{text}");
    }

    #[test]
    fn a_wrong_value_in_the_file_is_found_by_file_and_key() {
        let text = refused(sing_from("max-loudness = 'high'", &[]));
        assert!(
            text.ends_with(
                ": max-loudness: a whole number from 0 to 255 is wanted here, not this text"
            ),
            "{text}"
        );
        let text = refused(sing_from("log = 'xml'", &[]));
        assert!(text.ends_with(r#": log: "xml" is not one of: text, json"#), "{text}");
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
    fn help_and_version_are_no_errors() {
        let Err(Stop::Text(help)) = sing(&["--help"]) else { panic!("help") };
        assert!(help.starts_with("Sings\n"), "{help}");
        assert!(help.contains("--check-config") && help.contains("--max-loudness"), "{help}");
        assert_eq!(sing(&["--version"]).unwrap_err(), Stop::Text("sing 1.2.3\n".into()));
    }
}
