//! The processes of one command, so that none of them outlives this one.
//!
//! A command may be a pipeline, of which only the shell is our child. So all of it is one process group, and the group is
//! led by a guard: a shell that waits for the end of a pipe whose other end this process holds. Even when this process is
//! killed with signal 9, the pipe ends, and the guard ends the group. (`PR_SET_PDEATHSIG` would reach only the child itself,
//! and be due already when the thread ends that started it.) As long as we have not taken leave of the guard, no other group
//! can have the group's number.
//!
//! A command that starts a session of its own (`setsid`, a daemon) leaves the group, and lives on.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

/// The guard: once its standard input ends, asks all to end, and makes them after two seconds.
const GUARD: &str = "trap '' TERM INT HUP; read -r _; kill -TERM 0; sleep 2; kill -KILL 0";
const SHELL: &str = "/bin/sh";

/// A command with all its processes.
#[derive(Debug)]
pub(super) struct Group {
    guard: Child,
    command: Child,
    ended: Option<ExitStatus>,
}

impl Group {
    /// Starts a command; gives what it writes.
    pub(super) fn start(command: &str) -> io::Result<(Self, ChildStdout, ChildStderr)> {
        keep_files_to_ourselves();
        let guard = Command::new(SHELL)
            .args(["-c", GUARD, "fanlight-guard"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let number = i32::try_from(guard.id()).unwrap_or_default();
        let mut started = Command::new(SHELL);
        started.arg("-c").arg(command).process_group(number);
        started.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        match started.spawn() {
            Ok(mut command) => match (command.stdout.take(), command.stderr.take()) {
                (Some(stdout), Some(stderr)) => {
                    Ok((Self { guard, command, ended: None }, stdout, stderr))
                }
                _ => Err(io::Error::other("its output is missing")),
            },
            Err(error) => {
                end_guard(guard);
                Err(error)
            }
        }
    }

    /// How the command ended, if it did. Others of its group may still run.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.command.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Asks all of them to end.
    pub(super) fn ask_to_end(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends all of them, and takes leave of our own.
    pub(super) fn kill(&mut self) {
        self.signal(Signal::KILL);
        // Fails only for a child that was waited for already.
        let _ = self.command.wait();
        let _ = self.guard.wait();
    }

    /// Fails where nobody is left, which is as well.
    fn signal(&self, signal: Signal) {
        if let Some(group) = Pid::from_raw(self.guard.id() as i32) {
            let _ = kill_process_group(group, signal);
        }
    }
}

fn end_guard(mut guard: Child) {
    let _ = guard.kill();
    let _ = guard.wait();
}

/// Lets no file of this process be inherited: OpenCV opens cameras so that they would be, and a camera that a command
/// holds open unknowingly stays busy for all others.
#[expect(unsafe_code, reason = "nobody else has words for it")]
fn keep_files_to_ourselves() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: it only marks files to be closed in programs that this one starts; here they stay as they are. A kernel
    // that does not know it (before 5.11) says so, and nothing is changed.
    unsafe {
        libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}
