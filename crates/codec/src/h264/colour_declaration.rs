//! A declaration of colours for H.264 that has none.
//!
//! Players take small video without a declaration for BT.601, as capture does, but Chromium takes it for BT.709. With a
//! declaration, all show the same colours. The declaration is part of the sequence parameter set, so no frame changes.

use h264_reader::nal::sps::{ColourDescription, SeqParameterSet, VideoFormat, VideoSignalType};
use h264_reader::nal::{NalHeader, WritableNal};
use h264_reader::rbsp::{BitReader, decode_nal};

/// A taller frame without a declared matrix has that of HDTV (ITU-R BT.709), by the convention of players.
pub const MAX_SDTV_HEIGHT: u32 = 576;

/// The numbers of BT.709 primaries, of its transfer characteristics, and of the BT.601 matrix (ITU-T H.264, tables E-3 to
/// E-5). JPEG has nearly the same primaries and transfer characteristics, which makes both codecs look alike.
const BT709: u8 = 1;
const BT601_MATRIX: u8 = 6;

/// Returns a sequence parameter set that also declares BT.601, in place of one for small frames that declares nothing.
/// Returns `None` if it must stay as it is.
pub(super) fn declared(unit: &[u8]) -> Option<Vec<u8>> {
    let header = NalHeader::new(*unit.first()?).ok()?;
    let bytes = decode_nal(unit).ok()?;
    let mut sps = SeqParameterSet::from_bits(BitReader::new(&bytes[..])).ok()?;
    let (_, height) = sps.pixel_dimensions().ok()?;
    // A set with unknown parts would lose them.
    if height > MAX_SDTV_HEIGHT || sps.to_vec_with_header(header) != unit {
        return None;
    }
    let signal = sps.vui_parameters.get_or_insert_default().video_signal_type.get_or_insert(
        VideoSignalType {
            video_format: VideoFormat::Unspecified,
            video_full_range_flag: false,
            colour_description: None,
        },
    );
    if signal.colour_description.is_some() {
        return None;
    }
    signal.colour_description = Some(ColourDescription {
        colour_primaries: BT709,
        transfer_characteristics: BT709,
        matrix_coefficients: BT601_MATRIX,
    });
    Some(sps.to_vec_with_header(header))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::annex_b::{self, NalType};
    use super::super::display::DisplayHints;
    use super::*;

    /// The sequence parameter set of a clip that the ffmpeg command encodes.
    fn encoded(size: &str, options: &[&str]) -> Vec<u8> {
        let source = format!("testsrc2=size={size}:rate=10");
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", &source, "-frames:v", "1"]);
        ffmpeg.args(["-c:v", "libx264"]).args(options).args(["-f", "h264", "-"]);
        let bytes = ffmpeg.output().expect("the ffmpeg command is installed").stdout;
        let sps = annex_b::nal_units(&bytes).find(|unit| NalType::of(unit) == NalType::Sps);
        sps.unwrap().to_vec()
    }

    fn parsed(unit: &[u8]) -> SeqParameterSet {
        SeqParameterSet::from_bits(BitReader::new(&decode_nal(unit).unwrap()[..])).unwrap()
    }

    #[test]
    fn small_video_without_a_declaration_gets_one_and_keeps_the_rest() {
        for options in [&["-pix_fmt", "yuv420p"][..], &["-profile:v", "baseline"], &["-aud", "1"]] {
            let sps = encoded("640x480", options);
            let declared = declared(&sps).unwrap();
            let (before, mut after) = (parsed(&sps), parsed(&declared));
            assert_eq!(DisplayHints::of(&after).matrix, Some(BT601_MATRIX));
            let vui = after.vui_parameters.as_mut().unwrap();
            vui.video_signal_type.take();
            assert_eq!(before, after);
        }
    }

    #[test]
    fn a_range_that_is_declared_alone_is_kept() {
        let sps = encoded("640x480", &["-pix_fmt", "yuv420p", "-color_range", "pc"]);
        assert!(DisplayHints::of(&parsed(&sps)).full_range);
        assert!(DisplayHints::of(&parsed(&declared(&sps).unwrap())).full_range);
    }

    #[test]
    fn declared_colours_large_frames_and_damaged_sets_stay_as_they_are() {
        let stated = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"];
        assert_eq!(declared(&encoded("640x480", &stated)), None);
        assert_eq!(declared(&encoded("1280x720", &[])), None);
        let sps = encoded("640x480", &[]);
        for length in 0..sps.len() {
            assert_eq!(declared(&sps[..length]), None, "{length}");
        }
    }
}
