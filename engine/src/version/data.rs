//! Reading a commit's data: its lists of slots and its blocks of rows.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use super::error::{Result, VersionError};
use super::index::Kind;
use super::repository::{CommitIndex, Repository};
use crate::codec;
use crate::delta::Table;
use crate::store::{BlockKind, BlockRef, Log, PartIndex, Place, SlotLists, StoreError, check_part, parts};

/// The lists of one part and where its blocks are.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where its blocks are in the record's list.
    pub index: PartIndex,
    /// The slots it touches.
    pub lists: SlotLists,
}

impl Part {
    /// Finds a slot among those it touches: number of the block, row in the block, and what was done.
    pub fn find(&self, blocks: &[BlockRef], slot: u32) -> Option<(u32, u32, Kind)> {
        if self.lists.deleted.binary_search(&slot).is_ok() {
            return Some((self.index.slots as u32, 0, Kind::Delete));
        }
        let in_fresh = self.lists.fresh.binary_search(&slot).ok();
        let in_change = || Some(self.lists.fresh.len() + self.lists.change.binary_search(&slot).ok()?);
        let mut row = in_fresh.or_else(in_change)? as u32;
        let first = self.index.slots + 1;
        for (i, block) in blocks[first..self.index.end].iter().enumerate() {
            let kind = if block.kind == BlockKind::Fresh { Kind::Whole } else { Kind::Change };
            match row.checked_sub(block.rows) {
                None => return Some(((first + i) as u32, row, kind)),
                Some(rest) => row = rest,
            }
        }
        None
    }

    /// Returns each row that it touches: slot, number of the block, row in the block, and what was done.
    pub fn rows<'p>(&'p self, blocks: &'p [BlockRef]) -> impl Iterator<Item = (u32, u32, u32, Kind)> + 'p {
        let held = (self.index.slots + 1..self.index.end)
            .flat_map(move |b| (0..blocks[b].rows).map(move |row| (b as u32, row, blocks[b].kind)));
        let lists = self.lists.fresh.iter().chain(&self.lists.change);
        let written = lists.zip(held).map(|(&slot, (block, row, kind))| {
            (slot, block, row, if kind == BlockKind::Fresh { Kind::Whole } else { Kind::Change })
        });
        let list = self.index.slots as u32;
        written.chain(self.lists.deleted.iter().map(move |&slot| (slot, list, 0, Kind::Delete)))
    }
}

/// Makes a corruption error for a place in the log.
pub fn damaged(repo: &Repository, place: Place, problem: impl Into<String>) -> VersionError {
    damaged_in(repo.log(), place, problem)
}

/// Makes a corruption error for a place in a log.
pub fn damaged_in(log: &Log, place: Place, problem: impl Into<String>) -> VersionError {
    let path = log.disk().display(&format!("log/{:08}.vdlog", place.segment));
    StoreError::corrupt(path, Some(place.offset), problem).into()
}

/// Names the commit in a corruption error.
pub fn in_commit(error: VersionError, repo: &Repository, commit: CommitIndex) -> VersionError {
    match error {
        VersionError::Store(e) => e.in_commit(repo.entry(commit).id).into(),
        other => other,
    }
}

/// Reads the parts of a collection among some of the blocks of one transaction.
///
/// # Errors
/// When a list is damaged or contradicts its blocks.
pub fn read_parts(
    repo: &Repository,
    place: Place,
    blocks: &[BlockRef],
    range: Range<usize>,
    collection: u16,
) -> Result<Vec<Part>> {
    read_parts_in(repo.log(), place, blocks, range, collection)
}

/// Reads the parts of a collection from a log.
///
/// # Errors
/// When a list is damaged or contradicts its blocks.
pub fn read_parts_in(
    log: &Log,
    place: Place,
    blocks: &[BlockRef],
    range: Range<usize>,
    collection: u16,
) -> Result<Vec<Part>> {
    let within = |index: &PartIndex| range.contains(&index.slots);
    parts(blocks, collection).into_iter().filter(within).map(|index| read_part(log, place, blocks, index)).collect()
}

/// Reads the parts of a collection that may touch a slot: the others tell by their bounds that they do not.
///
/// # Errors
/// When a list is damaged or contradicts its blocks.
pub fn parts_around(
    log: &Log,
    place: Place,
    blocks: &[BlockRef],
    range: Range<usize>,
    collection: u16,
    slot: u32,
) -> Result<Vec<Part>> {
    let wanted = |index: &PartIndex| {
        let list = &blocks[index.slots];
        range.contains(&index.slots) && (list.first_slot..=list.last_slot).contains(&slot)
    };
    parts(blocks, collection).into_iter().filter(wanted).map(|index| read_part(log, place, blocks, index)).collect()
}

fn read_part(log: &Log, place: Place, blocks: &[BlockRef], index: PartIndex) -> Result<Part> {
    let payload = log.block(place, blocks, index.slots)?;
    let lists = SlotLists::decode(&payload, blocks[index.slots].rows).map_err(|p| damaged_in(log, place, p))?;
    let path = log.disk().display("log");
    check_part(&blocks[index.slots], &lists, &blocks[index.slots + 1..index.end], &path)?;
    Ok(Part { index, lists })
}

/// The blocks that lead to a commit from the one its data are based on: its own, or those of a compaction.
#[derive(Clone, Debug)]
pub struct Data {
    /// Where the record is that names them.
    pub place: Place,
    /// All blocks of that record.
    pub blocks: Arc<Vec<BlockRef>>,
    /// Those that belong to the commit.
    pub range: Range<usize>,
}

/// Finds the blocks that lead to a commit.
///
/// # Errors
/// When a record is damaged.
pub fn data_of(repo: &Repository, commit: CommitIndex) -> Result<Data> {
    let (place, range) = match repo.composed(commit) {
        Some(c) => (c.place, Some(c.first_block as usize..(c.first_block + c.blocks) as usize)),
        None => (repo.entry(commit).place, None),
    };
    let blocks = Arc::new(repo.blocks_of(place).map_err(|e| in_commit(e, repo, commit))?);
    Ok(Data { place, range: range.unwrap_or(0..blocks.len()), blocks })
}

/// Returns the blocks of a snapshot.
///
/// # Errors
/// When its record is damaged.
pub fn snapshot_data(repo: &Repository, place: Place) -> Result<Data> {
    let blocks = Arc::new(repo.blocks_of(place)?);
    Ok(Data { place, range: 0..blocks.len(), blocks })
}

impl Data {
    /// Reads what they do to a collection.
    ///
    /// # Errors
    /// When a list is damaged.
    pub fn parts(&self, repo: &Repository, commit: CommitIndex, collection: &str) -> Result<Vec<Part>> {
        let number = repo.collection_number(collection);
        let own = repo.entry(commit).slots.iter().position(|(c, _)| Some(*c) == number);
        let Some(own) = own else { return Ok(Vec::new()) };
        read_parts(repo, self.place, &self.blocks, self.range.clone(), own as u16)
            .map_err(|e| in_commit(e, repo, commit))
    }
}

/// Reads what was done to a collection on the way to a commit from the one its data are based on.
///
/// # Errors
/// When a record or a list is damaged.
pub fn parts_of(repo: &Repository, commit: CommitIndex, collection: &str) -> Result<Vec<Part>> {
    data_of(repo, commit)?.parts(repo, commit, collection)
}

thread_local! {
    /// What a thread reads blocks into: memory that is asked for anew for each has to be cleared for each.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Reads block `i` of a transaction and hands it over decoded.
///
/// # Errors
/// When it is damaged, or not of the kind that its record says.
pub fn with_block<T>(
    repo: &Repository,
    table: &Table,
    place: Place,
    blocks: &[BlockRef],
    i: usize,
    take: impl FnOnce(&codec::Block<'_>) -> std::result::Result<T, codec::CodecError>,
) -> Result<T> {
    with_block_in(repo.log(), table, place, blocks, i, take)
}

/// Reads block `i` of a transaction of a log and hands it over decoded.
///
/// # Errors
/// When it is damaged, or not of the kind that its record says.
pub fn with_block_in<T>(
    log: &Log,
    table: &Table,
    place: Place,
    blocks: &[BlockRef],
    i: usize,
    take: impl FnOnce(&codec::Block<'_>) -> std::result::Result<T, codec::CodecError>,
) -> Result<T> {
    let (entry, mut buffer) = (&blocks[i], BUFFER.take());
    let payload = log.block_in(place, blocks, i, &mut buffer)?;
    let wrong = |e: codec::CodecError| damaged_in(log, place, e.to_string());
    let block = codec::Block::parse(table.element, table.dims as usize, entry.rows as usize, payload).map_err(wrong)?;
    if block.needs_base() != entry.kind.needs_base() {
        return Err(damaged_in(log, place, "a block is not of the kind that its record says"));
    }
    let taken = take(&block).map_err(wrong)?;
    BUFFER.set(buffer);
    Ok(taken)
}
