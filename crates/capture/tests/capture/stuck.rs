//! Threads that are stuck in a driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use fanlight_capture::frame::FrameData;
use fanlight_capture::frame::latest::Buffers;
use fanlight_capture::pixels::Image;
use fanlight_capture::pixels::colours::Colours;
use fanlight_capture::source::{About, Grabbed, Source, SourceError, SourceFactory};
use fanlight_capture::threads::watchdog::MAX_STUCK;
use fanlight_capture::{Parts, StreamSettings};
use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use fanlight_protocol::{StreamEntry, StreamState};

use crate::harness::{capture_from, capture_on, viewer};

/// A camera whose driver does not return from the first reads.
struct Camera {
    about: About,
    stuck: bool,
}

impl Source for Camera {
    fn about(&self) -> &About {
        &self.about
    }

    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
        // No thread unparks it.
        if self.stuck {
            loop {
                thread::park();
            }
        }
        thread::park_timeout(Duration::from_millis(20));
        Ok(Some(Grabbed { captured_at: clock::now(), skipped: 0 }))
    }

    fn retrieve(&mut self, _: &Buffers) -> Result<FrameData, SourceError> {
        Ok(FrameData::Pixels(Image::filled((64, 48), Colours::JFIF, [90, 128, 128])?))
    }
}

/// Opens such a camera. It is stuck this many times.
#[derive(Clone)]
struct Driver {
    times: Arc<AtomicUsize>,
    /// Set if it is opened before it is watched.
    opens_at_start: bool,
}

impl SourceFactory for Driver {
    fn open(&mut self, _: &Shutdown) -> Result<Box<dyn Source>, SourceError> {
        let left =
            self.times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let stuck = left.is_ok();
        Ok(Box::new(Camera { about: About::default(), stuck }))
    }

    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }

    fn opens_at_start(&self) -> bool {
        self.opens_at_start
    }

    fn frame_timeout(&self) -> Duration {
        Duration::from_millis(200)
    }

    fn clone_box(&self) -> Box<dyn SourceFactory + Send> {
        Box::new(self.clone())
    }
}

/// The streams named `bad…` are stuck this many times each, all others never.
fn stuck(times: usize) -> impl Fn(&StreamSettings) -> Box<dyn SourceFactory + Send> {
    move |stream| {
        let times = if stream.name.as_str().starts_with("bad") { times } else { 0 };
        Box::new(Driver { times: Arc::new(AtomicUsize::new(times)), opens_at_start: true })
    }
}

/// The same, but no stream is opened before it is watched: the failure happens after the viewer has connected.
fn stuck_when_watched(times: usize) -> impl Fn(&StreamSettings) -> Box<dyn SourceFactory + Send> {
    move |stream| {
        let times = if stream.name.as_str().starts_with("bad") { times } else { 0 };
        Box::new(Driver { times: Arc::new(AtomicUsize::new(times)), opens_at_start: false })
    }
}

fn is_stuck(entry: &StreamEntry) -> bool {
    entry.state == StreamState::Offline && entry.reason.contains("stuck reading")
}

#[test]
fn a_stuck_thread_is_abandoned_and_another_one_continues() {
    let capture = capture_from(&["bad=test", "good=test"], stuck_when_watched(1));
    let mut viewer = viewer(&capture);
    viewer.watch("good");
    viewer.watch("bad");
    viewer.until_so("bad", "the reason", is_stuck);
    viewer.until("bad", StreamState::Live);
    assert_eq!(viewer.frames("good", 5).len(), 5);
}

#[test]
fn a_source_that_is_stuck_again_and_again_does_not_affect_others() {
    let capture = capture_from(&["bad=test", "good=test"], stuck(usize::MAX));
    let mut viewer = viewer(&capture);
    viewer.watch("good");
    // These frames take longer than the timeouts of eight threads.
    assert_eq!(viewer.frames("good", 150).len(), 150);
    viewer.until_so("bad", "the reason", is_stuck);
}

#[test]
fn too_many_stuck_threads_end_the_program_with_a_reason() {
    let bad = ["bad1=test", "bad2=test", "bad3=test", "bad4=test"];
    let failure = capture_from(&bad, stuck(usize::MAX)).failure();
    assert!(failure.contains(&format!("{MAX_STUCK} threads are stuck")), "{failure}");
}

/// Parts that give up such a source after three seconds.
fn soon_lost() -> Parts<'static> {
    let sources = Box::leak(Box::new(stuck(usize::MAX)));
    Parts { sources, lost_after: Duration::from_secs(3), ..Parts::default() }
}

#[test]
fn a_lost_source_ends_the_program_if_no_other_stream_is_available() {
    let failure = capture_on(&["bad=test"], &[], soon_lost).failure();
    let reason =
        "2 threads are stuck in the driver of stream bad, and no other stream is available";
    assert!(failure.contains(reason), "{failure}");
}

#[test]
fn a_lost_source_is_reported_with_advice_while_another_stream_is_available() {
    let capture = capture_on(&["bad=test", "good=test"], &[], soon_lost);
    let mut viewer = viewer(&capture);
    viewer.until_so("bad", "advice", |entry| {
        entry.state == StreamState::Offline && entry.reason.contains("Unplug the device")
    });
    viewer.watch("good");
    assert_eq!(viewer.frames("good", 20).len(), 20);
}
