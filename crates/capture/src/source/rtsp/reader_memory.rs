//! The reader that suits a camera, as earlier openings have shown.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The time for which FFmpeg reads a camera that retina could not read to the end.
const AVOIDED_FOR: Duration = Duration::from_secs(3600);

/// The reader of a camera, as far as it is known. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ReaderMemory(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    /// The text that was logged last.
    logged: String,
    /// Since when and why retina is avoided.
    avoided: Option<(Instant, &'static str)>,
}

impl ReaderMemory {
    /// Notes that retina should not read this camera for some time.
    pub(super) fn avoid(&self, reason: &'static str) {
        self.0.lock().avoided = Some((Instant::now(), reason));
    }

    /// Returns why retina should not read this camera at present, if it should not.
    pub(super) fn avoided(&self) -> Option<&'static str> {
        let avoided = self.0.lock().avoided;
        avoided.filter(|(since, _)| since.elapsed() < AVOIDED_FOR).map(|(_, reason)| reason)
    }

    /// Logs which reader is used, if that differs from the last opening.
    pub(super) fn log(&self, source: impl Display, text: &str) {
        let mut memory = self.0.lock();
        if memory.logged != text {
            tracing::info!(%source, "{text}");
            text.clone_into(&mut memory.logged);
        }
    }
}
