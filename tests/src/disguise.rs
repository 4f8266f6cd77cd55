//! A different number of cores and a different clock, simulated for one program.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools;

const CORES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cores.c");

/// The simulated machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disguise {
    /// The number of cores.
    pub cores: Option<u32>,
    /// The offset of the clock, in seconds.
    pub seconds_ahead: i64,
}

impl Disguise {
    /// Configures a program's environment for it. Required files are written to `folder`.
    ///
    /// # Panics
    /// Panics if gcc or faketime is missing.
    pub fn put_on(&self, command: &mut Command, folder: &Path) {
        let mut preloaded = Vec::new();
        if let Some(cores) = self.cores {
            preloaded.push(cores_library(folder).to_string_lossy().into_owned());
            command.env("PRETENDED_CORES", cores.to_string());
        }
        if self.seconds_ahead != 0 {
            preloaded.push(clock_library());
            command.env("FAKETIME", format!("{:+}s", self.seconds_ahead));
            // Intervals stay as they are; only the date differs.
            command.env("DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        if !preloaded.is_empty() {
            command.env("LD_PRELOAD", preloaded.join(":"));
        }
    }
}

/// Returns the path of libfaketime, which its own program reports. That program does not start ours, because it would
/// be its parent process.
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
