//! The process group of a command. None of its processes outlives this program.
//!
//! A command may be a pipeline, of which only the shell is a child of this process. Therefore all of it is one process
//! group, led by a guard: a shell that waits for the end of a pipe whose other end this process holds. Even if this
//! process is killed by SIGKILL, the pipe ends, and the guard ends the group. (`PR_SET_PDEATHSIG` would reach only the
//! child itself, and would be sent when the thread that started it ends.) Until the guard is waited for, no other group
//! can have the group's number.
//!
//! A command that starts its own session (`setsid`, a daemon) leaves the group and keeps running.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

/// The guard: when its stdin ends, it sends SIGTERM to the group, and SIGKILL two seconds later.
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
    /// Starts a command; returns its output too.
    pub(super) fn start(command: &str) -> io::Result<(Self, ChildStdout, ChildStderr)> {
        close_files_on_exec();
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

    /// Returns the command's exit status, if it has ended. Other processes of the group may still run.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.command.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Sends SIGTERM to the group.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Kills the group, and waits for the child processes.
    pub(super) fn kill(&mut self) {
        self.signal(Signal::KILL);
        // Fails only for a child that was waited for before.
        let _ = self.command.wait();
        let _ = self.guard.wait();
    }

    /// Sends a signal to the group. An error means that no process is left, which is fine.
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

/// Keeps child processes from inheriting the files of this process. OpenCV opens cameras without close-on-exec, and a
/// camera that a command inherits would stay busy.
#[expect(unsafe_code, reason = "no safe wrapper exists")]
fn close_files_on_exec() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: the call only marks files to be closed in programs that this one starts; here they stay open. A kernel
    // without it (before 5.11) returns an error and changes nothing.
    unsafe {
        libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}
