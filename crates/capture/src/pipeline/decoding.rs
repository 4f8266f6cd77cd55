//! Decoding of the source's own H.264 to pixels, while a viewer needs those. It begins at the last entry point.

use ffmpeg_next::Packet;
use ffmpeg_next::codec::Id;

use super::gop::Units;
use crate::frame::CaptureTimes;
use crate::frame::latest::Buffers;
use crate::pixels::Image;
use crate::pixels::convert::{Converter, size_of_frame};
use crate::source::SourceError;
use crate::source::video::{DecodedFrame, VideoDecoder};
use crate::threads::watchdog::Watchdog;

/// Decodes the H.264 of one stream.
#[derive(Debug, Default)]
pub(super) struct H264Decoding {
    decoder: Option<VideoDecoder>,
    converter: Converter,
    /// Index of the unit to decode next.
    next: Option<u64>,
    /// Number of units decoded since the last frame came out.
    silent: u32,
}

/// The result of decoding the newest access units.
#[derive(Debug)]
pub(super) enum Newest {
    /// The pixels of the newest frame, and its times.
    Frame(Image, CaptureTimes),
    /// No frame yet.
    None,
    /// No access unit with which decoding can begin: the decoder waits for the next one.
    NoEntry,
}

/// The same, before conversion.
enum Decoded {
    Frame(DecodedFrame, CaptureTimes),
    None,
    NoEntry,
}

/// A decoder that begins within a camera's gradual refresh delivers no frame for a while. A stream without a frame for
/// this many units is no video.
const MAX_SILENT: u32 = 300;

impl H264Decoding {
    /// Returns the index of the unit to decode next, or `None` before the first one.
    pub(super) fn next(&self) -> Option<u64> {
        self.next
    }

    /// Decodes these units and returns the pixels of the newest frame. There may be hundreds: each decoded unit is
    /// progress for the `watchdog`.
    ///
    /// # Errors
    /// Fails if there is no decoder, the pixel format is unknown, or no frame comes out.
    pub(super) fn newest(
        &mut self,
        units: Units,
        buffers: &Buffers,
        watchdog: &Watchdog,
    ) -> Result<Newest, SourceError> {
        let (decoded, times) = match self.decode(units, watchdog)? {
            Decoded::Frame(decoded, times) => (decoded, times),
            Decoded::None => return Ok(Newest::None),
            Decoded::NoEntry => return Ok(Newest::NoEntry),
        };
        let mut image = buffers.take();
        // H.264 with another geometry is decoded by the source.
        let size = size_of_frame(&decoded.frame);
        self.converter.convert(&decoded.frame, size, &mut image)?;
        Ok(Newest::Frame(image, times))
    }

    /// Decodes these units, so that later ones can be decoded too.
    ///
    /// # Errors
    /// Fails like [`Self::newest`].
    pub(super) fn follow(&mut self, units: Units, watchdog: &Watchdog) -> Result<(), SourceError> {
        self.decode(units, watchdog).map(drop)
    }

    fn decode(&mut self, units: Units, watchdog: &Watchdog) -> Result<Decoded, SourceError> {
        let units = match units {
            Units::Following(units) => units,
            Units::FromEntry(units) => {
                self.decoder = None;
                units
            }
            Units::NoEntry => return Ok(Decoded::NoEntry),
            Units::Empty => return Ok(Decoded::None),
        };
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => none.insert(VideoDecoder::of_codec(Id::H264)?),
        };
        let mut newest = None;
        for unit in units {
            watchdog.progress();
            decoder.send(&Packet::copy(&unit.data.bytes));
            self.next = Some(unit.index + 1);
            self.silent += 1;
            while let Some(decoded) = decoder.take() {
                newest = Some((decoded, unit.times));
                self.silent = 0;
            }
        }
        if self.silent > MAX_SILENT {
            *self = Self::default();
            return Err(SourceError::NotAVideo("its H.264 contains no frame".into()));
        }
        Ok(newest.map_or(Decoded::None, |(decoded, times)| Decoded::Frame(decoded, times)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanlight_protocol::Timestamp;

    use super::*;
    use crate::frame::AccessUnit;
    use crate::pipeline::gop::Gop;

    #[test]
    fn a_stream_without_a_frame_for_long_is_no_video() {
        crate::native::prepare();
        let (mut gop, buffers) = (Gop::default(), Buffers::default());
        let mut decoding = H264Decoding::default();
        let times =
            CaptureTimes { captured_at: Timestamp::default(), read_at: Timestamp::default() };
        let mut decode = |number: u64| {
            // An empty slice without parameter sets.
            let bytes = vec![0, 0, 0, 1, 0x65, 0x88, 0x80, 0x80];
            let (keyframe, entry) = (number == 0, number == 0);
            let data = AccessUnit { bytes, number, keyframe, entry, width: 64, height: 48 };
            gop.push(Arc::new(data), times);
            decoding.newest(gop.since(decoding.next()), &buffers, &Watchdog::default())
        };
        for number in 0..u64::from(MAX_SILENT) {
            assert!(matches!(decode(number), Ok(Newest::None)), "{number}");
        }
        let error = decode(MAX_SILENT.into()).unwrap_err();
        assert!(error.to_string().contains("contains no frame"), "{error}");
    }
}
