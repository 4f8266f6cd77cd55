//! `tidy`: checks the texts and the layout of the repository that holds the working directory.

use std::io;
use std::process::ExitCode;

use anyhow::{Result, bail};
use fanlight_tidy::layout::Mode;
use fanlight_tidy::{commands, files};

const USAGE: &str = "\
Usage: tidy COMMAND

  tidy check                      runs `prose` and `layout --strict`
  tidy prose [PATH…]              checks all texts, or those below PATH: phrases, sentences, doc comments
  tidy prose --report [PATH…]     counts what `prose` finds, by folder and rule
  tidy layout [--strict]          checks the boundaries between crates and between modules;
                                  with --strict each rule must match something, and each crate and each
                                  module at the top of a crate with layers needs a rule
  tidy imports FOLDER             lists the imports between sibling modules of the crate in FOLDER
  tidy names                      lists types that share a name, and tests with banned phrases in theirs
  tidy names WORD…                lists the files whose names or identifiers hold a word
  tidy report                     counts lines, long files and functions, cycles, doc comments without a subject

Exit status: 0 if all checks pass, 1 if one fails, 2 if the command is unknown or a file cannot be read.
";

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            _ = io::Write::write_all(&mut io::stderr(), format!("tidy: {error:#}\n").as_bytes());
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<bool> {
    let root = files::root()?;
    let out = &mut io::stdout().lock();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["check"] => commands::check(&root, out),
        ["prose", "--report", paths @ ..] => commands::prose_report(&root, paths, out),
        ["prose", paths @ ..] => commands::prose(&root, paths, out),
        ["layout"] => commands::layout(&root, Mode::Lenient, out),
        ["layout", "--strict"] => commands::layout(&root, Mode::Strict, out),
        ["imports", folder] => commands::imports(&root, folder, out),
        ["names"] => commands::names(&root, out),
        ["names", words @ ..] => commands::uses(&root, words, out),
        ["report"] => commands::report(&root, out),
        _ => bail!("unknown command\n{USAGE}"),
    }
}
