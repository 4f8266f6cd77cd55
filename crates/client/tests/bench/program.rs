//! Runs of the program.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Returns the report of a run with `--json`.
    pub(crate) fn report(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns one of the report's whole numbers, by its path.
    pub(crate) fn number(&self, path: &str) -> u64 {
        let report = self.report();
        let found = report.pointer(path).and_then(Value::as_u64);
        found.unwrap_or_else(|| panic!("{path} is no whole number: {report:#}"))
    }

    /// Returns one of the report's figures, by its path.
    pub(crate) fn figure(&self, path: &str) -> f64 {
        let report = self.report();
        let found = report.pointer(path).and_then(Value::as_f64);
        found.unwrap_or_else(|| panic!("{path} is no number: {report:#}"))
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanlight"));
    command.arg("bench").args(args).stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    command
}

/// Runs `fanlight bench` to its end.
pub(crate) fn bench(args: &[&str]) -> Ran {
    Ran::from(command(args).output().expect("the program starts"))
}

/// Runs it, sends it SIGINT once `ready` returns, and waits for its end.
pub(crate) fn bench_interrupted(args: &[&str], ready: impl FnOnce()) -> Ran {
    let child = command(args).spawn().expect("the program starts");
    ready();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    Ran::from(child.wait_with_output().expect("it ends"))
}

/// Runs `fanlight bench` for half a second without a warm-up; it prints JSON.
pub(crate) fn short(url: &str, more: &[&str]) -> Ran {
    let args = ["--json", "--warm-up", "0", "--seconds", "0.5"];
    bench(&[&[url], &args[..], more].concat())
}
