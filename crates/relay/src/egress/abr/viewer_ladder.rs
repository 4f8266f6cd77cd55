//! The part of a stream's ladder that a viewer may be sent, up to the rendition that its tile needs, with bitrates.
//! No IO and no clock.

use fanlight_protocol::{Codec, RenditionName, TrackEntry, TrackName};
use smallvec::SmallVec;

/// Exponent by which bytes shrink with pixels: a quarter of the pixels takes about a third of the bytes.
const BYTES_PER_PIXELS: f64 = 0.83;
/// Bits per pixel, and frames a second, if nothing else is known: a usual camera at quality 80.
const USUAL_BITS: f64 = 0.5;
/// The same for H.264, which takes a tenth of JPEG's bits with little motion, and a fifth with much.
const USUAL_BITS_OF_H264: f64 = 0.08;
const USUAL_FPS: f64 = 30.0;
/// Pixels of a rendition whose size is unknown.
const USUAL_PIXELS: f64 = 1280.0 * 720.0;

/// Bits a second of each rung. Three renditions are usual; the most are eight.
pub type Bits = SmallVec<[u64; 4]>;

/// The size in pixels at which a viewer shows the picture, as far as it reported one. The whole picture is scaled into
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DisplaySize {
    /// The width.
    pub width: Option<u32>,
    /// The height.
    pub height: Option<u32>,
}

/// One rendition of a viewer's ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// The rendition's track.
    pub track: TrackName,
    width: u32,
    height: u32,
}

/// The part of a stream's ladder that may be sent to a viewer, from the smallest rendition to the one that fills the
/// display size. There is at least one rung.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewerLadder(Vec<Rung>);

impl DisplaySize {
    /// Returns whether a rendition fills the display, so that it need not be enlarged.
    fn is_filled_by(self, rung: &Rung) -> bool {
        self.width.is_some_and(|width| rung.width >= width)
            || self.height.is_some_and(|height| rung.height >= height)
    }
}

impl ViewerLadder {
    /// Builds the ladder of one codec from these tracks, up to the smallest that fills the display. Tracks that are
    /// `absent` are left out.
    pub fn new(
        tracks: &[TrackEntry],
        codec: Codec,
        display: DisplaySize,
        absent: impl Fn(&TrackName) -> bool,
    ) -> Self {
        let usable =
            tracks.iter().filter(|track| track.name.codec == codec && !absent(&track.name));
        let mut rungs: Vec<Rung> = usable
            .map(|t| Rung { track: t.name.clone(), width: t.width, height: t.height })
            .collect();
        // A track of unknown size is the source's own before its first frame.
        rungs.sort_by_key(|rung| {
            let full = rung.track.rendition == RenditionName::full();
            (rung.pixels().unwrap_or(u64::MAX), full, rung.track.clone())
        });
        if let Some(enough) = rungs.iter().position(|rung| display.is_filled_by(rung)) {
            rungs.truncate(enough + 1);
        }
        if rungs.is_empty() {
            let track = TrackName { rendition: RenditionName::full(), codec };
            rungs.push(Rung { track, width: 0, height: 0 });
        }
        Self(rungs)
    }

    /// Returns the number of rungs, which is never zero.
    #[expect(clippy::len_without_is_empty, reason = "a ladder is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the track of a rung, counted from the smallest.
    pub fn track(&self, at: usize) -> &TrackName {
        &self.0[at.min(self.top())].track
    }

    /// Returns the index of the largest rung.
    pub fn top(&self) -> usize {
        self.0.len() - 1
    }

    /// Returns the index of a track's rung.
    pub fn position(&self, track: &TrackName) -> Option<usize> {
        self.0.iter().position(|rung| rung.track == *track)
    }

    /// Returns the bits a second of each rung: those that `known` returns, and estimates for the others. No rung takes
    /// less than a smaller one.
    pub fn bits(&self, known: impl Fn(&TrackName) -> Option<u64>) -> Bits {
        let known: SmallVec<[Option<u64>; 4]> =
            self.0.iter().map(|rung| known(&rung.track).filter(|bits| *bits > 0)).collect();
        let mut least = 1;
        let bits = (0..self.len()).map(|at| {
            least = known[at].unwrap_or_else(|| self.estimate(at, &known)).max(least);
            least
        });
        bits.collect()
    }

    /// Estimates the bits of a rung from those of the nearest known one.
    fn estimate(&self, at: usize, known: &[Option<u64>]) -> u64 {
        let near = (0..self.len()).filter(|other| known[*other].is_some());
        let near = near.min_by_key(|other| other.abs_diff(at));
        let pixels = |at: usize| self.0[at].pixels().map_or(USUAL_PIXELS, |pixels| pixels as f64);
        let estimate = match near.and_then(|near| Some((near, known[near]?))) {
            Some((near, bits)) => bits as f64 * (pixels(at) / pixels(near)).powf(BYTES_PER_PIXELS),
            None => {
                let bits = match self.0[at].track.codec {
                    Codec::Jpeg => USUAL_BITS,
                    Codec::H264 => USUAL_BITS_OF_H264,
                };
                pixels(at) * bits * USUAL_FPS
            }
        };
        estimate as u64
    }
}

impl Rung {
    fn pixels(&self) -> Option<u64> {
        let pixels = u64::from(self.width) * u64::from(self.height);
        (pixels > 0).then_some(pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::fixture::entry;

    fn tracks() -> Vec<TrackEntry> {
        vec![
            entry("full.jpeg", 1280, 720),
            entry("half.jpeg", 640, 360),
            entry("quarter.jpeg", 320, 180),
            entry("full.h264", 1280, 720),
        ]
    }

    fn ladder(display: DisplaySize) -> Vec<String> {
        let ladder = ViewerLadder::new(&tracks(), Codec::Jpeg, display, |_| false);
        (0..ladder.len()).map(|at| ladder.track(at).rendition.to_string()).collect()
    }

    fn display(width: impl Into<Option<u32>>, height: impl Into<Option<u32>>) -> DisplaySize {
        DisplaySize { width: width.into(), height: height.into() }
    }

    #[test]
    fn the_largest_rung_is_the_smallest_that_fills_the_tile() {
        assert_eq!(ladder(DisplaySize::default()), ["quarter", "half", "full"]);
        assert_eq!(ladder(display(320, 180)), ["quarter"]);
        assert_eq!(ladder(display(321, 181)), ["quarter", "half"]);
        assert_eq!(ladder(display(640, None)), ["quarter", "half"]);
        assert_eq!(ladder(display(None, 361)), ["quarter", "half", "full"]);
        assert_eq!(ladder(display(4000, 3000)), ["quarter", "half", "full"]);
        assert_eq!(ladder(display(0, 0)), ["quarter"]);
    }

    #[test]
    fn a_tile_of_another_shape_needs_only_the_size_of_the_picture_in_it() {
        // The picture covers 640x360 of its 640x1000.
        assert_eq!(ladder(display(640, 1000)), ["quarter", "half"]);
        assert_eq!(ladder(display(1000, 180)), ["quarter"]);
    }

    #[test]
    fn an_absent_track_is_no_rung_and_before_the_first_frame_there_is_the_full_rendition() {
        let without = |name: &str| {
            let name: TrackName = name.parse().unwrap();
            ViewerLadder::new(&tracks(), Codec::Jpeg, display(640, 360), |track| *track == name)
        };
        assert_eq!(without("half.jpeg").track(1).rendition.as_str(), "full");
        let none = ViewerLadder::new(&[], Codec::Jpeg, display(640, 360), |_| false);
        assert_eq!((none.len(), none.track(7)), (1, &TrackName::full_jpeg()));
        let unknown = [entry("full.jpeg", 0, 0), entry("half.jpeg", 0, 0)];
        let unknown = ViewerLadder::new(&unknown, Codec::Jpeg, display(1, 1), |_| false);
        assert_eq!(unknown.track(unknown.top()), &TrackName::full_jpeg());
    }

    #[test]
    fn unknown_bitrates_are_estimated_from_known_ones() {
        let ladder = ViewerLadder::new(&tracks(), Codec::Jpeg, DisplaySize::default(), |_| false);
        let of = |known: &'static str, bits: u64| {
            let bits = ladder.bits(|track| (track.rendition.as_str() == known).then_some(bits));
            bits.into_vec()
        };
        let near = |estimate: u64, truth: u64| estimate.abs_diff(truth) * 5 < truth;
        let (full, quarter) = (of("full", 14_400_000), of("quarter", 1_400_000));
        assert!(near(full[1], 4_600_000) && near(full[0], 1_400_000), "{full:?}");
        assert!(near(quarter[1], 4_600_000) && near(quarter[2], 14_400_000), "{quarter:?}");
        let nothing = of("none", 1);
        assert!(near(nothing[2], 14_400_000), "{nothing:?}");
        assert!(of("half", 1).is_sorted() && of("quarter", 1 << 40).is_sorted());
    }
}
