//! From the bytes of a command to pictures. The newest counts; of H.264 that is passed on, each.

use std::collections::VecDeque;
use std::sync::Arc;

use fanlight_protocol::Timestamp;
use ffmpeg_next::Packet;
use ffmpeg_next::codec::Id;

use super::access_units::{AccessUnit, AccessUnits};
use super::kind::Kind;
use crate::annex_b;
use crate::frame::latest::Buffers;
use crate::frame::{Coded, Picture};
use crate::pixels::convert::Converter;
use crate::source::jpeg_splitter::{Cut, JpegSplitter};
use crate::source::video::{Decoded, Decoder, Passage, Reordering, Unfit};
use crate::source::{Grabbed, SourceError};

/// Of H.264 without a rate, for pictures that are sent in another order than shown.
const USUAL_INTERVAL: std::time::Duration = std::time::Duration::from_millis(40);

/// Makes pictures of bytes.
#[derive(Debug)]
pub(super) struct Pictures {
    form: Form,
    /// One, or of H.264 that is passed on those that a piece of bytes held.
    ready: VecDeque<(Got, Timestamp)>,
    /// What was grabbed.
    taken: Option<Got>,
    /// Pictures replaced by a newer one since the last was grabbed.
    skipped: u64,
}

#[derive(Debug)]
enum Form {
    Jpegs(JpegSplitter),
    H264(AccessUnits, Way),
}

/// What becomes of H.264.
#[derive(Debug)]
enum Way {
    PassedOn(Box<Passage>),
    Decoded(Box<Decoding>),
}

/// For pictures that are sent in another order than shown.
#[derive(Debug)]
struct Decoding {
    decoder: Decoder,
    reordering: Reordering,
    converter: Converter,
}

#[derive(Debug)]
enum Got {
    Jpeg(Vec<u8>),
    H264(Arc<Coded>),
    Decoded(Decoded),
}

impl Pictures {
    pub(super) fn new(kind: Kind) -> Result<Self, SourceError> {
        let form = match kind {
            Kind::Jpegs => Form::Jpegs(JpegSplitter::default()),
            Kind::H264 => {
                Form::H264(AccessUnits::default(), Way::PassedOn(Box::new(Passage::new())))
            }
        };
        Ok(Self { form, ready: VecDeque::new(), taken: None, skipped: 0 })
    }

    /// Takes bytes in that arrived now.
    pub(super) fn feed(&mut self, bytes: &[u8], now: Timestamp) -> Result<(), SourceError> {
        match &mut self.form {
            Form::Jpegs(splitter) => {
                for Cut { jpeg, arrived_at } in splitter.feed(bytes, now)? {
                    self.put(Got::Jpeg(jpeg), arrived_at);
                }
            }
            Form::H264(units, _) => {
                for unit in units.feed(bytes, now)? {
                    self.take_in(unit)?;
                }
            }
        }
        Ok(())
    }

    /// At the end: makes what is left into pictures; whether there was one.
    pub(super) fn finish(&mut self) -> bool {
        if let Form::H264(units, _) = &mut self.form
            && let Some(unit) = units.rest()
        {
            // The command has ended anyway.
            let _ = self.take_in(unit);
        }
        if let Form::H264(_, Way::Decoded(decoding)) = &mut self.form
            && decoding.decoder.drain()
        {
            let rest = decoding.take();
            rest.into_iter().for_each(|(got, at)| self.put(got, at));
        }
        self.has_one()
    }

    pub(super) fn has_one(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether H.264 is passed on.
    pub(super) fn passes_h264(&self) -> bool {
        matches!(self.form, Form::H264(_, Way::PassedOn(_)))
    }

    /// Whether it is to be taken before more is read: what follows refers to it.
    pub(super) fn each_counts(&self) -> bool {
        matches!(self.ready.front(), Some((Got::H264(_), _)))
    }

    /// Takes hold of the newest.
    pub(super) fn grab(&mut self) -> Option<Grabbed> {
        let (got, captured_at) = self.ready.pop_front()?;
        self.taken = Some(got);
        Some(Grabbed { captured_at, skipped: std::mem::take(&mut self.skipped) })
    }

    /// What was grabbed last.
    pub(super) fn retrieve(&mut self, buffers: &Buffers) -> Result<Picture, SourceError> {
        match (self.taken.take(), &mut self.form) {
            (Some(Got::Jpeg(jpeg)), _) => Ok(Picture::Jpeg(jpeg)),
            (Some(Got::H264(coded)), _) => Ok(Picture::H264(coded)),
            (Some(Got::Decoded(picture)), Form::H264(_, Way::Decoded(decoding))) => {
                let mut buffer = buffers.take();
                decoding.converter.convert(&picture.frame, &mut buffer)?;
                Ok(Picture::Pixels(buffer))
            }
            _ => Err(SourceError::Other("no picture was grabbed yet".into())),
        }
    }

    fn put(&mut self, got: Got, captured_at: Timestamp) {
        if !matches!(got, Got::H264(_)) {
            self.skipped += self.ready.len() as u64;
            self.ready.clear();
        }
        self.ready.push_back((got, captured_at));
    }

    /// Takes in a picture of H.264: as it is, or decoded where pictures turn out to be reordered.
    fn take_in(&mut self, unit: AccessUnit) -> Result<(), SourceError> {
        let Form::H264(_, way) = &mut self.form else { return Ok(()) };
        if let Way::PassedOn(passage) = way {
            let entry = annex_b::has_parameters(&unit.bytes);
            match passage.take(&unit.bytes, entry) {
                Ok(Some(coded)) => self.put(Got::H264(coded), unit.arrived_at),
                Ok(None) => {}
                Err(large @ Unfit::TooLarge(..)) => {
                    return Err(SourceError::NotAVideo(large.to_string()));
                }
                Err(why) => {
                    tracing::info!("a command's H.264 is decoded and encoded anew: {why}");
                    *way = Way::Decoded(Box::new(Decoding::new()?));
                    return self.take_in(unit);
                }
            }
        } else if let Way::Decoded(decoding) = way {
            let got = decoding.decode(unit);
            got.into_iter().for_each(|(got, at)| self.put(got, at));
        }
        Ok(())
    }
}

impl Decoding {
    fn new() -> Result<Self, SourceError> {
        Ok(Self {
            decoder: Decoder::of_codec(Id::H264)?,
            reordering: Reordering::new(USUAL_INTERVAL),
            converter: Converter::default(),
        })
    }

    fn decode(&mut self, unit: AccessUnit) -> Vec<(Got, Timestamp)> {
        let mut packet = Packet::copy(&unit.bytes);
        packet.set_pts(Some(unit.arrived_at.micros() as i64));
        self.reordering.arrived(unit.arrived_at);
        self.decoder.send(&packet);
        self.take()
    }

    /// The pictures that the decoder has ready.
    fn take(&mut self) -> Vec<(Got, Timestamp)> {
        let mut got = Vec::new();
        while let Some(picture) = self.decoder.take() {
            let reorders = self.decoder.reorders();
            let captured_at = self.reordering.captured(picture.arrived_at, reorders);
            got.push((Got::Decoded(picture), captured_at));
        }
        got
    }
}
