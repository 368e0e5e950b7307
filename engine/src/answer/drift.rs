//! How far two revisions lie apart, as JSON.

use serde_json::{Value, json};

use super::histogram::bins;
use crate::version::{Drift, Moves, Side, percentile};

/// Returns the percentiles of a list, with the number that stands for them when nothing moved, and nothing when nothing is known.
pub fn percentiles(found: &Drift, list: fn(&Moves) -> &Vec<f64>, still: f64) -> impl Fn(usize) -> Option<f64> {
    let list = found.moves.as_ref().map(|m| list(m).clone()).unwrap_or_default();
    let still = (found.changed == 0 && found.moves.is_some()).then_some(still);
    move |percent| percentile(&list, percent).or(still)
}

/// Describes how far two revisions lie apart; `made` are the generations before and after, `seed` is that of the sample.
pub fn drift_json(found: &Drift, seed: u64, made: &[Vec<String>; 2]) -> Value {
    let l2 = percentiles(found, |m| &m.l2, 0.0);
    let cosine = percentiles(found, |m| &m.cosine, 1.0);
    let moves = found.moves.as_ref();
    let collection = &found.after.table.collection;
    let shape = |side: &Side| {
        json!({ "dtype": side.table.element.name(), "dims": side.table.dims, "rows": side.rows,
                                      "not_finite": side.not_finite, "mean_norm": side.mean_norm })
    };
    json!({
        "rows": found.after.rows,
        "changed": found.changed,
        "inserted": found.inserted,
        "deleted": found.deleted,
        "l2": { "p50": l2(50), "p90": l2(90), "p99": l2(99), "max": l2(100) },
        "cosine": { "p01": cosine(1), "p10": cosine(10), "p50": cosine(50), "min": cosine(0) },
        "centroid_shift": found.centroid_shift,
        "neighbour_overlap": found.neighbours.and_then(|n| n.mean),
        "collection": collection,
        "comparable": moves.is_some(),
        "generations": { "before": made[0], "after": made[1] },
        "before": shape(&found.before),
        "after": shape(&found.after),
        "neighbours": found.neighbours.map(|n| json!({ "k": n.k, "sample": n.sample, "seed": seed })),
        "not_finite": moves.map(|m| m.not_finite),
        "no_direction": moves.map(|m| m.no_direction),
        "histogram": moves.map(|m| bins(&m.l2).iter()
            .map(|b| json!({ "from": b.from, "to": b.to, "count": b.count })).collect::<Vec<_>>()),
        "sources": moves.map(|m| m.sources.iter()
            .map(|s| json!({ "source": format!("{collection}/{}", s.key), "l2": s.l2, "cosine": s.cosine }))
            .collect::<Vec<_>>()),
        "dimensions": moves.map(|m| m.dims.iter()
            .map(|d| json!({ "dim": d.dim, "rms": d.rms, "mean": d.mean })).collect::<Vec<_>>()),
    })
}
