//! Capturing an epoch: each row is compared with the mirror, and what differs becomes a delta.

use std::sync::{Arc, RwLock};

use rayon::prelude::*;
use vecdelta_kernels::{max_abs, norm_squared};

use super::compare::{Compare, Pending};
use super::spare::Spare;
use super::{CaptureError, CapturePolicy, Missing};
use crate::delta::{Change, DeltaBatch, DeltaRow, Keys, Notes, RowBatch, Table};
use crate::store::Mirror;

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
    /// Memory for both sides of what batches change.
    spare: Spare,
    /// Whether most rows of the batch before had changed.
    most_changed: bool,
}

/// What one batch of rows came to.
#[derive(Debug)]
pub struct Captured {
    /// The deltas found, in the order of the rows.
    pub batches: Vec<DeltaBatch>,
    /// How many rows were the same, or passed over by the policy.
    pub unchanged: u64,
    /// The size of the rows in bytes.
    pub raw_bytes: u64,
}

impl Captured {
    /// Returns how many rows were compared.
    pub fn rows(&self) -> usize {
        self.deltas() + self.unchanged as usize
    }

    /// Returns how many deltas were found.
    pub fn deltas(&self) -> usize {
        self.batches.iter().map(|batch| batch.deltas.len()).sum()
    }

    /// Returns the bytes of the rows that the deltas lead to.
    pub fn bytes(&self) -> u64 {
        self.batches.iter().map(|batch| batch.new.len() as u64).sum()
    }
}

impl Capture {
    /// Makes a capture stage over a mirror.
    pub fn new(mirror: Arc<RwLock<Mirror>>, policy: CapturePolicy) -> Self {
        let table = mirror.read().expect("no thread panics with it").table().clone();
        Self { mirror, table, policy, seen: Vec::new(), expected: 0, spare: Spare::default(), most_changed: false }
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

    /// Returns the rows that sources of a stream have now: in the open windows, or in the mirror.
    ///
    /// # Errors
    /// When the mirror is damaged or cannot be read.
    pub fn states_of<'k>(
        &self,
        keys: impl Iterator<Item = &'k str>,
        pending: Pending<'_>,
    ) -> Result<Vec<Option<Vec<u8>>>, CaptureError> {
        let mut mirror = self.mirror.write().expect("no thread panics with it");
        mirror.keys_mut().index();
        let state = |key| match mirror.keys().find(key) {
            Some(slot) => row_of(&mirror, self.table.row_bytes(), slot, pending),
            None => Ok(None),
        };
        keys.map(state).collect()
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
            batches: vec![DeltaBatch {
                table: self.table.clone(),
                keys: Keys::from_texts(gone),
                deltas,
                new: vec![0; old.len()].into(),
                old: old.into(),
                notes: notes.pick(rows.into_iter()),
            }],
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
        let Self { table, policy, spare, most_changed, .. } = self;
        let compare =
            Compare { mirror: &mirror, table, policy, rows, slots, pending, most_changed: *most_changed, spare };
        let batches = compare.batches()?;
        let deltas: usize = batches.iter().map(|batch| batch.deltas.len()).sum();
        *most_changed = deltas > slots.len() / 2;
        Ok(Captured { batches, unchanged: (slots.len() - deltas) as u64, raw_bytes: rows.rows.len() as u64 })
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
