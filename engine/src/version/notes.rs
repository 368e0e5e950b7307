//! What the rows of a commit brought besides their vectors.

use super::data::{damaged, in_commit};
use super::error::Result;
use super::repository::{CommitIndex, Repository};
use crate::store::{BlockKind, NOTES, SlotNotes, notes_hash};

/// Reads the notes of a commit's rows of a collection; none when nothing was noted, or a compaction left the commit out.
///
/// # Errors
/// When they are damaged, or not those that the commit was made with.
pub fn notes_of(repo: &Repository, commit: CommitIndex, collection: &str) -> Result<SlotNotes> {
    read(repo, commit, collection).map_err(|error| in_commit(error, repo, commit))
}

fn read(repo: &Repository, commit: CommitIndex, collection: &str) -> Result<SlotNotes> {
    let none = SlotNotes::default();
    let place = repo.entry(commit).place;
    if place.bare || repo.composed(commit).is_some() {
        return Ok(none);
    }
    let record = repo.commit(commit)?;
    let Some(want) = record.body.metadata.get(NOTES) else { return Ok(none) };
    let number = record.body.collections.iter().position(|c| c.name == collection);
    let of = |b: &&crate::store::BlockRef| b.kind == BlockKind::Notes && Some(usize::from(b.collection)) == number;
    let Some(at) = record.blocks.iter().position(|b| of(&b)) else { return Ok(none) };
    let payload = repo.log().block(place, &record.blocks, at)?;
    if !want.split(' ').any(|hash| hash == notes_hash(&payload)) {
        return Err(damaged(repo, place, "the notes of the rows are not those that the commit names"));
    }
    SlotNotes::decode(&payload).ok_or_else(|| damaged(repo, place, "the notes of the rows cannot be read"))
}
