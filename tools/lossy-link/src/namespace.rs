//! Network namespaces: with a name for `ip netns exec`, or without one, so that nothing has to be removed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::panic;
use std::process::{self, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network of its own.
#[derive(Debug)]
pub struct Namespace {
    file: File,
    name: Option<String>,
}

/// A namespace cannot be created, or a program in it failed.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// A program cannot be started.
    #[error("cannot start {0}: {1}")]
    Start(String, io::Error),
    /// A program reported a failure.
    #[error("{0}: {1}")]
    Failed(String, String),
    /// The namespace cannot be opened or entered.
    #[error("cannot enter the namespace: {0}")]
    Enter(io::Error),
}

impl Namespace {
    /// Creates a namespace without a name. It ends with the last process or file that holds it.
    ///
    /// # Errors
    /// Fails if the system does not allow it.
    pub fn unnamed() -> Result<Self, NamespaceError> {
        // A program is started in a new namespace, and this process opens that namespace before the program ends.
        let mut child = Command::new("unshare")
            .args(["--net", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| NamespaceError::Start("unshare".into(), error))?;
        let path = format!("/proc/{}/ns/net", child.id());
        let mut stdin = child.stdin.take().expect("asked for above");
        let stdout = child.stdout.as_mut().expect("asked for above");
        // `cat` answers from inside the namespace.
        let held = stdin
            .write_all(b"?")
            .and_then(|()| stdout.read_exact(&mut [0]))
            .and_then(|()| File::open(path));
        drop(stdin);
        let ended = child.wait_with_output().map_err(NamespaceError::Enter)?;
        let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        let file = held.map_err(|_| NamespaceError::Failed("unshare".into(), said))?;
        Ok(Self { file, name: None })
    }

    /// Creates a namespace for `ip netns exec NAME`. It is removed when dropped.
    ///
    /// # Errors
    /// Fails if the system does not allow it, or the name is in use.
    pub fn named(name: &str) -> Result<Self, NamespaceError> {
        run("ip", &format!("netns add {name}"))?;
        let file = File::open(format!("/run/netns/{name}"));
        let file = file.map_err(|error| {
            let _ = run("ip", &format!("netns delete {name}"));
            NamespaceError::Enter(error)
        })?;
        Ok(Self { file, name: Some(name.into()) })
    }

    /// Calls `act` on a thread within the namespace. The programs it starts and the sockets it opens stay there.
    ///
    /// # Errors
    /// Fails if the namespace cannot be entered.
    pub fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        let kind = Some(LinkNameSpaceType::Network);
        let done = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(self.file.as_fd(), kind)
                    .map_err(|error| NamespaceError::Enter(error.into()))?;
                Ok(act())
            });
            thread.join()
        });
        done.unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    }

    /// Runs a program within the namespace, with arguments separated by spaces.
    ///
    /// # Errors
    /// Fails if the command cannot be started or fails.
    pub fn run(&self, program: &str, arguments: &str) -> Result<(), NamespaceError> {
        self.within(|| run(program, arguments))?
    }

    /// Returns a path by which other programs find the namespace while this process holds it.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.file.as_raw_fd())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // A failure cannot be reported here, and there is no alternative to try.
            let _ = run("ip", &format!("netns delete {name}"));
        }
    }
}

fn run(program: &str, arguments: &str) -> Result<(), NamespaceError> {
    let output = Command::new(program).args(arguments.split(' ')).stdin(Stdio::null()).output();
    let output = output.map_err(|error| NamespaceError::Start(program.into(), error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(NamespaceError::Failed(format!("{program} {arguments}"), said))
}
