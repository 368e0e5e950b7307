//! Hybrid logical time: physical first, a counter for ties, the node last.
//!
//! Source: Kulkarni et al., "Logical Physical Clocks" (2014), with a bound on how far a remote clock may be ahead.

use borsh::{BorshDeserialize, BorshSerialize};

use super::calendar::{read_moment, write_moment};

/// A hybrid logical timestamp; the order is physical, logical, node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Timestamp {
    /// Milliseconds since 1970-01-01 UTC.
    pub physical_millis: u64,
    /// Counts events within one millisecond.
    pub logical: u32,
    /// Breaks ties between nodes.
    pub node: u32,
}

/// Why a timestamp could not be taken over or moved on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// The other clock is further ahead than allowed.
    #[error("the other clock is {ahead_millis} ms ahead, more than the {drift_millis_max} ms allowed")]
    Drift {
        /// How far ahead the other clock is.
        ahead_millis: u64,
        /// The bound.
        drift_millis_max: u64,
    },
    /// The calendar has ended.
    #[error("the clock cannot move on: both counters are at their end")]
    Exhausted,
}

impl Timestamp {
    /// Returns the next timestamp for a local event at `now_millis`: later than `self` even when the clock stepped back.
    ///
    /// # Errors
    /// [`ClockError::Exhausted`] at the end of both counters.
    pub fn tick(self, now_millis: u64) -> Result<Self, ClockError> {
        if now_millis > self.physical_millis {
            return Ok(Self { physical_millis: now_millis, logical: 0, node: self.node });
        }
        self.bump()
    }

    /// Returns the next timestamp after receiving `other` at `now_millis`.
    ///
    /// # Errors
    /// [`ClockError::Drift`] when `other` is more than `drift_millis_max` ahead of `now_millis`; its time is then not taken over.
    pub fn merge(self, other: Self, now_millis: u64, drift_millis_max: u64) -> Result<Self, ClockError> {
        let ahead_millis = other.physical_millis.saturating_sub(now_millis);
        if ahead_millis > drift_millis_max {
            return Err(ClockError::Drift { ahead_millis, drift_millis_max });
        }
        let later = Self { node: self.node, ..self.max(other) };
        later.tick(now_millis)
    }

    /// Reads a moment as milliseconds since 1970; `None` for a text that is none, or one before.
    pub fn parse_rfc3339(text: &str) -> Option<u64> {
        u64::try_from(read_moment(text)?).ok()
    }

    /// Returns the physical part in RFC 3339, UTC, to the millisecond.
    pub fn rfc3339(self) -> String {
        write_moment(self.physical_millis)
    }

    fn bump(self) -> Result<Self, ClockError> {
        match self.logical.checked_add(1) {
            Some(logical) => Ok(Self { logical, ..self }),
            None => Ok(Self {
                physical_millis: self.physical_millis.checked_add(1).ok_or(ClockError::Exhausted)?,
                logical: 0,
                node: self.node,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timestamp = Timestamp { physical_millis: 1_000, logical: 7, node: 3 };

    #[test]
    fn time_moves_on_when_the_clock_steps_back() {
        assert!(T.tick(10).unwrap() > T);
        assert_eq!(T.tick(2_000).unwrap().logical, 0);
        let full = Timestamp { logical: u32::MAX, ..T };
        assert!(full.tick(0).unwrap() > full, "the logical counter carries instead of wrapping");
    }

    #[test]
    fn a_far_future_clock_is_refused() {
        let far = Timestamp { physical_millis: u64::MAX, ..T };
        assert!(matches!(T.merge(far, 1_000, 500), Err(ClockError::Drift { .. })));
        let near = Timestamp { physical_millis: 1_400, logical: 9, node: 8 };
        let merged = T.merge(near, 1_000, 500).unwrap();
        assert!(merged > near && merged > T && merged.node == 3);
    }
}
