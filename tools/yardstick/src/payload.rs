//! Contents of a synthetic frame: its time, and meaningless bytes.

use std::time::SystemTime;

use fanlight_protocol::Timestamp;

/// Rate and size of frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Made {
    /// Length of each payload.
    pub bytes: usize,
    /// Frames per second.
    pub fps: f64,
}

/// Returns the time of day, by the clock that other programs on this machine read, too.
pub fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp::from_micros(since_1970.map_or(0, |since| since.as_micros() as u64))
}

/// The smallest payload, which [`jpeg_like`] needs for its markers and the time.
pub const MIN_BYTES: usize = 16;

/// Position of the time in a payload of [`stamped`].
pub const STAMPED_AT: usize = 0;

/// Position of the time in a payload of [`jpeg_like`].
pub const JPEG_LIKE_AT: usize = 6;

/// SOI, and the head of a comment of eight bytes (ITU-T T.81 B.2.4.5; its length counts itself).
const SOI_AND_COMMENT: [u8; JPEG_LIKE_AT] = [0xFF, 0xD8, 0xFF, 0xFE, 0x00, 0x0A];
const EOI: [u8; 2] = [0xFF, 0xD9];

/// Returns a payload that begins with `made_at`, as u64 little-endian Unix microseconds.
///
/// # Panics
/// Panics if `bytes` is less than [`MIN_BYTES`].
pub fn stamped(bytes: usize, number: u64, made_at: Timestamp) -> Vec<u8> {
    let mut payload = filled(bytes, number);
    put(&mut payload, STAMPED_AT, &made_at.micros().to_le_bytes());
    payload
}

/// Returns a payload that begins and ends like a JPEG, with `made_at` in a comment right after SOI. There is no image
/// between them.
///
/// # Panics
/// Panics if `bytes` is less than [`MIN_BYTES`].
pub fn jpeg_like(bytes: usize, number: u64, made_at: Timestamp) -> Vec<u8> {
    let mut payload = filled(bytes, number);
    put(&mut payload, 0, &SOI_AND_COMMENT);
    put(&mut payload, JPEG_LIKE_AT, &made_at.micros().to_le_bytes());
    put(&mut payload, bytes - EOI.len(), &EOI);
    payload
}

/// Returns bytes that differ from frame to frame and contain no JPEG marker.
fn filled(bytes: usize, number: u64) -> Vec<u8> {
    assert!(bytes >= MIN_BYTES, "a payload of {bytes} bytes is too short for the time");
    vec![(number % 0xFF) as u8; bytes]
}

fn put(payload: &mut [u8], at: usize, what: &[u8]) {
    payload[at..at + what.len()].copy_from_slice(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time_at(payload: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(payload[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn a_payload_has_its_size_and_the_time_in_its_place() {
        let now = Timestamp::from_micros(1_700_000_000_123_456);
        for bytes in [MIN_BYTES, 17, 60_000] {
            let payload = stamped(bytes, 1, now);
            assert_eq!((payload.len(), time_at(&payload, STAMPED_AT)), (bytes, now.micros()));
            let payload = jpeg_like(bytes, 1, now);
            assert_eq!((payload.len(), time_at(&payload, JPEG_LIKE_AT)), (bytes, now.micros()));
        }
    }

    #[test]
    fn it_begins_and_ends_as_a_jpeg_and_its_comment_holds_the_time_only() {
        let payload = jpeg_like(100, 7, Timestamp::from_micros(1));
        assert_eq!(payload[..4], [0xFF, 0xD8, 0xFF, 0xFE]);
        let comment = u16::from_be_bytes([payload[4], payload[5]]);
        assert_eq!(usize::from(comment), 2 + size_of::<u64>());
        assert_eq!(payload[98..], [0xFF, 0xD9]);
    }

    #[test]
    fn frames_differ_and_none_holds_a_marker() {
        let now = Timestamp::from_micros(0);
        assert_ne!(stamped(100, 1, now), stamped(100, 2, now));
        assert!((0..600).all(|number| !filled(100, number).contains(&0xFF)));
    }
}
