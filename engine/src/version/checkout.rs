//! Checkout: the rows of a collection as they were at a commit.
//!
//! Reading goes back along first parents until every wanted row was found whole, noting the blocks on the way, and
//! then forward through those blocks. A snapshot ends the way back at once.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::data::{Part, data_of, in_commit, snapshot_data, with_block};
use super::error::{Result, VersionError};
use super::repository::{CommitIndex, Repository};
use crate::delta::{SortedMap, Table};
use crate::store::{BlockKind, BlockRef, CommitRecord, Place};

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
    /// What it cost to read each row: 0 for one found whole.
    pub cost: Vec<u8>,
}

/// The way to a commit, with what was read on it, shared by the threads that read different slots.
pub struct Checkout<'r> {
    repo: &'r Repository,
    collection: u16,
    table: Arc<Table>,
    commit: CommitIndex,
    /// A read goes back, so each is added at the end.
    steps: Mutex<SortedMap<Reverse<CommitIndex>, Arc<Step>>>,
}

/// The blocks of one commit, or of its snapshot, that belong to the collection.
struct Step {
    place: Place,
    blocks: Arc<Vec<BlockRef>>,
    parts: Vec<Part>,
    whole: bool,
}

/// A run of rows within one block that a read needs.
struct Use {
    step: Arc<Step>,
    commit: CommitIndex,
    block: usize,
    /// Row in the block and slot.
    rows: Vec<(u32, u32)>,
}

impl<'r> Checkout<'r> {
    /// Prepares to read a collection at a commit.
    pub fn new(repo: &'r Repository, commit: CommitIndex, table: Arc<Table>) -> Self {
        let collection = repo.collection_number(&table.collection).unwrap_or(u16::MAX);
        Self { repo, collection, table, commit, steps: Mutex::default() }
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
        self.read(&mut Reading::new(slots, None), buffer)
    }

    /// Reads the rows of a few slots, given in ascending order; the result has one row a slot of the list.
    ///
    /// # Errors
    /// When a block on the way is damaged.
    pub fn list(&self, slots: &[u32]) -> Result<Rows> {
        let (Some(&first), Some(&last)) = (slots.first(), slots.last()) else {
            return Ok(Reading::new(0..0, None).rows(&self.table, Vec::new()));
        };
        let mut reading = Reading::new(first..last + 1, Some(slots));
        // Slots that came later hold nothing here, and nothing further back.
        let held = self.slots();
        slots.iter().filter(|&&s| s >= held).for_each(|&s| reading.settle(s, State::Gone));
        self.read(&mut reading, Vec::new())
    }

    fn read(&self, reading: &mut Reading<'_>, buffer: Vec<u8>) -> Result<Rows> {
        let mut uses = Vec::new();
        self.repo.check_held(self.commit)?;
        for commit in self.repo.bases(self.commit) {
            if reading.open == 0 {
                break;
            }
            let step = self.step(commit).map_err(|e| {
                will_read(self.repo, &e, commit);
                in_commit(e, self.repo, commit)
            })?;
            reading.back(&step, commit, &mut uses);
            if step.whole {
                break;
            }
        }
        let mut rows = reading.rows(&self.table, buffer);
        for used in uses.iter().rev() {
            self.forward(used, reading, &mut rows).map_err(|e| {
                if e.is_waiting() {
                    uses.iter().for_each(|u| self.repo.log().will_read_block(u.step.place, &u.step.blocks, u.block));
                }
                in_commit(e, self.repo, used.commit)
            })?;
        }
        Ok(rows)
    }

    /// Reads the blocks' list of a commit once; a snapshot of the commit takes its place.
    fn step(&self, commit: CommitIndex) -> Result<Arc<Step>> {
        let known = self.steps.lock().expect("no thread panics with it").get(&Reverse(commit)).cloned();
        if let Some(step) = known {
            return Ok(step);
        }
        let step = Arc::new(self.load_step(commit)?);
        let mut steps = self.steps.lock().expect("no thread panics with it");
        steps.insert(Reverse(commit), step.clone());
        Ok(step)
    }

    fn load_step(&self, commit: CommitIndex) -> Result<Step> {
        if !self.repo.entry(commit).slots.iter().any(|(c, _)| *c == self.collection) {
            let place = self.repo.entry(commit).place;
            return Ok(Step { place, blocks: Arc::default(), parts: Vec::new(), whole: true });
        }
        let (data, whole) = match self.repo.snapshot(commit) {
            Some(place) => (snapshot_data(self.repo, place)?, true),
            None => (data_of(self.repo, commit)?, false),
        };
        let parts = data.parts(self.repo, commit, &self.table.collection)?;
        Ok(Step { place: data.place, parts, blocks: data.blocks, whole })
    }

    /// Applies the rows of one block.
    fn forward(&self, used: &Use, reading: &Reading<'_>, rows: &mut Rows) -> Result<()> {
        let blocks = &used.step.blocks;
        let entry = &blocks[used.block];
        let size = self.table.row_bytes();
        let data = &mut rows.data;
        with_block(self.repo, &self.table, used.step.place, blocks, used.block, |block| {
            // Rows that are neighbours in the block and in the result are decoded together.
            let place = |&(r, slot): &(u32, u32)| Some((r as usize, reading.index(slot)?));
            let next = |a: &(u32, u32), b: &(u32, u32)| {
                b.0 == a.0 + 1 && reading.index(a.1).map(|i| i + 1) == reading.index(b.1)
            };
            for run in used.rows.chunk_by(next) {
                let Some((r, i)) = place(&run[0]) else { continue };
                block.apply_run(r, &mut data[i * size..(i + run.len()) * size])?;
            }
            Ok(())
        })?;
        let (unit, fresh) = (cost_unit(entry, size), entry.kind == BlockKind::Fresh);
        for i in used.rows.iter().filter_map(|&(_, slot)| reading.index(slot)) {
            rows.alive[i] = true;
            rows.changed_by[i] = used.commit as u32;
            rows.cost[i] = if fresh { 0 } else { rows.cost[i].saturating_add(unit) };
        }
        Ok(())
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

/// Returns what a row of a change block adds to the cost of reading: 16 for a whole row's bytes.
pub fn cost_unit(block: &BlockRef, row_bytes: usize) -> u8 {
    let raw = u64::from(block.rows) * row_bytes as u64;
    (u64::from(block.len) * 16).div_ceil(raw.max(1)).clamp(1, 255) as u8
}

/// Returns the number of a collection in a record's lists.
pub fn number_of(record: &CommitRecord, collection: &str) -> Option<u16> {
    let at = record.body.collections.iter().position(|c| c.name == collection)?;
    Some(at as u16)
}

/// Which slots are wanted, and which of them still lack a beginning.
struct Reading<'s> {
    range: Range<u32>,
    list: Option<&'s [u32]>,
    wanted: Vec<State>,
    open: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was found yet, or only changes.
    Open,
    /// A whole row was found.
    Found,
    /// The source was deleted, so there is no row.
    Gone,
}

impl<'s> Reading<'s> {
    fn new(range: Range<u32>, list: Option<&'s [u32]>) -> Self {
        let len = list.map_or(range.len(), <[u32]>::len);
        Self { range, list, wanted: vec![State::Open; len], open: len }
    }

    /// Returns the place of a slot in the result.
    fn index(&self, slot: u32) -> Option<usize> {
        match self.list {
            Some(list) => list.binary_search(&slot).ok(),
            None => self.range.contains(&slot).then(|| (slot - self.range.start) as usize),
        }
    }

    /// Notes which rows of a commit are needed, newest part first.
    fn back(&mut self, step: &Arc<Step>, commit: CommitIndex, uses: &mut Vec<Use>) {
        for part in step.parts.iter().rev() {
            let entry = &step.blocks[part.index.slots];
            if entry.last_slot < self.range.start || entry.first_slot >= self.range.end {
                continue;
            }
            for &slot in within(&part.lists.deleted, &self.range) {
                self.settle(slot, State::Gone);
            }
            let slots: Vec<&[u32]> = vec![&part.lists.fresh, &part.lists.change];
            let mut block = part.index.slots + 1;
            for (list, whole) in slots.into_iter().zip([true, false]) {
                let mut rest = list;
                while !rest.is_empty() && block < part.index.end {
                    let entry = &step.blocks[block];
                    let (mine, others) = rest.split_at((entry.rows as usize).min(rest.len()));
                    rest = others;
                    let complete = whole || entry.kind == BlockKind::Fresh;
                    let rows = self.needed(mine, complete);
                    if !rows.is_empty() {
                        uses.push(Use { step: step.clone(), commit, block, rows });
                    }
                    block += 1;
                }
            }
        }
    }

    /// Returns the rows of a block that are wanted, and settles them when they are whole.
    fn needed(&mut self, slots: &[u32], complete: bool) -> Vec<(u32, u32)> {
        let skip = slots.partition_point(|&s| s < self.range.start);
        let mut rows = Vec::new();
        for (r, &slot) in slots.iter().enumerate().skip(skip) {
            if slot >= self.range.end {
                break;
            }
            let Some(i) = self.index(slot) else { continue };
            if self.wanted[i] == State::Open {
                rows.push((r as u32, slot));
                if complete {
                    self.settle(slot, State::Found);
                }
            }
        }
        rows
    }

    fn settle(&mut self, slot: u32, state: State) {
        if let Some(i) = self.index(slot)
            && self.wanted[i] == State::Open
        {
            self.wanted[i] = state;
            self.open -= 1;
        }
    }

    /// Makes room for the rows; those that are not going to be written whole are zeros.
    fn rows(&self, table: &Table, mut data: Vec<u8>) -> Rows {
        let (n, size) = (self.wanted.len(), table.row_bytes());
        if data.capacity() < n * size {
            data = vec![0; n * size];
        } else {
            data.resize(n * size, 0);
            let rows = data.chunks_exact_mut(size.max(1)).zip(&self.wanted);
            rows.filter(|(_, state)| **state != State::Found).for_each(|(row, _)| row.fill(0));
        }
        Rows { first: self.range.start, data, alive: vec![false; n], changed_by: vec![0; n], cost: vec![0; n] }
    }
}

fn within<'l>(list: &'l [u32], range: &Range<u32>) -> &'l [u32] {
    let from = list.partition_point(|&s| s < range.start);
    let to = list.partition_point(|&s| s < range.end);
    &list[from..to]
}
