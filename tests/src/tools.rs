//! Programs of other people.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

/// Debian's Python, which is the one that Debian's packages of modules are for.
pub const PYTHON: &str = "/usr/bin/python3";

/// A program, to be run.
pub fn tool(program: &str, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Runs a program to its end and gives it `stdin` piece by piece; returns what it wrote to stdout.
///
/// # Panics
/// When it is not there (`package` is what to install), or does not end well.
pub fn feed(package: &str, command: Command, stdin: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    feed_and_hear(package, command, stdin).0
}

/// As [`feed`]; returns also what it wrote to stderr.
///
/// # Panics
/// As [`feed`].
pub fn feed_and_hear(
    package: &str,
    mut command: Command,
    stdin: impl Iterator<Item = Vec<u8>>,
) -> (Vec<u8>, String) {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: {error}: install the package {package}"));
    let mut pipe = child.stdin.take().expect("asked for above");
    let pieces: Vec<Vec<u8>> = stdin.collect();
    // It may write while it reads.
    let feeding = thread::spawn(move || {
        for piece in pieces {
            if pipe.write_all(&piece).is_err() {
                // It says why below.
                break;
            }
        }
    });
    let Output { status, stdout, stderr } = child.wait_with_output().expect("a child of ours");
    feeding.join().expect("no panic while a pipe is written to");
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    assert!(status.success(), "{name} (package {package}): {status}: {stderr}");
    (stdout, stderr)
}

/// Runs a program to its end; returns what it wrote to stdout.
///
/// # Panics
/// As [`feed`].
pub fn run(package: &str, command: Command) -> String {
    String::from_utf8_lossy(&feed(package, command, std::iter::empty())).into_owned()
}

/// Runs a Python program with arguments.
///
/// # Panics
/// As [`feed`]; `package` is what has the modules it imports.
pub fn python(package: &str, program: &str, arguments: &[&str]) -> String {
    run(package, tool(PYTHON, &[&["-c", program], arguments].concat()))
}
