//! From a source's picture to the pixels of each rendition that is watched: decoded once, scaled once, the larger ones
//! first and the smaller ones from those.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use fanlight_bus::Publisher;
use fanlight_protocol::{Codec, MAX_PAYLOAD, Rendition as Name};
use opencv::core::{Mat, MatTraitConst, StsError};

use super::decoding::Decoding;
use super::lock;
use super::own_h264::OwnH264;
use super::rendition::Rendition;
use super::track::Track;
use crate::encode::EncodeError;
use crate::encode::camera_jpeg::{self, Whole};
use crate::hand_over::{Buffers, HandOver};
use crate::options::StreamSettings;
use crate::picture::{Coded, Frame, Picture, RawFrame, Taken};
use crate::pixels::decode::JpegDecoder;
use crate::pixels::overlay::Overlay;
use crate::pixels::turn::Turn;
use crate::pixels::{self, Size, scale};
use crate::same::Same;
use crate::source::SourceError;
use crate::status::Status;
use crate::workshop::{Job, Workshop};

const FAR_APART: &str =
    "its keyframes are more than 4.5 s apart: its H.264 is decoded and encoded anew";

/// One stream's pictures at work.
#[derive(Debug)]
pub(super) struct Studio {
    renditions: Vec<Rendition>,
    turn: Turn,
    overlay: Option<Overlay>,
    /// Encode anew even what came as JPEG.
    reencode: bool,
    /// The source's own H.264, and its pixels if a track needs them.
    own_h264: OwnH264,
    decoding: Mutex<Decoding>,
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
    /// For each rendition.
    encode: Vec<Arc<Job>>,
}

/// A picture that waits to become the pixels of renditions.
#[derive(Debug)]
struct Undeveloped {
    picture: Picture,
    /// The source's own size.
    size: Size,
    taken: Taken,
    /// The full rendition has it already, in this codec.
    passed_on: Option<Codec>,
}

/// A rendition that a picture is to become.
struct Wanted {
    /// Its place among all.
    rendition: usize,
    size: Size,
    tracks: Vec<Arc<Track>>,
}

impl Studio {
    pub(super) fn new(
        settings: &StreamSettings,
        publisher: &Publisher,
        workshop: &Workshop,
    ) -> Arc<Self> {
        let encoder = settings.encoder.as_ref();
        let rendition = |of| Rendition::new(&settings.name, of, encoder, publisher);
        let studio = Arc::new(Self {
            renditions: settings.renditions.iter().map(rendition).collect(),
            turn: settings.turn,
            overlay: settings.overlay.map(|zone| Overlay::new(zone, &settings.name)),
            reencode: settings.reencode,
            own_h264: OwnH264::default(),
            decoding: Mutex::default(),
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

    /// Likewise of H.264, of which no picture can be left out, and whose keyframes come when the camera sends them.
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

    /// Nobody watches for a while: lets go of what is kept for the next pictures. What is not closed goes on where it was.
    pub(super) fn rest(&self, closed: bool) {
        self.place.take();
        self.own_h264.rest(closed);
        lock(&self.decoding).rest();
        self.buffers.clear();
        *self.decoder() = JpegDecoder::default();
        self.same().forget();
        self.renditions.iter().for_each(Rendition::rest);
    }

    /// Nobody watches this track any more: its encoder is let go of, by whoever uses it.
    pub(super) fn leave(&self, track: &Arc<Track>) {
        let of = |one: &Rendition| one.tracks().iter().any(|known| Arc::ptr_eq(known, track));
        if let (Some(at), Some(jobs)) = (self.renditions.iter().position(of), self.jobs.get()) {
            self.workshop.ask(&jobs.encode[at]);
        }
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
        match (&picture, self.passes(Some(Codec::H264))) {
            (Picture::H264(coded), _) => self.keep(coded, taken, status),
            (_, Some(full)) => full.pass_on(false),
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
        let others_wait = self.waiting(passed_on).next().is_some();
        match (picture, due) {
            (Picture::Jpeg(payload), Some(full)) if !others_wait => {
                self.pass_on(full, payload, size, taken);
            }
            (picture, _) if !others_wait => self.give_back(picture),
            (picture, due) => {
                if let (Picture::Jpeg(bytes), Some(full)) = (&picture, due) {
                    self.pass_on(full, bytes.clone(), size, taken);
                }
                self.put(Undeveloped { picture, size, taken, passed_on });
            }
        }
        Ok(())
    }

    /// Stores the source's own H.264, and passes it through to the full H.264 track if that is watched.
    fn keep(&self, coded: &Arc<Coded>, taken: Taken, status: &Status) {
        let (newest, sparse) = self.own_h264.push(coded.clone(), taken);
        if sparse {
            tracing::info!(stream = %status.name(), "{FAR_APART}");
        }
        // What this picture tells of keyframes counts for it already: nobody is to wait for the next one.
        let passes = self.passes_h264_on();
        let full = self.passes(Some(Codec::H264)).inspect(|full| full.pass_on(passes));
        let full = full.filter(|_| passes).map(Arc::as_ref);
        if self.own_h264.pass_through(full, &newest) {
            self.note_published();
        }
    }

    /// The full rendition in the codec in which a picture is passed on, where it is watched.
    fn passes(&self, passed_on: Option<Codec>) -> Option<&Arc<Track>> {
        let full = self.watched().filter(|(rendition, _)| rendition.is_full());
        full.map(|(_, track)| track).find(|track| passed_on == Some(track.codec()))
    }

    /// A camera's own JPEG: onto the bus as it is.
    fn pass_on(&self, full: &Track, payload: Vec<u8>, (width, height): Size, taken: Taken) {
        match payload.len() {
            length if length > MAX_PAYLOAD => {
                full.tally().note_damage();
                self.refused.put(EncodeError::TooLarge(length).to_string());
            }
            _ if full.publish(Frame { payload, taken, width, height, keyframe: true }) => {
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

    fn note_published(&self) {
        self.published.store(true, Ordering::Relaxed);
    }

    /// Those watched who still wait for a picture's pixels.
    fn waiting(&self, passed_on: Option<Codec>) -> impl Iterator<Item = (&Rendition, &Arc<Track>)> {
        let all = self.renditions.iter();
        all.flat_map(move |one| one.waiting(passed_on).map(move |track| (one, track)))
    }

    fn put(&self, undeveloped: Undeveloped) {
        if let Some(overtaken) = self.place.put(undeveloped) {
            let missed = self.waiting(overtaken.passed_on).filter(|(one, _)| !one.is_capped());
            missed.for_each(|(_, track)| track.tally().drop_frames(1));
            self.give_back(overtaken.picture);
        }
        if let Some(jobs) = self.jobs.get() {
            self.workshop.ask(&jobs.scale);
        }
    }

    fn same(&self) -> MutexGuard<'_, Same> {
        lock(&self.same)
    }

    fn decoder(&self) -> MutexGuard<'_, JpegDecoder> {
        lock(&self.decoder)
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
            self.waiting(passed_on).for_each(|(_, track)| track.tally().note_damage());
            self.refused.put(format!("the pictures cannot be decoded: {}", error.message));
        }
    }

    fn develop_one(&self, undeveloped: Undeveloped) -> opencv::Result<()> {
        let Undeveloped { picture, size, mut taken, passed_on } = undeveloped;
        let full = self.turn.size(size);
        let mut wanted: Vec<Wanted> = (self.renditions.iter().enumerate())
            .map(|(at, one)| {
                let tracks = one.due(passed_on, taken.captured_at);
                Wanted { rendition: at, size: one.size(full), tracks }
            })
            .filter(|wanted| !wanted.tracks.is_empty())
            .collect();
        wanted.sort_by_key(|wanted| Reverse(wanted.size.0));
        let Some(largest) = wanted.first().map(|wanted| wanted.size) else {
            self.give_back(picture);
            return Ok(());
        };
        let mut pixels = match picture {
            Picture::Pixels(pixels) => pixels,
            Picture::Jpeg(bytes) => {
                let mut pixels = self.buffers.take();
                // Turned after it is decoded, and so wanted in the camera's own shape.
                let wanted = self.turn.size(largest);
                self.decoder().decode(&bytes, size, wanted, &mut pixels)?;
                pixels
            }
            Picture::H264(_) => match self.decode(&mut taken)? {
                Some(pixels) => pixels,
                None => return Ok(()),
            },
        };
        if !self.turn.is_none() {
            let mut other = self.buffers.take();
            self.turn.apply(&mut pixels, &mut other)?;
            self.buffers.recycle(other);
        }
        if let Some(overlay) = &self.overlay {
            overlay.write(&mut pixels, taken.captured_at)?;
        }
        self.scale(pixels, wanted, taken)
    }

    /// The newest of the source's own H.264 as pixels, and its moments.
    fn decode(&self, taken: &mut Taken) -> opencv::Result<Option<Mat>> {
        let newest = lock(&self.decoding).newest(self.own_h264.gop(), &self.buffers);
        let failed = |error: SourceError| opencv::Error::new(StsError, error.to_string());
        let Some((pixels, moments)) = newest.map_err(failed)? else { return Ok(None) };
        *taken = moments;
        let picture = Picture::Pixels(pixels);
        match (self.same().skips(&picture), picture) {
            (false, Picture::Pixels(pixels)) => Ok(Some(pixels)),
            (_, picture) => {
                self.give_back(picture);
                Ok(None)
            }
        }
    }

    /// Scales from the largest to the smallest, each from the one before, and hands them all on.
    fn scale(&self, pixels: Mat, wanted: Vec<Wanted>, taken: Taken) -> opencv::Result<()> {
        let mut scaled: Vec<Mat> = Vec::with_capacity(wanted.len());
        // The first rendition that is as large as what there is gets it without a copy.
        let as_it_is = wanted.first().is_some_and(|first| first.size == pixels::size_of(&pixels));
        for Wanted { rendition, size, .. } in &wanted[usize::from(as_it_is)..] {
            let from = scaled.last().unwrap_or(&pixels);
            let mut into = self.renditions[*rendition].buffer();
            if pixels::size_of(from) == *size {
                from.copy_to(&mut into)?;
            } else {
                scale::scale(from, *size, &mut into)?;
            }
            scaled.push(into);
        }
        if as_it_is {
            // Its buffer goes the other way, so that both sides keep as many as they need.
            self.buffers.recycle(self.renditions[wanted[0].rendition].buffer());
            scaled.insert(0, pixels);
        } else {
            self.buffers.recycle(pixels);
        }
        for (Wanted { rendition, tracks, .. }, pixels) in wanted.into_iter().zip(scaled) {
            self.renditions[rendition].put(pixels, taken, tracks);
            if let Some(jobs) = self.jobs.get() {
                self.workshop.ask(&jobs.encode[rendition]);
            }
        }
        Ok(())
    }

    fn encode(&self, at: usize) {
        match self.renditions[at].develop() {
            Ok(true) => self.note_published(),
            Ok(false) => {}
            Err(error) => {
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
        Picture::H264(coded) => {
            let size = (coded.width, coded.height);
            Ok((Picture::H264(coded), size))
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
            (0..studio.renditions.len()).map(|at| job(Box::new(move |studio| studio.encode(at))));
        Self { scale: job(Box::new(Studio::develop)), encode: encode.collect() }
    }
}
