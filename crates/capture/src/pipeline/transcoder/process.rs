//! The task of the transcoder: from the pending frame to the pixels of each rendition.

use std::cmp::Reverse;
use std::mem;
use std::sync::Arc;

use opencv::core::StsError;

use super::{Decoders, PendingFrame, STUCK, Transcoder};
use crate::frame::{CaptureTimes, FrameData};
use crate::pipeline::decoding::Newest;
use crate::pipeline::encoded_track::EncodedTrack;
use crate::pipeline::rendition::Rendition;
use crate::pixels::{Image, Size, scale};
use crate::source::SourceError;
use crate::threads::watchdog::Watchdog;

/// A rendition that needs the frame, and those of its tracks that get it.
struct Target<'a> {
    rendition: &'a Rendition,
    size: Size,
    tracks: Vec<Arc<EncodedTrack>>,
}

impl Transcoder {
    /// Converts the pending frame to the pixels of all renditions that need it. It may block for ever.
    pub(super) fn process(&self, watchdog: &Watchdog) {
        if mem::take(&mut self.work.lock().must_close) {
            *self.decoders.current().lock() = Decoders::default();
        }
        let mut work = self.work.lock();
        let Some(frame) = work.pending.take() else { return };
        let passed = frame.passed;
        work.passed = passed;
        drop(work);
        if let Err(error) = self.process_frame(frame, watchdog)
            && !watchdog.is_stopped()
        {
            let reason = format!("cannot decode frames: {}", error.message);
            self.ladder.needing_pixels(passed).for_each(|(_, track)| track.fail(&reason));
            self.outcome.failed(reason);
        }
    }

    /// Replaces the decoders, because a thread is stuck in them.
    pub(super) fn replace_decoders(&self) {
        self.decoders.replace();
        let passed = self.work.lock().passed;
        self.ladder.needing_pixels(passed).for_each(|(_, track)| track.fail(STUCK));
        self.outcome.failed(STUCK.into());
    }

    fn process_frame(&self, frame: PendingFrame, watchdog: &Watchdog) -> opencv::Result<()> {
        let PendingFrame { data, size, mut times, passed } = frame;
        let full = self.orientation.size(size);
        let mut targets: Vec<Target<'_>> = (self.ladder.renditions().iter())
            .map(|rendition| {
                let tracks = rendition.due(passed, times);
                Target { rendition, size: rendition.size(full), tracks }
            })
            .filter(|target| !target.tracks.is_empty())
            .collect();
        targets.sort_by_key(|target| Reverse(target.size.0));
        let Some(largest) = targets.first().map(|target| target.size) else {
            if let FrameData::H264(_) = data {
                self.follow_h264(watchdog)?;
            }
            self.recycle(data);
            return Ok(());
        };
        let image = match data {
            FrameData::Pixels(image) => Some(image),
            // The orientation is changed after decoding, so this size is in the camera's own orientation.
            FrameData::Jpeg(bytes) => {
                self.decode_jpeg(&bytes, size, self.orientation.size(largest))?
            }
            FrameData::H264(_) => self.decode_h264(&mut times, &targets, watchdog)?,
        };
        let Some(mut image) = image.filter(|_| !watchdog.is_stopped()) else { return Ok(()) };
        if !self.orientation.is_none() {
            let mut spare = self.buffers.take();
            self.orientation.apply(&mut image, &mut spare)?;
            self.buffers.recycle(spare);
        }
        if let Some(overlay) = &self.overlay {
            overlay.write(&mut image, times.captured_at)?;
        }
        self.scale(image, targets, times)
    }

    fn decode_jpeg(&self, bytes: &[u8], size: Size, needed: Size) -> opencv::Result<Option<Image>> {
        let mut image = self.buffers.take();
        let decoders = self.decoders.current();
        decoders.lock().jpeg.decode(bytes, size, needed, &mut image)?;
        Ok(Some(image))
    }

    /// Decodes the source's own H.264 up to the newest frame, which no track needs.
    fn follow_h264(&self, watchdog: &Watchdog) -> opencv::Result<()> {
        let current = self.decoders.current();
        let mut decoders = current.lock();
        let units = self.passthrough.units_since(decoders.h264.next());
        let followed = decoders.h264.follow(units, watchdog);
        followed.map_err(|error| opencv::Error::new(StsError, error.to_string()))
    }

    /// Decodes the source's own H.264 up to the newest frame. Sets `times` to the times of that frame.
    fn decode_h264(
        &self,
        times: &mut CaptureTimes,
        targets: &[Target<'_>],
        watchdog: &Watchdog,
    ) -> opencv::Result<Option<Image>> {
        let current = self.decoders.current();
        let mut decoders = current.lock();
        let units = self.passthrough.units_since(decoders.h264.next());
        let newest = decoders.h264.newest(units, &self.buffers, watchdog);
        drop(decoders);
        let failed = |error: SourceError| opencv::Error::new(StsError, error.to_string());
        if watchdog.is_stopped() {
            return Ok(None);
        }
        let newest = newest.map_err(failed)?;
        if let Newest::NoEntry = newest {
            self.wait_for_entry(*times);
            let tracks = targets.iter().flat_map(|target| &target.tracks);
            tracks.for_each(|track| track.counters().withhold(1));
            return Ok(None);
        }
        self.work.lock().entry_wait.end();
        let Newest::Frame(image, own_times) = newest else { return Ok(None) };
        *times = own_times;
        let data = FrameData::Pixels(image);
        match (self.is_duplicate(&data), data) {
            (false, FrameData::Pixels(image)) => Ok(Some(image)),
            (_, data) => {
                self.recycle(data);
                Ok(None)
            }
        }
    }

    /// Scales from the largest size to the smallest, each from the one before, and passes the pixels to the tracks.
    fn scale(
        &self,
        image: Image,
        targets: Vec<Target<'_>>,
        times: CaptureTimes,
    ) -> opencv::Result<()> {
        let mut scaled: Vec<Image> = Vec::with_capacity(targets.len());
        // If the largest rendition has the size of the pixels, it gets them without a copy.
        let as_is = targets.first().is_some_and(|first| first.size == image.size());
        let mut spare = self.buffers.take();
        for Target { rendition, size, .. } in &targets[usize::from(as_is)..] {
            let from = scaled.last().unwrap_or(&image);
            let mut into = rendition.buffer();
            if from.size() == *size {
                into.copy_from(from)?;
            } else {
                scale::scale(from, *size, &mut into, &mut spare)?;
            }
            scaled.push(into);
        }
        self.buffers.recycle(spare);
        if as_is {
            // The rendition's buffer takes the opposite way, so that both sides keep as many as they need.
            self.buffers.recycle(targets[0].rendition.buffer());
            scaled.insert(0, image);
        } else {
            self.buffers.recycle(image);
        }
        for (Target { rendition, tracks, .. }, image) in targets.into_iter().zip(scaled) {
            rendition.put(image, times, tracks);
        }
        Ok(())
    }
}
