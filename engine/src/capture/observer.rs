//! Observers: what is known of each source that is watched.

use super::Captured;
use crate::delta::Timestamp;

/// What an observer is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ObserverStatus {
    /// It watches, or has yet to begin.
    #[default]
    Active,
    /// It was left before the end of its source.
    Paused,
    /// It could not go on.
    Error,
    /// Its source has ended.
    Terminated,
}

impl ObserverStatus {
    /// Returns the word for reports.
    pub const fn name(self) -> &'static str {
        match self {
            ObserverStatus::Active => "active",
            ObserverStatus::Paused => "paused",
            ObserverStatus::Error => "error",
            ObserverStatus::Terminated => "terminated",
        }
    }
}

/// What an observer has seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObserverMetrics {
    /// Rows that were compared.
    pub rows: u64,
    /// Deltas that were captured.
    pub deltas_captured: u64,
    /// Rows that were the same, or passed over by the policy.
    pub deltas_filtered: u64,
    /// Rows that were refused, and are dead letters.
    pub rejected: u64,
    /// The size of the rows in bytes.
    pub bytes_processed: u64,
    /// The sum of the deltas' Euclidean lengths, in the order in which they were captured.
    pub l2_sum: f64,
    /// What went wrong last.
    pub last_error: Option<String>,
}

impl ObserverMetrics {
    /// Returns the mean Euclidean length of the deltas; nothing without any.
    pub fn mean_l2(&self) -> Option<f64> {
        (self.deltas_captured > 0).then(|| self.l2_sum / self.deltas_captured as f64)
    }
}

/// One source that is watched for changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observer {
    /// The source's name.
    pub source: String,
    /// What it is doing.
    pub status: ObserverStatus,
    /// When a delta was captured last.
    pub last_capture: Option<Timestamp>,
    /// What it has seen.
    pub metrics: ObserverMetrics,
}

impl Observer {
    /// Makes an observer of a source.
    pub fn new(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }

    /// Notes a captured batch; `rows` is how many rows were compared for it.
    pub fn captured(&mut self, captured: &Captured, rows: u64, now_millis: u64) {
        let deltas = || captured.batches.iter().flat_map(|batch| &batch.deltas);
        self.metrics.rows += rows;
        self.metrics.deltas_captured += captured.deltas() as u64;
        self.metrics.deltas_filtered += captured.unchanged;
        self.metrics.bytes_processed += captured.raw_bytes;
        self.metrics.l2_sum += deltas().map(|delta| delta.l2).sum::<f64>();
        if captured.deltas() > 0 {
            self.last_capture = Some(Timestamp { physical_millis: now_millis, ..Timestamp::default() });
        }
    }

    /// Notes what went wrong.
    pub fn failed(&mut self, message: &str) {
        self.status = ObserverStatus::Error;
        self.metrics.last_error = Some(message.to_owned());
    }
}
