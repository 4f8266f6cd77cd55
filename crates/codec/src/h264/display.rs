//! The part of H.264 that concerns its display: the shape of a pixel, an orientation, and the colours.

use h264_reader::nal::sei::HeaderType;
use h264_reader::nal::sps::{AspectRatioInfo, SeqParameterSet};

use super::sei;

/// The way in which decoded frames must be shown, as far as the bitstream declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DisplayHints {
    /// Width and height of a pixel, in any unit.
    pub pixel_aspect: Option<(u16, u16)>,
    /// True if frames must be rotated or mirrored (SEI display orientation). Browsers ignore that.
    pub reoriented: bool,
    /// The matrix coefficients (ITU-T H.264, table E-5). Small frames that declare none are forwarded as BT.601.
    pub matrix: Option<u8>,
    /// True if black is 0 and white is 255, not 16 and 235.
    pub full_range: bool,
}

/// "Unspecified" in ITU-T H.264, table E-5.
const UNSPECIFIED: u8 = 2;

impl DisplayHints {
    /// Returns what a sequence parameter set declares.
    pub(super) fn of(sps: &SeqParameterSet) -> Self {
        let Some(vui) = &sps.vui_parameters else { return Self::default() };
        let signal = vui.video_signal_type.as_ref();
        let description = signal.and_then(|signal| signal.colour_description.as_ref());
        let matrix = description.map(|description| description.matrix_coefficients);
        Self {
            pixel_aspect: vui.aspect_ratio_info.as_ref().and_then(AspectRatioInfo::get),
            reoriented: false,
            matrix: matrix.filter(|matrix| *matrix != UNSPECIFIED),
            full_range: signal.is_some_and(|signal| signal.video_full_range_flag),
        }
    }
}

/// Returns whether supplemental information rotates or mirrors frames; `None` if it does not mention that.
pub(super) fn reorients(unit: &[u8]) -> Option<bool> {
    sei::find(unit, |kind, payload| match kind {
        HeaderType::DisplayOrientation => orientation(payload),
        _ => None,
    })
}

/// Reads one bit that cancels the orientation, one bit for each mirroring, and 16 bits of anticlockwise rotation
/// (ITU-T H.264, D.1.27).
fn orientation(payload: &[u8]) -> Option<bool> {
    let &[flags, middle, last, ..] = payload else { return payload.first().map(|_| false) };
    let (cancelled, mirrored) = (flags & 0x80 != 0, flags & 0x60 != 0);
    let rotation = u32::from(flags & 0x1f) << 11 | u32::from(middle) << 3 | u32::from(last) >> 5;
    // To the nearest quarter turn: other angles cannot be shown.
    let quarters = (rotation + 0x2000) >> 14 & 3;
    Some(!cancelled && (mirrored || quarters != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A display orientation behind another message.
    fn sei(flags: u8, middle: u8, last: u8) -> Vec<u8> {
        vec![0x06, 5, 2, 0xaa, 0xbb, 47, 3, flags, middle, last, 0x80]
    }

    #[test]
    fn an_orientation_is_found_among_other_messages() {
        // Anticlockwise: 0, 90, 180 and 270 degrees.
        for (flags, expected) in [(0, false), (0x08, true), (0x10, true), (0x18, true)] {
            assert_eq!(reorients(&sei(flags, 0, 0x10)), Some(expected), "{flags:#x}");
        }
        assert_eq!(reorients(&sei(0x40, 0, 0x10)), Some(true));
        assert_eq!(reorients(&sei(0x20, 0, 0x10)), Some(true));
        assert_eq!(reorients(&sei(0x80 | 0x08, 0, 0)), Some(false), "cancelled");
        assert_eq!(reorients(&[0x06, 47, 1, 0x80, 0x80]), Some(false), "cancelled, short form");
    }

    #[test]
    fn other_messages_and_damaged_ones_say_nothing() {
        for sei in [&[0x06, 5, 1, 0, 0x80][..], &[0x06], &[0x06, 47], &[0x06, 47, 200, 1], &[]] {
            assert_eq!(reorients(sei), None, "{sei:?}");
        }
    }
}
