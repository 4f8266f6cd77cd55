//! The source's own H.264 to pixels, while somebody wants those: decoded by the workshop, and from the last entry on where
//! nobody wanted them until now.

use std::sync::Mutex;

use ffmpeg_next::Packet;
use ffmpeg_next::codec::Id;
use opencv::core::Mat;

use super::gop::Gop;
use super::lock;
use crate::hand_over::Buffers;
use crate::picture::Taken;
use crate::pixels::convert::Converter;
use crate::source::SourceError;
use crate::source::video::Decoder;

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

/// A decoder that begins amid a camera's slow refresh gives nothing for a while; what gives nothing for longer is no video.
const MOST_SILENT: u32 = 300;

impl Decoding {
    /// Decodes all that came since the last time; the pixels of the newest. `None` where there are none yet.
    ///
    /// # Errors
    /// Where there is no decoder, or the picture's form is unknown.
    pub(super) fn newest(
        &mut self,
        gop: &Mutex<Gop>,
        buffers: &Buffers,
    ) -> Result<Option<(Mat, Taken)>, SourceError> {
        let Some((units, anew)) = lock(gop).since(self.next) else { return Ok(None) };
        if anew {
            self.decoder = None;
        }
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => none.insert(Decoder::of_codec(Id::H264)?),
        };
        let mut newest = None;
        for unit in units {
            decoder.send(&Packet::copy(&unit.coded.bytes));
            self.next = Some(unit.index + 1);
            self.silent += 1;
            while let Some(decoded) = decoder.take() {
                newest = Some((decoded, unit.taken));
                self.silent = 0;
            }
        }
        if self.silent > MOST_SILENT {
            self.rest();
            return Err(SourceError::NotAVideo("its H.264 gives no picture".into()));
        }
        let Some((decoded, taken)) = newest else { return Ok(None) };
        let mut pixels = buffers.take();
        self.converter.convert(&decoded.frame, &mut pixels)?;
        Ok(Some((pixels, taken)))
    }

    /// Lets go of the decoder.
    pub(super) fn rest(&mut self) {
        *self = Self::default();
    }
}
