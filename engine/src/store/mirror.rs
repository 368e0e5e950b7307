//! The mirror of a branch head: the collection's current rows, so that capture compares with them.
//!
//! Two files under `cache/`: `rows`, a matrix by slot that is changed in place, and `state`, which holds keys, a
//! checksum a row and the state tree, and is written as a whole. While rows are being changed there is no `state`, so
//! a crash leaves a mirror that is rebuilt. Every row is checked against its checksum when it is read, so a damaged
//! or stale one is noticed.

use std::io::ErrorKind;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::cost::Cost;
use super::disk::{Disk, DiskFile};
use super::error::{Result, StoreError};
use super::generations::RowGenerations;
use super::keytable::KeyTable;
use super::mirror_state::MirrorState;
use super::part::{PartRow, gather};
use super::tree::EntryChange;
use crate::delta::{RowHash, Table};

/// Rows that do not change are written again when they are so few bytes between two that do: a call to the system costs more.
const BRIDGE: usize = 16 << 10;

/// So much is written in one call, about.
const RUN: usize = 1 << 20;

/// A row as it is written into a mirror.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// The source's number.
    pub slot: u32,
    /// The hash of its key, for the tree.
    pub key: [u8; 16],
    /// The hash of the row, or `None` when the source is gone.
    pub row: Option<RowHash>,
    /// The checksum of the row.
    pub sum: u64,
    /// What it costs to read this row back; see [`Mirror::cost`].
    pub cost: Cost,
}

/// The current rows of one collection on one branch.
pub struct Mirror {
    disk: Arc<dyn Disk>,
    dir: String,
    table: Arc<Table>,
    rows: Box<dyn DiskFile>,
    state: MirrorState,
    saved: bool,
    /// What made each row, once somebody has asked.
    generations: Option<RowGenerations>,
}

/// Returns the checksum of a row, which also binds its slot; never 0.
pub fn row_sum(slot: u32, row: &[u8]) -> u64 {
    xxh3_64_with_seed(row, u64::from(slot)).max(1)
}

impl Mirror {
    /// Makes an empty mirror, in place of whatever is there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn create(disk: Arc<dyn Disk>, dir: &str, table: Arc<Table>) -> Result<Self> {
        let display = disk.display(dir);
        let open = || {
            disk.create_dir(dir)?;
            disk.remove(&format!("{dir}/state"))?;
            let rows = disk.open(&format!("{dir}/rows"), true)?;
            rows.set_len(0)?;
            Ok(rows)
        };
        let rows = open().map_err(StoreError::io("create", display))?;
        Ok(Self {
            disk,
            dir: dir.to_owned(),
            table,
            rows,
            state: MirrorState::default(),
            saved: false,
            generations: None,
        })
    }

    /// Opens a mirror if it is whole and was saved with the same stamp: the identity of the commit it stands at.
    ///
    /// The root of the table would not do: the same table may stand in other slots on another way.
    pub fn open(disk: Arc<dyn Disk>, dir: &str, table: Arc<Table>, stamp: &[u8; 32]) -> Option<Self> {
        let file = disk.open(&format!("{dir}/state"), false).ok()?;
        let state = MirrorState::read(file.as_ref(), stamp)?;
        let rows = disk.open(&format!("{dir}/rows"), true).ok()?;
        (rows.len().ok()? >= u64::from(state.keys.len()) * table.row_bytes() as u64).then_some(())?;
        Some(Self { disk, dir: dir.to_owned(), table, rows, state, saved: true, generations: None })
    }

    /// Returns the collection's shape.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Returns the keys by slot.
    pub fn keys(&self) -> &KeyTable {
        &self.state.keys
    }

    /// Returns the keys, to look up and add some; a new slot has no row yet.
    pub fn keys_mut(&mut self) -> &mut KeyTable {
        &mut self.state.keys
    }

    /// Returns whether a slot holds a row.
    pub fn is_alive(&self, slot: u32) -> bool {
        self.state.sums.get(slot as usize).is_some_and(|&s| s != 0)
    }

    /// Returns how many slots were used so far.
    pub fn slots(&self) -> u32 {
        self.state.sums.len() as u32
    }

    /// Returns what it costs to read a slot's row from the log.
    pub fn cost(&self, slot: u32) -> Cost {
        self.state.costs.get(slot as usize).copied().unwrap_or_default()
    }

    /// Returns how many sources there are.
    pub fn len(&self) -> u64 {
        self.state.tree.len() as u64
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.state.tree.is_empty()
    }

    /// Reads the rows of consecutive slots; those that hold none are left as they are on disk.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn read(&self, first: u32, buffer: &mut [u8]) -> Result<()> {
        let offset = u64::from(first) * self.table.row_bytes() as u64;
        self.rows.read_at(buffer, offset).map_err(|error| StoreError::io("read", self.display("rows"))(error))
    }

    /// Returns whether these are the bits that were written to a slot.
    pub fn is_whole(&self, slot: u32, row: &[u8]) -> bool {
        self.state.sums.get(slot as usize) == Some(&row_sum(slot, row))
    }

    /// Marks the mirror as being changed: it has to be saved again before it counts.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin(&mut self) -> Result<()> {
        if self.saved {
            // It is written over later: its blocks are at hand, and those of a new file would have to be found.
            let (old, path) = (format!("{}/state", self.dir), format!("{}/state.new", self.dir));
            match self.disk.rename(&old, &path) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(StoreError::io("rename", self.display("state"))(e));
                }
                _ => self.saved = false,
            }
        }
        Ok(())
    }

    /// Writes the rows of consecutive slots; [`begin`](Self::begin) comes first, [`apply`](Self::apply) later.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, first: u32, rows: &[u8]) -> Result<()> {
        let offset = u64::from(first) * self.table.row_bytes() as u64;
        self.rows.write_at(rows, offset).map_err(|error| StoreError::io("write", self.display("rows"))(error))
    }

    /// Writes rows at some slots, ascending; [`begin`](Self::begin) comes first, [`apply`](Self::apply) later.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_rows(&self, mut rows: &[PartRow<'_>]) -> Result<()> {
        let size = self.table.row_bytes();
        let len = self.rows.len().map_err(|error| StoreError::io("look at", self.display("rows"))(error))?;
        let held = len / size as u64;
        let (bridge, most) = (BRIDGE / size, (RUN / size).max(1));
        let mut buffer = Vec::new();
        while let Some(first) = rows.first() {
            let joins = |pair: &&[PartRow<'_>]| {
                let gap = pair[1].slot.saturating_sub(pair[0].slot + 1) as usize;
                let is_there = u64::from(pair[1].slot) <= held;
                (gap == 0 || gap <= bridge && is_there) && ((pair[1].slot - first.slot) as usize) < most
            };
            let (run, rest) = rows.split_at(1 + rows.windows(2).take_while(joins).count());
            self.write_run(run, held, &mut buffer)?;
            rows = rest;
        }
        Ok(())
    }

    /// Writes rows in one piece, with what is there between them.
    fn write_run(&self, run: &[PartRow<'_>], held: u64, buffer: &mut Vec<u8>) -> Result<()> {
        let (first, size) = (run[0].slot, self.table.row_bytes());
        let slots = (run[run.len() - 1].slot - first) as usize + 1;
        if slots == run.len() {
            return self.write(first, &gather(run, size, |r| r.new));
        }
        buffer.resize(slots * size, 0);
        let there = held.saturating_sub(u64::from(first)).min(slots as u64) as usize;
        self.read(first, &mut buffer[..there * size])?;
        run.iter().for_each(|r| buffer[(r.slot - first) as usize * size..][..size].copy_from_slice(r.row(size)));
        self.write(first, buffer)
    }

    /// Takes over the checksums and hashes of rows that were written; there are so many slots now, all of theirs among them.
    pub fn apply(&mut self, written: &[Written], slots: u32) {
        // Nothing is forgotten of what was there, whatever is said.
        let slots = self.state.sums.len().max(slots as usize);
        self.state.sums.resize(slots, 0);
        self.state.costs.resize(slots, Cost::default());
        let mut changes = Vec::with_capacity(written.len());
        for w in written {
            self.state.sums[w.slot as usize] = if w.row.is_some() { w.sum } else { 0 };
            self.state.costs[w.slot as usize] = w.cost;
            changes.push(EntryChange { key: w.key, slot: w.slot, row: w.row });
        }
        self.state.tree.apply(changes);
    }

    /// Returns what made each row; whoever asks first has to find it out.
    ///
    /// # Errors
    /// When `find` fails.
    pub fn generations<E>(
        &mut self,
        find: impl FnOnce() -> std::result::Result<RowGenerations, E>,
    ) -> std::result::Result<&mut RowGenerations, E> {
        if self.generations.is_none() {
            self.generations = Some(find()?);
        }
        Ok(self.generations.as_mut().expect("it was just found"))
    }

    /// Returns the root of the state tree.
    pub fn root(&mut self) -> [u8; 32] {
        self.state.tree.root()
    }

    /// Saves the state with the stamp that [`open`](Self::open) asks for, so that the next process finds the mirror.
    ///
    /// # Errors
    /// When the disk refuses; the mirror then counts as not saved.
    pub fn save(&mut self, stamp: &[u8; 32]) -> Result<()> {
        if self.saved {
            return Ok(());
        }
        // The rows of deleted slots at the end may never have been written.
        let len = self.state.sums.len() as u64 * self.table.row_bytes() as u64;
        let (new, path) = (format!("{}/state.new", self.dir), format!("{}/state", self.dir));
        let mut save = || {
            if self.rows.len()? < len {
                self.rows.set_len(len)?;
            }
            let file = self.disk.open(&new, true)?;
            self.state.write(file.as_ref(), stamp)?;
            self.disk.rename(&new, &path)
        };
        save().map_err(StoreError::io("write", self.display("state")))?;
        self.saved = true;
        Ok(())
    }

    fn display(&self, name: &str) -> String {
        self.disk.display(&format!("{}/{name}", self.dir))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::delta::Element;
    use crate::store::MemoryDisk;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// Whatever lies between the rows, and wherever the file ends: what was not written stays.
        #[test]
        fn rows_are_written_where_they_belong_and_nowhere_else(
            dims in prop::sample::select(vec![1u32, 700, 5_000]),
            rounds in prop::collection::vec(prop::collection::btree_map(0u32..60, any::<u8>(), 1..40), 1..5),
        ) {
            let table = Table { collection: "c".into(), dims, element: Element::F32 };
            let size = table.row_bytes();
            let mirror = Mirror::create(Arc::new(MemoryDisk::default()), "mirror", Arc::new(table)).unwrap();
            let mut model = BTreeMap::new();
            for round in rounds {
                let new: Vec<u8> = round.values().flat_map(|&byte| vec![byte; size]).collect();
                let row = |(at, &slot): (usize, &u32)| PartRow { slot, old: None, new: &new, at };
                mirror.write_rows(&round.keys().enumerate().map(row).collect::<Vec<_>>()).unwrap();
                model.extend(round);
                let last = *model.keys().last().unwrap();
                let mut rows = vec![7; (last as usize + 1) * size];
                mirror.read(0, &mut rows).unwrap();
                for (slot, row) in (0..).zip(rows.chunks(size)) {
                    let expected = model.get(&slot).copied().unwrap_or(0);
                    prop_assert!(row.iter().all(|&byte| byte == expected), "slot {}", slot);
                }
            }
        }
    }
}
