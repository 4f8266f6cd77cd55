//! The source's own H.264 to pixels, while somebody wants those: decoded by the workshop, and from the last entry on where
//! nobody wanted them until now.

use std::sync::Mutex;

use ffmpeg_next::Packet;
use ffmpeg_next::codec::Id;
use opencv::core::Mat;

use super::gop::Gop;
use super::lock;
use crate::frame::CaptureTimes;
use crate::frame::latest::Buffers;
use crate::pixels::convert::Converter;
use crate::source::SourceError;
use crate::source::video::Decoder;
use crate::threads::watchdog::Watchdog;

/// Decodes one stream.
#[derive(Debug, Default)]
pub(super) struct Decoding {
    decoder: Option<Decoder>,
    converter: Converter,
    /// The index of the picture that is decoded next.
    next: Option<u64>,
    /// How many went in since a picture came out.
    silent: u32,
}

/// A decoder's share of the newest access units.
#[derive(Debug)]
pub(super) enum Newest {
    /// The pixels of the newest picture, and its moments.
    Picture(Mat, CaptureTimes),
    /// No picture yet.
    None,
    /// No access unit with which decoding can begin: it waits for the next one.
    NoEntry,
}

/// A decoder that begins amid a camera's slow refresh gives nothing for a while; what gives nothing for longer is no video.
const MOST_SILENT: u32 = 300;

impl Decoding {
    /// Decodes all that came since the last time; gives the pixels of the newest. There may be hundreds: each one that is
    /// decoded is progress of the `shift`.
    ///
    /// # Errors
    /// Where there is no decoder, or the picture's form is unknown.
    pub(super) fn newest(
        &mut self,
        gop: &Mutex<Gop>,
        buffers: &Buffers,
        shift: &Watchdog,
    ) -> Result<Newest, SourceError> {
        let Some((units, anew)) = lock(gop).since(self.next) else {
            return Ok(if lock(gop).is_empty() { Newest::None } else { Newest::NoEntry });
        };
        if anew {
            self.decoder = None;
        }
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => none.insert(Decoder::of_codec(Id::H264)?),
        };
        let mut newest = None;
        for unit in units {
            shift.progress();
            decoder.send(&Packet::copy(&unit.coded.bytes));
            self.next = Some(unit.index + 1);
            self.silent += 1;
            while let Some(decoded) = decoder.take() {
                newest = Some((decoded, unit.taken));
                self.silent = 0;
            }
        }
        if self.silent > MOST_SILENT {
            *self = Self::default();
            return Err(SourceError::NotAVideo("its H.264 gives no picture".into()));
        }
        let Some((decoded, taken)) = newest else { return Ok(Newest::None) };
        let mut pixels = buffers.take();
        self.converter.convert(&decoded.frame, &mut pixels)?;
        Ok(Newest::Picture(pixels, taken))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanlight_protocol::Timestamp;

    use super::*;
    use crate::frame::AccessUnit;

    #[test]
    fn what_gives_no_picture_for_long_is_no_video() {
        crate::native::prepare();
        let (gop, buffers) = (Mutex::<Gop>::default(), Buffers::default());
        let mut decoding = Decoding::default();
        let taken =
            CaptureTimes { captured_at: Timestamp::default(), read_at: Timestamp::default() };
        let mut look = |number: u64| {
            // A slice without anything in it, and no parameter sets.
            let bytes = vec![0, 0, 0, 1, 0x65, 0x88, 0x80, 0x80];
            let (keyframe, entry) = (number == 0, number == 0);
            let coded = AccessUnit { bytes, number, keyframe, entry, width: 64, height: 48 };
            lock(&gop).push(Arc::new(coded), taken);
            decoding.newest(&gop, &buffers, &Watchdog::default())
        };
        for number in 0..u64::from(MOST_SILENT) {
            assert!(matches!(look(number), Ok(Newest::None)), "{number}");
        }
        let error = look(MOST_SILENT.into()).unwrap_err();
        assert!(error.to_string().contains("gives no picture"), "{error}");
    }
}
