//! Packets to pictures.

use std::fmt;
use std::thread;

use fanlight_protocol::Timestamp;
use ffmpeg_next::codec::{self, Id, Parameters, threading};
use ffmpeg_next::{Packet, decoder, frame};

use crate::source::SourceError;

/// More threads on one picture do not make it faster.
const MOST_THREADS: usize = 4;

/// A decoded picture, in the codec's own colours.
pub(crate) struct Decoded {
    pub(crate) frame: frame::Video,
    /// When its packet arrived, where it is live; else its place in the recording.
    pub(crate) arrived_at: Timestamp,
}

/// A decoder that gives every picture out as soon as the codec allows.
pub(crate) struct Decoder {
    decoder: decoder::Video,
    drained: bool,
}

impl Decoder {
    /// For what is described so.
    pub(in crate::source) fn new(parameters: Parameters) -> Result<Self, SourceError> {
        Self::of(codec::Context::from_parameters(parameters).map_err(unknown)?)
    }

    /// For a codec whose packets describe themselves.
    pub(crate) fn of_codec(id: Id) -> Result<Self, SourceError> {
        let codec =
            decoder::find(id).ok_or_else(|| unknown(ffmpeg_next::Error::DecoderNotFound))?;
        Self::of(codec::Context::new_with_codec(codec))
    }

    fn of(mut context: codec::Context) -> Result<Self, SourceError> {
        // Threads that share a picture, never a thread for each picture: those hold back as many pictures as they are.
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        context.set_threading(threading::Config {
            count: threads,
            ..threading::Config::kind(threading::Type::Slice)
        });
        let decoder = context.decoder().video().map_err(unknown)?;
        Ok(Self { decoder, drained: false })
    }

    /// Takes a packet in. A damaged one costs its picture, no more; where none can be read, none comes out.
    pub(crate) fn send(&mut self, packet: &Packet) {
        if let Err(error) = self.decoder.send_packet(packet) {
            tracing::debug!(%error, "a packet could not be decoded");
        }
    }

    /// At the end: lets go of what is held back. False when that is done.
    pub(in crate::source) fn drain(&mut self) -> bool {
        !std::mem::replace(&mut self.drained, true) && self.decoder.send_eof().is_ok()
    }

    /// Whether pictures are sent in another order than shown.
    pub(in crate::source) fn reorders(&self) -> bool {
        self.decoder.has_b_frames()
    }

    /// The next picture, if there is one already.
    pub(crate) fn take(&mut self) -> Option<Decoded> {
        let mut frame = frame::Video::empty();
        self.decoder.receive_frame(&mut frame).ok()?;
        let arrived_at = arrived_at(frame.pts().or(frame.timestamp()));
        Some(Decoded { frame, arrived_at })
    }
}

fn unknown(_: ffmpeg_next::Error) -> SourceError {
    SourceError::NotAVideo("it is in a codec that FFmpeg cannot decode".into())
}

/// What describes a video beside its packets, as its container has it.
#[expect(unsafe_code, reason = "ffmpeg-next has no words for extradata")]
pub(in crate::source) fn extradata(parameters: &Parameters) -> &[u8] {
    // SAFETY: the memory is as long as it says, and alive as long as the parameters that own it.
    unsafe {
        let parameters = parameters.as_ptr();
        match ((*parameters).extradata, (*parameters).extradata_size) {
            (start, length) if start.is_null() || length <= 0 => &[],
            (start, length) => std::slice::from_raw_parts(start, length as usize),
        }
    }
}

/// The moment in a live packet's stamp.
pub(in crate::source) fn arrived_at(stamp: Option<i64>) -> Timestamp {
    Timestamp::from_micros(stamp.unwrap_or_default().max(0) as u64)
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("drained", &self.drained).finish_non_exhaustive()
    }
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded").field("arrived_at", &self.arrived_at).finish_non_exhaustive()
    }
}
