//! Comparing rows with the mirror: each that differs becomes a delta with both sides.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use rayon::prelude::*;
use vecdelta_kernels::{differs, max_abs, measure, norm_squared};

use super::spare::Spare;
use super::{CaptureError, CapturePolicy};
use crate::delta::{Change, DeltaBatch, DeltaRow, Element, Keys, RowBatch, Table};
use crate::store::Mirror;

/// How many rows are compared at once: their old bits fit into the second-level cache.
const ROWS: usize = 128;

/// How many tasks a batch is cut into at most, however many cores there are: what they find are batches of their own.
const TASKS: usize = 8;

/// What open windows hold of a source: nothing, or the row it has in them, or that it was deleted.
pub type Pending<'a> = &'a (dyn Fn(u32) -> Option<Option<&'a [u8]>> + Sync);

/// What a task found: a delta a row that differs, with its row number in the batch, and the bits of both sides.
struct Found {
    rows: Vec<usize>,
    deltas: Vec<DeltaRow>,
    /// Room for all rows of the task; those of the deltas are in front.
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Found {
    /// Returns the place of the next row on both sides.
    fn next(&mut self, size: usize) -> (&mut [u8], &mut [u8]) {
        let at = self.deltas.len() * size;
        (&mut self.old[at..at + size], &mut self.new[at..at + size])
    }

    fn push(&mut self, row: usize, delta: DeltaRow) {
        self.rows.push(row);
        self.deltas.push(delta);
    }
}

thread_local! {
    /// Rows of the mirror, read for one comparison after another.
    static MIRROR_ROWS: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What the tasks of one batch share.
pub(super) struct Compare<'a, 'p> {
    pub mirror: &'a Mirror,
    pub table: &'a Arc<Table>,
    pub policy: &'a CapturePolicy,
    pub rows: &'a RowBatch,
    pub slots: &'a [u32],
    pub pending: Option<Pending<'p>>,
    /// Whether old rows are read where those that changed are kept: it saves a copy of these, but the rows that did not
    /// change go through more memory than the cache holds.
    pub most_changed: bool,
    pub spare: &'a Spare,
}

impl Compare<'_, '_> {
    /// Compares all rows, on all cores; what each task found is a batch.
    ///
    /// # Errors
    /// When the mirror is damaged or cannot be read.
    pub fn batches(&self) -> Result<Vec<DeltaBatch>, CaptureError> {
        let len = self.slots.len();
        let task = len.div_ceil(TASKS).max(1).next_multiple_of(ROWS);
        let starts: Vec<usize> = (0..len).step_by(task).collect();
        let batches = starts.into_par_iter().map(|start| self.batch(start..(start + task).min(len)));
        let mut batches = batches.collect::<Result<Vec<_>, _>>()?;
        batches.retain(|batch| !batch.deltas.is_empty());
        Ok(batches)
    }

    fn batch(&self, task: Range<usize>) -> Result<DeltaBatch, CaptureError> {
        let (size, rows) = (self.table.row_bytes(), task.len());
        let room = || self.spare.take(rows * size);
        let mut found = Found { rows: Vec::new(), deltas: Vec::new(), old: room(), new: room() };
        for start in task.clone().step_by(ROWS) {
            self.compare(start..task.end.min(start + ROWS), &mut found)?;
        }
        let Found { rows: numbers, deltas, old, new } = found;
        let len = deltas.len() * size;
        let few = deltas.len() * 2 < rows;
        Ok(DeltaBatch {
            table: self.table.clone(),
            keys: Keys::from_texts(numbers.iter().map(|&row| self.rows.keys.get(row))),
            deltas,
            old: self.side(old, len, few),
            new: self.side(new, len, few),
            notes: self.rows.notes.pick(numbers.into_iter()),
        })
    }

    /// Returns the rows in front of a room. Few of them are copied, and leave it to the next batch.
    fn side(&self, room: Vec<u8>, len: usize, few: bool) -> Bytes {
        if !few {
            return self.spare.lend(room, len);
        }
        let mut copy = self.spare.take(len);
        copy[..len].copy_from_slice(&room[..len]);
        self.spare.keep(room);
        self.spare.lend(copy, len)
    }

    fn compare(&self, rows: Range<usize>, found: &mut Found) -> Result<(), CaptureError> {
        let mut start = rows.start;
        while start < rows.end {
            if let Some(row) = self.pending.and_then(|pending| pending(self.slots[start])) {
                self.compare_pending(start, row, found);
                start += 1;
                continue;
            }
            let run = self.run(start..rows.end);
            self.compare_run(start..start + run, found)?;
            start += run;
        }
        Ok(())
    }

    /// Returns how many rows from the start on have neighbouring slots that are all alive, or are all new.
    fn run(&self, range: Range<usize>) -> usize {
        let slots = &self.slots[range];
        let alive = self.mirror.is_alive(slots[0]);
        let next = |pair: &[u32]| {
            pair[0].checked_add(1) == Some(pair[1])
                && self.mirror.is_alive(pair[1]) == alive
                && self.pending.is_none_or(|pending| pending(pair[1]).is_none())
        };
        1 + slots.windows(2).take_while(|pair| next(pair)).count()
    }

    fn compare_run(&self, run: Range<usize>, found: &mut Found) -> Result<(), CaptureError> {
        let size = self.table.row_bytes();
        let first = self.slots[run.start];
        if !self.mirror.is_alive(first) {
            for row in run {
                self.insert(row, found);
            }
            return Ok(());
        }
        if self.most_changed {
            return self.compare_in_place(run, found);
        }
        MIRROR_ROWS.with_borrow_mut(|buffer| {
            let len = run.len() * size;
            if buffer.len() < len {
                buffer.resize(len, 0);
            }
            let buffer = &mut buffer[..len];
            self.mirror.read(first, buffer)?;
            for (row, old) in run.zip(buffer.chunks_exact(size)) {
                if self.is_changed(row, old)? {
                    found.next(size).0.copy_from_slice(old);
                    self.update(row, found);
                }
            }
            Ok(())
        })
    }

    /// Compares a run of rows that are there: reads the old ones behind those that were kept, and closes the gaps.
    fn compare_in_place(&self, run: Range<usize>, found: &mut Found) -> Result<(), CaptureError> {
        let size = self.table.row_bytes();
        let start = found.deltas.len() * size;
        self.mirror.read(self.slots[run.start], &mut found.old[start..start + run.len() * size])?;
        for (i, row) in run.enumerate() {
            let at = start + i * size..start + (i + 1) * size;
            if self.is_changed(row, &found.old[at.clone()])? {
                let kept = found.deltas.len() * size;
                if kept != at.start {
                    found.old.copy_within(at, kept);
                }
                self.update(row, found);
            }
        }
        Ok(())
    }

    /// Returns whether a row differs from what the mirror has of it.
    fn is_changed(&self, row: usize, old: &[u8]) -> Result<bool, CaptureError> {
        if !self.mirror.is_whole(self.slots[row], old) {
            return Err(CaptureError::Mirror);
        }
        Ok(differs(old, self.row(row)))
    }

    /// Returns the bits of a row that came.
    fn row(&self, row: usize) -> &[u8] {
        let size = self.table.row_bytes();
        &self.rows.rows[row * size..(row + 1) * size]
    }

    /// Compares a row with what an open window holds of its source.
    fn compare_pending(&self, row: usize, held: Option<&[u8]>, found: &mut Found) {
        match held {
            Some(old) if differs(old, self.row(row)) => {
                found.next(old.len()).0.copy_from_slice(old);
                self.update(row, found);
            }
            Some(_) => {}
            None => self.insert(row, found),
        }
    }

    fn insert(&self, row: usize, found: &mut Found) {
        let (size, element) = (self.table.row_bytes(), self.table.element);
        let row_bits = self.row(row);
        found.next(size).1.copy_from_slice(row_bits);
        let (length, max_abs) = (norm_squared(element, row_bits).sqrt(), max_abs(element, row_bits));
        found.push(row, DeltaRow::whole(self.slots[row], Change::Insert, self.table, length, max_abs));
    }

    /// Notes an update of the old row that stands in its place, unless the policy passes it over: what is then left behind
    /// is written over by the next one.
    fn update(&self, row: usize, found: &mut Found) {
        let element = self.table.element;
        let (before, after) = found.next(self.table.row_bytes());
        after.copy_from_slice(self.row(row));
        if self.policy.epsilon > 0.0 {
            keep_small(element, self.policy.epsilon, before, after);
        }
        let change = measure(element, before, after);
        if change.changed > 0 && self.policy.detector.takes(&change) {
            found.push(row, DeltaRow::update(self.slots[row], &change));
        }
    }
}

/// Gives components that moved by no more than `epsilon` their old bits back.
fn keep_small(element: Element, epsilon: f64, old: &[u8], new: &mut [u8]) {
    let size = element.size();
    for (new, old) in new.chunks_exact_mut(size).zip(old.chunks_exact(size)) {
        if (element.to_f64(new) - element.to_f64(old)).abs() <= epsilon {
            new.copy_from_slice(old);
        }
    }
}
