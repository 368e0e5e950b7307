//! The document of `/v1/stages`.
//!
//! That of a worker is that of one run over all of its partitions: what can be added up is, sources, windows and sinks
//! say whose they are, and `partitions` has the stages of each.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::board::{Seen, now_millis};
use super::measured;
use crate::pipeline::{Figures, StageFigures};

/// Describes what was seen of a run, or of all partitions of a worker.
pub fn document(pipeline: &str, seconds: f64, all: &[Seen], taps: usize) -> Value {
    let sum = |of: &dyn Fn(&Seen) -> u64| all.iter().map(of).sum::<u64>();
    let each = |of: &dyn Fn(&Seen) -> Vec<Value>| {
        // What was never worked on has nothing to show yet.
        let begun = all.iter().filter(|seen| seen.begun);
        begun.flat_map(|seen| of(seen).into_iter().map(|part| marked(part, seen.partition))).collect::<Vec<_>>()
    };
    let ages = all.iter().filter(|seen| seen.begun).map(|seen| measured::age(&seen.figures, now_millis()));
    let mut document = json!({
        "pipeline": pipeline,
        "seconds": seconds,
        "stages": stages(all),
        "sources": each(&|seen| seen.sources.clone()),
        "routes": sums(all.iter().flat_map(|seen| &seen.totals.routes)),
        "unrouted": sum(&|seen| seen.totals.unrouted),
        "windows": each(&windows),
        "sinks": each(&|seen| measured::sinks(&seen.figures)),
        "dead_letters": sums(all.iter().flat_map(|seen| &seen.figures.dead_letters)),
        "memory_bytes": memory(all),
        "checkpoint_age_seconds": ages.fold(0.0, f64::max),
        "commits": sum(&|seen| seen.totals.commits.0),
        "rejected": sum(&|seen| seen.totals.rejected),
        "encoded_bytes": encoded(all),
        "taps": taps,
    });
    let partitions: Vec<Value> = all.iter().filter_map(partition).collect();
    if !partitions.is_empty() {
        document["partitions"] = partitions.into();
    }
    document
}

/// Describes one partition of a worker.
fn partition(seen: &Seen) -> Option<Value> {
    let number = seen.partition?;
    let one = std::slice::from_ref(seen);
    let (status, problem) = seen.standing.told();
    let age = seen.begun.then(|| measured::age(&seen.figures, now_millis()));
    Some(json!({
        "partition": number, "status": status, "problem": problem, "seconds": seen.seconds, "stages": stages(one),
        "memory_bytes": memory(one), "checkpoint_age_seconds": age, "commits": seen.totals.commits.0,
        "rejected": seen.totals.rejected, "encoded_bytes": encoded(one),
    }))
}

/// Describes the stages: the shares of several partitions are of the time that these were worked on together.
fn stages(all: &[Seen]) -> Vec<Value> {
    let (figures, seconds) = (added(all), all.iter().map(|seen| seen.seconds).sum());
    let Some(first) = all.first() else { return Vec::new() };
    let describe = |(i, (stage, _, unit)): (usize, (&str, u64, &str))| {
        let total: u64 = all.iter().map(|seen| seen.totals.stages()[i].1).sum();
        let rate: f64 = all.iter().map(|seen| seen.rates[i]).sum();
        let rate = (rate * 10.0).round() / 10.0;
        let mut document = json!({ "stage": stage, "total": total, "unit": unit, "per_second": rate });
        measured::describe(&figures, stage, seconds, &mut document);
        document
    };
    first.totals.stages().into_iter().enumerate().map(describe).collect()
}

/// Adds up what the stages of several runs measured.
fn added(all: &[Seen]) -> Figures {
    let mut sum = Figures::default();
    for (stage, own) in all.iter().flat_map(|seen| &seen.figures.stages) {
        let stage: &mut StageFigures = sum.stages.entry(stage).or_default();
        stage.batches += own.batches;
        stage.busy_nanos += own.busy_nanos;
        stage.queue_bytes += own.queue_bytes;
        own.blocked_nanos.iter().for_each(|(on, nanos)| *stage.blocked_nanos.entry(on).or_default() += nanos);
    }
    sum
}

fn windows(seen: &Seen) -> Vec<Value> {
    let windows = seen.totals.windows.iter().map(|(name, w)| {
        json!({ "window": name, "open": w.open, "closed": w.closed, "deltas": w.deltas, "composed": w.composed })
    });
    windows.collect()
}

fn memory(all: &[Seen]) -> Value {
    let sum = |of: &dyn Fn((u64, u64)) -> u64| all.iter().map(|seen| of(seen.figures.memory_bytes)).sum::<u64>();
    json!({ "budget": sum(&|(budget, _)| budget), "held": sum(&|(_, held)| held) })
}

fn encoded(all: &[Seen]) -> Value {
    let sum = |of: &dyn Fn((u64, u64)) -> u64| all.iter().map(|seen| of(seen.totals.encoded)).sum::<u64>();
    json!({ "before": sum(&|(before, _)| before), "after": sum(&|(_, after)| after) })
}

fn sums<'s>(counts: impl Iterator<Item = (impl ToString + 's, &'s u64)>) -> Map<String, Value> {
    let mut sums = BTreeMap::<String, u64>::new();
    counts.for_each(|(name, count)| *sums.entry(name.to_string()).or_default() += count);
    sums.into_iter().map(|(name, count)| (name, json!(count))).collect()
}

/// Says whose a source, a window or a sink is.
fn marked(mut part: Value, partition: Option<u32>) -> Value {
    if let Some(partition) = partition {
        part["partition"] = json!(partition);
    }
    part
}
