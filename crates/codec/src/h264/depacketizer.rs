//! Joins the RTP packets of H.264 to access units (RFC 6184): one frame each, complete with the packet that has the marker.
//!
//! Parameter sets stay where the camera sends them: it may have several of each kind, and refer to them from other frames
//! than keyframes.

use fanlight_protocol::{MAX_PAYLOAD, Timestamp};

use super::annex_b::{NalType, START_CODE, nal_units};
use crate::split::SplitError;

/// NAL unit types of RTP only (RFC 6184, table 1).
const SEVERAL: u8 = 24;
const INTERLEAVED: [u8; 4] = [25, 26, 27, 29];
const FRAGMENT: u8 = 28;

/// An RTP packet of H.264, in the order in which it was sent.
#[derive(Debug, Clone, Copy)]
pub struct RtpPacket<'a> {
    /// The bytes after the RTP header.
    pub payload: &'a [u8],
    /// Its RTP timestamp, without overflow.
    pub timestamp: i64,
    /// True for the last packet of a frame.
    pub marker: bool,
    /// True if packets before it are missing.
    pub follows_loss: bool,
    /// The time of its arrival.
    pub arrived_at: Timestamp,
}

/// A frame that was sent over RTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RtpFrame {
    /// An access unit with start codes.
    Complete {
        /// The NAL units, each with a start code.
        bytes: Vec<u8>,
        /// The RTP timestamp.
        timestamp: i64,
        /// The time of arrival of its first packet.
        arrived_at: Timestamp,
    },
    /// At least one frame is missing, or a part of it.
    Missing,
}

/// Joins packets to access units.
#[derive(Debug, Default)]
pub struct H264Depacketizer {
    /// The access unit that has begun.
    unit: Option<Unit>,
    /// The timestamp of a frame of which a part is missing.
    skipped: Option<i64>,
    /// True after the first frame, which may begin before the first packet.
    has_begun: bool,
}

/// An access unit that is not complete yet.
#[derive(Debug)]
struct Unit {
    bytes: Vec<u8>,
    timestamp: i64,
    arrived_at: Timestamp,
    /// True within a NAL unit that was sent in fragments.
    is_torn: bool,
    /// True if the packets before it are missing.
    follows_loss: bool,
    /// True if a part of it is missing.
    is_damaged: bool,
}

impl H264Depacketizer {
    /// Accepts the next packet. Returns the frames that it completes: none, one, or two if the marker is missing in the
    /// first.
    ///
    /// # Errors
    /// Fails if a frame is too large, or the camera sends packets that do not form frames in this way.
    pub fn push(&mut self, packet: RtpPacket<'_>) -> Result<Vec<RtpFrame>, SplitError> {
        let mut frames = Vec::new();
        if packet.follows_loss {
            self.skipped = self.unit.take().map(|unit| unit.timestamp);
            frames.push(RtpFrame::Missing);
        }
        if self.skipped == Some(packet.timestamp) {
            return Ok(frames);
        }
        self.skipped = None;
        // Some cameras send the parameter sets of a frame with another timestamp, or end them with a marker.
        let is_next = |unit: &mut Unit| unit.timestamp != packet.timestamp && unit.is_frame();
        if let Some(unit) = self.unit.take_if(is_next) {
            frames.push(self.finish(unit)?);
        }
        let follows_loss = packet.follows_loss || !self.has_begun;
        let unit = self.unit.get_or_insert_with(|| Unit::begin(&packet, follows_loss));
        unit.timestamp = packet.timestamp;
        unit.append(packet.payload)?;
        let is_complete = |unit: &mut Unit| packet.marker && unit.is_frame();
        if let Some(unit) = self.unit.take_if(is_complete) {
            frames.push(self.finish(unit)?);
        }
        Ok(frames)
    }

    fn finish(&mut self, unit: Unit) -> Result<RtpFrame, SplitError> {
        self.has_begun = true;
        match unit.begins_frame() {
            _ if unit.is_damaged || unit.is_torn => Ok(RtpFrame::Missing),
            false if unit.follows_loss => Ok(RtpFrame::Missing),
            false => Err(SplitError::EndsWithinPicture),
            true => Ok(RtpFrame::Complete {
                bytes: unit.bytes,
                timestamp: unit.timestamp,
                arrived_at: unit.arrived_at,
            }),
        }
    }
}

impl Unit {
    fn begin(packet: &RtpPacket<'_>, follows_loss: bool) -> Self {
        Self {
            bytes: Vec::new(),
            timestamp: packet.timestamp,
            arrived_at: packet.arrived_at,
            is_torn: false,
            follows_loss,
            is_damaged: false,
        }
    }

    fn append(&mut self, payload: &[u8]) -> Result<(), SplitError> {
        let [header, rest @ ..] = payload else { return Ok(()) };
        match header & 0x1f {
            SEVERAL => self.append_several(rest),
            FRAGMENT => self.append_fragment(*header, rest),
            kind if INTERLEAVED.contains(&kind) => return Err(SplitError::Interleaved),
            _ => self.append_whole(payload),
        }
        match self.bytes.len() > MAX_PAYLOAD {
            true => Err(SplitError::AccessUnitTooLarge),
            false => Ok(()),
        }
    }

    /// Appends a NAL unit. Some cameras send several in its place, with start codes.
    fn append_whole(&mut self, nal_unit: &[u8]) {
        self.is_damaged |= std::mem::take(&mut self.is_torn);
        self.bytes.extend(START_CODE);
        self.bytes.extend(nal_unit);
    }

    /// Appends NAL units, each of which follows a length of two bytes (RFC 6184, 5.7.1).
    fn append_several(&mut self, mut rest: &[u8]) {
        while let [high, low, after @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some((nal_unit, after)) = after.split_at_checked(length) else {
                self.is_damaged = true;
                return;
            };
            self.append_whole(nal_unit);
            rest = after;
        }
    }

    /// Appends a part of a NAL unit (RFC 6184, 5.8). `indicator`: the byte before `rest`.
    fn append_fragment(&mut self, indicator: u8, rest: &[u8]) {
        let [header, content @ ..] = rest else { return };
        let (starts, ends) = (header & 0x80 != 0, header & 0x40 != 0);
        if starts {
            self.is_damaged |= self.is_torn;
            self.bytes.extend(START_CODE);
            self.bytes.push(indicator & 0xe0 | header & 0x1f);
        } else {
            self.is_damaged |= !self.is_torn;
        }
        self.is_torn = !ends;
        self.bytes.extend(content);
    }

    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let is_slice =
            |unit: &&[u8]| matches!(NalType::of(unit), NalType::IdrSlice | NalType::Slice);
        nal_units(&self.bytes).filter(is_slice)
    }

    /// Returns whether it is a frame, complete or not, and not only what precedes one.
    fn is_frame(&self) -> bool {
        self.is_damaged || self.slices().next().is_some()
    }

    /// Returns whether its first slice is that of a frame: the number of its first macroblock is 0, which is coded as a
    /// single 1 bit.
    fn begins_frame(&self) -> bool {
        let first = self.slices().next().and_then(|slice| slice.get(1));
        first.is_some_and(|byte| byte & 0x80 != 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPS: &[u8] = &[0x67, 1, 2];
    const PPS: &[u8] = &[0x68, 3];
    const KEY: &[u8] = &[0x65, 0x88, 5, 6, 7, 8];
    const DELTA: &[u8] = &[0x41, 0x9a, 9];

    /// Packets arrive one a microsecond.
    #[derive(Default)]
    struct Camera {
        depacketizer: H264Depacketizer,
        now: u64,
    }

    impl Camera {
        fn send(&mut self, timestamp: i64, marker: bool, payload: &[u8]) -> Vec<RtpFrame> {
            self.packet(timestamp, marker, false, payload).unwrap()
        }

        fn packet(
            &mut self,
            timestamp: i64,
            marker: bool,
            follows_loss: bool,
            payload: &[u8],
        ) -> Result<Vec<RtpFrame>, SplitError> {
            self.now += 1;
            let arrived_at = Timestamp::from_micros(self.now);
            let packet = RtpPacket { payload, timestamp, marker, follows_loss, arrived_at };
            self.depacketizer.push(packet)
        }
    }

    fn frame(timestamp: i64, arrived_at: u64, nal_units: &[&[u8]]) -> RtpFrame {
        let bytes = nal_units.iter().flat_map(|unit| [&START_CODE, *unit].concat()).collect();
        RtpFrame::Complete { bytes, timestamp, arrived_at: Timestamp::from_micros(arrived_at) }
    }

    #[test]
    fn a_frame_is_complete_with_its_marker_and_has_the_arrival_time_of_its_first_packet() {
        let mut camera = Camera::default();
        assert_eq!(camera.send(0, false, SPS), []);
        assert_eq!(camera.send(0, false, PPS), []);
        assert_eq!(camera.send(0, true, KEY), [frame(0, 1, &[SPS, PPS, KEY])]);
        assert_eq!(camera.send(9, true, DELTA), [frame(9, 4, &[DELTA])]);
    }

    #[test]
    fn fragments_and_aggregates_are_restored() {
        let mut camera = Camera::default();
        let several = [&[SEVERAL, 0, 3][..], SPS, &[0, 2], PPS].concat();
        assert_eq!(camera.send(0, false, &several), []);
        assert_eq!(camera.send(0, false, &[0x60 | FRAGMENT, 0x85, 0x88, 5]), []);
        assert_eq!(camera.send(0, false, &[0x60 | FRAGMENT, 0x05, 6]), []);
        let frames = camera.send(0, true, &[0x60 | FRAGMENT, 0x45, 7, 8]);
        assert_eq!(frames, [frame(0, 1, &[SPS, PPS, KEY])]);
    }

    #[test]
    fn start_codes_within_a_payload_separate_nal_units() {
        let mut camera = Camera::default();
        let all = [&[0, 0, 0, 1][..], SPS, &START_CODE, PPS, &START_CODE, KEY].concat();
        let frames = camera.send(0, true, &all);
        let [RtpFrame::Complete { bytes, .. }] = &frames[..] else { panic!("{frames:?}") };
        let found: Vec<&[u8]> = nal_units(bytes).filter(|unit| !unit.is_empty()).collect();
        assert_eq!(found, [SPS, PPS, KEY]);
    }

    #[test]
    fn a_new_timestamp_ends_a_frame_without_a_marker() {
        let mut camera = Camera::default();
        camera.send(0, false, KEY);
        let expected = [frame(0, 1, &[KEY]), frame(9, 2, &[DELTA])];
        assert_eq!(camera.send(9, true, DELTA), expected);
    }

    #[test]
    fn parameter_sets_alone_are_not_a_frame() {
        let mut camera = Camera::default();
        assert_eq!(camera.send(0, true, SPS), []);
        assert_eq!(camera.send(1, true, PPS), []);
        assert_eq!(camera.send(2, true, KEY), [frame(2, 1, &[SPS, PPS, KEY])]);
    }

    #[test]
    fn a_frame_of_which_a_part_is_lost_is_missing_and_the_next_one_is_intact() {
        let lost = |camera: &mut Camera, timestamp, marker, payload| {
            camera.packet(timestamp, marker, true, payload).unwrap()
        };
        let mut camera = Camera::default();
        camera.send(0, false, KEY);
        assert_eq!(lost(&mut camera, 0, false, DELTA), [RtpFrame::Missing]);
        assert_eq!(camera.send(0, true, DELTA), [], "the rest of it");
        assert_eq!(camera.send(9, true, DELTA), [frame(9, 4, &[DELTA])]);
        // The whole frame before this one is lost.
        let expected = [RtpFrame::Missing, frame(18, 5, &[DELTA])];
        assert_eq!(lost(&mut camera, 18, true, DELTA), expected);
        // And the start of this one.
        let expected = [RtpFrame::Missing, RtpFrame::Missing];
        assert_eq!(lost(&mut camera, 27, true, &[0x41, 0x13, 8]), expected);
        assert_eq!(lost(&mut camera, 36, true, &[0x60 | FRAGMENT, 0x45, 7]), expected);
    }

    #[test]
    fn a_session_may_begin_within_a_frame_but_no_frame_may_end_within_a_picture() {
        let second_slice = &[0x41, 0x13, 8];
        let mut camera = Camera::default();
        assert_eq!(camera.send(0, true, second_slice), [RtpFrame::Missing]);
        assert_eq!(camera.send(9, true, DELTA), [frame(9, 2, &[DELTA])]);
        let error = camera.packet(9, true, false, second_slice);
        assert_eq!(error, Err(SplitError::EndsWithinPicture));
    }

    #[test]
    fn a_frame_without_an_end_and_interleaved_packets_are_errors() {
        let mut camera = Camera::default();
        let part = [&[0x60 | FRAGMENT, 0x05][..], &[7; 60_000]].concat();
        let error = (0..400).find_map(|_| camera.packet(0, false, false, &part).err());
        assert_eq!(error, Some(SplitError::AccessUnitTooLarge));
        let error = Camera::default().packet(0, false, false, &[25, 0, 0]);
        assert_eq!(error, Err(SplitError::Interleaved));
    }

    proptest! {
        #[test]
        fn arbitrary_packets_are_read_without_harm(
            packets in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 0..40), 0i64..3, any::<bool>(), any::<bool>()),
                0..60,
            ),
        ) {
            let mut camera = Camera::default();
            for (payload, timestamp, marker, follows_loss) in packets {
                let _ = camera.packet(timestamp, marker, follows_loss, &payload);
            }
        }
    }
}
