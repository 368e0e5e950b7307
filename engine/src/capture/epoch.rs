//! Capturing an epoch: each row is compared with the mirror, and what differs becomes a delta.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Arc, RwLock};

use bytes::Bytes;
use rayon::prelude::*;
use vecdelta_kernels::{differs, max_abs, measure, norm_squared};

use super::spare::Spare;
use super::{CaptureError, CapturePolicy, Missing};
use crate::delta::{Change, DeltaBatch, DeltaRow, Element, Keys, Notes, RowBatch, Table};
use crate::store::Mirror;

/// How many rows one task compares: their old bits fit into the second-level cache.
const TASK_ROWS: usize = 128;

/// How many tasks' rows one core copies at least, when few of them changed.
const COPIED_TASKS: usize = 8;

/// How many deletes go into one batch.
const DELETE_ROWS: usize = 4096;

/// A capture stage for one collection: rows in, deltas out.
pub struct Capture {
    mirror: Arc<RwLock<Mirror>>,
    table: Arc<Table>,
    policy: CapturePolicy,
    /// One bit a slot: whether this epoch mentioned it, or this batch of a stream.
    seen: Vec<u64>,
    expected: u32,
    /// Room for both sides of what a batch changes, used again as long as few rows do.
    room: Room,
    /// Whether most rows of the batch before had changed.
    most_changed: bool,
}

/// What open windows hold of a source: nothing, or the row it has in them, or that it was deleted.
pub type Pending<'a> = &'a (dyn Fn(u32) -> Option<Option<&'a [u8]>> + Sync);

/// What one batch of rows came to.
#[derive(Debug)]
pub struct Captured {
    /// The deltas found.
    pub batch: DeltaBatch,
    /// How many rows were the same, or passed over by the policy.
    pub unchanged: u64,
    /// The size of the rows in bytes.
    pub raw_bytes: u64,
}

impl Captured {
    /// Returns how many rows were compared.
    pub fn rows(&self) -> usize {
        self.batch.deltas.len() + self.unchanged as usize
    }
}

/// What a task found: a delta a row that differs, with its row number in the batch. The bits of both sides go to the
/// front of the task's piece of the batch's buffers.
struct Found<'a> {
    rows: Vec<usize>,
    deltas: Vec<DeltaRow>,
    old: &'a mut [u8],
    new: &'a mut [u8],
}

impl Found<'_> {
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

/// Room for both sides of what one batch changes: each task writes to its own piece, and untouched pages cost nothing.
#[derive(Default)]
struct Room {
    old: Vec<u8>,
    new: Vec<u8>,
    spare: Spare,
}

impl Room {
    /// Returns so many bytes for each side, of any content.
    fn sides(&mut self, len: usize) -> (&mut [u8], &mut [u8]) {
        let Self { old, new, spare } = self;
        for side in [&mut *old, &mut *new] {
            if side.len() < len {
                *side = spare.take(len);
            }
        }
        (&mut old[..len], &mut new[..len])
    }

    /// Returns what each task found. Few rows are copied and leave the room to the next batch; many take it along.
    fn take(&mut self, counts: &[usize], size: usize) -> (Bytes, Bytes) {
        let found: usize = counts.iter().sum();
        let few = found < counts.len() * TASK_ROWS / 2;
        let spare = self.spare.clone();
        let side = |room: &mut Vec<u8>| {
            let pieces = counts.iter().enumerate().map(|(task, count)| {
                let start = task * TASK_ROWS * size;
                start..start + count * size
            });
            if few {
                let mut copy = spare.take(found * size);
                let (mut rest, mut jobs) = (&mut copy[..found * size], Vec::with_capacity(counts.len()));
                for piece in pieces {
                    let (own, others) = rest.split_at_mut(piece.len());
                    jobs.push((own, &room[piece]));
                    rest = others;
                }
                jobs.par_chunks_mut(COPIED_TASKS).for_each(|jobs| {
                    jobs.iter_mut().for_each(|(to, from)| to.copy_from_slice(from));
                });
                return spare.lend(copy, found * size);
            }
            let mut own = std::mem::take(room);
            let mut end = 0;
            for piece in pieces {
                let len = piece.len();
                if piece.start != end {
                    own.copy_within(piece, end);
                }
                end += len;
            }
            spare.lend(own, end)
        };
        (side(&mut self.old), side(&mut self.new))
    }
}

thread_local! {
    /// Rows of the mirror, read for one comparison after another.
    static MIRROR_ROWS: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Capture {
    /// Makes a capture stage over a mirror.
    pub fn new(mirror: Arc<RwLock<Mirror>>, policy: CapturePolicy) -> Self {
        let table = mirror.read().expect("no thread panics with it").table().clone();
        Self { mirror, table, policy, seen: Vec::new(), expected: 0, room: Room::default(), most_changed: false }
    }

    /// Compares a batch of rows of an epoch with the mirror.
    ///
    /// # Errors
    /// When an id comes twice in the epoch, or the mirror is damaged or cannot be read.
    pub fn step(&mut self, rows: &RowBatch) -> Result<Captured, CaptureError> {
        let mut slots = Vec::with_capacity(rows.keys.len());
        if let Some(row) = self.slots(rows, 0, &mut slots) {
            let (row, key) = (rows.first_row + row as u64, rows.keys.get(row).to_owned());
            return Err(CaptureError::Repeated { row, key });
        }
        self.compare(rows, &slots, None)
    }

    /// Compares rows of a stream, from one of them on, with what open windows hold and the mirror; goes as far as no id
    /// comes twice. How many rows that are is what is captured and what is unchanged together.
    ///
    /// # Errors
    /// When the mirror is damaged or cannot be read.
    pub fn step_stream(
        &mut self,
        rows: &RowBatch,
        from: usize,
        pending: Option<Pending<'_>>,
    ) -> Result<Captured, CaptureError> {
        let mut slots = Vec::with_capacity(rows.keys.len() - from);
        self.slots(rows, from, &mut slots);
        for slot in &slots {
            self.seen[*slot as usize / 64] &= !(1 << (slot % 64));
        }
        match slots.len() == rows.keys.len() {
            true => self.compare(rows, &slots, pending),
            false => self.compare(&rows.slice(from..from + slots.len()), &slots, pending),
        }
    }

    /// Returns the row that a source of a stream has now: in the open windows, or in the mirror.
    ///
    /// # Errors
    /// When the mirror is damaged or cannot be read.
    pub fn state_of(&self, key: &str, pending: Pending<'_>) -> Result<Option<Vec<u8>>, CaptureError> {
        let mut mirror = self.mirror.write().expect("no thread panics with it");
        mirror.keys_mut().index();
        let Some(slot) = mirror.keys().find(key) else { return Ok(None) };
        row_of(&mirror, self.table.row_bytes(), slot, pending)
    }

    /// Deletes sources of a stream, of which none comes twice; those that are absent already are passed over.
    ///
    /// # Errors
    /// When the mirror is damaged or cannot be read.
    pub fn remove(&mut self, keys: &Keys, notes: &Notes, pending: Pending<'_>) -> Result<Captured, CaptureError> {
        let mut mirror = self.mirror.write().expect("no thread panics with it");
        mirror.keys_mut().index();
        let size = self.table.row_bytes();
        let (mut gone, mut rows, mut deltas, mut old) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (number, key) in keys.iter().enumerate() {
            let Some(slot) = mirror.keys().find(key) else { continue };
            let Some(row) = row_of(&mirror, size, slot, pending)? else { continue };
            let length = norm_squared(self.table.element, &row).sqrt();
            let max_abs = max_abs(self.table.element, &row);
            deltas.push(DeltaRow::whole(slot, Change::Delete, &self.table, length, max_abs));
            gone.push(key);
            rows.push(number);
            old.extend(row);
        }
        Ok(Captured {
            unchanged: (keys.len() - gone.len()) as u64,
            raw_bytes: 0,
            batch: DeltaBatch {
                table: self.table.clone(),
                keys: Keys::from_texts(gone),
                deltas,
                new: vec![0; old.len()].into(),
                old: old.into(),
                notes: notes.pick(rows.into_iter()),
            },
        })
    }

    /// Deletes sources that an epoch says are gone; those that are absent already are passed over.
    ///
    /// # Errors
    /// When the epoch has a row of one of them too, or names it twice; when the mirror is damaged or cannot be read.
    pub fn remove_of_epoch(&mut self, ids: &[String]) -> Result<Captured, CaptureError> {
        let own = self.mirror.clone();
        {
            let mut mirror = own.write().expect("no thread panics with it");
            let keys = mirror.keys_mut();
            keys.index();
            for (row, key) in ids.iter().enumerate() {
                // One that is not known yet gets a slot, so that it is known again if a row of it comes.
                let slot = keys.find(key).unwrap_or_else(|| keys.push(key));
                if !self.mention(slot) {
                    return Err(CaptureError::Repeated { row: row as u64, key: key.clone() });
                }
            }
        }
        let keys = Keys::from_texts(ids.iter().map(String::as_str));
        self.remove(&keys, &Notes::default(), &|_| None)
    }

    fn compare(
        &mut self,
        rows: &RowBatch,
        slots: &[u32],
        pending: Option<Pending<'_>>,
    ) -> Result<Captured, CaptureError> {
        let mirror = self.mirror.read().expect("no thread panics with it");
        let (table, policy, most_changed) = (&*self.table, &self.policy, self.most_changed);
        let compare = Compare { mirror: &mirror, table, policy, rows, slots, pending, most_changed };
        let size = self.table.row_bytes();
        let (old, new) = self.room.sides(slots.len() * size);
        let pieces = old.par_chunks_mut(TASK_ROWS * size).zip(new.par_chunks_mut(TASK_ROWS * size)).enumerate();
        let found: Vec<(Vec<usize>, Vec<DeltaRow>)> = pieces
            .map(|(i, (old, new))| {
                let start = i * TASK_ROWS;
                compare.task(start..(start + TASK_ROWS).min(slots.len()), old, new)
            })
            .collect::<Result<_, _>>()?;
        let counts: Vec<usize> = found.iter().map(|(_, deltas)| deltas.len()).collect();
        let deltas: usize = counts.iter().sum();
        self.most_changed = deltas > slots.len() / 2;
        let (old, new) = self.room.take(&counts, size);
        let (numbers, found): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        Ok(Captured {
            unchanged: (slots.len() - deltas) as u64,
            raw_bytes: rows.rows.len() as u64,
            batch: DeltaBatch {
                table: self.table.clone(),
                keys: Keys::from_texts(numbers.iter().flatten().map(|&r| rows.keys.get(r))),
                deltas: found.concat(),
                old,
                new,
                notes: rows.notes.pick(numbers.iter().flatten().copied()),
            },
        })
    }

    /// Ends an epoch: returns deletes for the sources that it did not mention, if the policy says so.
    ///
    /// # Errors
    /// When the mirror is damaged or cannot be read.
    pub fn end_epoch(&mut self) -> Result<Vec<DeltaBatch>, CaptureError> {
        let seen = std::mem::take(&mut self.seen);
        self.expected = 0;
        if self.policy.missing == Missing::Keep {
            return Ok(Vec::new());
        }
        let mirror = self.mirror.read().expect("no thread panics with it");
        let mentioned = |s: u32| seen.get(s as usize / 64).is_some_and(|w| w >> (s % 64) & 1 == 1);
        let gone: Vec<u32> = (0..mirror.slots()).filter(|&s| mirror.is_alive(s) && !mentioned(s)).collect();
        gone.par_chunks(DELETE_ROWS).map(|slots| deletes(&mirror, &self.table, slots)).collect()
    }

    /// Finds or makes the slot of each row from one of them on; returns the first one whose id came before.
    fn slots(&mut self, rows: &RowBatch, from: usize, slots: &mut Vec<u32>) -> Option<usize> {
        let own = self.mirror.clone();
        // As long as all ids are known, nobody who reads the mirror has to wait.
        let known = {
            let mirror = own.read().expect("no thread panics with it");
            let keys = mirror.keys();
            let find = |next: u32, key: &str| if keys.is(next, key) { Some(next) } else { keys.find(key) };
            self.mention_rows(rows, from, slots, find)
        };
        let all = known.and_then(|row| {
            if row == rows.keys.len() {
                return Ok(row);
            }
            let mut mirror = own.write().expect("no thread panics with it");
            let keys = mirror.keys_mut();
            let find = |next: u32, key: &str| {
                if keys.is(next, key) {
                    return Some(next);
                }
                keys.index();
                Some(keys.find(key).unwrap_or_else(|| keys.push(key)))
            };
            self.mention_rows(rows, row, slots, find)
        });
        all.err()
    }

    /// Notes that rows were mentioned, from one of them on, and adds their slots, which are found by what slot is expected and the
    /// key; returns the first row that has none, or as an error the first one whose id came before.
    fn mention_rows(
        &mut self,
        rows: &RowBatch,
        from: usize,
        slots: &mut Vec<u32>,
        mut find: impl FnMut(u32, &str) -> Option<u32>,
    ) -> Result<usize, usize> {
        for row in from..rows.keys.len() {
            let Some(slot) = find(self.expected, rows.keys.get(row)) else { return Ok(row) };
            if !self.mention(slot) {
                return Err(row);
            }
            slots.push(slot);
        }
        Ok(rows.keys.len())
    }

    /// Notes that a source was mentioned; returns whether it was not before.
    fn mention(&mut self, slot: u32) -> bool {
        let (word, bit) = (slot as usize / 64, 1u64 << (slot % 64));
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        let first = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        self.expected = slot + 1;
        first
    }

    /// Returns how many sources the collection has had so far, those included that only this stage knows yet.
    pub fn known(&self) -> u32 {
        self.mirror.read().expect("no thread panics with it").keys().len()
    }
}

/// What the tasks of one batch share.
struct Compare<'a, 'p> {
    mirror: &'a Mirror,
    table: &'a Table,
    policy: &'a CapturePolicy,
    rows: &'a RowBatch,
    slots: &'a [u32],
    pending: Option<Pending<'p>>,
    /// Whether old rows are read where those that changed are kept: it saves a copy of these, but the rows that did not
    /// change go through more memory than the cache holds.
    most_changed: bool,
}

impl Compare<'_, '_> {
    fn task(
        &self,
        task: Range<usize>,
        old: &mut [u8],
        new: &mut [u8],
    ) -> Result<(Vec<usize>, Vec<DeltaRow>), CaptureError> {
        let mut found = Found { rows: Vec::new(), deltas: Vec::new(), old, new };
        let mut start = task.start;
        while start < task.end {
            if let Some(row) = self.pending.and_then(|pending| pending(self.slots[start])) {
                self.compare_pending(start, row, &mut found);
                start += 1;
                continue;
            }
            let run = self.run(start..task.end);
            self.compare_run(start..start + run, &mut found)?;
            start += run;
        }
        Ok((found.rows, found.deltas))
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

    fn compare_run(&self, run: Range<usize>, found: &mut Found<'_>) -> Result<(), CaptureError> {
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
    fn compare_in_place(&self, run: Range<usize>, found: &mut Found<'_>) -> Result<(), CaptureError> {
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
    fn compare_pending(&self, row: usize, held: Option<&[u8]>, found: &mut Found<'_>) {
        match held {
            Some(old) if differs(old, self.row(row)) => {
                found.next(old.len()).0.copy_from_slice(old);
                self.update(row, found);
            }
            Some(_) => {}
            None => self.insert(row, found),
        }
    }

    fn insert(&self, row: usize, found: &mut Found<'_>) {
        let (size, element) = (self.table.row_bytes(), self.table.element);
        let row_bits = self.row(row);
        found.next(size).1.copy_from_slice(row_bits);
        let (length, max_abs) = (norm_squared(element, row_bits).sqrt(), max_abs(element, row_bits));
        found.push(row, DeltaRow::whole(self.slots[row], Change::Insert, self.table, length, max_abs));
    }

    /// Notes an update of the old row that stands in its place, unless the policy passes it over: what is then left behind
    /// is written over by the next one.
    fn update(&self, row: usize, found: &mut Found<'_>) {
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

/// Returns the row of a slot as open windows or the mirror have it.
fn row_of(mirror: &Mirror, size: usize, slot: u32, pending: Pending<'_>) -> Result<Option<Vec<u8>>, CaptureError> {
    if let Some(held) = pending(slot) {
        return Ok(held.map(<[u8]>::to_vec));
    }
    if !mirror.is_alive(slot) {
        return Ok(None);
    }
    let mut row = vec![0; size];
    mirror.read(slot, &mut row)?;
    if mirror.is_whole(slot, &row) { Ok(Some(row)) } else { Err(CaptureError::Mirror) }
}

fn deletes(mirror: &Mirror, table: &Arc<Table>, slots: &[u32]) -> Result<DeltaBatch, CaptureError> {
    let size = table.row_bytes();
    let mut old = vec![0; slots.len() * size];
    let mut deltas = Vec::with_capacity(slots.len());
    for (&slot, row) in slots.iter().zip(old.chunks_exact_mut(size)) {
        mirror.read(slot, row)?;
        if !mirror.is_whole(slot, row) {
            return Err(CaptureError::Mirror);
        }
        let length = norm_squared(table.element, row).sqrt();
        let max_abs = max_abs(table.element, row);
        deltas.push(DeltaRow::whole(slot, Change::Delete, table, length, max_abs));
    }
    Ok(DeltaBatch {
        table: table.clone(),
        keys: Keys::from_texts(slots.iter().map(|&s| mirror.keys().get(s))),
        deltas,
        new: vec![0; old.len()].into(),
        old: old.into(),
        notes: Notes::default(),
    })
}
