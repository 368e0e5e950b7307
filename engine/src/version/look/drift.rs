//! Drift: how far two commits lie apart, for people who have to decide whether to ship the later one.
//!
//! Each pass streams rows in pieces; what stays in memory is two numbers a changed source, the keys of deleted sources,
//! and the sample.
//!
//! ```text
//! 1  what differs       counts, lengths, angles, components      (and the new rows of sampled sources)
//! 2  rows before        centroid, mean length                    (and the sample)
//! 3  rows after         centroid, mean length                    neighbours of the sample
//! 4  rows before                                                 neighbours of the sample
//! ```

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::super::diff::{Differences, diff};
use super::super::error::{Result, VersionError};
use super::super::repository::{CommitIndex, Repository};
use super::super::table::table;
use super::centroid::Centroid;
use super::moves::{Gathering, Moves};
use super::neighbours::{Overlap, Seeking, directed, overlap};
use super::sample::Sample;
use super::scan::{Step, Watch, rows, scan, wide};
use crate::delta::{Change, Table};

/// What is asked beside the measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriftOptions {
    /// How many nearest neighbours to compare; `None` to leave it.
    pub neighbours: Option<usize>,
    /// How many sources are asked for their neighbours, at most.
    pub sample: usize,
    /// Chooses another sample.
    pub seed: u64,
    /// How many of the sources and components that moved most are listed.
    pub top: usize,
}

/// How far two commits lie apart.
#[derive(Clone, Debug)]
pub struct Drift {
    /// The table before.
    pub before: Side,
    /// The table after.
    pub after: Side,
    /// How many sources are on both sides and differ in their bits.
    pub changed: u64,
    /// How many are only after.
    pub inserted: u64,
    /// How many are only before.
    pub deleted: u64,
    /// How far the changed ones moved; `None` when the sides differ in width or element type.
    pub moves: Option<Moves>,
    /// The Euclidean distance between the mean vectors, over the finite rows of each side; `None` when a side has none,
    /// or the sides differ in width or element type.
    pub centroid_shift: Option<f64>,
    /// What became of the neighbours, if that was asked.
    pub neighbours: Option<Overlap>,
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub struct Side {
    /// The collection's shape.
    pub table: Arc<Table>,
    /// How many rows it has.
    pub rows: u64,
    /// How many of them hold a NaN or an infinity.
    pub not_finite: u64,
    /// The mean Euclidean length of the finite ones.
    pub mean_norm: Option<f64>,
}

/// Compares a collection at two commits.
///
/// # Errors
/// When the collection is not at both, or the history is damaged.
pub fn drift(
    repo: &Repository,
    (from, to): (CommitIndex, CommitIndex),
    collection: &str,
    options: DriftOptions,
    watch: Watch<'_>,
) -> Result<Drift> {
    let before = Arc::new(table(repo, from, Some(collection))?);
    let after = Arc::new(table(repo, to, Some(collection))?);
    let same_shape = before.element == after.element && before.dims == after.dims;

    let size = options.neighbours.map_or(0, |_| options.sample);
    let mut changes = Changes::new(&after, size, &options);
    watch(Step::Begin { what: "comparing", rows: rows(repo, to, collection)? });
    diff::<VersionError>(repo, Some(from), Some(to), Some((collection, None)), &mut |part| {
        changes.add(part);
        watch(Step::Rows(changes.last));
        Ok(())
    })?;

    let (mut old, mut new) = (Centroid::default(), Centroid::default());
    let mut sample = Sample::new(size, options.seed);
    scan(repo, from, &before, ("reading what was", watch), &mut |keys, rows| {
        old.add(&before, rows);
        let rows = keys.iter().zip(rows.chunks_exact(before.row_bytes()));
        rows.filter(|(key, _)| size > 0 && !changes.gone.contains(*key)).for_each(|(key, row)| sample.offer(key, row));
    })?;

    let queries = changes.queries(sample.into_rows(), &before, &after);
    let k = options.neighbours.unwrap_or(0);
    let mut later = Seeking::new(k, queries.iter().map(|(key, (_, new))| (key.clone(), new.clone())));
    scan(repo, to, &after, ("reading what is", watch), &mut |keys, rows| {
        new.add(&after, rows);
        later.add(&after, keys, rows);
    })?;
    let mut earlier = Seeking::new(k, queries.into_iter().map(|(key, (old, _))| (key, old)));
    if size > 0 {
        scan(repo, from, &before, ("finding neighbours", watch), &mut |keys, rows| earlier.add(&before, keys, rows))?;
    }
    let neighbours = options.neighbours.map(|k| overlap(k, &earlier.finish(), &later.finish()));

    let side = |table: Arc<Table>, sums: &Centroid| Side {
        table,
        rows: sums.rows,
        not_finite: sums.not_finite,
        mean_norm: sums.mean_norm(),
    };
    let [inserted, changed, deleted] = changes.counts;
    Ok(Drift {
        before: side(before, &old),
        after: side(after, &new),
        changed,
        inserted,
        deleted,
        moves: same_shape.then(|| changes.moves.finish()),
        centroid_shift: old.distance(&new).filter(|_| same_shape),
        neighbours,
    })
}

/// What the first pass finds.
struct Changes {
    /// Inserts, updates, deletes.
    counts: [u64; 3],
    /// How many sources the last part held.
    last: u64,
    moves: Gathering,
    gone: HashSet<String>,
    /// The new rows of the changed sources that the sample may hold.
    sample: Sample,
}

impl Changes {
    fn new(after: &Table, size: usize, options: &DriftOptions) -> Self {
        Self {
            counts: [0; 3],
            last: 0,
            moves: Gathering::new(after.dims as usize, options.top),
            gone: HashSet::new(),
            sample: Sample::new(size, options.seed),
        }
    }

    fn add(&mut self, part: Differences) {
        self.last = part.sources.len() as u64;
        self.moves.add(&part);
        for d in part.sources {
            self.counts[d.change as usize] += 1;
            match d.change {
                Change::Insert => {}
                Change::Update => self.sample.offer(&d.key, &d.new),
                Change::Delete => drop(self.gone.insert(d.key)),
            }
        }
    }

    /// Returns the rows on both sides, as `f64`, of the sampled sources that have a direction on both.
    fn queries(
        &mut self,
        sample: BTreeMap<String, Vec<u8>>,
        before: &Table,
        after: &Table,
    ) -> BTreeMap<String, (Vec<u8>, Vec<u8>)> {
        let size = after.row_bytes();
        let mut changed = std::mem::replace(&mut self.sample, Sample::new(0, 0)).into_rows();
        let both = sample.into_iter().filter_map(|(key, old)| {
            let new = changed.remove(&key).unwrap_or_else(|| old.clone());
            let (old, new) = (wide(before, &old), (new.len() == size).then(|| wide(after, &new))?);
            (directed(&old).is_some() && directed(&new).is_some()).then_some((key, (old, new)))
        });
        both.collect()
    }
}
