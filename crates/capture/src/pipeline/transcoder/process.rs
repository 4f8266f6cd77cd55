//! The part of the work that the workshop does: from a picture to the pixels of each rendition.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use opencv::core::{Mat, MatTraitConst, StsError};

use super::{Decoders, NO_ENTRY, PendingFrame, STUCK, Transcoder};
use crate::frame::{CaptureTimes, Picture};
use crate::pipeline::decoding::Newest;
use crate::pipeline::lock;
use crate::pipeline::track::Track;
use crate::pixels::{self, Size, scale};
use crate::source::SourceError;
use crate::threads::watchdog::Watchdog;

/// A rendition that a picture is to become.
struct Wanted {
    /// Its place among all.
    rendition: usize,
    size: Size,
    tracks: Vec<Arc<Track>>,
}

impl Transcoder {
    /// Makes the newest picture into the pixels of all renditions that need it. Done by the workshop.
    pub(in crate::pipeline) fn develop(&self, shift: &Watchdog) {
        if self.must_rest.swap(false, Ordering::Relaxed) {
            *lock(&self.decoders.current()) = Decoders::default();
        }
        let Some(undeveloped) = self.place.take() else { return };
        let passed_on = undeveloped.passed_on;
        *lock(&self.in_work) = passed_on;
        if let Err(error) = self.develop_one(undeveloped, shift)
            && !shift.is_over()
        {
            let reason = format!("the pictures cannot be decoded: {}", error.message);
            self.needing(passed_on).for_each(|(_, track)| track.fail(&reason));
            self.note_refused(reason);
        }
    }

    /// A thread is stuck decoding: the next picture gets other decoders.
    pub(in crate::pipeline) fn replace_decoders(&self) {
        self.decoders.replace();
        let passed_on = *lock(&self.in_work);
        self.needing(passed_on).for_each(|(_, track)| track.fail(STUCK));
        self.note_refused(STUCK.into());
    }

    fn develop_one(&self, undeveloped: PendingFrame, shift: &Watchdog) -> opencv::Result<()> {
        let PendingFrame { picture, size, mut taken, passed_on } = undeveloped;
        let full = self.turn.size(size);
        let mut wanted: Vec<Wanted> = (self.renditions.iter().enumerate())
            .map(|(at, one)| {
                let tracks = one.due(passed_on, taken);
                Wanted { rendition: at, size: one.size(full), tracks }
            })
            .filter(|wanted| !wanted.tracks.is_empty())
            .collect();
        wanted.sort_by_key(|wanted| Reverse(wanted.size.0));
        let Some(largest) = wanted.first().map(|wanted| wanted.size) else {
            self.give_back(picture);
            return Ok(());
        };
        let pixels = match picture {
            Picture::Pixels(pixels) => Some(pixels),
            // Turned after it is decoded, and so wanted in the camera's own shape.
            Picture::Jpeg(bytes) => self.decode_jpeg(&bytes, size, self.turn.size(largest))?,
            Picture::H264(_) => self.decode(&mut taken, &wanted, shift)?,
        };
        let Some(mut pixels) = pixels.filter(|_| !shift.is_over()) else { return Ok(()) };
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

    fn decode_jpeg(&self, bytes: &[u8], size: Size, wanted: Size) -> opencv::Result<Option<Mat>> {
        let mut pixels = self.buffers.take();
        let tool = self.decoders.current();
        lock(&tool).jpeg.decode(bytes, size, wanted, &mut pixels)?;
        Ok(Some(pixels))
    }

    /// The newest of the source's own H.264 as pixels, and its moments.
    fn decode(
        &self,
        taken: &mut CaptureTimes,
        wanted: &[Wanted],
        shift: &Watchdog,
    ) -> opencv::Result<Option<Mat>> {
        let tool = self.decoders.current();
        let newest = lock(&tool).h264.newest(self.own_h264.gop(), &self.buffers, shift);
        let failed = |error: SourceError| opencv::Error::new(StsError, error.to_string());
        if shift.is_over() {
            return Ok(None);
        }
        let mut wait = lock(&self.entry_wait);
        let (pixels, moments) = match newest.map_err(failed)? {
            Newest::Picture(pixels, moments) => (pixels, moments),
            Newest::None => {
                wait.ends();
                return Ok(None);
            }
            Newest::NoEntry => {
                if wait.waits(taken.read_at).is_some() {
                    self.note_refused(NO_ENTRY.into());
                }
                let tracks = wanted.iter().flat_map(|wanted| &wanted.tracks);
                tracks.for_each(|track| track.tally().withhold(1));
                return Ok(None);
            }
        };
        wait.ends();
        drop(wait);
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
    fn scale(&self, pixels: Mat, wanted: Vec<Wanted>, taken: CaptureTimes) -> opencv::Result<()> {
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
            self.renditions[rendition].put(pixels, taken, tracks, &self.workshop);
        }
        Ok(())
    }
}
