//! Options as Markdown tables: flag, environment variable, default and help, as clap knows them.

use clap::builder::PossibleValue;
use clap::{Arg, Command};

use crate::section::{escape, table};

/// The heading in `--help` under which the options of every program are.
const OF_EVERY_PROGRAM: &str = "Every program";

/// Returns the table of a program's own options.
pub fn own(command: &Command) -> String {
    of(command.get_arguments().filter(|arg| arg.get_help_heading() != Some(OF_EVERY_PROGRAM)))
}

/// Returns the table of the options that every program has.
pub fn of_every_program(command: &Command) -> String {
    of(command.get_arguments().filter(|arg| arg.get_help_heading() == Some(OF_EVERY_PROGRAM)))
}

/// Returns the table of these options, with a column for the environment only if one of them can be set there.
fn of<'a>(args: impl Iterator<Item = &'a Arg>) -> String {
    let args: Vec<&Arg> = args.filter(|arg| !arg.is_hide_set()).collect();
    if args.is_empty() {
        return "\nNo options.\n\n".into();
    }
    let has_environment = args.iter().any(|arg| arg.get_env().is_some());
    let mut head = vec!["Option", "Environment", "Default", "Description"];
    if !has_environment {
        head.remove(1);
    }
    let row = |arg: &Arg| {
        let (help, default) = help_and_default(arg);
        let mut row = vec![code(&flag(arg)), environment(arg), default, help];
        if !has_environment {
            row.remove(1);
        }
        row
    };
    table(&head, args.into_iter().map(row))
}

fn flag(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let value = match (names.first(), arg.get_action().takes_values()) {
        (Some(name), true) => name.as_str(),
        _ => "",
    };
    let Some(long) = arg.get_long() else { return value.to_owned() };
    let optional = arg.get_num_args().is_some_and(|number| number.min_values() == 0);
    match (value, optional) {
        ("", _) => format!("--{long}"),
        (value, true) => format!("--{long}[={value}]"),
        (value, false) => format!("--{long} {value}"),
    }
}

fn environment(arg: &Arg) -> String {
    arg.get_env().map(|name| code(&name.to_string_lossy())).unwrap_or_default()
}

/// Returns the help without its `[default: …]`, followed by the possible values, and the default: the one in the
/// help, or else clap's.
fn help_and_default(arg: &Arg) -> (String, String) {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let clap: Vec<_> = arg.get_default_values().iter().map(|text| text.to_string_lossy()).collect();
    let (help, written) = match help.split_once("[default: ") {
        Some((before, rest)) => {
            let (default, after) = rest.split_once(']').unwrap_or((rest, ""));
            (format!("{} {}", before.trim(), after.trim()).trim().to_owned(), default.to_owned())
        }
        None => (help, clap.join(", ")),
    };
    (escape(&(help + &possible_values(arg))), escape(&written))
}

/// Returns the values that an option is restricted to, unless they are those of a switch.
fn possible_values(arg: &Arg) -> String {
    let values = arg.get_possible_values();
    let names: Vec<&str> = values.iter().map(PossibleValue::get_name).collect();
    if names.is_empty() || names == ["true", "false"] || !arg.get_action().takes_values() {
        return String::new();
    }
    format!(". One of {}", names.iter().map(|name| code(name)).collect::<Vec<_>>().join(", "))
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

#[cfg(test)]
mod tests {
    use clap::{ArgAction, builder::PossibleValuesParser};

    use super::*;

    #[test]
    fn a_row_has_flag_environment_default_and_help() {
        let command = Command::new("x")
            .arg(Arg::new("n").long("n").env("X_N").value_name("N").help("How many [default: 3]"))
            .arg(Arg::new("b").long("b").num_args(0..=1).value_name("BOOL").help("Sets b"))
            .arg(Arg::new("c").long("c").action(ArgAction::SetTrue).help("Sets c, as a | b"))
            .arg(Arg::new("secret").long("secret").hide(true))
            .arg(
                Arg::new("log")
                    .long("log")
                    .value_name("FORMAT")
                    .value_parser(PossibleValuesParser::new(["text", "json"]))
                    .help("How to log")
                    .help_heading(OF_EVERY_PROGRAM),
            );
        assert_eq!(
            own(&command),
            "\n| Option | Environment | Default | Description |\n|---|---|---|---|\n\
             | `--n N` | `X_N` | 3 | How many |\n\
             | `--b[=BOOL]` |  |  | Sets b |\n\
             | `--c` |  |  | Sets c, as a \\| b |\n\n"
        );
        assert_eq!(
            of_every_program(&command),
            "\n| Option | Default | Description |\n|---|---|---|\n\
             | `--log FORMAT` |  | How to log. One of `text`, `json` |\n\n"
        );
    }
}
