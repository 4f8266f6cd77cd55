//! File descriptors: every connection takes one.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors for everything but connections: the bus, logs, the page's files.
const OTHERS: u64 = 256;

/// Raises this process's own limit (`RLIMIT_NOFILE`, commonly 1024) as far as is needed and allowed, and says so where
/// that does not reach.
pub fn raise_descriptor_limit(connections: usize) {
    let needed = connections as u64 + OTHERS;
    let mut limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current.filter(|current| *current < needed) else { return };
    let reachable = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    limit.current = Some(reachable);
    let raised = setrlimit(Resource::Nofile, limit).is_ok();
    let allowed = if raised { reachable } else { current };
    if allowed < needed {
        tracing::warn!(
            allowed,
            needed,
            "the system allows fewer open files than --max-viewers needs: raise the limit (ulimit -n, LimitNOFILE=)"
        );
    }
}
