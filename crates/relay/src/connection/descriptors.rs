//! File descriptors: every connection takes one, and the bus must always get one.

use anyhow::ensure;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::limits::Limits;

/// Descriptors of the relay itself: 20 were counted, of standard streams, log, listener, signals and the bus's threads. The
/// others are for files that are open for a moment, and for connections on their way to a refusal.
const OWN: usize = 48;
/// Descriptors of one thread that serves viewers.
const PER_THREAD: usize = 4;
/// Descriptors of one publisher: 5 were counted, of its socket, its connection and what watches that, and one to spare.
const PER_PUBLISHER: usize = 6;
/// Fewest connections with which a relay starts.
const FEWEST: usize = 16;

/// Returns the descriptors that connections must leave to everything else, with these numbers of threads and publishers.
pub fn reserve(threads: usize, publishers: usize) -> usize {
    OWN + threads * PER_THREAD + publishers * PER_PUBLISHER
}

/// Raises this process's own limit (`RLIMIT_NOFILE`, commonly 1024) as far as is needed and allowed, and lowers the
/// limits of viewers to what that allows. `reserve` stays for everything but connections.
///
/// # Errors
/// Fails if the system allows so few descriptors that there would be hardly a viewer.
pub fn fit(limits: Limits, reserve: usize) -> anyhow::Result<Limits> {
    let needed = limits.connections() + reserve;
    let allowed = raise(needed as u64);
    let Some((connections, reserved)) = share(allowed, needed, reserve) else { return Ok(limits) };
    ensure!(
        connections >= FEWEST,
        "the system allows {allowed} open files, and a relay needs {} at least: raise the limit (ulimit -n, LimitNOFILE=)",
        2 * FEWEST
    );
    let limits = limits.within(connections);
    tracing::warn!(
        allowed,
        needed,
        reserved,
        viewers = limits.viewers(),
        "fewer viewers than --max-viewers are let in, because the system allows too few open files: raise the limit \
         (ulimit -n, LimitNOFILE=)"
    );
    Ok(limits)
}

/// Returns how many of `allowed` descriptors connections get, and how many stay; `None` if all that is needed is allowed.
/// If not even the reserve is there in full, both get half.
fn share(allowed: u64, needed: usize, reserve: usize) -> Option<(usize, usize)> {
    let allowed = usize::try_from(allowed).unwrap_or(usize::MAX);
    (allowed < needed).then(|| {
        let reserved = reserve.min(allowed / 2);
        (allowed - reserved, reserved)
    })
}

/// Raises the limit towards `needed`; returns what is allowed then.
fn raise(needed: u64) -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current.filter(|current| *current < needed) else { return needed };
    let reachable = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    limit.current = Some(reachable);
    if setrlimit(Resource::Nofile, limit).is_ok() { reachable } else { current }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_the_reserve_to_the_bus() {
        assert_eq!(share(10_000, 5000, 300), None);
        assert_eq!(share(5000, 5000, 300), None);
        assert_eq!(share(1024, 5000, 300), Some((724, 300)));
        assert_eq!(share(256, 5000, 300), Some((128, 128)));
        assert_eq!(share(0, 5000, 300), Some((0, 0)));
    }

    #[test]
    fn a_reserve_has_room_for_every_publisher() {
        assert!(reserve(1, 128) >= 128 * PER_PUBLISHER);
        assert!(reserve(64, 1) - reserve(1, 1) >= 63 * 3);
    }
}
