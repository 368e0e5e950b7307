//! The mirror of a branch head: the collection's current rows, so that capture compares with them.
//!
//! Two files under `cache/`: `rows`, a matrix by slot that is changed in place, and `state`, which holds keys, a
//! checksum a row and the state tree, and is replaced as a whole. While rows are being changed there is no `state`, so
//! a crash leaves a mirror that is rebuilt. Every row is checked against its checksum when it is read, so a damaged
//! or stale one is noticed.

use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

use super::disk::{Disk, DiskFile};
use super::error::{Result, StoreError};
use super::keytable::KeyTable;
use super::tree::{Entry, EntryChange, StateTree};
use crate::delta::{RowHash, Table};

const MAGIC: &[u8; 8] = b"VDMIRR02";

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
    pub cost: u8,
}

/// The current rows of one collection on one branch.
pub struct Mirror {
    disk: Arc<dyn Disk>,
    dir: String,
    table: Arc<Table>,
    rows: Box<dyn DiskFile>,
    keys: KeyTable,
    /// A checksum a slot; 0 where there is no row.
    sums: Vec<u64>,
    costs: Vec<u8>,
    tree: StateTree,
    saved: bool,
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
            keys: KeyTable::default(),
            sums: Vec::new(),
            costs: Vec::new(),
            tree: StateTree::default(),
            saved: false,
        })
    }

    /// Opens a mirror if it is whole and was saved with the same stamp: the identity of the commit it stands at.
    ///
    /// The root of the table would not do: the same table may stand in other slots on another way.
    pub fn open(disk: Arc<dyn Disk>, dir: &str, table: Arc<Table>, stamp: &[u8; 32]) -> Option<Self> {
        let path = format!("{dir}/state");
        let len = disk.len(&path).ok()??;
        let mut bytes = vec![0; usize::try_from(len).ok()?];
        disk.open(&path, false).ok()?.read_at(&mut bytes, 0).ok()?;
        let state = State::parse(&bytes, stamp)?;
        let rows = disk.open(&format!("{dir}/rows"), true).ok()?;
        (rows.len().ok()? >= u64::from(state.keys.len()) * table.row_bytes() as u64).then_some(())?;
        Some(Self {
            disk,
            dir: dir.to_owned(),
            table,
            rows,
            keys: state.keys,
            sums: state.sums,
            costs: state.costs,
            tree: StateTree::from_entries(state.entries),
            saved: true,
        })
    }

    /// Returns the collection's shape.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Returns the keys by slot.
    pub fn keys(&self) -> &KeyTable {
        &self.keys
    }

    /// Returns the keys, to look up and add some; a new slot has no row yet.
    pub fn keys_mut(&mut self) -> &mut KeyTable {
        &mut self.keys
    }

    /// Returns whether a slot holds a row.
    pub fn is_alive(&self, slot: u32) -> bool {
        self.sums.get(slot as usize).is_some_and(|&s| s != 0)
    }

    /// Returns how many slots were used so far.
    pub fn slots(&self) -> u32 {
        self.sums.len() as u32
    }

    /// Returns what it costs to read a slot's row from the log, from 0 (it is written whole) to 255.
    pub fn cost(&self, slot: u32) -> u8 {
        self.costs.get(slot as usize).copied().unwrap_or(0)
    }

    /// Returns how many sources there are.
    pub fn len(&self) -> u64 {
        self.tree.len() as u64
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// Reads the rows of consecutive slots; those that hold none are left as they are on disk.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn read(&self, first: u32, buffer: &mut [u8]) -> Result<()> {
        let offset = u64::from(first) * self.table.row_bytes() as u64;
        self.rows.read_at(buffer, offset).map_err(StoreError::io("read", self.display("rows")))
    }

    /// Returns whether these are the bits that were written to a slot.
    pub fn is_whole(&self, slot: u32, row: &[u8]) -> bool {
        self.sums.get(slot as usize) == Some(&row_sum(slot, row))
    }

    /// Marks the mirror as being changed: it has to be saved again before it counts.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin(&mut self) -> Result<()> {
        if self.saved {
            self.disk
                .remove(&format!("{}/state", self.dir))
                .map_err(StoreError::io("remove", self.display("state")))?;
            self.saved = false;
        }
        Ok(())
    }

    /// Writes the rows of consecutive slots; [`begin`](Self::begin) comes first, [`apply`](Self::apply) later.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, first: u32, rows: &[u8]) -> Result<()> {
        let offset = u64::from(first) * self.table.row_bytes() as u64;
        self.rows.write_at(rows, offset).map_err(StoreError::io("write", self.display("rows")))
    }

    /// Takes over the checksums and hashes of rows that were written.
    pub fn apply(&mut self, written: &[Written]) {
        let slots = self.keys.len() as usize;
        self.sums.resize(slots, 0);
        self.costs.resize(slots, 0);
        let mut changes = Vec::with_capacity(written.len());
        for w in written {
            self.sums[w.slot as usize] = if w.row.is_some() { w.sum } else { 0 };
            self.costs[w.slot as usize] = w.cost;
            changes.push(EntryChange { key: w.key, slot: w.slot, row: w.row });
        }
        self.tree.apply(changes);
    }

    /// Returns the root of the state tree.
    pub fn root(&mut self) -> [u8; 32] {
        self.tree.root()
    }

    /// Saves the state with the stamp that [`open`](Self::open) asks for, so that the next process finds the mirror.
    ///
    /// # Errors
    /// When the disk refuses; the mirror then counts as not saved.
    pub fn save(&mut self, stamp: &[u8; 32]) -> Result<()> {
        if self.saved {
            return Ok(());
        }
        let bytes = State::encode(stamp, &self.keys, &self.sums, &self.costs, &self.tree);
        // The rows of deleted slots at the end may never have been written.
        let len = self.sums.len() as u64 * self.table.row_bytes() as u64;
        let (new, path) = (format!("{}/state.new", self.dir), format!("{}/state", self.dir));
        let save = || {
            if self.rows.len()? < len {
                self.rows.set_len(len)?;
            }
            let file = self.disk.open(&new, true)?;
            file.set_len(0)?;
            file.write_at(&bytes, 0)?;
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

struct State {
    keys: KeyTable,
    sums: Vec<u64>,
    costs: Vec<u8>,
    entries: Vec<Entry>,
}

const ENTRY: usize = 16 + 4 + 32;

impl State {
    fn encode(stamp: &[u8; 32], keys: &KeyTable, sums: &[u64], costs: &[u8], tree: &StateTree) -> Vec<u8> {
        let (text, ends) = keys.parts();
        // Keys of rows that were looked at and then not committed have no slot.
        let ends = &ends[..sums.len()];
        let text = &text[..ends.last().map_or(0, |&e| e as usize)];
        let mut out = Vec::with_capacity(128 + text.len() + 17 * ends.len() + ENTRY * tree.len());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(stamp);
        for len in [text.len(), ends.len(), tree.len()] {
            out.extend_from_slice(&(len as u64).to_le_bytes());
        }
        out.extend_from_slice(text);
        ends.iter().for_each(|e| out.extend_from_slice(&e.to_le_bytes()));
        sums.iter().for_each(|s| out.extend_from_slice(&s.to_le_bytes()));
        out.extend_from_slice(costs);
        for entry in tree.entries() {
            out.extend_from_slice(&entry.key);
            out.extend_from_slice(&entry.slot.to_le_bytes());
            out.extend_from_slice(&entry.row.0);
        }
        let sum = xxh3_128(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    fn parse(bytes: &[u8], stamp: &[u8; 32]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk::<16>()?;
        (xxh3_128(body).to_le_bytes() == *sum).then_some(())?;
        let mut rest = body.strip_prefix(MAGIC)?.strip_prefix(stamp)?;
        let mut len = || take_u64(&mut rest).and_then(|n| usize::try_from(n).ok());
        let (text, slots, entries) = (len()?, len()?, len()?);
        let text = take(&mut rest, text)?.to_vec();
        let ends = take_u64s(&mut rest, slots)?;
        let sums = take_u64s(&mut rest, slots)?;
        let costs = take(&mut rest, slots)?.to_vec();
        let entries = take(&mut rest, entries.checked_mul(ENTRY)?)?
            .chunks_exact(ENTRY)
            .map(|e| Entry {
                key: e[..16].try_into().expect("16 bytes"),
                slot: u32::from_le_bytes(e[16..20].try_into().expect("4 bytes")),
                row: RowHash(e[20..].try_into().expect("32 bytes")),
            })
            .collect();
        rest.is_empty().then_some(())?;
        Some(Self { keys: KeyTable::from_parts(text, ends)?, sums, costs, entries })
    }
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    take(rest, 8).map(|b| u64::from_le_bytes(b.try_into().expect("8 bytes")))
}

fn take_u64s(rest: &mut &[u8], len: usize) -> Option<Vec<u64>> {
    let bytes = take(rest, len.checked_mul(8)?)?;
    let word = |b: &[u8]| u64::from_le_bytes(b.try_into().expect("8 bytes"));
    Some(bytes.chunks_exact(8).map(word).collect())
}
