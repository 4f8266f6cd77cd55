//! The decoder: packets to frames.

use std::fmt;
use std::thread;

use fanlight_protocol::Timestamp;
use ffmpeg_next::codec::{self, Id, Parameters, threading};
use ffmpeg_next::{Packet, decoder, ffi, frame};

use crate::source::error::SourceError;

/// The most threads of a decoder. More do not speed up one frame.
const MAX_THREADS: usize = 4;

/// A decoded frame, in the codec's own pixel format.
pub(crate) struct DecodedFrame {
    pub(crate) frame: frame::Video,
    /// The arrival time of its packet if the source is live, otherwise the position in the recording.
    pub(crate) timestamp: Timestamp,
}

/// A decoder that returns each frame as soon as the codec allows.
pub(crate) struct VideoDecoder {
    decoder: decoder::Video,
    drained: bool,
}

impl VideoDecoder {
    /// Returns a decoder for a codec that a container describes. If the source is not `live`, several frames are decoded
    /// at a time, which delays the first one.
    pub(super) fn new(parameters: Parameters, live: bool) -> Result<Self, SourceError> {
        let threading = if live { threading::Type::Slice } else { threading::Type::Frame };
        Self::open(codec::Context::from_parameters(parameters).map_err(unsupported)?, threading)
    }

    /// Returns a decoder for a codec that is described by its own bitstream.
    pub(crate) fn of_codec(id: Id) -> Result<Self, SourceError> {
        let codec =
            decoder::find(id).ok_or_else(|| unsupported(ffmpeg_next::Error::DecoderNotFound))?;
        Self::open(codec::Context::new_with_codec(codec), threading::Type::Slice)
    }

    /// Returns a decoder for H.264 with these parameter sets, which have start codes.
    #[expect(unsafe_code, reason = "ffmpeg-next has no access to extradata")]
    pub(super) fn of_h264(parameter_sets: &[u8]) -> Result<Self, SourceError> {
        let mut parameters = Parameters::new();
        let padding = ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
        // SAFETY: the parameters are alive and exclusively ours. FFmpeg's allocator returns null, or zeroed memory of this
        // size, which the parameters free. The copy fits, and does not overlap.
        unsafe {
            let parameters = parameters.as_mut_ptr();
            (*parameters).codec_type = ffi::AVMediaType::AVMEDIA_TYPE_VIDEO;
            (*parameters).codec_id = ffi::AVCodecID::AV_CODEC_ID_H264;
            let memory = ffi::av_mallocz(parameter_sets.len() + padding).cast::<u8>();
            if !memory.is_null() {
                memory.copy_from_nonoverlapping(parameter_sets.as_ptr(), parameter_sets.len());
                (*parameters).extradata = memory;
                (*parameters).extradata_size = parameter_sets.len() as i32;
            }
        }
        Self::new(parameters, true)
    }

    /// Slice threads share one frame. Frame threads delay the output by one frame for each thread.
    fn open(mut context: codec::Context, kind: threading::Type) -> Result<Self, SourceError> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        context
            .set_threading(threading::Config { count: threads, ..threading::Config::kind(kind) });
        let decoder = context.decoder().video().map_err(unsupported)?;
        Ok(Self { decoder, drained: false })
    }

    /// Decodes a packet. A damaged one yields no frame.
    pub(crate) fn send(&mut self, packet: &Packet) {
        if let Err(error) = self.decoder.send_packet(packet) {
            tracing::debug!(%error, "cannot decode a packet");
        }
    }

    /// Ends the stream, so that the remaining frames are returned. Returns false if it has ended before.
    pub(crate) fn drain(&mut self) -> bool {
        !std::mem::replace(&mut self.drained, true) && self.decoder.send_eof().is_ok()
    }

    /// Returns whether frames may arrive in another order than they are displayed.
    pub(super) fn reorders(&self) -> bool {
        self.decoder.has_b_frames()
    }

    /// Returns the next frame, if one is ready.
    pub(crate) fn take(&mut self) -> Option<DecodedFrame> {
        let mut frame = frame::Video::empty();
        self.decoder.receive_frame(&mut frame).ok()?;
        let timestamp = timestamp(frame.pts().or(frame.timestamp()));
        Some(DecodedFrame { frame, timestamp })
    }
}

fn unsupported(_: ffmpeg_next::Error) -> SourceError {
    SourceError::NotAVideo("FFmpeg cannot decode its codec".into())
}

/// Returns the codec description of a container, which is stored apart from the packets.
#[expect(unsafe_code, reason = "ffmpeg-next has no access to extradata")]
pub(super) fn extradata(parameters: &Parameters) -> &[u8] {
    // SAFETY: the memory has the stated size, and lives as long as the parameters that own it.
    unsafe {
        let parameters = parameters.as_ptr();
        match ((*parameters).extradata, (*parameters).extradata_size) {
            (start, length) if start.is_null() || length <= 0 => &[],
            (start, length) => std::slice::from_raw_parts(start, length as usize),
        }
    }
}

/// Returns a timestamp that FFmpeg holds in microseconds.
pub(super) fn timestamp(micros: Option<i64>) -> Timestamp {
    Timestamp::from_micros(micros.unwrap_or_default().max(0) as u64)
}

impl fmt::Debug for VideoDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VideoDecoder").field("drained", &self.drained).finish_non_exhaustive()
    }
}

impl fmt::Debug for DecodedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodedFrame").field("timestamp", &self.timestamp).finish_non_exhaustive()
    }
}
