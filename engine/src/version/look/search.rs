//! Search: the exact nearest vectors to a query, at any commit.

use std::sync::Arc;

use rayon::prelude::*;
use vecdelta_kernels::{Element, RowChange, measure, widen};

use super::super::error::Result;
use super::super::repository::{CommitIndex, Repository};
use super::best::Best;
use super::scan::{TASK_ROWS, Watch, scan};
use crate::delta::{Keys, Table};

/// How near is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The cosine of the angle between query and row; larger is nearer.
    Cosine,
    /// The Euclidean length of their difference; smaller is nearer.
    L2,
    /// Their dot product; larger is nearer.
    Dot,
}

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Query {
    /// The vector, as little-endian `f64`; as wide as the table.
    pub vector: Vec<u8>,
    /// A key that is left out: the query's own.
    pub except: Option<String>,
    /// How near is measured.
    pub metric: Metric,
    /// How many are wanted.
    pub k: usize,
}

/// One result.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The source's key.
    pub key: String,
    /// The cosine, distance or dot product; NaN where it has none.
    pub score: f64,
}

impl Metric {
    /// Returns the measure of a pair; NaN where there is none.
    fn score(self, pair: &RowChange) -> f64 {
        match self {
            Metric::Cosine => pair.cosine().unwrap_or(f64::NAN),
            Metric::L2 => pair.l2(),
            Metric::Dot => pair.dot,
        }
    }

    /// Returns a number that is smaller for what is nearer.
    fn rank(self, score: f64) -> f64 {
        if self == Metric::L2 { score } else { -score }
    }
}

/// Finds the `k` nearest rows of a collection at a commit, nearest first; equal ones in the order of their keys.
///
/// Every row is compared, in `f64`. Rows without a score (a NaN in them, or no direction for the cosine) come after
/// all others.
///
/// # Errors
/// When the history is damaged.
///
/// # Panics
/// If the query is not as wide as the table.
pub fn search(
    repo: &Repository,
    commit: CommitIndex,
    table: &Arc<Table>,
    query: &Query,
    watch: Watch<'_>,
) -> Result<Vec<Found>> {
    let mut best = Best::new(query.k);
    scan(repo, commit, table, ("searching", watch), &mut |keys, rows| {
        let size = table.row_bytes();
        let tasks: Vec<Best<f64>> = rows
            .par_chunks(TASK_ROWS * size)
            .enumerate()
            .map(|(i, rows)| nearest(query, table, keys, i * TASK_ROWS, rows))
            .collect();
        tasks.into_iter().for_each(|task| best.merge(task));
    })?;
    Ok(best.into_sorted().into_iter().map(|(key, score)| Found { key, score }).collect())
}

/// Finds the nearest of a few rows, the first of which has the key `first`.
fn nearest(query: &Query, table: &Table, keys: &Keys, first: usize, rows: &[u8]) -> Best<f64> {
    let mut best = Best::new(query.k);
    let mut wide = Vec::new();
    for (i, row) in rows.chunks_exact(table.row_bytes()).enumerate() {
        widen(table.element, row, &mut wide);
        let score = query.metric.score(&measure(Element::F64, &query.vector, &wide));
        let rank = query.metric.rank(score);
        if best.admits(rank) {
            let key = keys.get(first + i);
            if query.except.as_deref() != Some(key) {
                best.offer(rank, key, score);
            }
        }
    }
    best
}
