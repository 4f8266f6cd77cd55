//! A timecode: a frame number and a time, painted into an image as black and white blocks.
//!
//! The test picture contains a timecode, so that a program at the other end of the pipeline can tell which frame it has, and
//! how old it really is, even after JPEG compression and after scaling to a quarter.
//!
//! The blocks form a grid of [`COLUMNS`] by [`ROWS`] at the bottom left. One block is 1/64 of the image width wide and high;
//! the grid is one block away from the left and bottom edges. Read from the top left, row by row, the blocks are the bits of:
//! u32 frame number, u64 Unix microseconds, u32 CRC-32 (ISO-HDLC, as in zlib) of those twelve bytes; most significant bit
//! first, big-endian, white is one. All positions are relative to the image width, so a scaled image reads the same.

use fanlight_protocol::Timestamp;

/// Blocks in a row.
pub const COLUMNS: usize = 32;
/// Rows of blocks.
pub const ROWS: usize = 4;
/// The width of an image in blocks.
const BLOCKS_ACROSS: f64 = 64.0;

/// The content of a timecode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timecode {
    /// Counts frames from 0; wraps.
    pub number: u32,
    /// Time at which the image was painted, by the clock of the process that painted it.
    pub time: Timestamp,
}

/// One block: its position and size in pixels, and whether it is white.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Left edge.
    pub x: usize,
    /// Top edge.
    pub y: usize,
    /// Width.
    pub width: usize,
    /// Height.
    pub height: usize,
    /// Set if it is white, otherwise it is black.
    pub white: bool,
}

impl Timecode {
    /// Returns the blocks to paint into an image of this size; none if the image is too small for them.
    pub fn blocks(&self, width: usize, height: usize) -> impl Iterator<Item = Block> {
        let bits = u128::from_be_bytes(self.bytes());
        let fits = Grid::new(width, height);
        fits.into_iter().flat_map(move |grid| {
            (0..COLUMNS * ROWS).map(move |at| {
                let (left, top, right, bottom) = grid.edges(at);
                Block {
                    x: left.round() as usize,
                    y: top.round() as usize,
                    width: (right.round() - left.round()) as usize,
                    height: (bottom.round() - top.round()) as usize,
                    white: bits >> (127 - at) & 1 == 1,
                }
            })
        })
    }

    /// Reads the timecode of an image, given its brightness at a pixel (x, y).
    ///
    /// Returns `None` if the image is too small or contains no timecode (the checksum does not match).
    pub fn read(width: usize, height: usize, luma: impl Fn(usize, usize) -> u8) -> Option<Self> {
        let grid = Grid::new(width, height)?;
        let bits = (0..COLUMNS * ROWS).fold(0u128, |bits, at| {
            let (left, top, right, bottom) = grid.edges(at);
            let white = is_white(&luma, ((left + right) / 2.0, (top + bottom) / 2.0), right - left);
            bits << 1 | u128::from(white)
        });
        Self::from_bytes(bits.to_be_bytes())
    }

    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.number.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.time.micros().to_be_bytes());
        let checksum = crc32fast::hash(&bytes[..12]);
        bytes[12..].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk::<4>()?;
        let (time, _) = rest.split_first_chunk::<8>()?;
        let timecode = Self {
            number: u32::from_be_bytes(*number),
            time: Timestamp::from_micros(u64::from_be_bytes(*time)),
        };
        (timecode.bytes() == bytes).then_some(timecode)
    }
}

/// The positions of the blocks in an image of one size.
#[derive(Debug, Clone, Copy)]
struct Grid {
    block: f64,
    top: f64,
}

impl Grid {
    fn new(width: usize, height: usize) -> Option<Self> {
        let block = width as f64 / BLOCKS_ACROSS;
        let top = height as f64 - block * (ROWS + 1) as f64;
        (block >= 2.0 && top >= 0.0).then_some(Self { block, top })
    }

    /// Returns the left, top, right and bottom edge of a block, counted row by row.
    fn edges(self, at: usize) -> (f64, f64, f64, f64) {
        let left = self.block * (at % COLUMNS + 1) as f64;
        let top = self.top + self.block * (at / COLUMNS) as f64;
        (left, top, left + self.block, top + self.block)
    }
}

/// Returns whether the middle third of a block is bright on average.
fn is_white(luma: &impl Fn(usize, usize) -> u8, centre: (f64, f64), size: f64) -> bool {
    let reach = (size / 6.0).floor() as usize;
    let (x, y) = (centre.0 as usize, centre.1 as usize);
    let middle = (x - reach..=x + reach).flat_map(|x| (y - reach..=y + reach).map(move |y| (x, y)));
    let (sum, count) =
        middle.fold((0u32, 0u32), |(sum, count), (x, y)| (sum + u32::from(luma(x, y)), count + 1));
    sum / count > 127
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(timecode: Timecode, width: usize, height: usize) -> Vec<u8> {
        let mut luma = vec![90; width * height];
        for block in timecode.blocks(width, height) {
            for y in block.y..block.y + block.height {
                let row = y * width + block.x;
                luma[row..row + block.width].fill(if block.white { 235 } else { 16 });
            }
        }
        luma
    }

    #[test]
    fn a_timecode_is_read_at_any_size_that_holds_it() {
        let timecode =
            Timecode { number: 0xDEAD_BEEF, time: Timestamp::from_micros(1_700_000_000_123_456) };
        for (width, height) in
            [(128, 64), (320, 240), (333, 217), (640, 360), (1280, 720), (1920, 1080)]
        {
            let luma = painted(timecode, width, height);
            let read = Timecode::read(width, height, |x, y| luma[y * width + x]);
            assert_eq!(read, Some(timecode), "{width}x{height}");
        }
    }

    #[test]
    fn a_timecode_survives_quartering() {
        let timecode = Timecode { number: 12_345, time: Timestamp::from_micros(987_654_321) };
        let luma = painted(timecode, 1280, 720);
        let quartered = |x: usize, y: usize| luma[y * 4 * 1280 + x * 4];
        assert_eq!(Timecode::read(320, 180, quartered), Some(timecode));
    }

    #[test]
    fn an_image_without_a_timecode_has_none() {
        assert_eq!(Timecode::read(1280, 720, |_, _| 90), None);
        assert_eq!(Timecode::read(1280, 720, |_, _| 255), None);
        assert_eq!(Timecode::read(16, 16, |_, _| 0), None);
    }
}
