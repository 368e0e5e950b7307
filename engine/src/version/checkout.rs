//! Checkout: the rows of a collection as they were at a commit.
//!
//! Reading goes back along first parents until every wanted row was found whole, noting the blocks on the way, and
//! then forward through those blocks. A snapshot ends the way back at once.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use rayon::prelude::*;

use super::data::{Part, damaged, data_of, in_commit, snapshot_data, with_block};
use super::error::{Result, VersionError};
use super::reading::{Reading, Run, Use, runs_of};
use super::repository::{CommitIndex, Repository};
use crate::codec;
use crate::delta::{SortedMap, Table};
use crate::store::{BlockKind, BlockRef, CommitRecord, Cost, Place};

/// Rows of consecutive slots as they were at a commit.
pub struct Rows {
    /// The first slot.
    pub first: u32,
    /// One row a slot; zeros where there was none.
    pub data: Vec<u8>,
    /// Whether there was a row.
    pub alive: Vec<bool>,
    /// The commit that last changed each row that is there.
    pub changed_by: Vec<u32>,
    /// What it cost to read each row.
    pub cost: Vec<Cost>,
}

/// The way to a commit, with what was read on it, shared by the threads that read different slots.
pub struct Checkout<'r> {
    repo: &'r Repository,
    collection: u16,
    table: Arc<Table>,
    commit: CommitIndex,
    steps: Arc<Steps>,
}

/// The lists of slots and blocks that were read on the way to commits of one collection, kept for reading there again.
#[derive(Default)]
pub struct Steps {
    /// A read goes back, so each is added at the end.
    by_commit: Mutex<SortedMap<Reverse<CommitIndex>, Arc<Step>>>,
}

/// The blocks of one commit, or of its snapshot, that belong to the collection.
pub(super) struct Step {
    pub place: Place,
    pub blocks: Arc<Vec<BlockRef>>,
    pub parts: Vec<Part>,
    pub whole: bool,
    /// The commit against whose rows blocks of kind `Skip` are coded.
    pub skip: Option<CommitIndex>,
}

impl<'r> Checkout<'r> {
    /// Prepares to read a collection at a commit.
    pub fn new(repo: &'r Repository, commit: CommitIndex, table: Arc<Table>) -> Self {
        Self::with_steps(repo, commit, table, Arc::default())
    }

    /// Prepares to read a collection at a commit with what was read of the same collection of this repository before.
    pub fn with_steps(repo: &'r Repository, commit: CommitIndex, table: Arc<Table>, steps: Arc<Steps>) -> Self {
        let collection = repo.collection_number(&table.collection).unwrap_or(u16::MAX);
        Self { repo, collection, table, commit, steps }
    }

    /// Returns how many slots the collection has at the commit.
    pub fn slots(&self) -> u32 {
        self.repo.slots(self.commit, self.collection)
    }

    /// Reads the rows of a range of slots.
    ///
    /// # Errors
    /// When a block on the way is damaged.
    pub fn range(&self, slots: Range<u32>) -> Result<Rows> {
        self.range_into(slots, Vec::new())
    }

    /// Reads the rows of a range of slots into memory that is used again; what it holds does not matter.
    ///
    /// # Errors
    /// When a block on the way is damaged.
    pub fn range_into(&self, slots: Range<u32>, buffer: Vec<u8>) -> Result<Rows> {
        let [rows] = self.read([Reading::new(slots, None)], [buffer], false)?;
        Ok(rows)
    }

    /// Reads the rows of a range of slots, and some of them, given in ascending order, as they were at the commit on which
    /// this one's data are based. Each block is read once for both, and on all cores.
    ///
    /// # Errors
    /// When a block on the way is damaged.
    pub fn range_and_before(&self, slots: Range<u32>, before: &[u32], buffer: Vec<u8>) -> Result<[Rows; 2]> {
        let base = self.repo.bases(self.commit).nth(1);
        let held = base.map_or(0, |base| self.repo.slots(base, self.collection));
        self.read([Reading::new(slots, None), Reading::of_list(before, held)], [buffer, Vec::new()], true)
    }

    /// Reads the rows of a few slots, given in ascending order; the result has one row a slot of the list.
    ///
    /// # Errors
    /// When a block on the way is damaged.
    pub fn list(&self, slots: &[u32]) -> Result<Rows> {
        let reading = Reading::of_list(slots, self.slots());
        if slots.is_empty() {
            return Ok(reading.rows(&self.table, Vec::new()));
        }
        let [rows] = self.read([reading], [Vec::new()], false)?;
        Ok(rows)
    }

    /// Reads several sets of rows: the first as they are at the commit, the next as they were one further back, and so on.
    fn read<const N: usize>(
        &self,
        mut readings: [Reading<'_>; N],
        buffers: [Vec<u8>; N],
        on_all_cores: bool,
    ) -> Result<[Rows; N]> {
        let mut uses = Vec::new();
        self.repo.check_held(self.commit)?;
        for (back, commit) in self.repo.bases(self.commit).enumerate() {
            if readings.iter().all(Reading::is_done) {
                break;
            }
            let step = self.step(commit).map_err(|e| {
                will_read(self.repo, &e, commit);
                in_commit(e, self.repo, commit)
            })?;
            Reading::back(&mut readings[..N.min(back + 1)], &step, commit, &mut uses)
                .map_err(|problem| in_commit(damaged(self.repo, step.place, problem), self.repo, commit))?;
        }
        let ended = readings.iter().try_for_each(Reading::finish);
        ended.map_err(|problem| damaged(self.repo, self.repo.entry(self.commit).place, problem))?;
        let mut buffers = buffers.into_iter();
        let mut rows = readings.each_ref().map(|r| r.rows(&self.table, buffers.next().unwrap_or_default()));
        let done = self.forward(&uses, &readings, &mut rows, on_all_cores);
        if done.as_ref().is_err_and(VersionError::is_waiting) {
            uses.iter().for_each(|u| self.repo.log().will_read_block(u.step.place, &u.step.blocks, u.block));
        }
        done.map(|()| rows)
    }

    /// Reads the blocks' list of a commit once; a snapshot of the commit takes its place.
    fn step(&self, commit: CommitIndex) -> Result<Arc<Step>> {
        let known = self.steps.by_commit.lock().expect("no thread panics with it").get(&Reverse(commit)).cloned();
        if let Some(step) = known {
            return Ok(step);
        }
        let step = Arc::new(self.load_step(commit)?);
        let mut steps = self.steps.by_commit.lock().expect("no thread panics with it");
        steps.insert(Reverse(commit), step.clone());
        Ok(step)
    }

    fn load_step(&self, commit: CommitIndex) -> Result<Step> {
        if !self.repo.entry(commit).slots.iter().any(|(c, _)| *c == self.collection) {
            let place = self.repo.entry(commit).place;
            return Ok(Step { place, blocks: Arc::default(), parts: Vec::new(), whole: true, skip: None });
        }
        let (data, whole) = match self.repo.snapshot(commit) {
            Some(place) => (snapshot_data(self.repo, place)?, true),
            None => (data_of(self.repo, commit)?, false),
        };
        let parts = data.parts(self.repo, commit, &self.table.collection)?;
        let skip = self.repo.skip_of(commit, self.collection).filter(|_| !whole);
        Ok(Step { place: data.place, parts, blocks: data.blocks, whole, skip })
    }

    /// Applies the rows of all blocks: first those that are whole, then the changes, oldest part first.
    fn forward(&self, uses: &[Use], readings: &[Reading<'_>], rows: &mut [Rows], on_all_cores: bool) -> Result<()> {
        let (whole, changes): (Vec<&Use>, Vec<&Use>) = uses.iter().partition(|u| u.entry().kind == BlockKind::Fresh);
        // A row has one beginning, and the blocks of a part have no row in common: within a group the order does not matter.
        self.apply(&whole, readings, rows, on_all_cores)?;
        let of_one_part = |a: &&Use, b: &&Use| (a.commit, a.part) == (b.commit, b.part);
        for part in changes.chunk_by(of_one_part).rev() {
            self.apply(part, readings, rows, on_all_cores)?;
        }
        let size = self.table.row_bytes();
        for used in uses.iter().rev() {
            let (rows, reading) = (&mut rows[used.side], &readings[used.side]);
            for i in used.rows.iter().filter_map(|&(_, slot)| reading.index(slot)) {
                rows.alive[i] = true;
                rows.changed_by[i] = used.commit as u32;
                rows.cost[i] = rows.cost[i].after(used.entry(), size);
            }
        }
        Ok(())
    }

    /// Applies blocks that write different rows.
    fn apply(&self, uses: &[&Use], readings: &[Reading<'_>], rows: &mut [Rows], on_all_cores: bool) -> Result<()> {
        let mut runs = runs_of(uses, readings, rows, self.table.row_bytes());
        let blocks: Vec<&mut [Run<'_, '_>]> = runs.chunk_by_mut(|a, b| a.is_of_block(b)).collect();
        if !on_all_cores {
            return blocks.into_iter().try_for_each(|runs| self.apply_block(runs));
        }
        let done: Vec<Result<()>> = blocks.into_par_iter().map(|runs| self.apply_block(runs)).collect();
        done.into_iter().collect()
    }

    /// Applies the rows of one block.
    fn apply_block(&self, runs: &mut [Run<'_, '_>]) -> Result<()> {
        let Some(used) = runs.first().map(|run| run.used) else { return Ok(()) };
        let step = &used.step;
        with_block(self.repo, &self.table, step.place, &step.blocks, used.block, |block| {
            let runs = runs.iter_mut().map(|run| codec::Run { first: run.row, rows: run.data });
            block.apply_runs(&mut runs.collect::<Vec<_>>())
        })
        .map_err(|e| in_commit(e, self.repo, used.commit))
    }
}

/// After a read that waits for a commit: tells the disk that the records before it will probably be read as well.
pub(super) fn will_read(repo: &Repository, error: &VersionError, commit: CommitIndex) {
    const RECORDS: usize = 64;
    if error.is_waiting() {
        for c in repo.bases(commit).take(RECORDS) {
            repo.log().will_read(repo.composed(c).map_or(repo.entry(c).place, |composed| composed.place));
            if let Some(place) = repo.snapshot(c) {
                return repo.log().will_read(place);
            }
        }
    }
}

/// Returns the number of a collection in a record's lists.
pub fn number_of(record: &CommitRecord, collection: &str) -> Option<u16> {
    let at = record.body.collections.iter().position(|c| c.name == collection)?;
    Some(at as u16)
}
