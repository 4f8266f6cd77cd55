//! Encoders that fail or do not answer, as graphics drivers may.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fanlight_capture::Parts;
use fanlight_capture::encode::{self, Encode, EncodeError, EncoderSettings};
use fanlight_capture::frame::{CaptureTimes, Frame};
use fanlight_capture::pixels::Image;
use fanlight_capture::threads::watchdog::MAX_STUCK;
use fanlight_protocol::{Codec, StreamEntry, StreamState, Topic};

use crate::harness::{capture_on, decoded, make_clip_as, viewer};

/// The timeout of an encoder in most of these tests.
const FRAME_TIMEOUT: Duration = Duration::from_secs(2);

/// An encoder whose driver does not return.
#[derive(Debug)]
struct Stuck;

impl Encode for Stuck {
    fn encode(
        &mut self,
        _: &Image,
        _: CaptureTimes,
        _: bool,
    ) -> Result<Option<Frame>, EncodeError> {
        // No thread unparks it.
        loop {
            thread::park();
        }
    }
}

/// An encoder that fails for every frame while its device is broken.
#[derive(Debug)]
struct Fragile {
    encoder: Box<dyn Encode>,
    broken: Arc<AtomicBool>,
}

impl Encode for Fragile {
    fn encode(
        &mut self,
        image: &Image,
        times: CaptureTimes,
        keyframe_requested: bool,
    ) -> Result<Option<Frame>, EncodeError> {
        if self.broken.load(Ordering::SeqCst) {
            self.close();
            return Err(EncodeError::Encoder("the device was reset".into()));
        }
        self.encoder.encode(image, times, keyframe_requested)
    }

    fn close(&mut self) {
        self.encoder.close();
    }
}

/// Parts with H.264 encoders created by `make`; `None` selects the default one.
fn h264(
    frame_timeout: Duration,
    make: impl Fn(&Topic, &EncoderSettings) -> Option<Box<dyn Encode>> + Send + Sync + 'static,
) -> Parts<'static> {
    let encoders = move |topic: &Topic, settings: &EncoderSettings| {
        let own = (topic.track.codec == Codec::H264).then(|| make(topic, settings)).flatten();
        own.unwrap_or_else(|| encode::encoder(settings))
    };
    Parts { encoders: Arc::new(encoders), frame_timeout, ..Parts::default() }
}

/// Parts in which this many first encoders of each H.264 track block for ever, and the next one works.
fn stuck(times: usize, frame_timeout: Duration) -> Parts<'static> {
    let created = Mutex::new(HashMap::<Topic, usize>::new());
    h264(frame_timeout, move |topic, _| {
        let mut created = created.lock().unwrap();
        let count = created.entry(topic.clone()).or_default();
        *count += 1;
        (*count <= times).then(|| Box::new(Stuck) as Box<dyn Encode>)
    })
}

fn has(entry: &StreamEntry, track: &str) -> bool {
    entry.tracks.iter().any(|one| one.name.to_string() == track)
}

#[test]
fn a_stuck_encoder_is_replaced_and_does_not_delay_other_tracks() {
    let capture = capture_on(&["cam=test:320x180@30"], &[], || stuck(1, FRAME_TIMEOUT));
    let mut viewer = viewer(&capture);
    viewer.watch("cam/full.h264");
    viewer.watch("cam");
    assert_eq!(viewer.frames("cam", 10).len(), 10);
    let frames = viewer.frames("cam/full.h264", 10);
    assert!(frames[0].meta.is_keyframe());
    assert_eq!(decoded(&frames).len(), 10);
    let entry = viewer.until_so("cam", "its tracks", |entry| has(entry, "full.h264"));
    assert!(entry.state == StreamState::Live && !entry.reason.contains("encoder"), "{entry:?}");
}

#[test]
fn stuck_encoders_delay_the_pixel_work_of_other_streams_only_until_their_timeout() {
    let cores = thread::available_parallelism().map_or(1, usize::from).min(6);
    let bad = (0..cores).map(|number| format!("bad{number}=test:320x180@30"));
    let streams: Vec<String> = bad.chain(["good=test:320x180@30".into()]).collect();
    let streams: Vec<&str> = streams.iter().map(String::as_str).collect();
    let capture = capture_on(&streams, &[], || stuck(1, FRAME_TIMEOUT));
    let mut viewer = viewer(&capture);
    (0..cores).for_each(|number| viewer.watch(&format!("bad{number}/full.h264")));
    viewer.watch("good");
    // These frames take longer than the timeout of the threads.
    assert_eq!(viewer.frames("good", 90).len(), 90);
    for number in 0..cores {
        assert_eq!(viewer.frames(&format!("bad{number}/full.h264"), 3).len(), 3);
    }
}

#[test]
fn a_track_whose_encoder_never_answers_is_not_listed_and_its_stream_has_the_reason() {
    let capture =
        capture_on(&["cam=test:320x180@30"], &[], || stuck(usize::MAX, Duration::from_secs(1)));
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    viewer.watch("cam/full.h264");
    let gone = |entry: &StreamEntry| {
        entry.state == StreamState::Live
            && !has(entry, "full.h264")
            && entry.reason == "no full.h264: the encoder does not answer"
    };
    let entry = viewer.until_so("cam", "the reason", gone);
    assert!(has(&entry, "full.jpeg") && has(&entry, "half.h264"), "{entry:?}");
    // These frames take longer than the timeouts of two threads.
    assert_eq!(viewer.frames("cam", 150).len(), 150);
    viewer.until_so("cam", "the reason", gone);
}

#[test]
fn too_many_threads_stuck_in_encoders_end_the_program_with_a_reason() {
    let cameras = ["a=test:64x48@30", "b=test:64x48@30", "c=test:64x48@30", "d=test:64x48@30"];
    let capture = capture_on(&cameras, &[], || stuck(usize::MAX, Duration::from_millis(500)));
    let mut viewer = viewer(&capture);
    ["a", "b", "c", "d"].iter().for_each(|name| viewer.watch(&format!("{name}/full.h264")));
    let failure = capture.failure();
    assert!(failure.contains(&format!("{MAX_STUCK} threads are stuck")), "{failure}");
}

#[test]
fn the_thread_that_reads_the_source_does_not_wait_for_a_stuck_encoder() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    let camera = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-tune", "zerolatency", "-g", "10"];
    make_clip_as(&clip, 60, &camera);
    // The encoders are never abandoned, so that only the order of locks can help.
    let parts = || stuck(usize::MAX, Duration::from_secs(3600));
    let capture = capture_on(&[&format!("clip={}", clip.display())], &[], parts);
    let mut viewer = viewer(&capture);
    for _ in 0..2 {
        viewer.watch("clip/half.h264");
        viewer.watch("clip/full.h264");
        assert_eq!(viewer.frames("clip/full.h264", 5).len(), 5);
        viewer.unwatch("clip/full.h264");
        viewer.unwatch("clip/half.h264");
        viewer.until("clip", StreamState::Idle);
    }
}

#[test]
fn a_track_whose_encoder_fails_leaves_the_catalog_until_it_works_again() {
    let broken = Arc::new(AtomicBool::new(false));
    let device = broken.clone();
    let capture = capture_on(&["cam=test:320x180@30"], &[], move || {
        h264(FRAME_TIMEOUT, move |_, settings| {
            let (encoder, broken) = (encode::encoder(settings), device.clone());
            Some(Box::new(Fragile { encoder, broken }))
        })
    });
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    viewer.watch("cam/full.h264");
    viewer.frames("cam/full.h264", 5);
    broken.store(true, Ordering::SeqCst);
    let entry = viewer.until_so("cam", "that it is gone", |entry| !has(entry, "full.h264"));
    assert_eq!(entry.state, StreamState::Live);
    assert_eq!(entry.reason, "no full.h264: cannot encode the frame: the device was reset");
    assert!(has(&entry, "full.jpeg") && has(&entry, "half.h264"), "{entry:?}");
    assert_eq!(viewer.frames("cam", 10).len(), 10);
    broken.store(false, Ordering::SeqCst);
    let entry = viewer.until_so("cam", "that it is back", |entry| has(entry, "full.h264"));
    // The machine may be too slow at this moment, which is another reason.
    assert!(entry.state == StreamState::Live && !entry.reason.contains("full.h264"), "{entry:?}");
    assert!(viewer.frames("cam/full.h264", 5).len() == 5);
    let dropped = |entry: &StreamEntry| {
        entry.tracks.iter().find(|one| one.name.to_string() == "full.h264").map(|one| one.dropped)
    };
    let dropped = dropped(&entry).unwrap();
    // A second of failures, and at least a second without an attempt, at thirty frames a second.
    assert!(dropped >= 40, "{dropped}: each frame that it missed");
}

#[test]
fn a_failed_track_without_viewers_is_listed_again_so_that_a_viewer_can_retry_it() {
    let capture = capture_on(&["cam=test:320x180@30"], &[], || {
        let broken = Arc::new(AtomicBool::new(true));
        h264(FRAME_TIMEOUT, move |_, settings| {
            let (encoder, broken) = (encode::encoder(settings), broken.clone());
            Some(Box::new(Fragile { encoder, broken }))
        })
    });
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    viewer.watch("cam/full.h264");
    viewer.until_so("cam", "that it is gone", |entry| !has(entry, "full.h264"));
    viewer.unwatch("cam/full.h264");
    let entry = viewer.until_so("cam", "that it is listed", |entry| has(entry, "full.h264"));
    assert_eq!((entry.state, entry.reason.as_str()), (StreamState::Live, ""));
}
