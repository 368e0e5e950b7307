//! What the stages measure of themselves, for the views of a run.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::metrics::Exposition;
use crate::pipeline::{Figures, L2_CLASSES, Lengths};

/// Adds busy time, queue, and what a stage waits for, to its description.
pub fn describe(figures: &Figures, stage: &str, seconds: f64, document: &mut Value) {
    // One that nothing went through was not busy.
    let own = figures.stages.get(stage).cloned().unwrap_or_default();
    let share = |nanos: u64| nanos as f64 / 1e9 / seconds.max(1e-3);
    let longest = own.blocked_nanos.iter().max_by_key(|(_, nanos)| **nanos);
    document["busy"] = json!(share(own.busy_nanos));
    document["queue_bytes"] = json!(own.queue_bytes);
    document["blocked_seconds"] =
        own.blocked_nanos.iter().map(|(on, nanos)| ((*on).to_owned(), json!(*nanos as f64 / 1e9))).collect();
    document["blocked_on"] = json!(longest.filter(|(_, nanos)| share(**nanos) > 0.1).map(|(on, _)| on));
}

/// Describes the sinks.
pub fn sinks(figures: &Figures) -> Vec<Value> {
    let one = |(name, sink): (&String, &crate::pipeline::SinkFigures)| {
        json!({
            "sink": name, "status": sink.status, "received": sink.metrics.received, "acked": sink.metrics.acked,
            "retried": sink.metrics.retried, "dead": sink.metrics.dead, "expired": sink.metrics.expired, "dropped": sink.dropped,
            "pending": sink.pending, "queue_bytes": sink.queue_bytes, "holds_up": sink.holds_up,
        })
    };
    figures.sinks.iter().map(one).collect()
}

/// Returns how far a source's watermark is behind the clock, in seconds, by source.
pub fn lags(figures: &Figures, now_millis: u64) -> BTreeMap<String, f64> {
    let lag = |at: u64| now_millis.saturating_sub(at) as f64 / 1e3;
    let sources = figures.sources.iter();
    sources.filter_map(|(name, s)| Some((name.clone(), lag(s.watermark_millis?)))).collect()
}

/// Returns how long ago all that had come was committed, in seconds.
pub fn age(figures: &Figures, now_millis: u64) -> f64 {
    now_millis.saturating_sub(figures.durable_millis) as f64 / 1e3
}

/// Writes what the stages measure.
pub fn expose(figures: &Figures, now_millis: u64, page: &mut Exposition) {
    let (memory, held) = figures.memory_bytes;
    page.single("vecdelta_memory_budget_bytes", "gauge", "The byte budget of queues and windows.", memory as f64);
    page.single("vecdelta_memory_held_bytes", "gauge", "How much of it waits for sinks.", held as f64);
    let name = "vecdelta_queue_bytes";
    page.metric(name, "gauge", "Bytes that wait before a stage, or for a sink.");
    figures.stages.iter().for_each(|(stage, s)| page.sample(name, &[("stage", stage)], s.queue_bytes as f64));
    figures.sinks.iter().for_each(|(sink, s)| page.sample(name, &[("sink", sink)], s.queue_bytes as f64));
    let name = "vecdelta_stage_busy_seconds_total";
    page.metric(name, "counter", "Time that a stage worked.");
    figures.stages.iter().for_each(|(stage, s)| page.sample(name, &[("stage", stage)], s.busy_nanos as f64 / 1e9));
    let name = "vecdelta_stage_blocked_seconds_total";
    page.metric(name, "counter", "Time that a stage waited, by what for: the slow one is who is waited for.");
    for (stage, own) in &figures.stages {
        own.blocked_nanos
            .iter()
            .for_each(|(on, n)| page.sample(name, &[("stage", stage), ("reason", on)], *n as f64 / 1e9));
    }
    let name = "vecdelta_window_late_total";
    page.metric(name, "counter", "Rows that came too late for their window.");
    figures.windows.iter().for_each(|(window, w)| page.sample(name, &[("window", window)], w.late as f64));
    let name = "vecdelta_watermark_lag_seconds";
    page.metric(name, "gauge", "How far what has come is behind the clock.");
    lags(figures, now_millis).iter().for_each(|(source, lag)| page.sample(name, &[("source", source)], *lag));
    let name = "vecdelta_delta_l2";
    page.metric(name, "histogram", "Euclidean lengths of captured deltas.");
    figures.sources.iter().for_each(|(source, s)| lengths(page, name, source, &s.lengths));
    let help = "How long ago all that had come was committed.";
    page.single("vecdelta_checkpoint_age_seconds", "gauge", help, age(figures, now_millis));
    let name = "vecdelta_dead_letters";
    page.metric(name, "gauge", "Dead letters of this run.");
    figures.dead_letters.iter().for_each(|(reason, n)| page.sample(name, &[("reason", reason)], *n as f64));
    let name = "vecdelta_sink_holds_up";
    page.metric(name, "gauge", "1 while the pipeline waits for a sink.");
    figures.sinks.iter().for_each(|(sink, s)| page.sample(name, &[("sink", sink)], f64::from(u8::from(s.holds_up))));
    let mut sinks = |name: &str, help: &str, value: fn(&crate::pipeline::SinkFigures) -> u64| {
        page.metric(name, "counter", help);
        figures.sinks.iter().for_each(|(sink, s)| page.sample(name, &[("sink", sink)], value(s) as f64));
    };
    sinks("vecdelta_sink_acked_total", "Deltas that a sink confirmed.", |s| s.metrics.acked);
    sinks("vecdelta_sink_retries_total", "Deltas that were handed to a sink again.", |s| s.metrics.retried);
    sinks("vecdelta_sink_dropped_total", "Deltas that a slow sink did not get.", |s| s.dropped);
    sinks("vecdelta_route_expired_total", "Deltas that were too old for a sink.", |s| s.metrics.expired);
}

/// Writes the classes of a source's lengths, each with all that are shorter.
fn lengths(page: &mut Exposition, name: &str, source: &str, lengths: &Lengths) {
    let mut below = 0;
    for (number, count) in lengths.classes.iter().enumerate() {
        below += count;
        let end = L2_CLASSES.get(number).map_or("+Inf".to_owned(), ToString::to_string);
        page.sample(&format!("{name}_bucket"), &[("source", source), ("le", &end)], below as f64);
    }
    page.sample(&format!("{name}_sum"), &[("source", source)], lengths.sum);
    page.sample(&format!("{name}_count"), &[("source", source)], below as f64);
}
