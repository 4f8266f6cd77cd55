//! A faked core count and clock for one program.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools;

const CORES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cores.c");
const CLOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clock.c");

/// The faked properties of the machine on which a program runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct FakeMachine {
    /// The number of cores that the program sees; `None` for the real number.
    pub cores: Option<u32>,
    /// The seconds by which the program's wall clock is ahead of the real one.
    pub seconds_ahead: i64,
}

impl FakeMachine {
    /// Sets the environment of `command` so that its program sees this machine. Writes the library it preloads into
    /// `folder`.
    ///
    /// # Panics
    /// Panics if gcc or faketime is missing.
    pub fn apply_to(&self, command: &mut Command, folder: &Path) {
        let mut preloaded = Vec::new();
        if let Some(cores) = self.cores {
            preloaded.push(library(CORES, "cores.so", folder).to_string_lossy().into_owned());
            command.env("PRETENDED_CORES", cores.to_string());
        }
        if self.seconds_ahead != 0 {
            preloaded.push(clock_library());
            command.env("FAKETIME", format!("{:+}s", self.seconds_ahead));
            // Only the wall clock is shifted; the monotonic clock stays real.
            command.env("DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        if !preloaded.is_empty() {
            command.env("LD_PRELOAD", preloaded.join(":"));
        }
    }
}

/// Returns the path of libfaketime, as its own program `faketime` reports it. That program does not start ours, because
/// it would be an additional process between the test and the program.
fn clock_library() -> String {
    let command = tools::tool("faketime", &["-m", "-f", "+1s", "printenv", "LD_PRELOAD"]);
    tools::run("faketime", command).trim().to_owned()
}

/// Sets the environment of `command` so that its program's wall clock jumps 30 s ahead when the returned file is written.
/// Writes the library it preloads into `folder`.
///
/// # Panics
/// Panics if gcc is missing.
pub fn let_clock_jump(command: &mut Command, folder: &Path) -> PathBuf {
    let jump = folder.join("clock-jumps");
    command.env("LD_PRELOAD", library(CLOCK, "clock.so", folder)).env("CLOCK_JUMP", &jump);
    jump
}

fn library(source: &str, name: &str, folder: &Path) -> PathBuf {
    let path = folder.join(name);
    if !path.is_file() {
        let mut command = tools::tool("gcc", &["-shared", "-fPIC", "-O1", source, "-ldl", "-o"]);
        command.arg(&path);
        tools::run("build-essential", command);
    }
    path
}
