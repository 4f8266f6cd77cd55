//! From a source's picture to the pixels of each rendition that is watched: decoded once, scaled once, the larger ones
//! first and the smaller ones from those.
//!
//! Here is the part that the source's thread does; [`develop`] is the part of the workshop.

mod process;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use fanlight_bus::Publisher;
use fanlight_protocol::{Codec, MAX_PAYLOAD, Rendition as Name};

use super::decoding::Decoding;
use super::entry_wait::EntryWait;
use super::lock;
use super::passthrough::Passthrough;
use super::rendition::Rendition;
use super::tasks;
use super::tool::Tool;
use super::track::Track;
use crate::encode::camera_jpeg::{self, Whole};
use crate::encode::{EncodeError, Encoders};
use crate::frame::duplicates::Duplicates;
use crate::frame::latest::{Buffers, Latest};
use crate::frame::{CaptureTimes, Coded, Frame, Picture, RawFrame};
use crate::options::StreamSettings;
use crate::pixels::decode::JpegDecoder;
use crate::pixels::orientation::Turn;
use crate::pixels::overlay::Overlay;
use crate::pixels::{self, Size};
use crate::source::SourceError;
use crate::source::run::Refused;
use crate::status::Status;
use crate::threads::pool::{Task, WorkerPool};
use crate::threads::watchdog::Watchdog;

const FAR_APART: &str =
    "its keyframes are more than 4.5 s apart: its H.264 is decoded and encoded anew";
const NO_ENTRY: &str = "the source sends no keyframe with which its H.264 can be decoded: set a shorter keyframe interval (GOP) in the camera";
const STUCK: &str = "the pictures cannot be decoded: the decoder does not answer";

/// One stream's pictures at work.
#[derive(Debug)]
pub(super) struct Transcoder {
    renditions: Vec<Rendition>,
    turn: Turn,
    overlay: Option<Overlay>,
    /// Encode anew even what came as JPEG.
    reencode: bool,
    own_h264: Passthrough,
    /// The time for which its decoder has not been able to begin.
    entry_wait: Mutex<EntryWait>,
    same: Mutex<Duplicates>,
    place: Latest<PendingFrame>,
    /// Pixels of the source's own size.
    buffers: Buffers,
    decoders: Tool<Decoders>,
    /// The decoders must be closed before the next picture.
    must_rest: AtomicBool,
    workshop: WorkerPool,
    /// The codec in which the picture that is being decoded has been passed on.
    in_work: Mutex<Option<Codec>>,
    /// Decodes and scales what lies in `place`.
    job: OnceLock<Arc<Task>>,
    /// Why a picture could not go out, and whether one did, since that was told last.
    refused: Latest<String>,
    published: AtomicBool,
}

/// Pictures to pixels. Used by the thread that does the studio's job alone.
#[derive(Debug, Default)]
struct Decoders {
    jpeg: JpegDecoder,
    h264: Decoding,
}

/// A picture that waits to become the pixels of renditions.
#[derive(Debug)]
struct PendingFrame {
    picture: Picture,
    /// The source's own size.
    size: Size,
    taken: CaptureTimes,
    /// The full rendition has it already, in this codec.
    passed_on: Option<Codec>,
}

impl Transcoder {
    pub(super) fn new(
        settings: &StreamSettings,
        encoders: &Arc<Encoders>,
        publisher: &Publisher,
        workshop: &WorkerPool,
    ) -> Arc<Self> {
        let h264 = settings.encoder.as_ref();
        let rendition = |of| Rendition::new(&settings.name, of, h264, encoders, publisher);
        let studio = Arc::new(Self {
            renditions: settings.renditions.iter().map(rendition).collect(),
            turn: settings.turn,
            overlay: settings.overlay.map(|zone| Overlay::new(zone, &settings.name)),
            reencode: settings.reencode,
            own_h264: Passthrough::default(),
            entry_wait: Mutex::default(),
            same: Mutex::new(Duplicates::new(settings.drop_same)),
            place: Latest::default(),
            buffers: Buffers::default(),
            decoders: Tool::new(Decoders::default),
            must_rest: AtomicBool::new(false),
            workshop: workshop.clone(),
            in_work: Mutex::default(),
            job: OnceLock::new(),
            refused: Latest::default(),
            published: AtomicBool::new(false),
        });
        studio.job.get_or_init(|| tasks::decode(&studio, &settings.name));
        for (at, rendition) in studio.renditions.iter().enumerate() {
            for (number, track) in rendition.tracks().iter().enumerate() {
                track.employ(tasks::encode(&studio, track.topic(), at, number));
            }
        }
        studio
    }

    /// All its tracks, each with its rendition: those in one codec first, then those in the next.
    pub(super) fn tracks(&self) -> impl Iterator<Item = (&Rendition, &Arc<Track>)> {
        [Codec::Jpeg, Codec::H264].into_iter().flat_map(|codec| {
            let tracks = self
                .renditions
                .iter()
                .flat_map(|one| one.tracks().iter().map(move |track| (one, track)));
            tracks.filter(move |(_, track)| track.codec() == codec)
        })
    }

    /// Those that are watched.
    pub(super) fn watched(&self) -> impl Iterator<Item = (&Rendition, &Arc<Track>)> {
        self.tracks().filter(|(_, track)| track.is_watched())
    }

    /// Whether what a camera has encoded itself can be passed on as it is.
    fn passes_on(&self) -> bool {
        !self.reencode && self.turn.is_none() && self.overlay.is_none()
    }

    /// The same of H.264, of which no picture can be left out, and whose keyframes come when the camera sends them.
    fn passes_h264_on(&self) -> bool {
        let capped = self.renditions.iter().any(|one| one.is_full() && one.is_capped());
        self.passes_on() && !capped && !self.own_h264.is_sparse()
    }

    /// Buffers for pixels of the source's own size.
    pub(super) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// A track got its first viewer, who is shown a picture even if it is the same as the last one. Other tracks are not
    /// disturbed.
    pub(super) fn begin(&self, track: &Track) {
        self.same().forget();
        if track.codec() == Codec::H264 {
            track.ask_for_keyframe();
            if track.topic().track.rendition == Name::full() {
                self.own_h264.begin();
            }
        }
    }

    /// No track is watched for a while: what is kept for the next pictures is released. If the source is not `closed`, the next
    /// picture follows the last.
    pub(super) fn rest(&self, closed: bool) {
        self.place.take();
        self.own_h264.rest(closed);
        lock(&self.entry_wait).pauses();
        self.must_rest.store(true, Ordering::Relaxed);
        self.ask();
        self.buffers.clear();
        self.same().forget();
        self.renditions.iter().for_each(|one| one.rest(&self.workshop));
    }

    /// This track is no longer watched: its encoder is closed as soon as a thread is free.
    pub(super) fn leave(&self, track: &Track) {
        track.rest(&self.workshop);
    }

    /// Takes a picture from the source. Called on the source's thread.
    ///
    /// # Errors
    /// Where it is damaged, or the source must be opened again.
    pub(super) fn take(&self, frame: RawFrame, status: &Status) -> Result<(), Refused> {
        self.tell(status);
        let RawFrame { picture, taken } = frame;
        let (picture, size) = looked_through(picture)?;
        status.measures(self.turn.size(size));
        match (&picture, self.passes(Some(Codec::H264))) {
            (Picture::H264(coded), _) => self.keep(coded, taken, status),
            (_, Some(full)) => full.pass_on(false, &self.workshop),
            _ => {}
        }
        // Who came in the meantime has the next one.
        // Of H.264 none can be left out; its pixels are compared once there are any.
        let comes_coded = matches!(picture, Picture::H264(_));
        if self.watched().next().is_none() || !comes_coded && self.same().skips(&picture) {
            self.give_back(picture);
            return Ok(());
        }
        let passed_on = match &picture {
            Picture::Jpeg(_) if self.passes_on() => Some(Codec::Jpeg),
            Picture::H264(_) if self.passes_h264_on() => Some(Codec::H264),
            _ => None,
        };
        let passed = self.passes(passed_on).filter(|track| track.codec() == Codec::Jpeg);
        let due = passed.filter(|track| track.is_due(taken.captured_at));
        let others_wait = self.others_wait(passed_on, taken);
        if comes_coded {
            self.check_entry(others_wait, taken)?;
        }
        match (picture, due) {
            (Picture::Jpeg(payload), Some(full)) if !others_wait => {
                self.pass_on(full, payload, size, taken);
            }
            (picture, _) if !others_wait => self.give_back(picture),
            (picture, due) => {
                if let (Picture::Jpeg(bytes), Some(full)) = (&picture, due) {
                    self.pass_on(full, bytes.clone(), size, taken);
                }
                self.put(PendingFrame { picture, size, taken, passed_on });
            }
        }
        Ok(())
    }

    /// Stores the source's own H.264, and passes it through to the full H.264 track if that is watched.
    fn keep(&self, coded: &Arc<Coded>, taken: CaptureTimes, status: &Status) {
        let (newest, sparse) = self.own_h264.push(coded.clone(), taken);
        if sparse {
            tracing::info!(stream = %status.name(), "{FAR_APART}");
        }
        // What this picture tells of keyframes counts for it already: nobody is to wait for the next one.
        let passes = self.passes_h264_on();
        let full = self.passes(Some(Codec::H264));
        let full = full.inspect(|full| full.pass_on(passes, &self.workshop));
        let full = full.filter(|_| passes).map(Arc::as_ref);
        if self.own_h264.pass_through(full, &newest) {
            self.note_published();
        }
    }

    /// Ends the wait for a picture with which the decoder of the source's own H.264 can begin.
    fn check_entry(&self, others_wait: bool, taken: CaptureTimes) -> Result<(), Refused> {
        let mut wait = lock(&self.entry_wait);
        if !others_wait {
            wait.pauses();
        } else if wait.is_over(taken.read_at) {
            return Err(Refused::Reopen(SourceError::Other(format!(
                "{NO_ENTRY}. It is opened again, as most cameras then begin with one"
            ))));
        }
        Ok(())
    }

    /// The full rendition in the codec in which a picture is passed on, where it is watched.
    fn passes(&self, passed_on: Option<Codec>) -> Option<&Arc<Track>> {
        let full = self.watched().filter(|(rendition, _)| rendition.is_full());
        full.map(|(_, track)| track).find(|track| passed_on == Some(track.codec()))
    }

    /// A camera's own JPEG: onto the bus as it is.
    fn pass_on(&self, full: &Track, payload: Vec<u8>, size: Size, taken: CaptureTimes) {
        match payload.len() {
            length if length > MAX_PAYLOAD => {
                let reason = EncodeError::TooLarge(length).to_string();
                full.fail(&reason);
                self.refused.put(reason);
            }
            _ if full.publish(Frame::new(payload, taken, size, true)) => {
                self.note_published();
            }
            _ => {}
        }
    }

    /// What became of the pictures before: one that went out is good news, whatever else did not.
    fn tell(&self, status: &Status) {
        let refused = self.refused.take();
        if self.published.swap(false, Ordering::Relaxed) {
            status.published();
        } else if let Some(reason) = refused {
            status.refused(&reason);
        }
    }

    pub(super) fn note_published(&self) {
        self.published.store(true, Ordering::Relaxed);
    }

    pub(super) fn note_refused(&self, reason: String) {
        self.refused.put(reason);
    }

    /// The watched tracks that need a picture's pixels.
    fn needing(&self, passed_on: Option<Codec>) -> impl Iterator<Item = (&Rendition, &Arc<Track>)> {
        let all = self.renditions.iter();
        all.flat_map(move |one| one.needing(passed_on).map(move |track| (one, track)))
    }

    /// Whether a picture must be decoded for any track. Tracks that cannot have it now count it as withheld.
    fn others_wait(&self, passed_on: Option<Codec>, taken: CaptureTimes) -> bool {
        let decodes = self.job.get().is_none_or(|job| job.is_usable());
        let mut any = false;
        for (_, track) in self.needing(passed_on) {
            match (decodes, track.accepts(taken.read_at)) {
                (true, true) => any = true,
                (true, false) => track.tally().withhold(1),
                (false, _) => {
                    track.fail(STUCK);
                    self.note_refused(STUCK.into());
                }
            }
        }
        any
    }

    fn put(&self, undeveloped: PendingFrame) {
        if let Some(overtaken) = self.place.put(undeveloped) {
            let read_at = overtaken.taken.read_at;
            let missed = self.needing(overtaken.passed_on).filter(|(one, _)| !one.is_capped());
            let missed = missed.filter(|(_, track)| track.accepts(read_at));
            missed.for_each(|(_, track)| track.tally().drop_frames(1));
            self.give_back(overtaken.picture);
        }
        self.ask();
    }

    fn ask(&self) {
        if let Some(job) = self.job.get() {
            self.workshop.ask(job);
        }
    }

    fn same(&self) -> MutexGuard<'_, Duplicates> {
        lock(&self.same)
    }

    fn give_back(&self, picture: Picture) {
        if let Picture::Pixels(pixels) = picture {
            self.buffers.recycle(pixels);
        }
    }

    /// Encodes what waits for this track. Done by the workshop.
    pub(super) fn encode(&self, rendition: usize, track: usize, shift: &Watchdog) {
        let rendition = &self.renditions[rendition];
        match rendition.encode(&rendition.tracks()[track], shift) {
            Ok(true) => self.note_published(),
            Ok(false) => {}
            Err(error) => self.note_refused(error.to_string()),
        }
    }

    /// A thread is stuck in this track's encoder: the next picture gets another one.
    pub(super) fn replace_encoder(&self, rendition: usize, track: usize) {
        let reason = self.renditions[rendition].tracks()[track].replace_encoder();
        self.note_refused(reason.into());
    }
}

/// A picture and its size; a JPEG is looked through for that.
fn looked_through(picture: Picture) -> Result<(Picture, Size), SourceError> {
    match picture {
        Picture::Pixels(pixels) => {
            let size = pixels::size_of(&pixels);
            Ok((Picture::Pixels(pixels), size))
        }
        Picture::Jpeg(bytes) => {
            let Whole { bytes, width, height } = camera_jpeg::whole(bytes)
                .map_err(|damage| SourceError::NotAVideo(damage.to_string()))?;
            Ok((Picture::Jpeg(bytes), (width, height)))
        }
        Picture::H264(coded) => {
            let size = (coded.width, coded.height);
            Ok((Picture::H264(coded), size))
        }
    }
}
