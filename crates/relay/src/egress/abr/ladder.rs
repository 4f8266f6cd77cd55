//! Which renditions a viewer may be sent, from the smallest to the one that its tile needs, and how many bits a second
//! each of them takes. No IO and no clock.

use fanlight_protocol::{Codec, Rendition, TrackEntry, TrackName};
use smallvec::SmallVec;

/// JPEGs shrink a little slower than their pixels: a quarter of the pixels takes about a third of the bytes.
const SHRINKS: f64 = 0.83;
/// Bits a pixel and frames a second where nothing else is known: a usual camera at quality 80.
const USUAL_BITS: f64 = 0.5;
/// H.264 takes a tenth of that where little moves, and a fifth where much does.
const USUAL_BITS_OF_H264: f64 = 0.08;
const USUAL_FPS: f64 = 30.0;
/// Pixels where even these are not known.
const USUAL_PIXELS: f64 = 1280.0 * 720.0;

/// Bits a second of each rung. Three renditions are usual, and eight the most.
pub type Bits = SmallVec<[u64; 4]>;

/// The room in which a viewer shows pictures, in pixels, as far as it told. The whole picture is shown in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// Its width.
    pub width: Option<u32>,
    /// Its height.
    pub height: Option<u32>,
}

/// One rendition that may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// Its track.
    pub track: TrackName,
    width: u32,
    height: u32,
}

/// The renditions that may be sent, from the smallest to the one that is enough. There is always one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder(Vec<Rung>);

impl Room {
    /// Whether a picture of this size fills it: it need not be made larger to be shown.
    fn is_filled_by(self, rung: &Rung) -> bool {
        self.width.is_some_and(|width| rung.width >= width)
            || self.height.is_some_and(|height| rung.height >= height)
    }
}

impl Ladder {
    /// Of these tracks, those of one codec, up to the smallest that fills the room, and without those that `never` come.
    pub fn new(
        tracks: &[TrackEntry],
        codec: Codec,
        room: Room,
        never: impl Fn(&TrackName) -> bool,
    ) -> Self {
        let able = tracks.iter().filter(|track| track.name.codec == codec && !never(&track.name));
        let mut rungs: Vec<Rung> = able
            .map(|t| Rung { track: t.name.clone(), width: t.width, height: t.height })
            .collect();
        // One of unknown size is the source's own, before its first picture.
        rungs.sort_by_key(|rung| {
            let full = rung.track.rendition == Rendition::full();
            (rung.pixels().unwrap_or(u64::MAX), full, rung.track.clone())
        });
        if let Some(enough) = rungs.iter().position(|rung| room.is_filled_by(rung)) {
            rungs.truncate(enough + 1);
        }
        if rungs.is_empty() {
            let track = TrackName { rendition: Rendition::full(), codec };
            rungs.push(Rung { track, width: 0, height: 0 });
        }
        Self(rungs)
    }

    /// How many there are; never none.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The rung at this place, counted from the smallest.
    pub fn track(&self, at: usize) -> &TrackName {
        &self.0[at.min(self.top())].track
    }

    /// The place of the largest.
    pub fn top(&self) -> usize {
        self.0.len() - 1
    }

    /// Where a track stands in it.
    pub fn place(&self, track: &TrackName) -> Option<usize> {
        self.0.iter().position(|rung| rung.track == *track)
    }

    /// Bits a second of each rung, by those for which `known` tells them, and of no rung less than of a smaller one.
    pub fn bits(&self, known: impl Fn(&TrackName) -> Option<u64>) -> Bits {
        let known: SmallVec<[Option<u64>; 4]> =
            self.0.iter().map(|rung| known(&rung.track).filter(|bits| *bits > 0)).collect();
        let mut least = 1;
        let bits = (0..self.len()).map(|at| {
            least = known[at].unwrap_or_else(|| self.guess(at, &known)).max(least);
            least
        });
        bits.collect()
    }

    /// By the nearest rung that is known.
    fn guess(&self, at: usize, known: &[Option<u64>]) -> u64 {
        let near = (0..self.len()).filter(|other| known[*other].is_some());
        let near = near.min_by_key(|other| other.abs_diff(at));
        let pixels = |at: usize| self.0[at].pixels().map_or(USUAL_PIXELS, |pixels| pixels as f64);
        let guess = match near.and_then(|near| Some((near, known[near]?))) {
            Some((near, bits)) => bits as f64 * (pixels(at) / pixels(near)).powf(SHRINKS),
            None => {
                let bits = match self.0[at].track.codec {
                    Codec::Jpeg => USUAL_BITS,
                    Codec::H264 => USUAL_BITS_OF_H264,
                };
                pixels(at) * bits * USUAL_FPS
            }
        };
        guess as u64
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

    fn ladder(room: Room) -> Vec<String> {
        let ladder = Ladder::new(&tracks(), Codec::Jpeg, room, |_| false);
        (0..ladder.len()).map(|at| ladder.track(at).rendition.to_string()).collect()
    }

    fn room(width: impl Into<Option<u32>>, height: impl Into<Option<u32>>) -> Room {
        Room { width: width.into(), height: height.into() }
    }

    #[test]
    fn the_largest_is_the_smallest_that_fills_the_tile() {
        assert_eq!(ladder(Room::default()), ["quarter", "half", "full"]);
        assert_eq!(ladder(room(320, 180)), ["quarter"]);
        assert_eq!(ladder(room(321, 181)), ["quarter", "half"]);
        assert_eq!(ladder(room(640, None)), ["quarter", "half"]);
        assert_eq!(ladder(room(None, 361)), ["quarter", "half", "full"]);
        assert_eq!(ladder(room(4000, 3000)), ["quarter", "half", "full"]);
        assert_eq!(ladder(room(0, 0)), ["quarter"]);
    }

    #[test]
    fn a_tile_of_another_shape_needs_only_what_the_whole_picture_takes_in_it() {
        // 640x360 of its 640x1000 are pictures.
        assert_eq!(ladder(room(640, 1000)), ["quarter", "half"]);
        assert_eq!(ladder(room(1000, 180)), ["quarter"]);
    }

    #[test]
    fn what_never_comes_is_no_rung_and_before_the_first_picture_there_is_the_full_one() {
        let without = |name: &str| {
            let name: TrackName = name.parse().unwrap();
            Ladder::new(&tracks(), Codec::Jpeg, room(640, 360), |track| *track == name)
        };
        assert_eq!(without("half.jpeg").track(1).rendition.as_str(), "full");
        let none = Ladder::new(&[], Codec::Jpeg, room(640, 360), |_| false);
        assert_eq!((none.len(), none.track(7)), (1, &TrackName::full_jpeg()));
        let unknown = [entry("full.jpeg", 0, 0), entry("half.jpeg", 0, 0)];
        let unknown = Ladder::new(&unknown, Codec::Jpeg, room(1, 1), |_| false);
        assert_eq!(unknown.track(unknown.top()), &TrackName::full_jpeg());
    }

    #[test]
    fn what_is_not_known_is_guessed_by_what_is() {
        let ladder = Ladder::new(&tracks(), Codec::Jpeg, Room::default(), |_| false);
        let of = |known: &'static str, bits: u64| {
            let bits = ladder.bits(|track| (track.rendition.as_str() == known).then_some(bits));
            bits.into_vec()
        };
        let near = |guess: u64, truth: u64| guess.abs_diff(truth) * 5 < truth;
        let (full, quarter) = (of("full", 14_400_000), of("quarter", 1_400_000));
        assert!(near(full[1], 4_600_000) && near(full[0], 1_400_000), "{full:?}");
        assert!(near(quarter[1], 4_600_000) && near(quarter[2], 14_400_000), "{quarter:?}");
        let nothing = of("none", 1);
        assert!(near(nothing[2], 14_400_000), "{nothing:?}");
        assert!(of("half", 1).is_sorted() && of("quarter", 1 << 40).is_sorted());
    }
}
