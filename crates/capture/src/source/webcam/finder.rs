//! Search for the camera of one stream.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fanlight_protocol::StreamName;
use parking_lot::{Mutex, MutexGuard};

use super::memory::Memory;
use super::selector::{self, Selector};
use super::sysfs::{self, Node};
use super::{list, names, v4l2};
use crate::source::error::SourceError;

/// Finds the camera of one stream, and remembers it. Clones share their memory.
#[derive(Debug, Clone)]
pub struct Finder {
    /// The folder in which the kernel lists cameras.
    root: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    memory: Option<Memory>,
    /// The device file that was logged last.
    logged: Option<PathBuf>,
    /// The warnings of the last opening.
    warnings: Vec<String>,
}

impl Default for Finder {
    fn default() -> Self {
        Self::at(sysfs::ROOT)
    }
}

impl Finder {
    fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), state: Arc::default() }
    }

    /// Returns the camera's current device file.
    ///
    /// # Errors
    /// Fails if no camera matches, or several do.
    pub(super) fn find(&self, selector: &Selector) -> Result<PathBuf, SourceError> {
        match self.path(selector)? {
            Some(path) => Ok(path),
            None => self.search(selector),
        }
    }

    /// Checks that the camera is plugged in, as far as the kernel lists it.
    pub(super) fn check(&self, selector: &Selector) -> Result<(), SourceError> {
        match self.path(selector)? {
            Some(path) if !path.exists() => Err(SourceError::Unplugged(selector.to_string())),
            // A camera that was never found cannot be missing.
            _ => Ok(()),
        }
    }

    /// Remembers that the camera was opened at this path. Returns its name for messages.
    pub(super) fn opened(&self, selector: &Selector, path: &Path, stream: &StreamName) -> String {
        let nodes = sysfs::nodes(&self.root);
        let mut state = self.lock();
        let number = selector::number(path).filter(|_| selector.is_numbered());
        state.memory = number.and_then(|number| Memory::of(number, &nodes));
        let before = state.logged.replace(path.into());
        let as_written = *selector == Selector::Path(path.into()) && before.is_none();
        if !as_written && before.as_deref() != Some(path) {
            let path = path.display();
            tracing::info!(%stream, source = %selector, "the camera is now {path}");
        }
        state.memory.as_ref().map_or(selector.to_string(), |memory| full_name(selector, memory))
    }

    /// Logs the controls that could not be set. The same warnings are logged once, however often the camera is opened.
    pub(super) fn warn(&self, warnings: Vec<String>, stream: &StreamName) {
        let mut state = self.lock();
        if state.warnings != warnings {
            warnings.iter().for_each(|warning| tracing::warn!(%stream, "{warning}"));
            state.warnings = warnings;
        }
    }

    /// Returns the camera's device file, if it is known without opening any.
    fn path(&self, selector: &Selector) -> Result<Option<PathBuf>, SourceError> {
        Ok(match (self.remembered(selector)?, selector) {
            (None, Selector::Path(path)) => Some(path.clone()),
            (known, _) => known,
        })
    }

    /// Returns the device file of the camera that was opened before; `None` if none was, or if another one replaced it.
    fn remembered(&self, selector: &Selector) -> Result<Option<PathBuf>, SourceError> {
        let nodes = sysfs::nodes(&self.root);
        let mut state = self.lock();
        let Some(memory) = state.memory.as_mut() else { return Ok(None) };
        if let Some(node) = memory.find(&nodes) {
            return Ok(Some(node.path()));
        }
        let mut others = nodes.iter().filter(|node| selector.matches(node));
        match others.clone().next() {
            None => Err(SourceError::Unplugged(full_name(selector, memory))),
            // Probably replaced by the user.
            Some(_) if others.any(|node| !memory.knows(node)) => Ok(None),
            Some(other) => Err(SourceError::Unplugged(format!(
                "{}; {} is another camera that was there before",
                full_name(selector, memory),
                other.path().display()
            ))),
        }
    }

    /// Searches for the only camera that matches.
    fn search(&self, selector: &Selector) -> Result<PathBuf, SourceError> {
        let nodes = sysfs::nodes(&self.root);
        let matches = |node: &&Node| selector.matches(node) && v4l2::captures(&node.path());
        let cameras: Vec<&Node> = nodes.iter().filter(matches).collect();
        self.only(selector, &cameras)
    }

    fn only(&self, selector: &Selector, cameras: &[&Node]) -> Result<PathBuf, SourceError> {
        let state = self.lock();
        let is_other = |node: &Node| state.memory.as_ref().is_some_and(|memory| memory.knows(node));
        let possible: Vec<&Node> = cameras.iter().filter(|node| !is_other(node)).copied().collect();
        match possible[..] {
            [] => Err(SourceError::NotFound(format!("{selector} ({})", list::found()))),
            [one] => Ok(one.path()),
            _ => Err(SourceError::Ambiguous(format!(
                "{selector} matches {} cameras: write {}",
                possible.len(),
                names::of_each(&possible).join(" or ")
            ))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

fn full_name(selector: &Selector, memory: &Memory) -> String {
    format!("{selector}, the camera {:?}", memory.camera().name)
}

#[cfg(test)]
mod tests {
    use super::super::sysfs::fake::{plug, unplug};
    use super::*;
    use tempfile::TempDir;

    struct Machine(TempDir);

    impl Machine {
        fn new() -> Self {
            let tree = tempfile::tempdir().unwrap();
            std::fs::create_dir(tree.path().join("class")).unwrap();
            Self(tree)
        }
        fn plug(&self, number: u32, port: &str, ids: &str) {
            plug(self.0.path(), number, "HD Webcam", port, ids);
        }
        fn unplug(&self, number: u32) {
            unplug(self.0.path(), number);
        }
        fn finder(&self) -> Finder {
            Finder::at(self.0.path().join("class"))
        }
        fn nodes(&self) -> Vec<Node> {
            sysfs::nodes(&self.0.path().join("class"))
        }
    }

    fn path(text: &str) -> Selector {
        Selector::Path(text.into())
    }

    fn opened(finder: &Finder, selector: &Selector, at: &str) {
        finder.opened(selector, Path::new(at), &"cam".parse().unwrap());
    }

    #[test]
    fn a_path_is_used_unchanged_until_a_camera_was_opened_there() {
        let machine = Machine::new();
        let finder = machine.finder();
        assert_eq!(finder.find(&path("/dev/video9")).unwrap(), Path::new("/dev/video9"));
        assert!(finder.check(&path("/dev/video255")).is_err());
        assert!(finder.check(&path("/dev/null")).is_ok());
    }

    #[test]
    fn a_camera_is_followed_to_another_number() {
        let machine = Machine::new();
        let (finder, video0) = (machine.finder(), path("/dev/video0"));
        machine.plug(0, "1-3", "046d:0825");
        opened(&finder, &video0, "/dev/video0");
        machine.unplug(0);
        let gone = finder.check(&video0).unwrap_err().to_string();
        assert_eq!(gone, "unplugged: /dev/video0, the camera \"HD Webcam\"");
        machine.plug(1, "1-3", "046d:0825");
        assert_eq!(finder.find(&video0).unwrap(), Path::new("/dev/video1"));
        assert_eq!(finder.clone().find(&video0).unwrap(), Path::new("/dev/video1"));
    }

    #[test]
    fn another_camera_of_the_same_type_is_not_used_even_under_the_same_number() {
        let machine = Machine::new();
        let (finder, video0) = (machine.finder(), path("/dev/video0"));
        machine.plug(0, "1-3", "046d:0825");
        machine.plug(1, "1-4", "046d:0825");
        opened(&finder, &video0, "/dev/video0");
        machine.unplug(0);
        machine.unplug(1);
        assert!(finder.find(&video0).is_err());
        machine.plug(0, "1-4", "046d:0825");
        let refused = finder.find(&video0).unwrap_err().to_string();
        assert!(refused.contains("/dev/video0 is another camera"), "{refused}");
        machine.plug(1, "1-3", "046d:0825");
        assert_eq!(finder.find(&video0).unwrap(), Path::new("/dev/video1"));
    }

    #[test]
    fn a_camera_that_replaces_the_old_one_is_used() {
        let machine = Machine::new();
        let (finder, video0) = (machine.finder(), path("/dev/video0"));
        machine.plug(0, "1-3", "046d:0825");
        opened(&finder, &video0, "/dev/video0");
        machine.unplug(0);
        assert!(finder.find(&video0).is_err());
        machine.plug(0, "1-5", "1234:5678");
        assert_eq!(finder.find(&video0).unwrap(), Path::new("/dev/video0"));
    }

    #[test]
    fn a_selector_that_matches_two_cameras_is_refused_with_their_names() {
        let machine = Machine::new();
        machine.plug(0, "1-3", "046d:0825:A1");
        machine.plug(1, "1-4", "046d:0825:B2");
        let nodes = machine.nodes();
        let both: Vec<&Node> = nodes.iter().collect();
        let selector = Selector::from_usb("hd web").unwrap();
        let refused = machine.finder().only(&selector, &both).unwrap_err().to_string();
        assert!(refused.contains("matches 2 cameras: "), "{refused}");
        assert!(refused.ends_with("usb:046d:0825:A1 or usb:046d:0825:B2"), "{refused}");
        assert_eq!(machine.finder().only(&selector, &both[..1]).unwrap(), Path::new("/dev/video0"));
        let none = machine.finder().only(&selector, &[]).unwrap_err().to_string();
        assert!(none.starts_with("not found: usb:hd web ("), "{none}");
    }
}
