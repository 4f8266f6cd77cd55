//! One running program and its log.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::patience::{PATIENCE, eventually};

/// A running program. It ends with the [`Site`](crate::Site) that started it.
#[derive(Debug)]
pub struct Program {
    name: String,
    pid: Pid,
    child: Mutex<Child>,
    log: Arc<Mutex<Vec<String>>>,
    reading: Arc<Gate>,
}

/// True while the program's output is read.
#[derive(Debug, Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, closed: bool) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = closed;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = self.opened.wait_while(closed, |closed| *closed);
        drop(passed.unwrap_or_else(PoisonError::into_inner));
    }
}

/// A program that ran to its end.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its stdout.
    pub stdout: String,
    /// Its stderr.
    pub stderr: String,
}

impl Program {
    /// Starts a program and reads its stdout and stderr.
    ///
    /// # Panics
    /// Panics if it cannot be started.
    pub fn start(mut command: Command) -> Self {
        let (name, mut child) = spawn(&mut command);
        let name = name.rsplit('/').next().unwrap_or_default().to_owned();
        let (log, reading) = (Arc::new(Mutex::new(Vec::new())), Arc::<Gate>::default());
        read_along(child.stdout.take().expect("asked for above"), &log, &reading);
        read_along(child.stderr.take().expect("asked for above"), &log, &reading);
        Self { name, pid: Pid::from_child(&child), child: Mutex::new(child), log, reading }
    }

    /// Stops reading its output, so that its pipes fill up.
    pub fn ignore_words(&self) {
        self.reading.set(true);
    }

    /// Reads its output again.
    pub fn heed_words(&self) {
        self.reading.set(false);
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Returns all its output so far.
    pub fn log(&self) -> String {
        self.lines().join("\n")
    }

    /// Returns the first line with this text, as soon as there is one.
    ///
    /// # Panics
    /// Panics if there is none for a long time, or the program exits without it.
    pub fn says(&self, text: &str) -> String {
        let line = || self.lines().iter().find(|line| line.contains(text)).cloned();
        eventually(&format!("{} says {text:?}", self.name), || {
            let ended = self.ended();
            let found = line();
            assert!(
                found.is_some() || ended.is_none(),
                "{} ended: {ended:?}\n{}",
                self.name,
                self.log()
            );
            found
        })
    }

    /// Kills it, and waits until it is gone.
    pub fn kill(&self) {
        let mut child = self.child();
        // It fails if the program has already exited.
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Sends it SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        // The process was not waited for, so the id is still this program's.
        let mut child = self.child();
        if matches!(child.try_wait(), Ok(None)) {
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Returns its exit code, if it has exited.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child().try_wait().expect("a child of ours")
    }

    /// Waits for its exit; returns its exit code (`None`: a signal) and how long it took.
    ///
    /// # Panics
    /// Panics if it does not exit.
    pub fn end(&self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        let status = eventually(&format!("{} ends", self.name), || self.ended());
        (status.code(), begun.elapsed())
    }

    /// Prints its output, for a test that failed.
    #[expect(clippy::print_stderr, reason = "libtest shows it beneath the failed test")]
    pub fn show_log(&self) {
        eprintln!("---- {} {:?} wrote:\n{}", self.name, self.pid, self.log());
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.heed_words();
        self.kill();
    }
}

/// Starts a program without input, with its output captured; also returns its name.
fn spawn(command: &mut Command) -> (String, Child) {
    let name = command.get_program().to_string_lossy().into_owned();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
    (name, child)
}

/// Runs a program to its end.
///
/// # Panics
/// Panics if it cannot be started or does not exit; it is then killed.
pub fn run(mut command: Command) -> Finished {
    let (name, mut child) = spawn(&mut command);
    let stdout = read_all(child.stdout.take().expect("asked for above"));
    let stderr = read_all(child.stderr.take().expect("asked for above"));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            let (stdout, stderr) = (stdout.join(), stderr.join());
            panic!("{name} does not end: {stdout:?} {stderr:?}");
        }
        thread::sleep(Duration::from_millis(10));
    };
    let text = |reader: thread::JoinHandle<String>| reader.join().expect("reading does not panic");
    Finished { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

fn read_along(
    output: impl Read + Send + 'static,
    log: &Arc<Mutex<Vec<String>>>,
    reading: &Arc<Gate>,
) {
    let (log, reading) = (log.clone(), reading.clone());
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n') {
            let Ok(line) = line else { return };
            reading.pass();
            let line = String::from_utf8_lossy(&line).into_owned();
            log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
}

fn read_all(mut output: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = output.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
