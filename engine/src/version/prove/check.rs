//! Checking proofs: with nothing but the proof, and the line that was pinned.

use super::audit;
use super::document::{Proof, Shows, SourcePart};
use crate::delta::{CommitId, Source, Table, key_hash, row_hash};
use crate::store::{CollectionState, CommitBody, CommitRecord, FrameHeader, FrameKind};
use crate::version::repository::table_of;
use crate::version::{Checkpoint, state_root};

/// What a proof was found to show.
#[derive(Clone, Debug)]
pub enum Proven {
    /// A commit is in the log.
    Commit {
        /// The commit.
        id: CommitId,
        /// The number of its record.
        sequence: u64,
        /// What it means.
        body: Box<CommitBody>,
        /// What one source was at it.
        row: Option<Row>,
    },
    /// The log continues an older state of it.
    History {
        /// The older state.
        since: Checkpoint,
    },
}

/// One source as it was.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which one.
    pub source: Source,
    /// The shape and the bits; `None` when it was not in the table.
    pub held: Option<(Table, Vec<u8>)>,
}

/// Checks a proof, and that it leads to the checkpoint that was pinned.
///
/// # Errors
/// Says which step does not hold.
pub fn check_proof(proof: &Proof, pinned: Option<&Checkpoint>) -> Result<Proven, String> {
    if pinned.is_some_and(|p| *p != proof.checkpoint) {
        return Err("the proof leads to another checkpoint than the one that was pinned".to_owned());
    }
    match &proof.shows {
        Shows::Commit { record, path, source } => check_commit(&proof.checkpoint, record, path, source.as_ref()),
        Shows::History { since, path } => check_history(&proof.checkpoint, since, path),
    }
}

fn check_history(to: &Checkpoint, since: &Checkpoint, path: &[[u8; 32]]) -> Result<Proven, String> {
    if since.origin != to.origin {
        return Err("the two checkpoints are of different repositories".to_owned());
    }
    match audit::roots_from(since.size, to.size, &since.root, path) {
        Some(roots) if roots == (since.root, to.root) => Ok(Proven::History { since: *since }),
        _ => Err("its hashes do not lead from the older checkpoint to the newer one".to_owned()),
    }
}

fn check_commit(
    to: &Checkpoint,
    payload: &[u8],
    path: &[[u8; 32]],
    part: Option<&SourcePart>,
) -> Result<Proven, String> {
    let frame = FrameHeader::new(FrameKind::Commit, payload);
    let record: CommitRecord = borsh::from_slice(payload).map_err(|e| format!("its record cannot be read: {e}"))?;
    let sequence = record.link.sequence;
    let root = sequence.checked_sub(1).and_then(|at| audit::root_from(&frame.hash, at, to.size, path));
    if root != Some(to.root) {
        return Err("its hashes do not lead from the record to the checkpoint".to_owned());
    }
    if borsh::to_vec(&record).ok().as_deref() != Some(payload) {
        return Err("its record is not in the canonical encoding".to_owned());
    }
    let body = Box::new(record.body);
    if state_root(&body.collections) != body.state_root.0 {
        return Err("the state root of the commit is not that of its collections".to_owned());
    }
    let row = part.map(|part| check_source(&body.collections, part)).transpose()?;
    Ok(Proven::Commit { id: body.id(), sequence, body, row })
}

fn check_source(collections: &[CollectionState], part: &SourcePart) -> Result<Row, String> {
    let source = part.source.clone();
    let Some(state) = collections.iter().find(|c| c.name == source.collection) else {
        return match &part.bits {
            None if part.way.leaf.is_empty() && part.way.nodes.is_empty() => Ok(Row { source, held: None }),
            _ => Err("the commit has no such collection".to_owned()),
        };
    };
    let table = table_of(state).map_err(|e| e.to_string())?;
    let key = key_hash(&source.key);
    if part.way.root(&key)? != state.root {
        return Err("its hashes do not lead from the source to the state root of the commit".to_owned());
    }
    let Some(bits) = &part.bits else {
        return match part.way.leaf.iter().any(|(k, _)| *k == key) {
            false => Ok(Row { source, held: None }),
            true => Err("the source is in the table, and the proof says that it is not".to_owned()),
        };
    };
    if bits.len() != table.row_bytes() {
        return Err("the bits are not of the width of the collection".to_owned());
    }
    if !part.way.leaf.contains(&(key, row_hash(&source.key, table.element, bits))) {
        return Err("the bits are not those in the table".to_owned());
    }
    Ok(Row { source, held: Some((table, bits.clone())) })
}
