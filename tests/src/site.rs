//! The environment of one test.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::{env, fs};

use tempfile::TempDir;

use crate::disguise::Disguise;
use crate::program::{self, Finished, Program};
use crate::relay::Relay;

/// The capture program.
pub const CAPTURE: &str = "fanlight-capture";
/// The relay program.
pub const RELAY: &str = "fanlight-relay";
/// The program with synthetic cameras.
const YARDSTICK: &str = "yardstick";

const SHELL: &str = "/bin/sh";

/// A folder for a test's captures and relays, so that they find only each other. All programs started here end with it.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    programs: Mutex<Vec<Arc<Program>>>,
    _share: Share,
}

/// Tests that look at the time closely run alone; all others may run beside each other.
static MACHINE: RwLock<()> = RwLock::new(());

#[derive(Debug)]
#[expect(dead_code, reason = "held, and given back when dropped")]
enum Share {
    Some(RwLockReadGuard<'static, ()>),
    All(RwLockWriteGuard<'static, ()>),
}

impl Site {
    /// Creates a site that runs in parallel with those of other tests. One test has one site.
    pub fn new() -> Self {
        Self::with(Share::Some(MACHINE.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Creates a site for a test that needs the machine for itself: it waits until no other test has a site.
    pub fn alone() -> Self {
        Self::with(Share::All(MACHINE.write().unwrap_or_else(PoisonError::into_inner)))
    }

    fn with(share: Share) -> Self {
        // In the temporary folder, because a socket's path must be short.
        let folder =
            tempfile::Builder::new().prefix("fanlight-").tempdir().expect("a folder for the test");
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).expect("it is ours");
        Self { folder, programs: Mutex::default(), _share: share }
    }

    /// A path in this site's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a capture with one small test picture at 30 frames a second.
    pub fn camera(&self, stream: &str) -> Arc<Program> {
        self.capture(&["--stream", &format!("{stream}=test:320x180@30")])
    }

    /// Starts a capture with frames that are no images, as `yardstick camera` makes them with these options.
    pub fn synthetic_camera(&self, stream: &str, options: &[&str]) -> Arc<Program> {
        let arguments = [&["camera", "--stream", stream], options].concat();
        let camera = self.start(self.command(YARDSTICK, &arguments));
        camera.says("listening on");
        camera
    }

    /// Starts a capture.
    pub fn capture(&self, arguments: &[&str]) -> Arc<Program> {
        self.capture_in(&Disguise::default(), arguments)
    }

    /// Starts a capture on a simulated machine.
    pub fn capture_in(&self, disguise: &Disguise, arguments: &[&str]) -> Arc<Program> {
        let mut command = self.command(CAPTURE, arguments);
        disguise.put_on(&mut command, self.folder.path());
        let capture = self.start(command);
        capture.says("publishing at");
        capture
    }

    /// Starts a relay on a free port.
    pub fn relay(&self, arguments: &[&str]) -> Relay {
        self.relay_at("127.0.0.1:0", arguments)
    }

    /// Starts a relay at an address.
    pub fn relay_at(&self, address: &str, arguments: &[&str]) -> Relay {
        self.relay_of(RELAY, address, arguments)
    }

    /// Starts a relay from this program: the name of one of Fanlight's, or the path of another build.
    pub fn relay_of(&self, program: &str, address: &str, arguments: &[&str]) -> Relay {
        let arguments = [&["--listen", address, "--log", "json"], arguments].concat();
        Relay::new(self.start(self.command(program, &arguments)))
    }

    /// Starts a relay with this limit on open files, as for `ulimit -n`.
    pub fn relay_with_files(&self, files: u32, arguments: &[&str]) -> Relay {
        let mut command = self.command(SHELL, &["-c", "ulimit -n $0 && exec \"$@\""]);
        command.arg(files.to_string()).arg(binary(RELAY));
        command.args(["--listen", "127.0.0.1:0", "--log", "json"]).args(arguments);
        Relay::new(self.start(command))
    }

    /// Runs one of Fanlight's programs to its end.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Finished {
        program::run(self.command(program, arguments))
    }

    /// Returns a command for one of Fanlight's programs.
    pub fn command(&self, program: &str, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command =
            if program == SHELL { Command::new(SHELL) } else { Command::new(binary(program)) };
        command.args(arguments).current_dir(self.folder.path());
        // The tests must not depend on the environment of the shell that runs them.
        for (name, _) in
            env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FANLIGHT_"))
        {
            command.env_remove(name);
        }
        command.env("XDG_RUNTIME_DIR", self.folder.path());
        command
    }

    /// Starts any program; it ends with this site.
    pub fn start(&self, command: Command) -> Arc<Program> {
        let program = Arc::new(Program::start(command));
        self.programs.lock().unwrap_or_else(PoisonError::into_inner).push(program.clone());
        program
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let programs = self.programs.get_mut().unwrap_or_else(PoisonError::into_inner);
        programs.iter().for_each(|program| program.kill());
        if std::thread::panicking() {
            programs.iter().for_each(|program| program.show_log());
        }
    }
}

/// Returns the path of one of Fanlight's programs: in `FANLIGHT_BIN_DIR`, or else in cargo's target folder.
pub fn binary(name: &str) -> PathBuf {
    let folder = env::var_os("FANLIGHT_BIN_DIR").map(PathBuf::from).unwrap_or_else(|| {
        let own = env::current_exe().expect("a running program is a file");
        let folder = own.parent().expect("a file is in a folder");
        // The suite is target/debug/deps/suite-…, and the programs are in target/debug.
        let above = folder.parent().filter(|_| folder.ends_with("deps"));
        above.unwrap_or(folder).to_owned()
    });
    let path = folder.join(name);
    assert!(path.is_file(), "{} is missing: run `cargo build --workspace` first", path.display());
    path
}

/// Returns a TCP port that was free a moment ago, for programs that cannot choose one themselves.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}
