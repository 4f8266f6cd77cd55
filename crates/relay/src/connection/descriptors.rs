//! File descriptors: each connection uses one, and the bus must never run out of them.

use anyhow::ensure;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::limits::Limits;

/// Descriptors of the relay itself. 20 were counted: standard streams, log, listener, signals and the bus's threads.
/// The others are for files that are open briefly and for connections that are being refused.
const OWN: usize = 48;
/// Descriptors of one thread that serves viewers.
const PER_THREAD: usize = 4;
/// Descriptors of one publisher. 5 were counted: its socket, its connection and its monitor; one is spare.
const PER_PUBLISHER: usize = 6;
/// Fewest connections with which a relay starts.
const FEWEST: usize = 16;

/// Returns how many descriptors connections must leave to everything else, for these numbers of threads and publishers.
pub fn reserve(threads: usize, publishers: usize) -> usize {
    OWN + threads * PER_THREAD + publishers * PER_PUBLISHER
}

/// Raises this process's limit (`RLIMIT_NOFILE`, commonly 1024) as far as needed and allowed, and lowers the viewer
/// limits to match. `reserve` descriptors stay for everything but connections.
///
/// # Errors
/// Fails if the system allows fewer than [`FEWEST`] connections.
pub fn fit(limits: Limits, reserve: usize) -> anyhow::Result<Limits> {
    let needed = limits.connections() + reserve;
    let allowed = raise(needed as u64);
    let Some((connections, reserved)) = share(allowed, needed, reserve) else { return Ok(limits) };
    ensure!(
        connections >= FEWEST,
        "the system allows {allowed} open files but a relay needs at least {}: raise the limit (ulimit -n, LimitNOFILE=)",
        2 * FEWEST
    );
    let limits = limits.within(connections);
    tracing::warn!(
        allowed,
        needed,
        reserved,
        viewers = limits.viewers(),
        "admitting fewer viewers than --max-viewers because the system allows too few open files: raise the limit \
         (ulimit -n, LimitNOFILE=)"
    );
    Ok(limits)
}

/// Returns how many of `allowed` descriptors connections get and how many stay reserved; `None` if `needed` are
/// allowed. If less than twice the reserve is allowed, each side gets half.
fn share(allowed: u64, needed: usize, reserve: usize) -> Option<(usize, usize)> {
    let allowed = usize::try_from(allowed).unwrap_or(usize::MAX);
    (allowed < needed).then(|| {
        let reserved = reserve.min(allowed / 2);
        (allowed - reserved, reserved)
    })
}

/// Raises the limit towards `needed`; returns the limit in effect.
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
