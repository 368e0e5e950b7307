//! What is known of a run: totals, rates, and who listens.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::super::metrics::Exposition;
use super::figures::{SourceTotals, Totals};
use super::measured;
use super::tap::Taps;
use crate::event::Event;
use crate::pipeline::config::{Pipeline, SinkContent};
use crate::pipeline::{Controls, Live, Metrics, TOLD_TO_WAIT};

/// Rates are over at least this long.
const SPAN: Duration = Duration::from_secs(2);

/// What is known of a run.
pub struct Board {
    pipeline: String,
    begun: Instant,
    totals: Mutex<Totals>,
    /// What the stages measure of themselves.
    pub(super) metrics: Arc<Metrics>,
    /// Who is told to wait.
    pub(super) controls: Arc<Controls>,
    /// The sinks that get deltas.
    pub(super) sinks: Vec<String>,
    rates: Mutex<Rates>,
    /// Who sees what passes.
    pub(super) taps: Taps,
}

/// What went through the stages at two earlier times: rates are since the older one.
struct Rates {
    older: (Instant, [u64; 6]),
    newer: (Instant, [u64; 6]),
}

impl Board {
    /// Begins with a pipeline that has done nothing yet.
    pub fn new(pipeline: &Pipeline, live: &Live) -> Self {
        let now = (Instant::now(), [0; 6]);
        let mut totals = Totals::default();
        pipeline.sources.iter().for_each(|source| totals.expect(&source.name));
        let sinks = pipeline.sinks.iter().filter(|sink| sink.what == SinkContent::Deltas);
        Self {
            pipeline: pipeline.settings.name.clone(),
            begun: now.0,
            totals: Mutex::new(totals),
            metrics: live.metrics.clone(),
            controls: live.controls.clone(),
            sinks: sinks.map(|sink| sink.name.clone()).collect(),
            rates: Mutex::new(Rates { older: now, newer: now }),
            taps: Taps::default(),
        }
    }

    /// Takes notice of an event.
    pub fn on(&self, event: &Event) {
        self.totals().count(event);
        self.taps.tell(event);
    }

    /// Returns who says whether there are taps.
    pub fn is_tapped(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        self.taps.any()
    }

    /// Says that the run has ended: taps end too.
    pub fn end(&self) {
        self.taps.end();
    }

    pub(super) fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().expect("no thread panics with it")
    }

    /// Returns what is wrong with the run.
    pub fn problems(&self) -> Vec<String> {
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

    /// Returns the newest commit of the run.
    pub fn newest(&self) -> Option<String> {
        self.totals().newest.clone()
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
    fn standing<'a>(&self, name: &str, source: &'a SourceTotals) -> (&'static str, Option<&'a str>) {
        match (source.status, self.controls.is_source_paused(name)) {
            ("error", _) => ("error", Some(&source.problem)),
            (_, true) => ("paused", Some(TOLD_TO_WAIT)),
            ("paused", false) if source.problem == TOLD_TO_WAIT => ("active", None),
            (status, false) => (status, (!source.problem.is_empty()).then_some(&source.problem)),
        }
    }

    /// Describes the run.
    pub fn stages(&self) -> Value {
        let totals = self.totals().clone();
        let (figures, seconds) = (self.metrics.figures(), self.begun.elapsed().as_secs_f64());
        let lags = measured::lags(&figures, now_millis());
        let stages = totals.stages();
        let rates = self.rates(stages.map(|(_, total, _)| total));
        let stages = stages.iter().zip(rates).map(|((stage, total, unit), rate)| {
            let rate = (rate * 10.0).round() / 10.0;
            let mut document = json!({ "stage": stage, "total": total, "unit": unit, "per_second": rate });
            measured::describe(&figures, stage, seconds, &mut document);
            document
        });
        let sources = totals.sources.iter().map(|(name, s)| {
            let (status, problem) = self.standing(name, s);
            json!({
                "source": name, "status": status, "problem": problem, "reading": s.file,
                "rows": s.rows, "captured": s.captured, "filtered": s.filtered, "bytes": s.bytes, "l2_max": s.l2_max,
                "watermark_lag_seconds": lags.get(name),
            })
        });
        let windows = totals.windows.iter().map(|(name, w)| {
            json!({ "window": name, "open": w.open, "closed": w.closed, "deltas": w.deltas, "composed": w.composed })
        });
        let routes: Map<String, Value> = totals.routes.iter().map(|(name, n)| (name.clone(), json!(n))).collect();
        json!({
            "pipeline": self.pipeline,
            "seconds": seconds,
            "stages": stages.collect::<Vec<_>>(),
            "sources": sources.collect::<Vec<_>>(),
            "routes": routes,
            "unrouted": totals.unrouted,
            "windows": windows.collect::<Vec<_>>(),
            "sinks": measured::sinks(&figures),
            "dead_letters": figures.dead_letters,
            "memory_bytes": { "budget": figures.memory_bytes.0, "held": figures.memory_bytes.1 },
            "checkpoint_age_seconds": measured::age(&figures, now_millis()),
            "commits": totals.commits.0,
            "rejected": totals.rejected,
            "encoded_bytes": { "before": totals.encoded.0, "after": totals.encoded.1 },
            "taps": self.taps.len(),
        })
    }

    /// Writes the figures of the run.
    pub fn expose(&self, page: &mut Exposition) {
        let totals = self.totals().clone();
        let sources = |page: &mut Exposition, name: &str, help: &str, value: fn(&SourceTotals) -> u64| {
            page.metric(name, "counter", help);
            totals.sources.iter().for_each(|(source, s)| page.sample(name, &[("source", source)], value(s) as f64));
        };
        sources(page, "vecdelta_source_records_total", "Rows that were compared.", |s| s.rows);
        sources(page, "vecdelta_source_bytes_total", "Bytes of the vectors of captured deltas.", |s| s.bytes);
        sources(page, "vecdelta_deltas_captured_total", "Deltas that were captured.", |s| s.captured);
        let name = "vecdelta_deltas_filtered_total";
        page.metric(name, "counter", "Rows that made no delta, and deltas that no route took.");
        for (source, s) in &totals.sources {
            page.sample(name, &[("source", source), ("reason", "unchanged")], s.filtered as f64);
        }
        page.sample(name, &[("reason", "unrouted")], totals.unrouted as f64);
        let name = "vecdelta_route_deltas_total";
        page.metric(name, "counter", "Deltas by route.");
        totals.routes.iter().for_each(|(route, n)| page.sample(name, &[("route", route)], *n as f64));
        let name = "vecdelta_windows_open";
        page.metric(name, "gauge", "1 while a window holds deltas.");
        totals.windows.iter().for_each(|(w, own)| page.sample(name, &[("window", w)], f64::from(u8::from(own.open))));
        let name = "vecdelta_windows_closed_total";
        page.metric(name, "counter", "Windows that were closed, by what closed them.");
        for (window, own) in &totals.windows {
            own.closed.iter().for_each(|(r, n)| page.sample(name, &[("window", window), ("reason", r)], *n as f64));
        }
        let name = "vecdelta_apply_total";
        page.metric(name, "counter", "Deltas by what became of them.");
        page.sample(name, &[("reason", "applied")], totals.applied as f64);
        page.sample(name, &[("reason", "rejected")], totals.rejected as f64);
        let name = "vecdelta_conflicts_total";
        page.metric(name, "counter", "Deltas that did not continue the state of their target.");
        page.sample(name, &[("reason", "skipped")], totals.conflicts.0 as f64);
        page.sample(name, &[("reason", "merged")], totals.conflicts.1 as f64);
        page.single("vecdelta_commits_total", "counter", "Commits.", totals.commits.0 as f64);
        page.single("vecdelta_committed_deltas_total", "counter", "Deltas in them.", totals.commits.1 as f64);
        page.single(
            "vecdelta_stored_bytes_total",
            "counter",
            "Bytes that they take in the log.",
            totals.encoded.1 as f64,
        );
        let failures = totals.corrupted as f64;
        page.single("vecdelta_chain_verify_failures_total", "counter", "Mirrors that were found damaged.", failures);
        measured::expose(&self.metrics.figures(), now_millis(), page);
    }
}

fn now_millis() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
