//! What is known of one run: totals, rates, and how it stands.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::figures::{SourceTotals, Totals};
use super::measured;
use super::tap::Taps;
use crate::event::Event;
use crate::pipeline::config::{Pipeline, SinkContent};
use crate::pipeline::{Controls, Figures, Live, Metrics, TOLD_TO_WAIT};

/// Rates are over at least this long.
const SPAN: Duration = Duration::from_secs(2);

/// How it stands with a run: that of a whole pipeline, or of one partition of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is under way.
    Active,
    /// Somebody else works on the partition.
    Waiting(String),
    /// The partition cannot be worked on now.
    Error(String),
    /// All was read.
    Ended,
}

impl Standing {
    /// Returns its name, and why it is not under way.
    pub(super) fn told(&self) -> (&'static str, Option<&str>) {
        match self {
            Standing::Active => ("active", None),
            Standing::Waiting(why) => ("waiting", Some(why)),
            Standing::Error(why) => ("error", Some(why)),
            Standing::Ended => ("ended", None),
        }
    }
}

/// What is known of a run.
pub struct Board {
    /// The partition that it works on, where the work is divided.
    pub(super) partition: Option<u32>,
    stands: Mutex<Stands>,
    totals: Mutex<Totals>,
    /// What the stages measure of themselves.
    pub(super) metrics: Arc<Metrics>,
    /// Who is told to wait.
    pub(super) controls: Arc<Controls>,
    /// The sinks that get deltas.
    pub(super) sinks: Vec<String>,
    rates: Mutex<Rates>,
    /// Who sees what passes.
    taps: Arc<Taps>,
}

/// How it stands with a run, and for how long it was under way.
struct Stands {
    now: Standing,
    since: Option<Instant>,
    before: Duration,
}

/// What went through the stages at two earlier times: rates are since the older one.
struct Rates {
    older: (Instant, [u64; 6]),
    newer: (Instant, [u64; 6]),
}

/// All that is known of a run at one moment.
pub(super) struct Seen {
    pub partition: Option<u32>,
    pub standing: Standing,
    /// Whether it was ever under way, and for how long.
    pub begun: bool,
    pub seconds: f64,
    pub totals: Totals,
    pub figures: Figures,
    /// What goes through the stages a second.
    pub rates: [f64; 6],
    pub sources: Vec<Value>,
}

impl Board {
    /// Begins with a run that has done nothing yet.
    pub(super) fn new(pipeline: &Pipeline, live: &Live, partition: Option<u32>, taps: Arc<Taps>) -> Self {
        let now = (Instant::now(), [0; 6]);
        let mut totals = Totals::default();
        pipeline.sources.iter().for_each(|source| totals.expect(&source.name));
        let sinks = pipeline.sinks.iter().filter(|sink| sink.what == SinkContent::Deltas);
        let stands = match partition {
            None => Stands { now: Standing::Active, since: Some(now.0), before: Duration::ZERO },
            Some(_) => {
                Stands { now: Standing::Waiting("it has not begun".to_owned()), since: None, before: Duration::ZERO }
            }
        };
        Self {
            partition,
            stands: Mutex::new(stands),
            totals: Mutex::new(totals),
            metrics: live.metrics.clone(),
            controls: live.controls.clone(),
            sinks: sinks.map(|sink| sink.name.clone()).collect(),
            rates: Mutex::new(Rates { older: now, newer: now }),
            taps,
        }
    }

    /// Returns what a run takes part with, so that it is seen here and can be told to wait.
    pub fn live(&self) -> Live {
        Live { metrics: self.metrics.clone(), controls: self.controls.clone(), ..Live::default() }
    }

    /// Takes notice of an event.
    pub fn on(&self, event: &Event) {
        self.totals().count(event);
        self.taps.tell(event, self.partition);
    }

    /// Says how it stands with the run from now on.
    pub fn stand(&self, now: Standing) {
        let mut stands = self.stands.lock().expect("no thread panics with it");
        let since = (now == Standing::Active).then(Instant::now);
        let before = std::mem::replace(&mut stands.since, since);
        stands.before += before.map_or(Duration::ZERO, |since| since.elapsed());
        stands.now = now;
    }

    /// Returns how it stands, and for how long the run was under way.
    pub(super) fn standing(&self) -> (Standing, Duration) {
        let stands = self.stands.lock().expect("no thread panics with it");
        (stands.now.clone(), stands.before + stands.since.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    /// Returns whether the run was ever under way.
    pub(super) fn has_begun(&self) -> bool {
        let (standing, took) = self.standing();
        has_begun(&standing, took)
    }

    pub(super) fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().expect("no thread panics with it")
    }

    /// Returns what is wrong with the run.
    pub(super) fn problems(&self) -> Vec<String> {
        match self.standing().0 {
            Standing::Active => {}
            Standing::Error(why) => return vec![why],
            Standing::Waiting(_) | Standing::Ended => return Vec::new(),
        }
        let figures = self.metrics.figures();
        let totals = self.totals();
        let failed = totals.sources.iter().filter(|(_, s)| s.status == "error");
        let mut problems: Vec<String> =
            failed.map(|(name, source)| format!("source {name}: {}", source.problem)).collect();
        problems.extend(figures.failure.map(|why| format!("the run ends: {why}")));
        let gone = figures.sinks.iter().filter(|(_, sink)| sink.status == "disconnected");
        problems.extend(gone.map(|(name, _)| format!("sink {name}: given up until the next run")));
        let slow = figures.sinks.iter().filter(|(_, sink)| sink.holds_up);
        problems.extend(slow.map(|(name, _)| format!("sink {name}: the pipeline waits for it")));
        problems
    }

    fn rates(&self, now: [u64; 6]) -> [f64; 6] {
        let at = Instant::now();
        let mut rates = self.rates.lock().expect("no thread panics with it");
        if at.duration_since(rates.newer.0) >= SPAN {
            rates.older = std::mem::replace(&mut rates.newer, (at, now));
        }
        let seconds = at.duration_since(rates.older.0).as_secs_f64().max(1e-3);
        std::array::from_fn(|i| now[i].saturating_sub(rates.older.1[i]) as f64 / seconds)
    }

    /// Returns the status of a source, and why it is not active. One that is told to wait while it waits for its input
    /// anyway has not noticed yet: what comes next is not taken.
    fn status<'a>(&self, name: &str, source: &'a SourceTotals) -> (&'static str, Option<&'a str>) {
        match (source.status, self.controls.is_source_paused(name)) {
            ("error", _) => ("error", Some(&source.problem)),
            (_, true) => ("paused", Some(TOLD_TO_WAIT)),
            ("paused", false) if source.problem == TOLD_TO_WAIT => ("active", None),
            (status, false) => (status, (!source.problem.is_empty()).then_some(&source.problem)),
        }
    }

    /// Looks at the run.
    pub(super) fn seen(&self) -> Seen {
        let (totals, figures, (standing, took)) = (self.totals().clone(), self.metrics.figures(), self.standing());
        let lags = measured::lags(&figures, now_millis());
        let rates = self.rates(totals.stages().map(|(_, total, _)| total));
        let sources = totals.sources.iter().map(|(name, s)| {
            let (status, problem) = self.status(name, s);
            json!({
                "source": name, "status": status, "problem": problem, "reading": s.file,
                "rows": s.rows, "captured": s.captured, "filtered": s.filtered, "bytes": s.bytes, "l2_max": s.l2_max,
                "watermark_lag_seconds": lags.get(name),
            })
        });
        let begun = has_begun(&standing, took);
        let (partition, seconds, sources) = (self.partition, took.as_secs_f64(), sources.collect());
        Seen { partition, standing, begun, seconds, totals, figures, rates, sources }
    }
}

fn has_begun(standing: &Standing, took: Duration) -> bool {
    *standing == Standing::Active || !took.is_zero()
}

/// The clock of whoever looks.
pub(super) fn now_millis() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
