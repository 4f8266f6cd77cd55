//! Images with a frame number and a time in them, drawn and read back.

use fanlight_timecode::Timecode;
use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, ImageFormat, Luma};

/// Width of the images: small, so that the time to draw them does not look like latency.
pub const WIDTH: u32 = 320;
/// Their height.
pub const HEIGHT: u32 = 180;

const BACKGROUND: Luma<u8> = Luma([90]);
const WHITE: Luma<u8> = Luma([235]);
const BLACK: Luma<u8> = Luma([16]);
/// JPEG quality: sufficient for the stamp.
const QUALITY: u8 = 75;

/// Draws a picture with a stamp in it.
pub fn draw(stamp: Timecode) -> GrayImage {
    let mut picture = GrayImage::from_pixel(WIDTH, HEIGHT, BACKGROUND);
    for block in stamp.blocks(WIDTH as usize, HEIGHT as usize) {
        let colour = if block.white { WHITE } else { BLACK };
        for y in block.y..block.y + block.height {
            for x in block.x..block.x + block.width {
                picture.put_pixel(x as u32, y as u32, colour);
            }
        }
    }
    picture
}

/// Draws a picture with a stamp in it, as JPEG.
pub fn jpeg(stamp: Timecode) -> Vec<u8> {
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode_image(&draw(stamp))
        .expect("a grey picture of this size always encodes to memory");
    jpeg
}

/// Returns the stamp in a JPEG.
///
/// # Panics
/// Panics if it is no JPEG, or has no stamp.
pub fn stamp_of(jpeg: &[u8]) -> Timecode {
    let picture = image::load_from_memory_with_format(jpeg, ImageFormat::Jpeg)
        .expect("a whole JPEG")
        .to_luma8();
    let (width, height) = picture.dimensions();
    Timecode::read(width as usize, height as usize, |x, y| {
        picture.get_pixel(x as u32, y as u32).0[0]
    })
    .unwrap_or_else(|| panic!("a picture of {width}x{height} without a stamp"))
}
