//! Reading rows: which slots are wanted, where their rows are found, and which bytes of the result each block writes.

use std::ops::Range;
use std::sync::Arc;

use super::checkout::{Rows, Step};
use super::data::Part;
use super::repository::CommitIndex;
use crate::delta::Table;
use crate::store::{BlockKind, BlockRef, Cost};

/// Rows within one block that a read needs.
pub(super) struct Use {
    pub step: Arc<Step>,
    pub commit: CommitIndex,
    /// Which part of the commit the block belongs to.
    pub part: usize,
    /// Which of the readings needs them.
    pub side: usize,
    pub block: usize,
    /// Row in the block and slot.
    pub rows: Vec<(u32, u32)>,
}

impl Use {
    /// Returns what the record says of the block.
    pub fn entry(&self) -> &BlockRef {
        &self.step.blocks[self.block]
    }
}

/// Neighbouring rows of a block that are neighbours in the result too, which are decoded together, and the bytes there.
pub(super) struct Run<'u, 'd> {
    pub used: &'u Use,
    pub row: usize,
    pub data: &'d mut [u8],
}

impl Run<'_, '_> {
    /// Returns whether both are of the same block.
    pub fn is_of_block(&self, other: &Self) -> bool {
        (self.used.commit, self.used.block) == (other.used.commit, other.used.block)
    }
}

/// Returns what uses write, those of a block behind each other; no two write the same row of the same reading.
pub(super) fn runs_of<'u, 'd>(
    uses: &[&'u Use],
    readings: &[Reading<'_>],
    rows: &'d mut [Rows],
    size: usize,
) -> Vec<Run<'u, 'd>> {
    let mut out = Vec::new();
    for (side, (reading, rows)) in readings.iter().zip(rows).enumerate() {
        let mut places = Vec::new();
        for &used in uses.iter().filter(|u| u.side == side) {
            let next = |a: &(u32, u32), b: &(u32, u32)| {
                b.0 == a.0 + 1 && reading.index(a.1).map(|i| i + 1) == reading.index(b.1)
            };
            for run in used.rows.chunk_by(next) {
                places.extend(reading.index(run[0].1).map(|at| (at, run.len(), run[0].0 as usize, used)));
            }
        }
        places.sort_unstable_by_key(|&(at, ..)| at);
        let (mut rest, mut done) = (rows.data.as_mut_slice(), 0);
        for (at, len, row, used) in places {
            let Some(skip) = at.checked_sub(done) else { continue };
            let Some((_, behind)) = rest.split_at_mut_checked(skip * size) else { break };
            let Some((data, behind)) = behind.split_at_mut_checked(len * size) else { break };
            (rest, done) = (behind, at + len);
            out.push(Run { used, row, data });
        }
    }
    out.sort_by_key(|run| (std::cmp::Reverse(run.used.commit), run.used.block));
    out
}

/// Which slots are wanted, and which of them still lack a beginning.
pub(super) struct Reading<'s> {
    range: Range<u32>,
    list: Option<&'s [u32]>,
    wanted: Vec<State>,
    /// How many are open or wait for an earlier commit.
    open: usize,
    /// The commits for which some wait.
    waits: Vec<CommitIndex>,
}

/// What is wrong when the commit against which a row is coded is not there.
pub(super) const NOT_ON_THE_WAY: &str = "a row is coded against a commit that does not lie on the way to it";

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was found yet, or only changes.
    Open,
    /// A change of the row that this commit had was found: what lies between does not matter.
    At(u32),
    /// A whole row was found.
    Found,
    /// The source was deleted, so there is no row.
    Gone,
}

impl<'s> Reading<'s> {
    /// Reads a range of slots, or those of a list in it.
    pub fn new(range: Range<u32>, list: Option<&'s [u32]>) -> Self {
        let len = list.map_or(range.len(), <[u32]>::len);
        Self { range, list, wanted: vec![State::Open; len], open: len, waits: Vec::new() }
    }

    /// Reads a few slots, given in ascending order. Slots that came later, from `held` on, hold nothing, and nothing further
    /// back.
    pub fn of_list(slots: &'s [u32], held: u32) -> Self {
        let (Some(&first), Some(&last)) = (slots.first(), slots.last()) else { return Self::new(0..0, None) };
        let mut reading = Self::new(first..last.saturating_add(1), Some(slots));
        slots.iter().filter(|&&s| s >= held).for_each(|&s| reading.settle(s, State::Gone));
        reading
    }

    /// Returns whether it needs nothing from further back.
    pub fn is_done(&self) -> bool {
        self.open == 0
    }

    /// Returns the place of a slot in the result.
    pub fn index(&self, slot: u32) -> Option<usize> {
        match self.list {
            Some(list) => list.binary_search(&slot).ok(),
            None => self.range.contains(&slot).then(|| (slot - self.range.start) as usize),
        }
    }

    /// Notes which rows of a commit are needed, newest part first.
    ///
    /// # Errors
    /// Says so when a row was coded against a commit that does not lie on the way.
    pub fn back(
        readings: &mut [Self],
        step: &Arc<Step>,
        commit: CommitIndex,
        uses: &mut Vec<Use>,
    ) -> Result<(), &'static str> {
        readings.iter_mut().try_for_each(|r| r.reach(commit))?;
        for (number, part) in step.parts.iter().enumerate().rev() {
            for (side, reading) in readings.iter_mut().enumerate().filter(|(_, r)| !r.is_done()) {
                reading.back_in(part, step, &mut |block, rows| {
                    uses.push(Use { step: step.clone(), commit, part: number, side, block, rows });
                });
            }
        }
        if step.whole {
            readings.iter_mut().for_each(Self::end);
        }
        Ok(())
    }

    /// Goes on with the rows that waited for this commit.
    fn reach(&mut self, commit: CommitIndex) -> Result<(), &'static str> {
        while let Some(at) = self.waits.iter().position(|&c| c >= commit) {
            if self.waits.swap_remove(at) > commit {
                return Err(NOT_ON_THE_WAY);
            }
            self.wanted.iter_mut().filter(|s| **s == State::At(commit as u32)).for_each(|s| *s = State::Open);
        }
        Ok(())
    }

    /// What was not found is not there, unless it waits for an earlier commit.
    fn end(&mut self) {
        let mut waiting = 0;
        for state in &mut self.wanted {
            match state {
                State::Open => *state = State::Gone,
                State::At(_) => waiting += 1,
                State::Found | State::Gone => {}
            }
        }
        self.open = waiting;
    }

    /// Ends the way back.
    ///
    /// # Errors
    /// Says so when a row was coded against a commit that did not lie on it.
    pub fn finish(&self) -> Result<(), &'static str> {
        if self.waits.is_empty() { Ok(()) } else { Err(NOT_ON_THE_WAY) }
    }

    fn back_in(&mut self, part: &Part, step: &Step, note: &mut dyn FnMut(usize, Vec<(u32, u32)>)) {
        let entry = &step.blocks[part.index.slots];
        if entry.last_slot < self.range.start || entry.first_slot >= self.range.end {
            return;
        }
        for &slot in within(&part.lists.deleted, &self.range) {
            self.settle(slot, State::Gone);
        }
        let mut block = part.index.slots + 1;
        for (list, whole) in [(&part.lists.fresh, true), (&part.lists.change, false)] {
            let mut rest = list.as_slice();
            while !rest.is_empty() && block < part.index.end {
                let entry = &step.blocks[block];
                let (mine, others) = rest.split_at((entry.rows as usize).min(rest.len()));
                rest = others;
                let then = match entry.kind {
                    _ if whole => State::Found,
                    BlockKind::Fresh => State::Found,
                    // Without a commit it waits for one that never comes.
                    BlockKind::Skip => State::At(step.skip.map_or(u32::MAX, |c| c as u32)),
                    _ => State::Open,
                };
                let rows = self.needed(mine, then);
                if !rows.is_empty() {
                    note(block, rows);
                }
                block += 1;
            }
        }
    }

    /// Returns the rows of a block that are wanted, and what becomes of them then.
    fn needed(&mut self, slots: &[u32], then: State) -> Vec<(u32, u32)> {
        let skip = slots.partition_point(|&s| s < self.range.start);
        let mut rows = Vec::new();
        for (r, &slot) in slots.iter().enumerate().skip(skip) {
            if slot >= self.range.end {
                break;
            }
            let Some(i) = self.index(slot) else { continue };
            if self.wanted[i] == State::Open {
                rows.push((r as u32, slot));
                self.wanted[i] = then;
                self.open -= usize::from(then == State::Found);
            }
        }
        if let (State::At(commit), false) = (then, rows.is_empty())
            && !self.waits.contains(&(commit as CommitIndex))
        {
            self.waits.push(commit as CommitIndex);
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
    pub fn rows(&self, table: &Table, mut data: Vec<u8>) -> Rows {
        let (n, size) = (self.wanted.len(), table.row_bytes());
        if data.capacity() < n * size {
            data = vec![0; n * size];
        } else {
            data.resize(n * size, 0);
            let rows = data.chunks_exact_mut(size.max(1)).zip(&self.wanted);
            rows.filter(|(_, state)| **state != State::Found).for_each(|(row, _)| row.fill(0));
        }
        Rows {
            first: self.range.start,
            data,
            alive: vec![false; n],
            changed_by: vec![0; n],
            cost: vec![Cost::default(); n],
        }
    }
}

/// Returns the part of an ascending list of slots that lies in a range.
pub fn within<'l>(list: &'l [u32], range: &Range<u32>) -> &'l [u32] {
    let from = list.partition_point(|&s| s < range.start);
    let to = list.partition_point(|&s| s < range.end);
    &list[from..to]
}
