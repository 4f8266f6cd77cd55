//! A source whose own clock is wrong.

use std::thread;
use std::time::Duration;

use fanlight_capture::frame::FrameData;
use fanlight_capture::frame::latest::Buffers;
use fanlight_capture::pixels::Image;
use fanlight_capture::pixels::colours::Colours;
use fanlight_capture::source::{About, Grabbed, Source, SourceError, SourceFactory};
use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use fanlight_protocol::catalog::CLOCK_JUMPS;
use fanlight_protocol::{StreamState, Timestamp};

use crate::harness::{capture_from, viewer};

/// The frame before which the clock jumps.
const JUMP_AT: u32 = 20;

/// A camera with a clock of its own, which may jump ahead by an hour.
struct Camera {
    about: About,
    frames: u32,
    jumps: bool,
}

impl Source for Camera {
    fn about(&self) -> &About {
        &self.about
    }

    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
        // No thread unparks it: this is the frame interval.
        thread::park_timeout(Duration::from_millis(20));
        self.frames += 1;
        Ok(Some(Grabbed { captured_at: clock::now(), skipped: 0 }))
    }

    fn retrieve(&mut self, _: &Buffers) -> Result<FrameData, SourceError> {
        let grey = [(self.frames % 100) as u8, 128, 128];
        Ok(FrameData::Pixels(Image::filled((64, 48), Colours::JFIF, grey)?))
    }

    fn own_time(&self) -> Option<Timestamp> {
        let ahead = if self.jumps && self.frames >= JUMP_AT { 2 } else { 1 };
        Some(clock::now() + Duration::from_secs(3600 * ahead))
    }
}

#[derive(Clone)]
struct Cameras {
    jumps: bool,
}

impl SourceFactory for Cameras {
    fn open(&mut self, _: &Shutdown) -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(Camera { about: About::default(), frames: 0, jumps: self.jumps }))
    }

    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }

    fn clone_box(&self) -> Box<dyn SourceFactory + Send> {
        Box::new(self.clone())
    }
}

#[test]
fn a_camera_whose_clock_jumps_is_live_with_that_reason() {
    let capture = capture_from(&["steady=test", "jumpy=test"], |stream| {
        Box::new(Cameras { jumps: stream.name.as_str() == "jumpy" })
    });
    let mut viewer = viewer(&capture);
    viewer.watch("steady");
    viewer.watch("jumpy");
    let entry = viewer.until_so("jumpy", "the reason", |entry| entry.reason == CLOCK_JUMPS);
    assert_eq!(entry.state, StreamState::Live);
    viewer.frames("steady", 2 * JUMP_AT as usize);
    let entry = viewer.until("steady", StreamState::Live);
    assert_eq!(entry.reason, "");
}
