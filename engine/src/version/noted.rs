//! Blocks that say something about rows beside their vectors: notes and generations.
//!
//! Those of a commit have their hashes in its metadata, and so are under its own hash. Those of a compaction were put
//! together from such, and are under the hashes of the log alone.

use super::data::{Data, damaged_in, data_of, in_commit};
use super::error::Result;
use super::repository::{CommitIndex, Repository};
use crate::store::{
    BlockKind, CommitRecord, GENERATIONS, Log, NOTES, Place, SlotGenerations, SlotNotes, generations_hash, notes_hash,
};

/// Reads the notes of the rows that lead to a commit; none when nothing was noted, or a compaction left the commit out.
///
/// Of a commit that a compaction composed they are the last ones of each source on the way.
///
/// # Errors
/// When they are damaged, or not those that the commit was made with.
pub fn notes_of(repo: &Repository, commit: CommitIndex, collection: &str) -> Result<SlotNotes> {
    let decode = |payload: &[u8], _: u32| SlotNotes::decode(payload);
    let data = data_of(repo, commit)?;
    Ok(read(repo, commit, &data, collection, BlockKind::Notes, &decode)?.unwrap_or_default())
}

/// Reads what a commit, whose data are given, says of the generations of rows, where it is not the one in force.
///
/// # Errors
/// When it is damaged, or not what the commit was made with.
pub fn generations_told(
    repo: &Repository,
    commit: CommitIndex,
    data: &Data,
    collection: &str,
) -> Result<SlotGenerations> {
    Ok(read(repo, commit, data, collection, BlockKind::Generations, &SlotGenerations::decode)?.unwrap_or_default())
}

fn read<T>(
    repo: &Repository,
    commit: CommitIndex,
    data: &Data,
    collection: &str,
    kind: BlockKind,
    decode: &dyn Fn(&[u8], u32) -> Option<T>,
) -> Result<Option<T>> {
    let read = || {
        let number = repo.collection_number(collection);
        let own = repo.entry(commit).slots.iter().position(|(c, _)| Some(*c) == number);
        let mine = |i: &usize| data.blocks[*i].kind == kind && Some(usize::from(data.blocks[*i].collection)) == own;
        let Some(at) = data.range.clone().find(mine).filter(|_| !data.place.bare) else { return Ok(None) };
        let payload = repo.log().block(data.place, &data.blocks, at)?;
        if repo.composed(commit).is_none() {
            check(repo.log(), data.place, &repo.commit(commit)?, kind, &payload)?;
        }
        let found = decode(&payload, data.blocks[at].rows);
        found.ok_or_else(|| damaged_in(repo.log(), data.place, format!("{} cannot be read", words(kind).1))).map(Some)
    };
    read().map_err(|error| in_commit(error, repo, commit))
}

/// Returns the key of the metadata that has the hashes of such blocks, and what they are to people.
fn words(kind: BlockKind) -> (&'static str, &'static str) {
    match kind {
        BlockKind::Generations => (GENERATIONS, "the generations of the rows"),
        _ => (NOTES, "the notes of the rows"),
    }
}

/// Checks that a commit names a block.
fn check(log: &Log, place: Place, record: &CommitRecord, kind: BlockKind, payload: &[u8]) -> Result<()> {
    let hash = if kind == BlockKind::Notes { notes_hash(payload) } else { generations_hash(payload) };
    let (key, what) = words(kind);
    match record.body.metadata.get(key) {
        Some(named) if named.split(' ').any(|n| n == hash) => Ok(()),
        _ => Err(damaged_in(log, place, format!("{what} are not those that the commit names"))),
    }
}

/// Checks that the blocks of a commit which has its rows are all those that it names, and can be read.
///
/// # Errors
/// When they are not.
pub fn check_noted(log: &Log, place: Place, record: &CommitRecord) -> Result<()> {
    for kind in [BlockKind::Notes, BlockKind::Generations] {
        let (key, what) = words(kind);
        let mut found = 0;
        for (i, block) in record.blocks.iter().enumerate().filter(|(_, b)| b.kind == kind) {
            let payload = log.block(place, &record.blocks, i)?;
            check(log, place, record, kind, &payload)?;
            let whole = match kind {
                BlockKind::Notes => SlotNotes::decode(&payload).map(drop),
                _ => SlotGenerations::decode(&payload, block.rows).map(drop),
            };
            whole.ok_or_else(|| damaged_in(log, place, format!("{what} cannot be read")))?;
            found += 1;
        }
        // Somebody's own metadata may have the same key.
        let is_hash = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let named = record.body.metadata.get(key).map_or(0, |n| n.split(' ').filter(|w| is_hash(w)).count());
        if named != found {
            return Err(damaged_in(log, place, format!("{what} are not all there")));
        }
    }
    Ok(())
}
