//! The nearest vectors to a query, as JSON.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};
use vecdelta_kernels::{all_finite, norm_squared, widen};

use super::error::{BAD_DATA, Failure};
use super::text::printable;
use crate::delta::{Element, Source, Table};
use crate::version::{CommitIndex, Found, Metric, Query, Repository, generations_at, value};

/// What was found at one revision.
pub struct Results {
    /// The revision.
    pub commit: CommitIndex,
    /// The table that was searched.
    pub table: Arc<Table>,
    /// What was found, the nearest first.
    pub found: Vec<Found>,
}

impl Results {
    /// Returns the source of one result.
    pub fn source(&self, found: &Found) -> String {
        format!("{}/{}", self.table.collection, found.key)
    }
}

/// Returns the name of a metric.
pub fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Cosine => "cosine",
        Metric::L2 => "l2",
        Metric::Dot => "dot",
    }
}

/// Returns the table of a source and a query with the vector that it has at a revision, which is named in messages.
///
/// # Errors
/// When there is no such source, or its vector cannot be compared with anything.
pub fn like_query(
    repo: &Repository,
    (at, name): (CommitIndex, &str),
    like: &str,
    (metric, k): (Metric, usize),
) -> Result<(Table, Query), Failure> {
    let source = Source::parse(like).map_err(|e| Failure::new(2, e.to_string()))?;
    let found = value(repo, at, &source)?;
    let what = format!("`{}` at {name}", printable(like));
    let vector = query_vector(&found.table, found.table.element, &found.row, &what, metric)?;
    Ok((found.table, Query { vector, except: Some(source.key), metric, k }))
}

/// Returns a vector as a query in `f64`, if it can be compared with the rows of a table; `what` names it in messages.
///
/// # Errors
/// When it has another width, is not finite, or has no direction where one is needed.
pub fn query_vector(
    table: &Table,
    element: Element,
    row: &[u8],
    what: &str,
    metric: Metric,
) -> Result<Vec<u8>, Failure> {
    let dims = row.len() / element.size();
    if dims != table.dims as usize {
        let have = format!("collection `{}` holds vectors {} wide", table.collection, table.dims);
        return Err(Failure::new(BAD_DATA, format!("{what}: the query is {dims} wide, {have}"))
            .hint("search with a vector of the model that made the collection"));
    }
    if !all_finite(element, row) {
        return Err(Failure::new(BAD_DATA, format!("{what} holds a NaN or an infinity: nothing is near to it")));
    }
    if metric == Metric::Cosine && norm_squared(element, row) == 0.0 {
        return Err(
            Failure::new(BAD_DATA, format!("{what} has length 0 and so no direction")).hint("search with --metric l2")
        );
    }
    let mut vector = Vec::new();
    widen(element, row, &mut vector);
    Ok(vector)
}

/// Refuses to compare vectors that different models made: their distances mean nothing.
///
/// # Errors
/// When there are several generations, or the history is damaged.
pub fn check_generations<'r>(repo: &Repository, sides: impl Iterator<Item = &'r Results>) -> Result<(), Failure> {
    let mut names = BTreeSet::new();
    for side in sides {
        names.extend(generations_at(repo, side.commit, &side.table.collection)?);
    }
    if names.len() < 2 {
        return Ok(());
    }
    let shown = |name: &String| if name.is_empty() { "an unknown one".to_owned() } else { printable(name) };
    let names: Vec<String> = names.iter().map(shown).collect();
    Err(Failure::new(BAD_DATA, format!("the vectors are of {} generations: {}", names.len(), names.join(", "))))
}

/// Describes what was found at one revision, and how it differs from what was found at another one.
pub fn search_json(
    repo: &Repository,
    here: &Results,
    against: Option<&Results>,
    (metric, k): (Metric, usize),
    left_out: Option<&str>,
) -> Value {
    // More of a score is nearer, more of a distance is farther.
    let key = if metric == Metric::L2 { "distance" } else { "score" };
    let results = |side: &Results| -> Vec<Value> {
        let one = |(i, f): (usize, &Found)| json!({ "rank": i + 1, "source": side.source(f), key: f.score });
        side.found.iter().enumerate().map(one).collect()
    };
    let only = |side: &Results, other: &Results| -> Vec<String> {
        let others: HashSet<&str> = other.found.iter().map(|f| f.key.as_str()).collect();
        side.found.iter().filter(|f| !others.contains(f.key.as_str())).map(|f| side.source(f)).collect()
    };
    let mut out = json!({
        "collection": here.table.collection,
        "at": repo.entry(here.commit).id.to_hex(),
        "metric": metric_name(metric),
        "k": k,
        "left_out": left_out,
        "results": results(here),
    });
    if let Some(against) = against {
        out["against"] = json!({
            "at": repo.entry(against.commit).id.to_hex(),
            "results": results(against),
            "only_here": only(here, against),
            "only_there": only(against, here),
        });
    }
    out
}
