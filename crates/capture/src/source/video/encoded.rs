//! An encoded frame, as its source delivered it.

use fanlight_codec::SplitFrame;
use fanlight_codec::h264;
use fanlight_protocol::Timestamp;
use ffmpeg_next::Packet;

use super::decoder::timestamp;

/// One encoded frame.
pub(in crate::source) enum Encoded {
    /// From FFmpeg's demuxer, with a timestamp in microseconds.
    Packet(Packet),
    /// Cut out of a byte stream.
    Split(SplitFrame),
}

impl Encoded {
    /// Returns its arrival time if the source is live, otherwise its position in the recording.
    pub(super) fn timestamp(&self) -> Timestamp {
        match self {
            Self::Packet(packet) => timestamp(packet.pts().or(packet.dts())),
            Self::Split(frame) => frame.arrived_at,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Packet(packet) => packet.data().unwrap_or_default(),
            Self::Split(frame) => &frame.bytes,
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Packet(packet) => packet.data().unwrap_or_default().to_vec(),
            Self::Split(frame) => frame.bytes,
        }
    }

    pub(super) fn into_packet(self) -> Packet {
        match self {
            Self::Packet(packet) => packet,
            Self::Split(frame) => {
                let mut packet = Packet::copy(&frame.bytes);
                packet.set_pts(Some(frame.arrived_at.micros() as i64));
                packet
            }
        }
    }

    /// Returns whether FFmpeg marked it as damaged, which counts as missing.
    pub(super) fn is_damaged(&self) -> bool {
        matches!(self, Self::Packet(packet) if packet.is_corrupt())
    }

    /// Returns whether decoding can start here, as far as the source declares it.
    pub(super) fn is_entry(&self) -> bool {
        match self {
            Self::Packet(packet) => packet.is_key(),
            Self::Split(frame) => h264::is_entry(&frame.bytes),
        }
    }
}
