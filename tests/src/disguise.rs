//! Other numbers of cores and another clock, pretended to one program.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools;

const CORES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cores.c");

/// What a program is made to believe.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disguise {
    /// That the machine has so many cores.
    pub cores: Option<u32>,
    /// That it is so many seconds later.
    pub seconds_ahead: i64,
}

impl Disguise {
    /// Sets what makes a program believe it. What is needed for that is put into `folder`.
    ///
    /// # Panics
    /// When gcc or faketime are not there.
    pub fn put_on(&self, command: &mut Command, folder: &Path) {
        let mut preloaded = Vec::new();
        if let Some(cores) = self.cores {
            preloaded.push(cores_library(folder).to_string_lossy().into_owned());
            command.env("PRETENDED_CORES", cores.to_string());
        }
        if self.seconds_ahead != 0 {
            preloaded.push(clock_library());
            command.env("FAKETIME", format!("{:+}s", self.seconds_ahead));
            // Time that passes stays as it is; only the date is another.
            command.env("DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        if !preloaded.is_empty() {
            command.env("LD_PRELOAD", preloaded.join(":"));
        }
    }
}

/// Where libfaketime lies: its own program knows. It is not used to start ours, because it would stand between.
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
