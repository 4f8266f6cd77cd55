//! Max-min fair allocation of a socket's bandwidth to its viewers. No IO and no clock.
//!
//! Each viewer first gets its smallest rendition. Then, while bits are left, the viewer whose next larger rendition
//! takes the fewest bits gets that one. A viewer that needs little is thus satisfied, and the rest is left to the
//! others.

use super::viewer_ladder::Bits;

/// The renditions that one viewer may be sent, and the one that it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationRequest {
    /// Bits a second of each rung of its ladder, the smallest first; never empty. A viewer that asked for a rendition
    /// by name has one rung.
    pub bits: Bits,
    /// The index of the present rung.
    pub rung: usize,
}

impl AllocationRequest {
    fn present(&self) -> u64 {
        self.bits[self.rung]
    }

    fn next(&self) -> Option<u64> {
        self.bits.get(self.rung + 1).copied()
    }
}

/// Returns the bits a second of all viewers together.
pub fn total_bits(requests: &[AllocationRequest]) -> u64 {
    requests.iter().map(AllocationRequest::present).sum()
}

/// Allocates from scratch. Without a limit each viewer gets its largest rung.
pub fn allocate(limit: Option<u64>, requests: &mut [AllocationRequest]) {
    let Some(limit) = limit else {
        requests.iter_mut().for_each(|request| request.rung = request.bits.len() - 1);
        return;
    };
    requests.iter_mut().for_each(|request| request.rung = 0);
    fill(limit, requests);
}

/// Lowers at least one viewer if possible, and raises none. Returns the limit that was applied.
pub fn lower(limit: u64, requests: &mut [AllocationRequest]) -> u64 {
    let before: Vec<usize> = requests.iter().map(|request| request.rung).collect();
    // If all viewers fit the limit by the known bitrates, those bitrates are wrong.
    let limits = [limit, total_bits(requests).saturating_sub(1).min(limit)];
    for limit in limits {
        allocate(Some(limit), requests);
        for (request, before) in requests.iter_mut().zip(&before) {
            request.rung = request.rung.min(*before);
        }
        if requests.iter().zip(&before).any(|(request, before)| request.rung < *before) {
            return limit;
        }
    }
    limit
}

/// Raises all viewers that fit below the limit, or one viewer if none fits. Returns whether any was raised.
pub fn raise(limit: u64, requests: &mut [AllocationRequest]) -> bool {
    if fill(limit, requests) {
        return true;
    }
    let Some(at) = cheapest_step(requests, &[]) else { return false };
    requests[at].rung += 1;
    true
}

/// Raises one viewer after the other while bits are left; returns whether any was raised.
fn fill(limit: u64, requests: &mut [AllocationRequest]) -> bool {
    let mut left = limit.saturating_sub(total_bits(requests));
    let (mut done, mut raised) = (vec![false; requests.len()], false);
    while let Some(at) = cheapest_step(requests, &done) {
        let request = &mut requests[at];
        let more = request.next().map_or(0, |next| next - request.present());
        if more > left {
            done[at] = true;
            continue;
        }
        left -= more;
        request.rung += 1;
        raised = true;
    }
    raised
}

/// Returns the viewer whose next rung takes the fewest bits, of those that are not `done`.
fn cheapest_step(requests: &[AllocationRequest], done: &[bool]) -> Option<usize> {
    let open = |at: &usize| !done.get(*at).copied().unwrap_or(false);
    let next = |at: usize| Some((requests[at].next()?, at));
    (0..requests.len()).filter(open).filter_map(next).min().map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use smallvec::smallvec;

    fn camera() -> AllocationRequest {
        AllocationRequest { bits: smallvec![1_400, 4_600, 14_400], rung: 0 }
    }

    fn rungs(requests: &[AllocationRequest]) -> Vec<usize> {
        requests.iter().map(|request| request.rung).collect()
    }

    #[test]
    fn one_viewer_gets_the_largest_rendition_that_fits() {
        for (limit, rung) in [(0, 0), (1_399, 0), (4_599, 0), (4_600, 1), (14_400, 2), (99_999, 2)]
        {
            let mut requests = [camera()];
            allocate(Some(limit), &mut requests);
            assert_eq!(requests[0].rung, rung, "{limit}");
        }
    }

    #[test]
    fn a_wall_is_raised_evenly() {
        for limit in 0..150 {
            let mut wall = vec![camera(); 9];
            allocate(Some(limit * 1000), &mut wall);
            let rungs = rungs(&wall);
            let (least, most) = (rungs.iter().min().unwrap(), rungs.iter().max().unwrap());
            assert!(most - least <= 1, "{limit}: {rungs:?}");
            assert!(total_bits(&wall) <= limit * 1000 || *most == 0);
        }
    }

    #[test]
    fn a_viewer_that_needs_less_leaves_the_rest_to_the_others() {
        let small = AllocationRequest { bits: smallvec![1_400], rung: 0 };
        let mut wall = vec![small.clone(), small.clone(), small, camera()];
        allocate(Some(20_000), &mut wall);
        assert_eq!(rungs(&wall), [0, 0, 0, 2]);
    }

    #[test]
    fn a_rendition_requested_by_name_is_allocated_first() {
        let named = AllocationRequest { bits: smallvec![14_400], rung: 0 };
        let mut requests = [named, camera()];
        allocate(Some(20_000), &mut requests);
        assert_eq!(rungs(&requests), [0, 1]);
        allocate(Some(4_000), &mut requests);
        assert_eq!(rungs(&requests), [0, 0]);
    }

    #[test]
    fn raising_raises_at_least_one_viewer_and_lowering_lowers_at_least_one() {
        let mut requests = [camera(), camera()];
        assert!(raise(0, &mut requests));
        assert_eq!(rungs(&requests), [1, 0]);
        assert_eq!(lower(99_999, &mut requests), 5_999);
        assert_eq!(rungs(&requests), [0, 0]);
        assert!(raise(12_000, &mut requests));
        assert_eq!(rungs(&requests), [1, 1]);
        while raise(0, &mut requests) {}
        assert_eq!(rungs(&requests), [2, 2]);
    }

    fn any_request() -> impl Strategy<Value = AllocationRequest> {
        proptest::collection::vec(1..10_000u64, 1..8).prop_flat_map(|mut bits| {
            bits.sort_unstable();
            let rungs = 0..bits.len();
            rungs.prop_map(move |rung| AllocationRequest { bits: Bits::from_slice(&bits), rung })
        })
    }

    proptest! {
        #[test]
        fn every_rung_exists_and_the_limit_is_kept_if_it_can_be(
            requests in proptest::collection::vec(any_request(), 0..20),
            limit in 0..100_000u64,
        ) {
            let least: u64 = requests.iter().map(|request| request.bits[0]).sum();
            let mut allocated = requests.clone();
            allocate(Some(limit), &mut allocated);
            prop_assert!(total_bits(&allocated) <= limit.max(least));
            let mut lowered = requests.clone();
            lower(limit, &mut lowered);
            prop_assert!(lowered.iter().zip(&requests).all(|(now, before)| now.rung <= before.rung));
            prop_assert!(total_bits(&lowered) <= total_bits(&requests));
            let mut raised = requests.clone();
            let any = raise(limit, &mut raised);
            prop_assert_eq!(any, raised != requests);
            prop_assert!(raised.iter().zip(&requests).all(|(now, before)| now.rung >= before.rung));
        }
    }
}
