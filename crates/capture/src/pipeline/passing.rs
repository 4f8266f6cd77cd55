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

/// So much is sent at once to whoever catches up: what waits for a subscriber is bounded, and other streams have to pass,
/// too (the bus's high-water mark is 32 at least).
const AT_ONCE: usize = 8;

impl Passing {
    /// What is to be sent now that the newest picture is in: nothing, that one, or for whoever comes what was since the
    /// keyframe, some at a time.
    pub(super) fn step(self, gop: &Gop, newest: &Unit) -> Vec<Unit> {
        if newest.coded.keyframe {
            return vec![newest.clone()];
        }
        match self {
            Self::Nobody => gop
                .for_newcomers()
                .map(|units| units.take(AT_ONCE).cloned().collect())
                .unwrap_or_default(),
            Self::Next(next) => match gop.since(Some(next)) {
                Some((units, false)) => units.into_iter().take(AT_ONCE).collect(),
                _ => Vec::new(),
            },
            Self::Broken => Vec::new(),
        }
    }

    /// After that: which of it went out last, and whether all did.
    pub(super) fn after(self, last: Option<u64>, all: bool) -> Self {
        match (self, last, all) {
            (_, Some(index), true) => Self::Next(index + 1),
            (Self::Nobody, None, true) => Self::Nobody,
            _ => Self::Broken,
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
    fn whoever_comes_is_sent_all_since_the_keyframe_some_at_a_time_and_then_each() {
        let mut gop = Gop::default();
        (0..20).for_each(|n| drop(push(&mut gop, n, n == 0)));
        let (mut passing, mut sent) = (Passing::Nobody, Vec::new());
        for number in 20..30 {
            let newest = push(&mut gop, number, false);
            let units = passing.step(&gop, &newest);
            assert!((1..=AT_ONCE).contains(&units.len()));
            passing = passing.after(units.last().map(|unit| unit.index), true);
            sent.extend(units.into_iter().map(|unit| unit.coded.number));
        }
        assert!(sent.into_iter().eq(0..30));
        assert_eq!(passing, Passing::Next(30));
    }

    #[test]
    fn where_one_is_missing_nothing_is_sent_before_the_next_keyframe() {
        let mut gop = Gop::default();
        push(&mut gop, 0, true);
        let mut step = |passing: Passing, number, keyframe| {
            let newest = push(&mut gop, number, keyframe);
            let units = passing.step(&gop, &newest);
            let last = units.last().map(|unit| unit.index);
            (units.len(), passing.after(last, true))
        };
        assert_eq!(step(Passing::Next(1), 2, false), (0, Passing::Broken));
        assert_eq!(step(Passing::Broken, 3, false), (0, Passing::Broken));
        assert_eq!(step(Passing::Nobody, 4, false), (0, Passing::Nobody));
        let (count, passing) = step(Passing::Broken, 5, true);
        assert!(count == 1 && matches!(passing, Passing::Next(_)));
    }
}
