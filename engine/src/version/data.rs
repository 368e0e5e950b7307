//! Reading a commit's data: its lists of slots and its blocks of rows.

use super::checkout::number_of;
use super::error::{Result, VersionError};
use super::repository::{CommitIndex, Repository};
use crate::codec;
use crate::delta::Table;
use crate::store::{BlockKind, BlockRef, CommitRecord, PartIndex, Place, SlotLists, StoreError, check_part, parts};

/// The lists of one part and where its blocks are.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where its blocks are in the record's list.
    pub index: PartIndex,
    /// The slots it touches.
    pub lists: SlotLists,
}

/// Makes a corruption error for a place in the log.
pub fn damaged(repo: &Repository, place: Place, problem: impl Into<String>) -> VersionError {
    let path = repo.disk().display(&format!("log/{:08}.vdlog", place.segment));
    StoreError::corrupt(path, Some(place.offset), problem).into()
}

/// Names the commit in a corruption error.
pub fn in_commit(error: VersionError, repo: &Repository, commit: CommitIndex) -> VersionError {
    match error {
        VersionError::Store(e) => e.in_commit(repo.entry(commit).id).into(),
        other => other,
    }
}

/// Reads the parts of a collection among the blocks of one transaction.
///
/// # Errors
/// When a list is damaged or contradicts its blocks.
pub fn read_parts(repo: &Repository, place: Place, blocks: &[BlockRef], collection: u16) -> Result<Vec<Part>> {
    let read = |index: PartIndex| {
        let payload = repo.log().block(place, blocks, index.slots)?;
        let lists = SlotLists::decode(&payload, blocks[index.slots].rows).map_err(|p| damaged(repo, place, p))?;
        let path = repo.disk().display("log");
        check_part(&blocks[index.slots], &lists, &blocks[index.slots + 1..index.end], &path)?;
        Ok(Part { index, lists })
    };
    parts(blocks, collection).into_iter().map(read).collect()
}

/// Reads what a commit did to a collection.
///
/// # Errors
/// When its record or a list is damaged.
pub fn parts_of(repo: &Repository, commit: CommitIndex, record: &CommitRecord, collection: &str) -> Result<Vec<Part>> {
    let Some(number) = number_of(record, collection) else {
        return Ok(Vec::new());
    };
    read_parts(repo, repo.entry(commit).place, &record.blocks, number).map_err(|e| in_commit(e, repo, commit))
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
    let entry = &blocks[i];
    let payload = repo.log().block(place, blocks, i)?;
    let wrong = |e: codec::CodecError| damaged(repo, place, e.to_string());
    let block =
        codec::Block::parse(table.element, table.dims as usize, entry.rows as usize, &payload).map_err(wrong)?;
    if block.needs_base() != (entry.kind == BlockKind::Change) {
        return Err(damaged(repo, place, "a block is not of the kind that its record says"));
    }
    take(&block).map_err(wrong)
}
