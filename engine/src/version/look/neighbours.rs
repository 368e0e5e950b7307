//! Neighbour overlap: are the nearest of a source before still among the nearest after?
//!
//! The one question about drift that a user of a search index feels, and the only one that has an answer across models
//! of different width: neighbours are looked for on each side by itself.

use std::collections::BTreeSet;

use rayon::prelude::*;
use vecdelta_kernels::{Element, dots, norm_squared, widen};

use super::best::Best;
use crate::delta::{Keys, Table};

/// How many queries one task answers.
const TASK_QUERIES: usize = 64;
/// How many rows are widened at once: with the queries of a task they fit the second-level cache.
const TILE_ROWS: usize = 32;

/// How many of a source's nearest stayed among its nearest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlap {
    /// How many nearest were looked for on each side.
    pub k: usize,
    /// How many sources were asked.
    pub sample: usize,
    /// The mean share of their nearest before that are among the nearest after; `None` when nobody has neighbours.
    pub mean: Option<f64>,
}

/// The nearest so far of some sources on one side, by cosine.
pub(super) struct Seeking {
    queries: Vec<Query>,
}

struct Query {
    key: String,
    vector: Vec<u8>,
    length: f64,
    nearest: Best<()>,
}

/// Returns the length of a row of `f64`, if it has a direction.
pub(super) fn directed(wide: &[u8]) -> Option<f64> {
    let length = norm_squared(Element::F64, wide).sqrt();
    (length > 0.0 && length.is_finite()).then_some(length)
}

impl Seeking {
    /// Begins to look for the `k` nearest of sources, given by key and row as `f64`.
    pub fn new(k: usize, sources: impl Iterator<Item = (String, Vec<u8>)>) -> Self {
        let query = |(key, vector): (String, Vec<u8>)| {
            let length = directed(&vector).unwrap_or(f64::NAN);
            Query { key, vector, length, nearest: Best::new(k) }
        };
        Self { queries: sources.map(query).collect() }
    }

    /// Compares rows with every query. A source is not its own neighbour, and a row without direction is nobody's.
    pub fn add(&mut self, table: &Table, keys: &Keys, rows: &[u8]) {
        let size = table.row_bytes();
        self.queries.par_chunks_mut(TASK_QUERIES).for_each(|queries| {
            let mut tile: Vec<(usize, Vec<u8>, f64)> = vec![(0, Vec::new(), 0.0); TILE_ROWS];
            for (t, part) in rows.chunks(TILE_ROWS * size).enumerate() {
                let mut held = 0;
                for (i, row) in part.chunks_exact(size).enumerate() {
                    let (at, wide, length) = &mut tile[held];
                    widen(table.element, row, wide);
                    if let Some(found) = directed(wide) {
                        (*at, *length) = (t * TILE_ROWS + i, found);
                        held += 1;
                    }
                }
                queries.chunks_mut(4).for_each(|four| compare(four, keys, &tile[..held]));
            }
        });
    }

    /// Returns the keys of the nearest of each source, in the order of the sources.
    pub fn finish(self) -> Vec<BTreeSet<String>> {
        let keys = |q: Query| q.nearest.into_sorted().into_iter().map(|(key, ())| key).collect();
        self.queries.into_iter().map(keys).collect()
    }
}

/// Compares a tile of rows (number, bits, length) with up to four queries.
fn compare(four: &mut [Query], keys: &Keys, tile: &[(usize, Vec<u8>, f64)]) {
    for (at, row, length) in tile {
        let last = four.len() - 1;
        let products = dots(row, [0, 1, 2, 3].map(|i: usize| four[i.min(last)].vector.as_slice()));
        for (query, dot) in four.iter_mut().zip(products) {
            let cosine = (dot / query.length / length).clamp(-1.0, 1.0);
            if query.nearest.admits(-cosine) {
                let key = keys.get(*at);
                if key != query.key {
                    query.nearest.offer(-cosine, key, ());
                }
            }
        }
    }
}

/// Returns the mean share of the first lists that is in the second ones; sources without neighbours before do not count.
pub(super) fn overlap(k: usize, before: &[BTreeSet<String>], after: &[BTreeSet<String>]) -> Overlap {
    let with = || before.iter().zip(after).filter(|(b, _)| !b.is_empty());
    let share = |(b, a): (&BTreeSet<String>, &BTreeSet<String>)| b.intersection(a).count() as f64 / b.len() as f64;
    let sample = with().count();
    Overlap { k, sample, mean: (sample > 0).then(|| with().map(share).sum::<f64>() / sample as f64) }
}
