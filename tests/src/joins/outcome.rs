//! The figures of a cell.

use std::fmt;
use std::time::Duration;

/// The time beyond its own pause for which a viewer may be without bytes.
pub const TOLERATED: Duration = Duration::from_millis(500);

/// The result of one join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The longest time without bytes.
    pub longest: Duration,
    /// The reason for which the relay ended the connection, if it did.
    pub ended: Option<String>,
}

/// The figures of a cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    allowed: Duration,
    /// The longest gap of each join, sorted.
    longest: Vec<Duration>,
    froze: usize,
    ended: Vec<String>,
    disturbed: usize,
    unproven: usize,
}

impl Outcome {
    /// Evaluates joins of viewers that pause for `own_pause` themselves. `disturbed` joins were discarded because the
    /// machine paused; `unproven` of them could not be repeated.
    pub fn new(own_pause: Duration, joins: Vec<Join>, disturbed: usize, unproven: usize) -> Self {
        let allowed = own_pause + TOLERATED;
        let mut longest: Vec<_> = joins.iter().map(|join| join.longest).collect();
        longest.sort_unstable();
        let broken = |join: &&Join| join.longest > allowed || join.ended.is_some();
        Self {
            allowed,
            longest,
            froze: joins.iter().filter(broken).count(),
            ended: joins.into_iter().filter_map(|join| join.ended).collect(),
            disturbed,
            unproven,
        }
    }

    /// Returns the number of joins that were evaluated: all except those that were discarded.
    pub fn joins(&self) -> usize {
        self.longest.len()
    }

    /// Returns the number of joins that broke the rule: without bytes for too long, or ended by the relay.
    pub fn froze(&self) -> usize {
        self.froze
    }

    /// Returns the longest time without bytes that the rule allows.
    pub fn allowed(&self) -> Duration {
        self.allowed
    }

    /// Returns the number of joins that were discarded because the machine paused.
    pub fn disturbed(&self) -> usize {
        self.disturbed
    }

    /// Returns true if every join met the rule, there was at least one, and every discarded one was repeated.
    pub fn is_well(&self) -> bool {
        self.froze == 0 && self.unproven == 0 && !self.longest.is_empty()
    }

    /// Returns the given quantile (0 to 1) of the joins' longest times without bytes.
    pub fn longest_at(&self, share: f64) -> Duration {
        let at = (self.longest.len() as f64 * share) as usize;
        let last = self.longest.len().saturating_sub(1);
        self.longest.get(at.min(last)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (joins, froze, allowed) = (self.joins(), self.froze, self.allowed);
        let (p99, longest) = (self.longest_at(0.99), self.longest_at(1.0));
        write!(f, "{froze} of {joins} joins broke the rule ({allowed:.2?}), ")?;
        write!(f, "p99 {p99:.2?}, longest {longest:.2?}")?;
        if self.disturbed > 0 {
            write!(f, "; the machine paused during {} others", self.disturbed)?;
        }
        if self.unproven > 0 {
            write!(f, ", and {} could not be repeated", self.unproven)?;
        }
        match self.ended.first() {
            Some(first) => write!(f, "; {} ended, the first: {first}", self.ended.len()),
            None => Ok(()),
        }
    }
}
