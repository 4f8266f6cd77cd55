//! Finds the camera of one stream, again and again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanlight_protocol::StreamName;

use super::memory::Memory;
use super::selector::{self, Selector};
use super::sysfs::{self, Node};
use super::{list, names, v4l2};
use crate::source::SourceError;

/// Finds the camera of one stream, and remembers which one it was. Clones remember together.
#[derive(Debug, Clone)]
pub struct Finder {
    /// Where the kernel lists cameras.
    root: PathBuf,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Debug, Default)]
struct Inside {
    memory: Option<Memory>,
    /// What was last said of where it is.
    told: Option<PathBuf>,
    /// What could not be set at it when it was last opened.
    complaints: Vec<String>,
}

impl Default for Finder {
    fn default() -> Self {
        Self::at(sysfs::ROOT)
    }
}

impl Finder {
    fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), inside: Arc::default() }
    }

    /// The device file of the camera now.
    ///
    /// # Errors
    /// With the reason in words, where there is none or it is not clear which.
    pub(super) fn find(&self, which: &Selector) -> Result<PathBuf, SourceError> {
        match self.place(which)? {
            Some(path) => Ok(path),
            None => self.named(which),
        }
    }

    /// Whether it is there, as far as the kernel lists it.
    pub(super) fn look(&self, which: &Selector) -> Result<(), SourceError> {
        match self.place(which)? {
            Some(path) if !path.exists() => Err(SourceError::Unplugged(which.to_string())),
            // Where nothing is known of it, nothing can be gone.
            _ => Ok(()),
        }
    }

    /// It was opened there, and is to be known again. Returns what to call it.
    pub(super) fn opened(&self, which: &Selector, path: &Path, stream: &StreamName) -> String {
        let nodes = sysfs::nodes(&self.root);
        let mut inside = self.inside();
        let number = selector::number(path).filter(|_| which.is_numbered());
        inside.memory = number.and_then(|number| Memory::of(number, &nodes));
        let before = inside.told.replace(path.into());
        let as_written = *which == Selector::Path(path.into()) && before.is_none();
        if !as_written && before.as_deref() != Some(path) {
            let path = path.display();
            tracing::info!(%stream, source = %which, "the camera is {path} now");
        }
        inside.memory.as_ref().map_or(which.to_string(), |memory| called(which, memory))
    }

    /// These of the user's wishes could not be fulfilled. Said once, however often the camera is opened.
    pub(super) fn complain(&self, complaints: Vec<String>, stream: &StreamName) {
        let mut inside = self.inside();
        if inside.complaints != complaints {
            complaints.iter().for_each(|complaint| tracing::warn!(%stream, "{complaint}"));
            inside.complaints = complaints;
        }
    }

    /// Where the camera is, as far as that can be told without opening any.
    fn place(&self, which: &Selector) -> Result<Option<PathBuf>, SourceError> {
        Ok(match (self.known(which)?, which) {
            (None, Selector::Path(path)) => Some(path.clone()),
            (known, _) => known,
        })
    }

    /// Where the camera is that was opened before; `None` where nothing is remembered, or another camera was put in its place.
    fn known(&self, which: &Selector) -> Result<Option<PathBuf>, SourceError> {
        let nodes = sysfs::nodes(&self.root);
        let mut inside = self.inside();
        let Some(memory) = inside.memory.as_mut() else { return Ok(None) };
        if let Some(node) = memory.find(&nodes) {
            return Ok(Some(node.path()));
        }
        let mut others = nodes.iter().filter(|node| which.fits(node));
        match others.clone().next() {
            None => Err(SourceError::Unplugged(called(which, memory))),
            // Exchanged by its owner, it seems.
            Some(_) if others.any(|node| !memory.knows(node)) => Ok(None),
            Some(other) => Err(SourceError::Unplugged(format!(
                "{}; {} is another one that was there beside it",
                called(which, memory),
                other.path().display()
            ))),
        }
    }

    /// The camera that is named by what it is.
    fn named(&self, which: &Selector) -> Result<PathBuf, SourceError> {
        let nodes = sysfs::nodes(&self.root);
        let fits = |node: &&Node| which.fits(node) && v4l2::gives_pictures(&node.path());
        let cameras: Vec<&Node> = nodes.iter().filter(fits).collect();
        self.only(which, &cameras)
    }

    fn only(&self, which: &Selector, cameras: &[&Node]) -> Result<PathBuf, SourceError> {
        let inside = self.inside();
        let twin = |node: &Node| inside.memory.as_ref().is_some_and(|memory| memory.knows(node));
        let possible: Vec<&Node> = cameras.iter().filter(|node| !twin(node)).copied().collect();
        match possible[..] {
            [] => Err(SourceError::NotFound(format!("{which} ({})", list::found()))),
            [one] => Ok(one.path()),
            _ => Err(SourceError::Ambiguous(format!(
                "{which} fits {}: write {}",
                possible.len(),
                names::of_each(&possible).join(" or ")
            ))),
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn called(which: &Selector, memory: &Memory) -> String {
    format!("{which}, the camera {:?}", memory.ours().name)
}

#[cfg(test)]
mod tests {
    use super::super::sysfs::made_up::{plug, unplug};
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

    fn opened(finder: &Finder, which: &Selector, at: &str) {
        finder.opened(which, Path::new(at), &"cam".parse().unwrap());
    }

    #[test]
    fn a_path_is_what_it_says_until_a_camera_was_opened_there() {
        let machine = Machine::new();
        let finder = machine.finder();
        assert_eq!(finder.find(&path("/dev/video9")).unwrap(), Path::new("/dev/video9"));
        assert!(finder.look(&path("/dev/video255")).is_err());
        assert!(finder.look(&path("/dev/null")).is_ok());
    }

    #[test]
    fn a_camera_is_followed_to_another_number() {
        let machine = Machine::new();
        let (finder, video0) = (machine.finder(), path("/dev/video0"));
        machine.plug(0, "1-3", "046d:0825");
        opened(&finder, &video0, "/dev/video0");
        machine.unplug(0);
        let gone = finder.look(&video0).unwrap_err().to_string();
        assert_eq!(gone, "unplugged: /dev/video0, the camera \"HD Webcam\"");
        machine.plug(1, "1-3", "046d:0825");
        assert_eq!(finder.find(&video0).unwrap(), Path::new("/dev/video1"));
        assert_eq!(finder.clone().find(&video0).unwrap(), Path::new("/dev/video1"));
    }

    #[test]
    fn its_twin_is_not_taken_for_it_even_under_its_number() {
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
        assert!(refused.contains("/dev/video0 is another one"), "{refused}");
        machine.plug(1, "1-3", "046d:0825");
        assert_eq!(finder.find(&video0).unwrap(), Path::new("/dev/video1"));
    }

    #[test]
    fn a_camera_that_its_owner_put_in_the_place_of_the_old_one_is_taken() {
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
    fn what_fits_two_cameras_is_refused_with_what_to_write() {
        let machine = Machine::new();
        machine.plug(0, "1-3", "046d:0825:A1");
        machine.plug(1, "1-4", "046d:0825:B2");
        let nodes = machine.nodes();
        let both: Vec<&Node> = nodes.iter().collect();
        let which = Selector::of_usb("hd web").unwrap();
        let refused = machine.finder().only(&which, &both).unwrap_err().to_string();
        assert!(refused.contains("fits 2: "), "{refused}");
        assert!(refused.ends_with("usb:046d:0825:A1 or usb:046d:0825:B2"), "{refused}");
        assert_eq!(machine.finder().only(&which, &both[..1]).unwrap(), Path::new("/dev/video0"));
        let none = machine.finder().only(&which, &[]).unwrap_err().to_string();
        assert!(none.starts_with("not found: usb:hd web ("), "{none}");
    }
}
