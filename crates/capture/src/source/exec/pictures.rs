//! From the bytes of a command to pictures, of which the newest counts.

use fanlight_protocol::Timestamp;
use ffmpeg_next::Packet;
use ffmpeg_next::codec::Id;

use super::access_units::{AccessUnit, AccessUnits};
use super::kind::Kind;
use crate::hand_over::Buffers;
use crate::picture::Picture;
use crate::pixels::convert::Converter;
use crate::source::jpeg_splitter::{Cut, JpegSplitter};
use crate::source::video::{Decoded, Decoder, Reordering};
use crate::source::{Grabbed, SourceError};

/// Of H.264 without a rate, for pictures that are sent in another order than shown.
const USUAL_INTERVAL: std::time::Duration = std::time::Duration::from_millis(40);

/// Makes pictures of bytes.
#[derive(Debug)]
pub(super) struct Pictures {
    form: Form,
    newest: Option<(Got, Timestamp)>,
    /// What was grabbed.
    taken: Option<Got>,
    /// Pictures replaced by a newer one since the last was grabbed.
    skipped: u64,
}

#[derive(Debug)]
enum Form {
    Jpegs(JpegSplitter),
    H264(Box<H264>),
}

#[derive(Debug)]
struct H264 {
    units: AccessUnits,
    decoder: Decoder,
    reordering: Reordering,
    converter: Converter,
}

#[derive(Debug)]
enum Got {
    Jpeg(Vec<u8>),
    Decoded(Decoded),
}

impl Pictures {
    pub(super) fn new(kind: Kind) -> Result<Self, SourceError> {
        let form = match kind {
            Kind::Jpegs => Form::Jpegs(JpegSplitter::default()),
            Kind::H264 => Form::H264(Box::new(H264 {
                units: AccessUnits::default(),
                decoder: Decoder::of_codec(Id::H264)?,
                reordering: Reordering::new(USUAL_INTERVAL),
                converter: Converter::default(),
            })),
        };
        Ok(Self { form, newest: None, taken: None, skipped: 0 })
    }

    /// Takes bytes in that arrived now.
    pub(super) fn feed(&mut self, bytes: &[u8], now: Timestamp) -> Result<(), SourceError> {
        let got: Vec<_> = match &mut self.form {
            Form::Jpegs(splitter) => {
                let cuts = splitter.feed(bytes, now)?.into_iter();
                cuts.map(|Cut { jpeg, arrived_at }| (Got::Jpeg(jpeg), arrived_at)).collect()
            }
            Form::H264(video) => {
                let units = video.units.feed(bytes, now)?;
                units.into_iter().flat_map(|unit| video.decode(unit)).collect()
            }
        };
        self.put(got);
        Ok(())
    }

    /// At the end: makes what is left into pictures; whether there was one.
    pub(super) fn finish(&mut self) -> bool {
        if let Form::H264(video) = &mut self.form {
            let mut got = video.units.rest().map(|unit| video.decode(unit)).unwrap_or_default();
            if video.decoder.drain() {
                got.extend(video.take());
            }
            self.put(got);
        }
        self.has_one()
    }

    pub(super) fn has_one(&self) -> bool {
        self.newest.is_some()
    }

    /// Takes hold of the newest.
    pub(super) fn grab(&mut self) -> Option<Grabbed> {
        let (got, captured_at) = self.newest.take()?;
        self.taken = Some(got);
        Some(Grabbed { captured_at, skipped: std::mem::take(&mut self.skipped) })
    }

    /// What was grabbed last.
    pub(super) fn retrieve(&mut self, buffers: &Buffers) -> Result<Picture, SourceError> {
        match (self.taken.take(), &mut self.form) {
            (Some(Got::Jpeg(jpeg)), _) => Ok(Picture::Jpeg(jpeg)),
            (Some(Got::Decoded(picture)), Form::H264(video)) => {
                let mut buffer = buffers.take();
                video.converter.convert(&picture.frame, &mut buffer)?;
                Ok(Picture::Pixels(buffer))
            }
            _ => Err(SourceError::Other("no picture was grabbed yet".into())),
        }
    }

    fn put(&mut self, got: Vec<(Got, Timestamp)>) {
        for newest in got {
            self.skipped += u64::from(self.newest.replace(newest).is_some());
        }
    }
}

impl H264 {
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
