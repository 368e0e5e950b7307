//! How urgent deltas are, and how often their delivery is tried.

/// How urgent a delta is: a higher one overtakes, but never a delta of the same source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// After everything else.
    Low,
    /// As they come.
    #[default]
    Normal,
    /// Before the usual.
    High,
    /// Before everything else.
    Critical,
}

impl Priority {
    /// All of them, the most urgent first.
    pub const DESCENDING: [Priority; 4] = [Priority::Critical, Priority::High, Priority::Normal, Priority::Low];

    /// Returns the word for files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Priority::Low => "low",
            Priority::Normal => "normal",
            Priority::High => "high",
            Priority::Critical => "critical",
        }
    }
}

/// How often a delivery is tried again, and how long is waited before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many times after the first; `None` is without end, which only the wait bounds.
    pub retries_max: Option<u32>,
    /// The wait before the first retry, in milliseconds; it doubles from one to the next.
    pub wait_millis: u64,
    /// The longest wait, in milliseconds.
    pub wait_millis_max: u64,
    /// After so many attempts a delta that is refused while others pass is given up, whatever its priority.
    pub poison_attempts: u32,
}

impl RetryPolicy {
    /// Returns the policy of a priority: none for low, three retries for normal, five for high, no end for critical.
    pub fn of(priority: Priority) -> Self {
        let retries_max = match priority {
            Priority::Low => Some(0),
            Priority::Normal => Some(3),
            Priority::High => Some(5),
            Priority::Critical => None,
        };
        Self { retries_max, wait_millis: 100, wait_millis_max: 30_000, poison_attempts: 16 }
    }

    /// Returns how long to wait after so many failed attempts; `None` when it is given up.
    pub fn wait(&self, failed: u32) -> Option<u64> {
        if self.retries_max.is_some_and(|max| failed > max) {
            return None;
        }
        let doubled = self.wait_millis.saturating_mul(1 << failed.saturating_sub(1).min(20));
        Some(doubled.min(self.wait_millis_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end_by_priority() {
        let waits = |priority: Priority| -> Vec<Option<u64>> {
            (1..8).map(|failed| RetryPolicy::of(priority).wait(failed)).collect()
        };
        assert_eq!(waits(Priority::Low), [None; 7]);
        assert_eq!(waits(Priority::Normal)[..4], [Some(100), Some(200), Some(400), None]);
        assert_eq!(waits(Priority::High)[4..6], [Some(1_600), None]);
        assert_eq!(RetryPolicy::of(Priority::Critical).wait(u32::MAX), Some(30_000));
    }
}
