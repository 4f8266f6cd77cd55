//! Who has been sent what of the source's own H.264, so that nobody is sent a picture whose predecessor is missing.

use super::gop::{Gop, Unit};

/// How far the track is that gets it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passing {
    /// Nobody watched.
    #[default]
    Nobody,
    /// It has all before this index, since a keyframe.
    Next(u64),
    /// It missed one.
    Broken,
}

impl Passing {
    /// What is to be sent now that the newest picture is in: nothing, that one, or for whoever comes all since the keyframe.
    pub(super) fn step(self, gop: &Gop, newest: &Unit) -> Vec<Unit> {
        match self {
            _ if newest.coded.keyframe => vec![newest.clone()],
            Self::Next(next) if next == newest.index => vec![newest.clone()],
            Self::Nobody => {
                gop.for_newcomers().map(|units| units.cloned().collect()).unwrap_or_default()
            }
            Self::Next(_) | Self::Broken => Vec::new(),
        }
    }

    /// Whether the newest is not among what went out, though it was wanted: of somebody who waits to begin nothing is missing.
    pub(super) fn misses(self, newest: &Unit, last: Option<u64>) -> bool {
        self != Self::Nobody && last != Some(newest.index)
    }

    /// After that: which of it went out last, and whether all did.
    pub(super) fn after(self, last: Option<u64>, all: bool) -> Self {
        match (last, all) {
            (_, false) => Self::Broken,
            (Some(index), true) => Self::Next(index + 1),
            (None, true) => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanlight_protocol::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::picture::{Coded, Taken};

    fn push(gop: &mut Gop, number: u64, keyframe: bool) -> Unit {
        let captured_at = Timestamp::from_micros(number * 33_000);
        let taken = Taken { captured_at, read_at: captured_at };
        let coded =
            Coded { bytes: vec![0; 10], number, keyframe, entry: keyframe, width: 2, height: 2 };
        gop.push(Arc::new(coded), taken).0
    }

    proptest! {
        /// Pictures come, some are missing; the track is watched or not, and the bus takes them or not.
        #[test]
        fn nobody_is_sent_a_picture_without_its_predecessor(
            plays in proptest::collection::vec((0..30u8, 0..20u8, 0..20u8, any::<bool>()), 1..400),
        ) {
            let (mut gop, mut passing, mut watched, mut number) = (Gop::default(), Passing::Nobody, false, 0);
            let mut decoded: Option<u64> = None;
            for (key, missing, toggled, taken) in plays {
                number += 1 + u64::from(missing == 0);
                if toggled == 0 {
                    watched = !watched;
                    (passing, decoded) = (Passing::Nobody, None);
                }
                if toggled == 1 {
                    // The source is opened anew.
                    number = 0;
                }
                let newest = push(&mut gop, number, key == 0);
                if !watched {
                    continue;
                }
                let (mut last, mut all) = (None, true);
                for unit in passing.step(&gop, &newest) {
                    if !taken && unit.index % 7 == 0 {
                        all = false;
                        break;
                    }
                    let Unit { coded, index, .. } = unit;
                    prop_assert!(coded.keyframe || decoded.map(|last| last + 1) == Some(index), "{index} after {decoded:?}");
                    decoded = Some(index);
                    last = Some(index);
                }
                passing = passing.after(last, all);
            }
        }
    }

    #[test]
    fn whoever_comes_is_sent_all_since_the_keyframe_and_then_each() {
        let mut gop = Gop::default();
        let numbers =
            |units: Vec<Unit>| -> Vec<u64> { units.iter().map(|unit| unit.coded.number).collect() };
        let mut step = |passing: Passing, number, keyframe| {
            let newest = push(&mut gop, number, keyframe);
            numbers(passing.step(&gop, &newest))
        };
        (0..4).for_each(|n| {
            assert_eq!(step(Passing::Broken, n, n == 0), if n == 0 { vec![0] } else { vec![] });
        });
        assert_eq!(step(Passing::Nobody, 4, false), [0, 1, 2, 3, 4]);
        assert_eq!(step(Passing::Next(5), 5, false), [5]);
        assert_eq!(step(Passing::Next(5), 6, false), Vec::<u64>::new());
        assert_eq!(step(Passing::Broken, 7, true), [7]);
    }
}
