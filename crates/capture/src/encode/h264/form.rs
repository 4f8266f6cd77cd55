//! In which form an encoder takes pictures, and how they get into it.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Codec, frame};

/// In which form an encoder takes pictures. All have a plane of brightness, and colours half as wide and high.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Both colours in planes of their own.
    Planes,
    /// Both colours in one plane, in turns: many encoders in hardware want that.
    Interleaved,
    /// The same in a graphics card's memory, by VA-API.
    OnCard,
}

impl Form {
    /// In words for people: those that we make.
    pub(super) const ALL: &'static str = "yuv420p, nv12 or vaapi";

    /// The form for this encoder, the simplest that it takes; `None` where it takes none that we make.
    pub(super) fn of(codec: Codec) -> Option<Self> {
        let takes = |form: &Self| {
            codec.video().is_ok_and(|video| {
                video.formats().is_none_or(|mut formats| formats.any(|taken| taken == form.taken()))
            })
        };
        [Self::Planes, Self::Interleaved, Self::OnCard].into_iter().find(takes)
    }

    /// As the encoder takes it.
    pub(super) fn taken(self) -> Pixel {
        match self {
            Self::Planes => Pixel::YUV420P,
            Self::Interleaved => Pixel::NV12,
            Self::OnCard => Pixel::VAAPI,
        }
    }

    /// As it lies in our memory before that.
    pub(super) fn here(self) -> Pixel {
        match self {
            Self::Planes => Pixel::YUV420P,
            Self::Interleaved | Self::OnCard => Pixel::NV12,
        }
    }
}

/// Copies three planes, one behind the other, into a picture of either form; its rows have gaps. `None` where there are too
/// few bytes.
pub(super) fn fill(picture: &mut frame::Video, planes: &[u8]) -> Option<()> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (brightness, colours) = planes.split_at_checked(width * height)?;
    let (blue, red) = colours.split_at_checked(width * height / 4)?;
    let red = red.get(..blue.len())?;
    copy_rows(picture, 0, brightness, width);
    match picture.format() {
        Pixel::NV12 => interleave_rows(picture, blue, red, width / 2),
        _ => {
            copy_rows(picture, 1, blue, width / 2);
            copy_rows(picture, 2, red, width / 2);
        }
    }
    Some(())
}

fn copy_rows(picture: &mut frame::Video, plane: usize, from: &[u8], row: usize) {
    let stride = picture.stride(plane);
    let into = picture.data_mut(plane).chunks_mut(stride);
    into.zip(from.chunks(row)).for_each(|(into, from)| into[..row].copy_from_slice(from));
}

fn interleave_rows(picture: &mut frame::Video, blue: &[u8], red: &[u8], row: usize) {
    let stride = picture.stride(1);
    let into = picture.data_mut(1).chunks_mut(stride);
    for ((into, blue), red) in into.zip(blue.chunks(row)).zip(red.chunks(row)) {
        let pairs = into.chunks_exact_mut(2).zip(blue.iter().zip(red));
        pairs.for_each(|(pair, (blue, red))| pair.copy_from_slice(&[*blue, *red]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_and_interleaved_colours_hold_the_same() {
        let planes: Vec<u8> = (0..6 * 4 * 3 / 2).collect();
        let filled = |format| {
            let mut picture = frame::Video::new(format, 6, 4);
            fill(&mut picture, &planes).unwrap();
            picture
        };
        let row = |picture: &frame::Video, plane: usize, row: usize, length: usize| {
            picture.data(plane)[row * picture.stride(plane)..][..length].to_vec()
        };
        let (apart, in_turns) = (filled(Pixel::YUV420P), filled(Pixel::NV12));
        for line in 0..4 {
            assert_eq!(row(&apart, 0, line, 6), row(&in_turns, 0, line, 6));
        }
        assert_eq!(row(&apart, 1, 1, 3), [27, 28, 29]);
        assert_eq!(row(&apart, 2, 1, 3), [33, 34, 35]);
        assert_eq!(row(&in_turns, 1, 0, 6), [24, 30, 25, 31, 26, 32]);
        assert_eq!(row(&in_turns, 1, 1, 6), [27, 33, 28, 34, 29, 35]);
        let mut picture = frame::Video::new(Pixel::NV12, 6, 4);
        assert_eq!(fill(&mut picture, &planes[..35]), None);
    }
}
