//! Snapshots: the whole table of a commit, written down so that reading it starts there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::checkout::Checkout;
use super::error::{Result, VersionError};
use super::repository::{Actor, CommitIndex, Repository, operation, table_of};
use crate::delta::Timestamp;
use crate::store::{Action, BlockRef, PartRow, Payloads, encode_part};

/// How many bytes of rows are read and written at once.
const CHUNK_BYTES: usize = 64 << 20;

/// When to write a snapshot: whichever comes first; with neither, never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotRule {
    /// After so many commits.
    pub every_commits: Option<u32>,
    /// After so many bytes of deltas.
    pub or_bytes: Option<u64>,
}

/// Returns whether so many commits, or so many bytes of deltas, lie behind the last snapshot before a commit.
///
/// # Errors
/// When a record is damaged.
pub fn snapshot_is_due(repo: &Repository, commit: CommitIndex, rule: SnapshotRule) -> Result<bool> {
    let (mut commits, mut bytes) = (0, 0);
    for c in repo.first_parents(commit).take_while(|&c| repo.snapshot(c).is_none()) {
        commits += 1;
        bytes += repo.commit(c)?.blocks.iter().map(|b| u64::from(b.len)).sum::<u64>();
        if rule.every_commits.is_some_and(|n| commits >= n) || rule.or_bytes.is_some_and(|n| bytes >= n) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes a snapshot of a commit; returns how many bytes it takes, or `None` when there is one already.
///
/// # Errors
/// When the history is damaged or the disk refuses.
pub fn snapshot(repo: &mut Repository, commit: CommitIndex, actor: &Actor) -> Result<Option<u64>> {
    if repo.snapshot(commit).is_some() {
        return Ok(None);
    }
    let record = repo.commit(commit)?;
    let time = repo.next_time(actor.now_millis)?;
    let (place, record, bytes) = {
        let shared: &Repository = repo;
        let mut tx = shared.begin()?;
        let (mut blocks, payloads) = (Vec::<BlockRef>::new(), Payloads::default());
        for (number, state) in (0u16..).zip(&record.body.collections) {
            let table = Arc::new(table_of(state)?);
            let size = table.row_bytes();
            let checkout = Checkout::new(shared, commit, table.clone());
            let slots = checkout.slots();
            let chunk = (CHUNK_BYTES / size.max(1)).clamp(1, 1 << 20) as u32;
            for start in (0..slots).step_by(chunk as usize) {
                let rows = checkout.range(start..(start + chunk).min(slots))?;
                let alive = (0..rows.alive.len()).filter(|&i| rows.alive[i]);
                let fresh: Vec<PartRow<'_>> =
                    alive.map(|i| PartRow { slot: start + i as u32, old: None, new: &rows.data, at: i }).collect();
                let coded = encode_part(number, &table, &fresh, &[], &[], &|_| None, &payloads);
                for (entry, block) in &coded {
                    tx.append(block)?;
                    blocks.push(*entry);
                }
                payloads.give(coded);
            }
        }
        let bytes = blocks.iter().map(|b| u64::from(b.len)).sum();
        let id = shared.entry(commit).id;
        let record = operation(tx.link(), time, actor, 0, Action::Snapshot { commit: id, blocks });
        (tx.finish(&record)?, record, bytes)
    };
    repo.written(place, record)?;
    Ok(Some(bytes))
}

/// A snapshot that is held.
#[derive(Clone, Debug)]
pub struct HeldSnapshot {
    /// The commit whose table it is.
    pub commit: CommitIndex,
    /// When it was written.
    pub time: Timestamp,
    /// How many bytes it takes.
    pub bytes: u64,
    /// The branches and tags whose tables are read from it on.
    pub base_of: Vec<String>,
}

/// Returns the snapshots that are held, oldest commit first.
///
/// # Errors
/// When a record is damaged.
pub fn snapshots(repo: &Repository) -> Result<Vec<HeldSnapshot>> {
    let mut found = BTreeMap::new();
    for commit in (0..repo.len()).filter(|&c| repo.stands_for(c).is_none()) {
        let Some(operation) = repo.snapshot_operation(commit) else { continue };
        let bytes = repo.blocks_of(operation.place)?.iter().map(|b| u64::from(b.len)).sum();
        found.insert(commit, HeldSnapshot { commit, time: operation.time, bytes, base_of: Vec::new() });
    }
    let parked = repo.parked().iter().map(|(name, p)| (name, &p.theirs));
    for (name, &at) in repo.branches().iter().chain(repo.tags()).chain(parked) {
        let start = repo.bases(at).find(|c| found.contains_key(c));
        let names = start.and_then(|c| found.get_mut(&c)).map(|s| &mut s.base_of);
        names.filter(|names| !names.contains(name)).into_iter().for_each(|names| names.push(name.clone()));
    }
    Ok(found.into_values().collect())
}

/// Lets the snapshot of a commit go, unless the table of a branch or a tag is read from it on; `gc` frees its bytes.
///
/// # Errors
/// When there is none, something needs it, or the disk refuses.
pub fn delete_snapshot(repo: &mut Repository, commit: CommitIndex, actor: &Actor) -> Result<u64> {
    let id = repo.entry(commit).id;
    let short = &id.to_hex()[..12];
    let Some(held) = snapshots(repo)?.into_iter().find(|s| s.commit == commit) else {
        return Err(VersionError::UnknownSnapshot { revision: short.to_owned() });
    };
    if let Some(name) = held.base_of.first() {
        let text = format!(
            "the snapshot of {short} is the base of {}: take one of a later commit first, such as {name}",
            held.base_of.join(", ")
        );
        return Err(VersionError::Refused(text));
    }
    repo.operate(actor, 0, Action::Unsnapshot { commits: vec![id] })?;
    Ok(held.bytes)
}
