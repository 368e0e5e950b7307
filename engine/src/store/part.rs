//! A part: up to some dozen megabytes of changed rows of one collection, in slot order, as blocks.
//!
//! A part is a `Slots` block, which lists the slots written whole, those changed and those deleted, and then the rows
//! of the first two lists, cut into blocks.

use std::borrow::Cow;

use rayon::prelude::*;
use vecdelta_kernels::measure;

use super::error::{Result, StoreError};
use super::log::Block;
use super::payloads::Payloads;
use super::record::{BlockKind, BlockRef};
use crate::codec::{self, Base};
use crate::delta::{Keys, Table};

/// The raw size of the rows of one block, in bytes: large enough to hash and code at full speed, small enough that
/// reading one row stays cheap.
pub const BLOCK_BYTES: usize = 128 << 10;

/// Of rows of which few cells changed, a block holds so many times as many: a list of cells takes fewer bytes, and less time, in one
/// piece.
const SPARSE_TIMES: usize = 8;

/// At most one cell in so many changed where few did.
const SPARSE_CELLS: usize = 8;

/// So many rows tell whether few cells changed.
const TRIED: usize = 8;

/// The most keys in one block.
pub const KEYS_PER_BLOCK: usize = 4096;

/// One changed row: its slot, and its place among rows before (absent when it is written whole) and after.
#[derive(Clone, Copy)]
pub struct PartRow<'a> {
    /// The source's number.
    pub slot: u32,
    /// Rows before the change.
    pub old: Option<&'a [u8]>,
    /// Rows after the change.
    pub new: &'a [u8],
    /// Which of these rows it is.
    pub at: usize,
}

impl<'a> PartRow<'a> {
    /// Returns the bits after the change.
    pub fn row(&self, size: usize) -> &'a [u8] {
        &self.new[self.at * size..][..size]
    }

    /// Returns how many cells changed; all of them where it is written whole.
    pub fn changed_cells(&self, table: &Table) -> usize {
        let size = table.row_bytes();
        let Some(old) = self.old else { return table.dims as usize };
        measure(table.element, &old[self.at * size..][..size], self.row(size)).changed as usize
    }
}

/// Returns the rows one after another: as they lie where they are neighbours, else in a copy.
pub fn gather<'a>(rows: &[PartRow<'a>], size: usize, side: impl Fn(&PartRow<'a>) -> &'a [u8]) -> Cow<'a, [u8]> {
    let (first, all) = (&rows[0], side(&rows[0]));
    let neighbours = |(i, r): (usize, &PartRow<'a>)| std::ptr::eq(side(r), all) && r.at == first.at + i;
    if rows.iter().enumerate().all(neighbours) {
        return Cow::Borrowed(&all[first.at * size..][..rows.len() * size]);
    }
    let mut copy = Vec::with_capacity(rows.len() * size);
    rows.iter().for_each(|r| copy.extend_from_slice(&side(r)[r.at * size..][..size]));
    Cow::Owned(copy)
}

/// The slots of a part, each list ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotLists {
    /// Rows written whole.
    pub fresh: Vec<u32>,
    /// Rows coded against their old bits.
    pub change: Vec<u32>,
    /// Sources that are gone.
    pub deleted: Vec<u32>,
}

impl SlotLists {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for list in [&self.fresh, &self.change, &self.deleted] {
            codec::encode_sorted(list, &mut out);
        }
        out
    }

    /// Reads the lists from the payload of a `Slots` block.
    ///
    /// # Errors
    /// Says what is wrong with the payload.
    pub fn decode(mut payload: &[u8], rows: u32) -> std::result::Result<Self, String> {
        let mut list = || codec::decode_sorted(&mut payload, rows as usize).map_err(|e| e.to_string());
        let lists = Self { fresh: list()?, change: list()?, deleted: list()? };
        if !payload.is_empty() || lists.len() != rows as usize {
            return Err("the lists of slots do not have the stated length".to_owned());
        }
        if !lists.are_disjoint() {
            return Err("a slot is in two lists".to_owned());
        }
        Ok(lists)
    }

    /// Returns whether every slot is in one list only: otherwise what a part does would depend on who reads it.
    fn are_disjoint(&self) -> bool {
        let mut lists = [self.fresh.as_slice(), &self.change, &self.deleted];
        let mut last = None;
        while let Some(next) = lists.iter_mut().filter(|l| !l.is_empty()).min_by_key(|l| l[0]) {
            if last == Some(next[0]) {
                return false;
            }
            last = Some(next[0]);
            *next = &next[1..];
        }
        true
    }

    /// Returns how many slots there are.
    pub fn len(&self) -> usize {
        self.fresh.len() + self.change.len() + self.deleted.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn bounds(&self) -> (u32, u32) {
        let lists = [&self.fresh, &self.change, &self.deleted];
        let first = lists.iter().filter_map(|l| l.first()).min();
        let last = lists.iter().filter_map(|l| l.last()).max();
        (first.copied().unwrap_or(0), last.copied().unwrap_or(0))
    }
}

/// A block with its entry for the record.
pub type PartBlock = (BlockRef, Block);

/// Finds what rows of a block were at an earlier commit, when they had better be coded against that; see [`BlockKind::Skip`].
pub type Earlier<'e> = dyn Fn(&[PartRow<'_>]) -> Option<Vec<u8>> + Sync + 'e;

/// Codes one part into memory of `payloads`; `fresh`, `change` and `deleted` are in slot order.
pub fn encode_part(
    collection: u16,
    table: &Table,
    fresh: &[PartRow<'_>],
    change: &[PartRow<'_>],
    deleted: &[u32],
    earlier: &Earlier<'_>,
    payloads: &Payloads,
) -> Vec<PartBlock> {
    let slots = |rows: &[PartRow<'_>]| rows.iter().map(|r| r.slot).collect();
    let lists = SlotLists { fresh: slots(fresh), change: slots(change), deleted: deleted.to_vec() };
    let (first_slot, last_slot) = lists.bounds();
    let block = Block::new(lists.encode());
    let mut out = vec![reference(collection, BlockKind::Slots, lists.len(), first_slot, last_slot, block)];
    let rows_per_block = (BLOCK_BYTES / table.row_bytes().max(1)).max(1);
    let block = |kind: BlockKind, rows: &[PartRow<'_>], payload: Vec<u8>| {
        let (first, last) = (rows[0].slot, rows[rows.len() - 1].slot);
        reference(collection, kind, rows.len(), first, last, Block::new(payload))
    };
    let payload = |rows: &[PartRow<'_>]| payloads.take(rows.len().min(rows_per_block) * table.row_bytes() + 64);
    out.par_extend(fresh.par_chunks(rows_per_block).map(|rows| {
        let mut payload = payload(rows);
        let new = gather(rows, table.row_bytes(), |r| r.new);
        codec::encode_fresh(table.element, table.dims as usize, &new, &mut payload);
        block(BlockKind::Fresh, rows, payload)
    }));
    let change: Vec<_> = cut(table, change, rows_per_block).collect();
    out.par_extend(change.into_par_iter().map(|rows| {
        let mut payload = payload(rows);
        block(encode_change(table, rows, earlier, &mut payload), rows, payload)
    }));
    out
}

/// Cuts changed rows into blocks.
fn cut<'p, 'a>(
    table: &'p Table,
    rows: &'p [PartRow<'a>],
    rows_per_block: usize,
) -> impl Iterator<Item = &'p [PartRow<'a>]> {
    // Elements of one byte are coded all, changed or not.
    let times = if table.element.size() > 1 { SPARSE_TIMES } else { 1 };
    rows.chunks(rows_per_block * times).flat_map(move |rows| {
        rows.chunks(if rows.len() > rows_per_block && is_sparse(table, rows) { rows.len() } else { rows_per_block })
    })
}

/// Returns whether few cells of some rows changed, as far as a few of them tell.
fn is_sparse(table: &Table, rows: &[PartRow<'_>]) -> bool {
    let tried = rows.iter().step_by(rows.len().div_ceil(TRIED));
    let (count, changed) = tried.fold((0, 0), |(n, changed), row| (n + 1, changed + row.changed_cells(table)));
    changed * SPARSE_CELLS <= count * table.dims as usize
}

/// Codes changed rows against what they were at an earlier commit, or else just before; returns what became of them.
fn encode_change(table: &Table, rows: &[PartRow<'_>], earlier: &Earlier<'_>, payload: &mut Vec<u8>) -> BlockKind {
    let (dims, size) = (table.dims as usize, table.row_bytes());
    let new = gather(rows, size, |r| r.new);
    let (kind, base) = match earlier(rows) {
        Some(rows) => (BlockKind::Skip, Cow::Owned(rows)),
        None => (BlockKind::Change, gather(rows, size, |r| r.old.expect("a change has its old bits"))),
    };
    match codec::encode_change(table.element, dims, &base, &new, payload) {
        Base::Needed => kind,
        Base::Dropped => BlockKind::Fresh,
    }
}

/// Codes the keys of new slots, the first of which is `first_slot`.
pub fn encode_keys(collection: u16, first_slot: u32, keys: &Keys) -> Vec<PartBlock> {
    (0..keys.len())
        .step_by(KEYS_PER_BLOCK)
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|start| {
            let end = (start + KEYS_PER_BLOCK).min(keys.len());
            let mut payload = Vec::new();
            codec::encode_texts((start..end).map(|i| keys.get(i)), &mut payload);
            let first = first_slot + start as u32;
            let last = first_slot + end as u32 - 1;
            reference(collection, BlockKind::Keys, end - start, first, last, Block::new(payload))
        })
        .collect()
}

fn reference(
    collection: u16,
    kind: BlockKind,
    rows: usize,
    first_slot: u32,
    last_slot: u32,
    block: Block,
) -> PartBlock {
    let entry = BlockRef {
        collection,
        kind,
        rows: rows as u32,
        first_slot,
        last_slot,
        len: block.payload.len() as u32,
        hash: block.header.hash,
    };
    (entry, block)
}

/// Where one part's blocks are in a record's list.
#[derive(Clone, Copy, Debug)]
pub struct PartIndex {
    /// The number of the `Slots` block; the rows follow.
    pub slots: usize,
    /// The number of the block behind the part.
    pub end: usize,
}

/// Finds the parts of one collection in a record's list of blocks, in order.
pub fn parts(blocks: &[BlockRef], collection: u16) -> Vec<PartIndex> {
    let mut out = Vec::new();
    for (i, block) in blocks.iter().enumerate() {
        if block.kind == BlockKind::Slots && block.collection == collection {
            let rows = blocks[i + 1..].iter().take_while(|b| b.collection == collection && b.kind.holds_rows());
            let end = i + 1 + rows.count();
            out.push(PartIndex { slots: i, end });
        }
    }
    out
}

/// Checks that the blocks of a part hold as many rows as its lists have slots.
///
/// # Errors
/// When they do not: the record and its blocks contradict each other.
pub fn check_part(entry: &BlockRef, lists: &SlotLists, rows: &[BlockRef], path: &str) -> Result<()> {
    if lists.bounds() != (entry.first_slot, entry.last_slot) {
        return Err(StoreError::corrupt(path, None, "the slots of a part are not those between which it claims to be"));
    }
    let (fresh, all) = (lists.fresh.len() as u64, (lists.fresh.len() + lists.change.len()) as u64);
    let mut held = 0;
    let mut parted = fresh == 0;
    let slot = |i: u64| lists.fresh.iter().chain(&lists.change).nth(usize::try_from(i).ok()?);
    for block in rows {
        let whole = held >= fresh || block.kind == BlockKind::Fresh;
        let first = slot(held) == Some(&block.first_slot);
        held += u64::from(block.rows);
        parted |= held == fresh;
        if !first || !whole || block.rows == 0 || slot(held - 1) != Some(&block.last_slot) {
            held = u64::MAX;
            break;
        }
    }
    // A block is of rows written whole or of changed ones, never of both.
    if held != all || !parted {
        return Err(StoreError::corrupt(path, None, "the blocks of a commit do not hold the rows it lists"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;
    use crate::delta::Element;

    const DIMS: usize = 4_096;
    const ROWS: usize = 200;

    fn bits(version: usize, changed: impl Fn(usize, usize) -> bool) -> Vec<u8> {
        let value = |i: usize| {
            let moved = if changed(i / DIMS, i % DIMS) { version as f64 * 1e-3 } else { 0.0 };
            (((i + 1) as f64).sqrt().sin() + moved) as f32
        };
        (0..ROWS * DIMS).flat_map(|i| value(i).to_le_bytes()).collect()
    }

    /// Eight rows fill a block, and eight times as many where few cells changed; all of them come back.
    #[test]
    fn rows_of_which_few_cells_changed_share_larger_blocks() {
        let table = Table { collection: "t".into(), dims: DIMS as u32, element: Element::F32 };
        let size = table.row_bytes();
        assert_eq!(BLOCK_BYTES / size, 8);
        // Rows up to 64 in a few cells, up to 128 in half of all, the rest in one.
        let changed = |row: usize, dim: usize| match row {
            0..64 => dim % 97 == row % 97,
            64..128 => dim.is_multiple_of(2),
            _ => dim == row,
        };
        let (old, new) = (bits(0, changed), bits(1, changed));
        let row = |at: usize| PartRow { slot: at as u32, old: Some(&old), new: &new, at };
        let rows: Vec<PartRow<'_>> = (0..ROWS).map(row).collect();
        let blocks = encode_part(0, &table, &[], &rows, &[], &|_| None, &Payloads::default());
        let lens: Vec<u32> = blocks[1..].iter().map(|(entry, _)| entry.rows).collect();
        assert_eq!(lens, [&[64][..], &[8; 8], &[64, 8]].concat());
        let mut found = old.clone();
        for (entry, block) in &blocks[1..] {
            let parsed = codec::Block::parse(table.element, DIMS, entry.rows as usize, &block.payload).unwrap();
            let start = entry.first_slot as usize * size;
            parsed.apply_all(&mut found[start..start + entry.rows as usize * size]).unwrap();
        }
        assert!(found == new);
    }
}
