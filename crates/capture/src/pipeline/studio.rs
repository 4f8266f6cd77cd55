//! From a source's picture to the pixels of each rendition that is watched: decoded once, scaled once, the larger ones
//! first and the smaller ones from those.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use fanlight_bus::Publisher;
use fanlight_protocol::MAX_PAYLOAD;
use opencv::core::{Mat, MatTraitConst};

use super::track::Track;
use crate::encode::EncodeError;
use crate::encode::camera_jpeg::{self, Whole};
use crate::hand_over::{Buffers, HandOver};
use crate::options::StreamSettings;
use crate::picture::{Frame, Picture, RawFrame, Taken};
use crate::pixels::decode::JpegDecoder;
use crate::pixels::overlay::Overlay;
use crate::pixels::turn::Turn;
use crate::pixels::{self, Size, scale};
use crate::same::Same;
use crate::source::SourceError;
use crate::status::Status;
use crate::workshop::{Job, Workshop};

/// One stream's pictures at work.
#[derive(Debug)]
pub(super) struct Studio {
    tracks: Vec<Track>,
    turn: Turn,
    overlay: Option<Overlay>,
    /// Encode anew even what came as JPEG.
    reencode: bool,
    same: Mutex<Same>,
    place: HandOver<Undeveloped>,
    /// Pixels of the source's own size.
    buffers: Buffers,
    /// Used by one thread at a time.
    decoder: Mutex<JpegDecoder>,
    workshop: Workshop,
    jobs: OnceLock<Jobs>,
    /// Why a picture could not go out, and whether one did, since that was told last.
    refused: HandOver<String>,
    published: AtomicBool,
}

/// What the workshop is asked to do.
#[derive(Debug)]
struct Jobs {
    scale: Arc<Job>,
    /// For each track.
    encode: Vec<Arc<Job>>,
}

/// A picture that waits to become the pixels of renditions.
#[derive(Debug)]
struct Undeveloped {
    picture: Picture,
    /// The source's own size.
    size: Size,
    taken: Taken,
    /// The full rendition has it already.
    passed_on: bool,
}

impl Studio {
    pub(super) fn new(
        settings: &StreamSettings,
        publisher: &Publisher,
        workshop: &Workshop,
    ) -> Arc<Self> {
        let track = |rendition| Track::new(&settings.name, rendition, publisher);
        let studio = Arc::new(Self {
            tracks: settings.renditions.iter().map(track).collect(),
            turn: settings.turn,
            overlay: settings.overlay.map(|zone| Overlay::new(zone, &settings.name)),
            reencode: settings.reencode,
            same: Mutex::new(Same::new(settings.drop_same)),
            place: HandOver::default(),
            buffers: Buffers::default(),
            decoder: Mutex::default(),
            workshop: workshop.clone(),
            jobs: OnceLock::new(),
            refused: HandOver::default(),
            published: AtomicBool::new(false),
        });
        studio.jobs.get_or_init(|| Jobs::of(&studio));
        studio
    }

    /// All its renditions.
    pub(super) fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Those of them that are watched.
    pub(super) fn watched(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| track.is_watched())
    }

    /// Whether a camera's own JPEG can be passed on as it is.
    fn passes_jpegs_on(&self) -> bool {
        !self.reencode && self.turn.is_none() && self.overlay.is_none()
    }

    /// Buffers for pixels of the source's own size.
    pub(super) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Somebody begins to watch one of the tracks: shall be shown a picture, also one that is the same as the last.
    pub(super) fn begin_anew(&self) {
        self.same().forget();
    }

    /// Nobody watches for a while: lets go of what is kept for the next pictures.
    pub(super) fn rest(&self) {
        self.place.take();
        self.buffers.clear();
        *self.decoder() = JpegDecoder::default();
        self.same().forget();
        self.tracks.iter().for_each(Track::rest);
    }

    /// Takes a picture from the source. Called on the source's thread.
    ///
    /// # Errors
    /// Where it is damaged.
    pub(super) fn take(&self, frame: RawFrame, status: &Status) -> Result<(), SourceError> {
        self.tell(status);
        let RawFrame { picture, taken } = frame;
        let (picture, size) = looked_through(picture)?;
        status.measures(self.turn.size(size));
        // Who came in the meantime has the next one.
        let watched: Vec<&Track> = self.watched().collect();
        if watched.is_empty() || self.same().skips(&picture) {
            self.give_back(picture);
            return Ok(());
        }
        let is_jpeg = matches!(picture, Picture::Jpeg(_));
        let passed_on = is_jpeg && self.passes_jpegs_on();
        let full = watched.iter().find(|track| passed_on && track.is_full());
        let all_done = passed_on && watched.iter().all(|track| track.is_full());
        let due = full.filter(|track| track.is_due(taken.captured_at));
        match (picture, due) {
            (Picture::Jpeg(payload), Some(full)) if all_done => {
                self.pass_on(full, payload, size, taken);
            }
            (picture, _) if all_done => self.give_back(picture),
            (picture, due) => {
                if let (Picture::Jpeg(bytes), Some(full)) = (&picture, due) {
                    self.pass_on(full, bytes.clone(), size, taken);
                }
                self.put(Undeveloped { picture, size, taken, passed_on });
            }
        }
        Ok(())
    }

    /// A camera's own JPEG: onto the bus as it is.
    fn pass_on(&self, full: &Track, payload: Vec<u8>, (width, height): Size, taken: Taken) {
        match payload.len() {
            length if length > MAX_PAYLOAD => {
                full.tally().note_damage();
                self.refused.put(EncodeError::TooLarge(length).to_string());
            }
            _ if full.publish(Frame { payload, taken, width, height }) => self.note_published(),
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

    fn note_published(&self) {
        self.published.store(true, Ordering::Relaxed);
    }

    /// Those watched who still wait for a picture.
    fn waiting(&self, passed_on: bool) -> impl Iterator<Item = &Track> {
        self.watched().filter(move |track| !(passed_on && track.is_full()))
    }

    fn put(&self, undeveloped: Undeveloped) {
        if let Some(overtaken) = self.place.put(undeveloped) {
            let missed = self.waiting(overtaken.passed_on).filter(|track| !track.is_capped());
            missed.for_each(|track| track.tally().drop_frames(1));
            self.give_back(overtaken.picture);
        }
        if let Some(jobs) = self.jobs.get() {
            self.workshop.ask(&jobs.scale);
        }
    }

    fn same(&self) -> MutexGuard<'_, Same> {
        self.same.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decoder(&self) -> MutexGuard<'_, JpegDecoder> {
        self.decoder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, picture: Picture) {
        if let Picture::Pixels(pixels) = picture {
            self.buffers.recycle(pixels);
        }
    }

    /// Makes the newest picture into the pixels of all renditions that want it. Done by the workshop.
    fn develop(&self) {
        let Some(undeveloped) = self.place.take() else { return };
        let passed_on = undeveloped.passed_on;
        if let Err(error) = self.develop_one(undeveloped) {
            self.waiting(passed_on).for_each(|track| track.tally().note_damage());
            self.refused.put(format!("the pictures cannot be decoded: {}", error.message));
        }
    }

    fn develop_one(&self, undeveloped: Undeveloped) -> opencv::Result<()> {
        let Undeveloped { picture, size, taken, passed_on } = undeveloped;
        let full = self.turn.size(size);
        let mut wanted: Vec<(usize, Size)> = (self.tracks.iter().enumerate())
            .filter(|(_, track)| track.is_watched() && !(passed_on && track.is_full()))
            .filter(|(_, track)| track.is_due(taken.captured_at))
            .map(|(at, track)| (at, track.size(full)))
            .collect();
        wanted.sort_by_key(|(_, (width, _))| Reverse(*width));
        let Some((_, largest)) = wanted.first() else {
            self.give_back(picture);
            return Ok(());
        };
        let mut pixels = match picture {
            Picture::Pixels(pixels) => pixels,
            Picture::Jpeg(bytes) => {
                let mut pixels = self.buffers.take();
                // Turned after it is decoded, and so wanted in the camera's own shape.
                let wanted = self.turn.size(*largest);
                self.decoder().decode(&bytes, size, wanted, &mut pixels)?;
                pixels
            }
        };
        if !self.turn.is_none() {
            let mut other = self.buffers.take();
            self.turn.apply(&mut pixels, &mut other)?;
            self.buffers.recycle(other);
        }
        if let Some(overlay) = &self.overlay {
            overlay.write(&mut pixels, taken.captured_at)?;
        }
        self.scale(pixels, &wanted, taken)
    }

    /// Scales from the largest to the smallest, each from the one before, and hands them all on.
    fn scale(&self, pixels: Mat, wanted: &[(usize, Size)], taken: Taken) -> opencv::Result<()> {
        let mut scaled: Vec<(usize, Mat)> = Vec::with_capacity(wanted.len());
        // The first rendition that is as large as what there is gets it without a copy.
        let as_it_is = wanted.first().filter(|(_, size)| *size == pixels::size_of(&pixels));
        for (at, size) in &wanted[usize::from(as_it_is.is_some())..] {
            let from = scaled.last().map_or(&pixels, |(_, before)| before);
            let mut into = self.tracks[*at].buffer();
            if pixels::size_of(from) == *size {
                from.copy_to(&mut into)?;
            } else {
                scale::scale(from, *size, &mut into)?;
            }
            scaled.push((*at, into));
        }
        match as_it_is {
            Some((at, _)) => {
                // Its buffer goes the other way, so that both sides keep as many as they need.
                self.buffers.recycle(self.tracks[*at].buffer());
                scaled.push((*at, pixels));
            }
            None => self.buffers.recycle(pixels),
        }
        for (at, pixels) in scaled {
            self.tracks[at].put(pixels, taken);
            if let Some(jobs) = self.jobs.get() {
                self.workshop.ask(&jobs.encode[at]);
            }
        }
        Ok(())
    }

    fn encode(&self, at: usize) {
        match self.tracks[at].develop() {
            Ok(true) => self.note_published(),
            Ok(false) => {}
            Err(error) => {
                self.tracks[at].tally().note_damage();
                self.refused.put(error.to_string());
            }
        }
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
    }
}

impl Jobs {
    /// Jobs know the studio, and the studio its jobs: one of the two must not keep the other.
    fn of(studio: &Arc<Studio>) -> Self {
        let job = |work: Box<dyn Fn(&Studio) + Send + Sync>| {
            let studio: Weak<Studio> = Arc::downgrade(studio);
            Job::new(move || {
                if let Some(studio) = studio.upgrade() {
                    work(&studio);
                }
            })
        };
        let encode =
            (0..studio.tracks.len()).map(|at| job(Box::new(move |studio| studio.encode(at))));
        Self { scale: job(Box::new(Studio::develop)), encode: encode.collect() }
    }
}
