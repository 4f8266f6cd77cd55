//! The pixel formats that encoders take, and the copy of pixels into them.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Codec, frame};

/// The pixel format of an encoder's input. All have 4:2:0 subsampling: a plane of luma, and chroma half as wide and
/// high.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InputFormat {
    /// Each chroma component in a plane of its own.
    Planar,
    /// Both chroma components interleaved in one plane, as many hardware encoders require.
    SemiPlanar,
    /// Semi-planar in the memory of a graphics card, by VA-API.
    #[cfg(feature = "vaapi")]
    Vaapi,
}

impl InputFormat {
    /// The supported formats, for error messages.
    pub(super) const SUPPORTED: &'static str =
        if cfg!(feature = "vaapi") { "yuv420p, nv12 or vaapi" } else { "yuv420p or nv12" };

    /// Returns the simplest format that the encoder takes; `None` if it takes no supported one.
    pub(super) fn of(codec: Codec) -> Option<Self> {
        let is_supported = |format: &Self| {
            codec.video().is_ok_and(|video| {
                let formats = video.formats();
                formats.is_none_or(|mut formats| formats.any(|one| one == format.encoder()))
            })
        };
        let all = [
            Self::Planar,
            Self::SemiPlanar,
            #[cfg(feature = "vaapi")]
            Self::Vaapi,
        ];
        all.into_iter().find(is_supported)
    }

    /// Returns the format of the encoder's input.
    pub(super) fn encoder(self) -> Pixel {
        match self {
            Self::Planar => Pixel::YUV420P,
            Self::SemiPlanar => Pixel::NV12,
            #[cfg(feature = "vaapi")]
            Self::Vaapi => Pixel::VAAPI,
        }
    }

    /// Returns the format of the pixels in this process's memory, before an upload.
    pub(super) fn memory(self) -> Pixel {
        match self {
            Self::Planar => Pixel::YUV420P,
            Self::SemiPlanar => Pixel::NV12,
            #[cfg(feature = "vaapi")]
            Self::Vaapi => Pixel::NV12,
        }
    }
}

/// Copies three consecutive planes into a frame of either format in memory; the rows of the frame have gaps. Returns
/// `None` if there are too few bytes.
pub(super) fn fill(frame: &mut frame::Video, planes: &[u8]) -> Option<()> {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let (luma, chroma) = planes.split_at_checked(width * height)?;
    let (blue, red) = chroma.split_at_checked(width * height / 4)?;
    let red = red.get(..blue.len())?;
    copy_rows(frame, 0, luma, width);
    match frame.format() {
        Pixel::NV12 => interleave_rows(frame, blue, red, width / 2),
        _ => {
            copy_rows(frame, 1, blue, width / 2);
            copy_rows(frame, 2, red, width / 2);
        }
    }
    Some(())
}

fn copy_rows(frame: &mut frame::Video, plane: usize, from: &[u8], row: usize) {
    let stride = frame.stride(plane);
    let into = frame.data_mut(plane).chunks_mut(stride);
    into.zip(from.chunks(row)).for_each(|(into, from)| into[..row].copy_from_slice(from));
}

fn interleave_rows(frame: &mut frame::Video, blue: &[u8], red: &[u8], row: usize) {
    let stride = frame.stride(1);
    let into = frame.data_mut(1).chunks_mut(stride);
    for ((into, blue), red) in into.zip(blue.chunks(row)).zip(red.chunks(row)) {
        let pairs = into.chunks_exact_mut(2).zip(blue.iter().zip(red));
        pairs.for_each(|(pair, (blue, red))| pair.copy_from_slice(&[*blue, *red]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planar_and_semi_planar_frames_have_the_same_content() {
        let planes: Vec<u8> = (0..6 * 4 * 3 / 2).collect();
        let filled = |format| {
            let mut frame = frame::Video::new(format, 6, 4);
            fill(&mut frame, &planes).unwrap();
            frame
        };
        let row = |frame: &frame::Video, plane: usize, row: usize, length: usize| {
            frame.data(plane)[row * frame.stride(plane)..][..length].to_vec()
        };
        let (planar, semi_planar) = (filled(Pixel::YUV420P), filled(Pixel::NV12));
        for line in 0..4 {
            assert_eq!(row(&planar, 0, line, 6), row(&semi_planar, 0, line, 6));
        }
        assert_eq!(row(&planar, 1, 1, 3), [27, 28, 29]);
        assert_eq!(row(&planar, 2, 1, 3), [33, 34, 35]);
        assert_eq!(row(&semi_planar, 1, 0, 6), [24, 30, 25, 31, 26, 32]);
        assert_eq!(row(&semi_planar, 1, 1, 6), [27, 33, 28, 34, 29, 35]);
        let mut frame = frame::Video::new(Pixel::NV12, 6, 4);
        assert_eq!(fill(&mut frame, &planes[..35]), None);
    }
}
