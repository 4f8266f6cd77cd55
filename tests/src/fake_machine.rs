//! A faked core count and clock for one program.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools;

const CORES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cores.c");

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
            preloaded.push(cores_library(folder).to_string_lossy().into_owned());
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

fn cores_library(folder: &Path) -> PathBuf {
    let path = folder.join("cores.so");
    if !path.is_file() {
        let mut command = tools::tool("gcc", &["-shared", "-fPIC", "-O1", CORES, "-ldl", "-o"]);
        command.arg(&path);
        tools::run("build-essential", command);
    }
    path
}
