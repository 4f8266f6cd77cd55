//! Interlaced video as JPEGs: capture cards write both fields of a frame, each half as high, one after the other.

use super::markers::{Element, MarkerScanner, SOI};

/// Starts of frame of all kinds, without the tables and the marker among their numbers (ITU-T T.81, table B.1).
const SOF: [u8; 13] =
    [0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf];

/// Returns whether `bytes` are the two fields of a frame that is `height` pixels high.
pub fn are_fields(bytes: &[u8], height: u32) -> bool {
    let is_field = |own: u32| own < height && own.abs_diff(height - own) <= 1;
    // The height is checked first, because only fields must be scanned to their end.
    if !height_of(bytes).is_some_and(is_field) {
        return false;
    }
    let rest = end_of(bytes).map_or(&[][..], |end| &bytes[end..]);
    let second = rest.windows(2).position(|pair| pair == [0xff, SOI]);
    second.and_then(|start| height_of(&rest[start..])).is_some_and(is_field)
}

/// Returns the end of the JPEG with which `bytes` start.
fn end_of(bytes: &[u8]) -> Option<usize> {
    let mut scanner = MarkerScanner::default();
    loop {
        if let Element::End(end) = scanner.next(bytes).ok()?? {
            return Some(end);
        }
    }
}

fn height_of(bytes: &[u8]) -> Option<u32> {
    let mut scanner = MarkerScanner::default();
    loop {
        match scanner.next(bytes).ok()?? {
            Element::Segment { marker, payload: [_, high, low, ..], .. }
                if SOF.contains(&marker) =>
            {
                return Some(u16::from_be_bytes([*high, *low]).into());
            }
            Element::Segment { .. } | Element::Junk(_) => {}
            Element::End(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The markers of a JPEG of this height.
    fn jpeg(height: u8) -> Vec<u8> {
        let frame = [0xff, 0xc0, 0, 11, 8, 0, height, 0, 64, 1, 1, 0x11, 0];
        [&[0xff, 0xd8][..], &frame, &[0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 7, 7, 0xff, 0xd9]]
            .concat()
    }

    #[test]
    fn two_jpegs_of_half_the_height_are_fields() {
        let pair =
            |first, padding: &[u8], second| [&jpeg(first)[..], padding, &jpeg(second)].concat();
        assert!(are_fields(&pair(24, &[], 24), 48));
        assert!(are_fields(&pair(25, &[0, 0, 0], 24), 49));
        assert!(!are_fields(&pair(48, &[], 48), 48), "two frames");
        assert!(!are_fields(&jpeg(24), 48), "one of them");
        assert!(!are_fields(&pair(24, &[], 24), 240), "smaller than the container states");
        assert!(!are_fields(&pair(24, &[], 48), 48));
        assert!(!are_fields(&[], 48) && !are_fields(&[0xff, 0xd8], 0));
    }
}
