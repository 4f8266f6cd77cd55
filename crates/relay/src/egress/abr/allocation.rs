//! Who of those on one socket is sent what: max-min fair. Each is given the smallest rendition first; then, again and
//! again, the one whose next larger takes the fewest bits is given it, as long as there are bits left. So whoever needs
//! little has it, and the rest is for the others. No IO and no clock.

use super::ladder::Bits;

/// What one viewer of a socket may be sent, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationRequest {
    /// Bits a second of each of its rungs, the smallest first; never empty. One that asked for a rendition by name has
    /// one rung.
    pub bits: Bits,
    /// The rung that it is at.
    pub at: usize,
}

impl AllocationRequest {
    fn taken(&self) -> u64 {
        self.bits[self.at]
    }

    fn next(&self) -> Option<u64> {
        self.bits.get(self.at + 1).copied()
    }
}

/// Bits a second that all take.
pub fn taken(claims: &[AllocationRequest]) -> u64 {
    claims.iter().map(AllocationRequest::taken).sum()
}

/// Divides anew, whoever has what. Without a limit everybody has what it needs.
pub fn divide(limit: Option<u64>, claims: &mut [AllocationRequest]) {
    let Some(limit) = limit else {
        claims.iter_mut().for_each(|claim| claim.at = claim.bits.len() - 1);
        return;
    };
    claims.iter_mut().for_each(|claim| claim.at = 0);
    raise(limit, claims);
}

/// Gives everybody less or what it has, and somebody less where that is possible. Returns the limit that was kept to.
pub fn lower(limit: u64, claims: &mut [AllocationRequest]) -> u64 {
    let before: Vec<usize> = claims.iter().map(|claim| claim.at).collect();
    // Where what is known of rates says that all would fit, they are wrong.
    let limits = [limit, taken(claims).saturating_sub(1).min(limit)];
    for limit in limits {
        divide(Some(limit), claims);
        claims.iter_mut().zip(&before).for_each(|(claim, before)| claim.at = claim.at.min(*before));
        if claims.iter().zip(&before).any(|(claim, before)| claim.at < *before) {
            return limit;
        }
    }
    limit
}

/// Gives more to somebody: as many as have room below the limit, or else one. False where all have what they need.
pub fn grow(limit: u64, claims: &mut [AllocationRequest]) -> bool {
    if raise(limit, claims) {
        return true;
    }
    let Some(at) = modest(claims, &[]) else { return false };
    claims[at].at += 1;
    true
}

/// Raises one after the other while there are bits left; returns whether any was.
fn raise(limit: u64, claims: &mut [AllocationRequest]) -> bool {
    let mut left = limit.saturating_sub(taken(claims));
    let (mut full, mut raised) = (vec![false; claims.len()], false);
    while let Some(at) = modest(claims, &full) {
        let claim = &mut claims[at];
        let more = claim.next().map_or(0, |next| next - claim.taken());
        if more > left {
            full[at] = true;
            continue;
        }
        left -= more;
        claim.at += 1;
        raised = true;
    }
    raised
}

/// The one whose next larger takes the fewest bits, of those that are not `full`.
fn modest(claims: &[AllocationRequest], full: &[bool]) -> Option<usize> {
    let open = |at: &usize| !full.get(*at).copied().unwrap_or(false);
    let next = |at: usize| Some((claims[at].next()?, at));
    (0..claims.len()).filter(open).filter_map(next).min().map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use smallvec::smallvec;

    fn camera() -> AllocationRequest {
        AllocationRequest { bits: smallvec![1_400, 4_600, 14_400], at: 0 }
    }

    fn places(claims: &[AllocationRequest]) -> Vec<usize> {
        claims.iter().map(|claim| claim.at).collect()
    }

    #[test]
    fn one_camera_has_the_largest_that_fits() {
        for (limit, at) in [(0, 0), (1_399, 0), (4_599, 0), (4_600, 1), (14_400, 2), (99_999, 2)] {
            let mut claims = [camera()];
            divide(Some(limit), &mut claims);
            assert_eq!(claims[0].at, at, "{limit}");
        }
    }

    #[test]
    fn a_wall_is_raised_together() {
        for limit in 0..150 {
            let mut wall = vec![camera(); 9];
            divide(Some(limit * 1000), &mut wall);
            let places = places(&wall);
            let (least, most) = (places.iter().min().unwrap(), places.iter().max().unwrap());
            assert!(most - least <= 1, "{limit}: {places:?}");
            assert!(taken(&wall) <= limit * 1000 || *most == 0);
        }
    }

    #[test]
    fn who_needs_less_leaves_the_rest_to_others() {
        let small = AllocationRequest { bits: smallvec![1_400], at: 0 };
        let mut wall = vec![small.clone(), small.clone(), small, camera()];
        divide(Some(20_000), &mut wall);
        assert_eq!(places(&wall), [0, 0, 0, 2]);
    }

    #[test]
    fn what_was_asked_for_by_name_is_paid_first() {
        let named = AllocationRequest { bits: smallvec![14_400], at: 0 };
        let mut claims = [named, camera()];
        divide(Some(20_000), &mut claims);
        assert_eq!(places(&claims), [0, 1]);
        divide(Some(4_000), &mut claims);
        assert_eq!(places(&claims), [0, 0]);
    }

    #[test]
    fn growing_raises_one_at_least_and_lowering_lowers_one_at_least() {
        let mut claims = [camera(), camera()];
        assert!(grow(0, &mut claims));
        assert_eq!(places(&claims), [1, 0]);
        assert_eq!(lower(99_999, &mut claims), 5_999);
        assert_eq!(places(&claims), [0, 0]);
        assert!(grow(12_000, &mut claims));
        assert_eq!(places(&claims), [1, 1]);
        while grow(0, &mut claims) {}
        assert_eq!(places(&claims), [2, 2]);
    }

    fn any_claim() -> impl Strategy<Value = AllocationRequest> {
        proptest::collection::vec(1..10_000u64, 1..8).prop_flat_map(|mut bits| {
            bits.sort_unstable();
            let places = 0..bits.len();
            places.prop_map(move |at| AllocationRequest { bits: Bits::from_slice(&bits), at })
        })
    }

    proptest! {
        #[test]
        fn nobody_is_at_a_rung_that_is_not_there_and_the_limit_is_kept_where_it_can_be(
            claims in proptest::collection::vec(any_claim(), 0..20),
            limit in 0..100_000u64,
        ) {
            let least: u64 = claims.iter().map(|claim| claim.bits[0]).sum();
            let mut divided = claims.clone();
            divide(Some(limit), &mut divided);
            prop_assert!(taken(&divided) <= limit.max(least));
            let mut lowered = claims.clone();
            lower(limit, &mut lowered);
            prop_assert!(lowered.iter().zip(&claims).all(|(now, before)| now.at <= before.at));
            prop_assert!(taken(&lowered) <= taken(&claims));
            let mut grown = claims.clone();
            let grew = grow(limit, &mut grown);
            prop_assert_eq!(grew, grown != claims);
            prop_assert!(grown.iter().zip(&claims).all(|(now, before)| now.at >= before.at));
        }
    }
}
