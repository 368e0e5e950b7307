//! Figures of a running pipeline, for whoever shows or exports them: [`Metrics::figures`] copies all of them at once.
//!
//! They are updated once a batch. Time is told by the clock that the caller brings ([`Metrics::with_clock`]); without one
//! the seconds stay 0.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use super::link::Budget;
use crate::route::SubscriberMetrics;

/// Upper ends of the classes in which lengths of deltas are counted; those beyond the last are counted too.
pub const L2_CLASSES: [f64; 9] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0];

/// How long deltas were.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lengths {
    /// How many there were in each of [`L2_CLASSES`], and beyond.
    pub classes: [u64; L2_CLASSES.len() + 1],
    /// Their sum; one that is not finite counts nothing.
    pub sum: f64,
}

impl Lengths {
    /// Counts lengths.
    pub fn add(&mut self, lengths: impl Iterator<Item = f64>) {
        for length in lengths {
            self.classes[L2_CLASSES.iter().position(|&end| length <= end).unwrap_or(L2_CLASSES.len())] += 1;
            self.sum += if length.is_finite() { length } else { 0.0 };
        }
    }
}

/// What one stage has done: `read`, `capture`, `route`, `window`, `apply`, `version` or `sink`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageFigures {
    /// Batches that it worked on.
    pub batches: u64,
    /// The time it worked, in nanoseconds.
    pub busy_nanos: u64,
    /// The time it waited, in nanoseconds, by what it waited for.
    pub blocked_nanos: BTreeMap<&'static str, u64>,
    /// The bytes that wait before it.
    pub queue_bytes: u64,
}

/// What a source has brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceFigures {
    /// `active`, `paused`, `error` or `terminated`.
    pub status: &'static str,
    /// Rows that were compared.
    pub rows: u64,
    /// The size of their vectors in bytes.
    pub bytes: u64,
    /// Deltas that were captured.
    pub captured: u64,
    /// Rows that made none.
    pub filtered: u64,
    /// The Euclidean lengths of the deltas.
    pub lengths: Lengths,
    /// Up to which time everything has come, in milliseconds since 1970, where windows run by the clock of events.
    pub watermark_millis: Option<u64>,
}

/// What happened to a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WindowFigures {
    /// Whether it holds deltas.
    pub open: u64,
    /// How often it was closed, by what closed it.
    pub closed: BTreeMap<&'static str, u64>,
    /// Rows that came too late for it.
    pub late: u64,
    /// Deltas that went in, and how many were left when those of one source were composed.
    pub composed: (u64, u64),
}

/// What a sink has taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SinkFigures {
    /// `active`, `paused`, `backpressured` or `disconnected`.
    pub status: &'static str,
    /// Deltas offered, confirmed, tried again, given up and expired.
    pub metrics: SubscriberMetrics,
    /// Deltas that were left out because it is slow.
    pub dropped: u64,
    /// How often it was left to read the log because it is slow.
    pub spilled: u64,
    /// Bytes that wait in its courier.
    pub queue_bytes: u64,
    /// Deltas that wait in its courier.
    pub pending: u64,
    /// Whether the pipeline waits for it.
    pub holds_up: bool,
}

/// All figures at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// By stage.
    pub stages: BTreeMap<&'static str, StageFigures>,
    /// By source.
    pub sources: BTreeMap<String, SourceFigures>,
    /// Deltas by route.
    pub routes: BTreeMap<String, u64>,
    /// Deltas that no route took.
    pub unrouted: u64,
    /// By window.
    pub windows: BTreeMap<String, WindowFigures>,
    /// By sink.
    pub sinks: BTreeMap<String, SinkFigures>,
    /// Dead letters of this run, by reason.
    pub dead_letters: BTreeMap<&'static str, u64>,
    /// Commits of this run, and the deltas in them.
    pub commits: (u64, u64),
    /// The byte budget over queues and open windows, and how much of it they hold.
    pub memory_bytes: (u64, u64),
    /// What open windows hold.
    pub window_bytes: u64,
    /// When everything that had come was durable for the last time, in milliseconds since 1970; 0 before the run.
    pub durable_millis: u64,
    /// Why the run ends, once it fails.
    pub failure: Option<String>,
}

/// The figures of a run, shared by its threads.
#[derive(Default)]
pub struct Metrics {
    clock: Option<fn() -> u64>,
    figures: Mutex<Figures>,
    /// What waits before a stage, read when somebody looks.
    queues: Mutex<BTreeMap<&'static str, Budget>>,
}

impl Metrics {
    /// Makes figures whose time is told by a clock that gives nanoseconds.
    pub fn with_clock(clock: fn() -> u64) -> Self {
        Self { clock: Some(clock), ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().expect("no thread panics with it")
    }

    /// Copies all figures.
    pub fn figures(&self) -> Figures {
        let mut figures = self.lock().clone();
        let mut held = figures.window_bytes;
        for (&stage, queue) in self.queues.lock().expect("no thread panics with it").iter() {
            let used = queue.used();
            figures.stages.entry(stage).or_default().queue_bytes = used;
            held += used;
        }
        figures.memory_bytes.1 = held;
        figures
    }

    /// Says which budget tells what waits before a stage.
    pub(super) fn queue(&self, stage: &'static str, budget: &Budget) {
        self.queues.lock().expect("no thread panics with it").insert(stage, budget.clone());
    }

    /// Changes figures.
    pub fn update(&self, change: impl FnOnce(&mut Figures)) {
        change(&mut self.lock());
    }

    /// Does work of a stage and counts its time.
    pub fn busy<T>(&self, stage: &'static str, work: impl FnOnce() -> T) -> T {
        let start = self.nanos();
        let done = work();
        let nanos = self.nanos().saturating_sub(start);
        self.update(|f| {
            let figures = f.stages.entry(stage).or_default();
            (figures.batches, figures.busy_nanos) = (figures.batches + 1, figures.busy_nanos + nanos);
        });
        done
    }

    /// Waits for something and counts the time.
    pub fn blocked<T>(&self, stage: &'static str, on: &'static str, wait: impl FnOnce() -> T) -> T {
        let start = self.nanos();
        let done = wait();
        let nanos = self.nanos().saturating_sub(start);
        self.update(|f| *f.stages.entry(stage).or_default().blocked_nanos.entry(on).or_default() += nanos);
        done
    }

    fn nanos(&self) -> u64 {
        self.clock.map_or(0, |clock| clock())
    }
}
