//! The pixel formats that encoders take, and the copy of pixels into them.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Codec, frame};

use crate::pixels::image::{Image, Plane};

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

/// Copies an image into a frame of either format in memory. The frame is no larger than the image.
pub(super) fn fill(frame: &mut frame::Video, image: &Image) {
    let [luma, blue, red] = rows_of(image);
    let width = frame.width() as usize;
    copy_rows(frame, 0, luma, width);
    match frame.format() {
        Pixel::NV12 => interleave_rows(frame, blue.zip(red), width / 2),
        _ => {
            copy_rows(frame, 1, blue, width / 2);
            copy_rows(frame, 2, red, width / 2);
        }
    }
}

/// Returns the rows of each plane.
fn rows_of(image: &Image) -> [std::slice::ChunksExact<'_, u8>; 3] {
    let planes = image.planes();
    Plane::ALL.map(|plane| {
        let row = plane.stored_size(image.size()).0.max(1);
        planes[plane as usize].chunks_exact(row as usize)
    })
}

fn copy_rows<'a>(
    frame: &mut frame::Video,
    plane: usize,
    from: impl Iterator<Item = &'a [u8]>,
    row: usize,
) {
    let stride = frame.stride(plane);
    let into = frame.data_mut(plane).chunks_mut(stride);
    into.zip(from).for_each(|(into, from)| into[..row].copy_from_slice(&from[..row]));
}

fn interleave_rows<'a>(
    frame: &mut frame::Video,
    chroma: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    row: usize,
) {
    let stride = frame.stride(1);
    let into = frame.data_mut(1).chunks_mut(stride);
    for (into, (blue, red)) in into.zip(chroma) {
        let pairs = into.as_chunks_mut().0.iter_mut().zip(blue.iter().zip(red)).take(row);
        pairs.for_each(|(pair, (blue, red))| *pair = [*blue, *red]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::colours::Colours;

    #[test]
    fn planar_and_semi_planar_frames_have_the_same_content() {
        let mut image = Image::filled((6, 4), Colours::JFIF, [0; 3]).unwrap();
        image.planes_mut().into_iter().flatten().zip(0..).for_each(|(byte, value)| *byte = value);
        let filled = |format| {
            let mut frame = frame::Video::new(format, 6, 4);
            fill(&mut frame, &image);
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
    }
}
