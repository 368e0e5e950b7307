//! Making proofs from a repository.

use std::sync::Arc;

use super::audit;
use super::document::{Proof, Shows, SourcePart};
use crate::delta::{Source, key_hash};
use crate::store::{FrameHeader, FrameKind, TreePath};
use crate::version::error::{Result, VersionError};
use crate::version::proof::record_hashes;
use crate::version::repository::{CommitIndex, Repository, table_of};
use crate::version::state::state_tree;
use crate::version::{Checkpoint, checkpoint, value};

/// Proves that a commit is in the log, under a checkpoint that the log continues.
///
/// # Errors
/// When the commit came after the checkpoint, or its record is damaged.
pub fn prove_commit(repo: &Repository, commit: CommitIndex, under: &Checkpoint) -> Result<Proof> {
    let (record, path) = inclusion(repo, commit, under)?;
    Ok(Proof { checkpoint: *under, shows: Shows::Commit { record, path, source: None } })
}

/// Proves what one source was at a commit, or that it was not in the table; `seen` is told how many slots were looked
/// at.
///
/// # Errors
/// When the commit came after the checkpoint or was compacted away, or anything on the way is damaged.
pub fn prove_source(
    repo: &Repository,
    commit: CommitIndex,
    source: &Source,
    under: &Checkpoint,
    seen: &(dyn Fn(u64) + Sync),
) -> Result<Proof> {
    let (record, path) = inclusion(repo, commit, under)?;
    let bits = match value(repo, commit, source) {
        Ok(found) => Some(found.row),
        Err(VersionError::UnknownSource { .. } | VersionError::UnknownCollection { .. }) => None,
        Err(error) => return Err(error),
    };
    let body = repo.commit(commit)?.body;
    let way = match body.collections.iter().find(|c| c.name == source.collection) {
        Some(state) => {
            let tree = state_tree(repo, commit, &Arc::new(table_of(state)?), seen)?;
            TreePath::of(&tree, &key_hash(&source.key))
        }
        None => TreePath::default(),
    };
    let source = Some(SourcePart { source: source.clone(), bits, way });
    Ok(Proof { checkpoint: *under, shows: Shows::Commit { record, path, source } })
}

/// Proves that the log as it stands continues a checkpoint.
///
/// # Errors
/// When it has no more records than the checkpoint.
pub fn prove_since(repo: &Repository, since: &Checkpoint) -> Result<Proof> {
    let records = record_hashes(repo);
    let then = usize::try_from(since.size).unwrap_or(usize::MAX);
    if then == 0 || then >= records.len() {
        let text = "nothing came since the checkpoint, or the checkpoint is of an empty log: there is nothing to prove";
        return Err(VersionError::Refused(text.to_owned()));
    }
    let path = audit::continuation(&records, then);
    Ok(Proof { checkpoint: checkpoint(repo), shows: Shows::History { since: *since, path } })
}

/// Returns the payload of a commit's record and its audit path.
fn inclusion(repo: &Repository, commit: CommitIndex, under: &Checkpoint) -> Result<(Vec<u8>, Vec<[u8; 32]>)> {
    let entry = repo.entry(commit);
    if entry.sequence > under.size {
        let id = entry.id.to_hex();
        let text = format!("commit {} came after the checkpoint, which has {} records", &id[..12], under.size);
        return Err(VersionError::Refused(text));
    }
    let record = borsh::to_vec(&repo.commit(commit)?).expect("writing to memory cannot fail");
    if FrameHeader::new(FrameKind::Commit, &record).hash != entry.place.hash {
        return Err(VersionError::corrupt(repo.disk().display("log"), "a record is not in its canonical encoding"));
    }
    let size = usize::try_from(under.size).unwrap_or(usize::MAX);
    let records = record_hashes(repo);
    Ok((record, audit::path(&records[..size.min(records.len())], entry.sequence as usize - 1)))
}
