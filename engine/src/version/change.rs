//! Commits made from differences: what rollback and merge have in common.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use super::diff::{Differences, diff};
use super::error::{Result, VersionError};
use super::mirrors::{open_mirror, save_mirror};
use super::repository::{Actor, CommitIndex, Repository};
use super::stage::{CommitInfo, Stage};
use crate::delta::{Change, DeltaBatch, DeltaRow, Keys};
use crate::store::Mirror;

/// Makes a commit on a branch out of differences from its head.
///
/// # Errors
/// When `differences` fails, the head is not as one of them says that it was, or the disk refuses; then nothing was
/// committed.
pub fn commit_differences(
    repo: &mut Repository,
    info: CommitInfo,
    now_millis: u64,
    differences: impl FnOnce(&Repository, &mut dyn FnMut(Differences) -> Result<()>) -> Result<()>,
) -> Result<CommitIndex> {
    let mut mirrors: BTreeMap<String, (usize, Arc<RwLock<Mirror>>)> = BTreeMap::new();
    let branch = info.branch.clone();
    let staged = {
        let shared: &Repository = repo;
        let mut stage = Stage::begin(shared, &info, now_millis)?;
        differences(shared, &mut |part| {
            let name = part.table.collection.clone();
            if !mirrors.contains_key(&name) {
                let mirror = open_mirror(shared, &info.branch, part.table.clone())?;
                mirrors.insert(name.clone(), (stage.add_collection(mirror.clone())?, mirror));
            }
            let (number, mirror) = &mirrors[&name];
            let batch = batch_of(&mut mirror.write().expect("no thread panics with it"), &part)?;
            stage.add(*number, batch)
        })?;
        stage.finish(info)?
    };
    let commit = repo.take(staged)?;
    for (_, mirror) in mirrors.values() {
        // The commit counts already: a mirror that cannot be saved is made anew by the next writer.
        let _ = save_mirror(repo, &branch, mirror);
    }
    Ok(commit)
}

/// Writes differences as deltas in the numbering of a branch's mirror.
fn batch_of(mirror: &mut Mirror, part: &Differences) -> Result<DeltaBatch> {
    let size = part.table.row_bytes();
    let mut batch = DeltaBatch {
        table: part.table.clone(),
        keys: Keys::from_texts(part.sources.iter().map(|d| d.key.as_str())),
        deltas: Vec::with_capacity(part.sources.len()),
        old: Vec::with_capacity(part.sources.len() * size),
        new: Vec::with_capacity(part.sources.len() * size),
    };
    mirror.keys_mut().index();
    for d in &part.sources {
        let slot = mirror.keys().find(&d.key).unwrap_or_else(|| mirror.keys_mut().push(&d.key));
        let (inserts, alive) = (d.change == Change::Insert, mirror.is_alive(slot));
        if alive == inserts || (alive && !mirror.is_whole(slot, &d.old)) {
            // A delta for another state would be stored against bits that are not there.
            let text = format!("{}/{} is not as the change says that it was", part.table.collection, d.key);
            return Err(VersionError::Refused(text));
        }
        let absent = vec![0; size];
        batch.old.extend_from_slice(if d.change == Change::Insert { &absent } else { &d.old });
        batch.new.extend_from_slice(if d.change == Change::Delete { &absent } else { &d.new });
        batch.deltas.push(match &d.measures {
            Some(measures) => DeltaRow::update(slot, measures),
            None => {
                let row = if d.new.is_empty() { &d.old } else { &d.new };
                DeltaRow::whole(slot, d.change, &part.table, d.l2, vecdelta_kernels::max_abs(part.table.element, row))
            }
        });
    }
    Ok(batch)
}

/// Makes a commit that restores a branch to the exact table of an earlier commit; the history stays.
///
/// # Errors
/// When the branch has no commit, or the history is damaged.
pub fn rollback(repo: &mut Repository, branch: &str, to: CommitIndex, actor: &Actor) -> Result<CommitIndex> {
    let head = repo
        .head(branch)
        .ok_or_else(|| VersionError::Refused(format!("branch `{branch}` has no commit to roll back")))?;
    let id = repo.entry(to).id.to_hex();
    let info = CommitInfo {
        branch: branch.to_owned(),
        author: actor.author.clone(),
        message: format!("Rolled back to {}", &id[..12]),
        metadata: BTreeMap::from([("rollback".to_owned(), id)]),
        merged: None,
    };
    commit_differences(repo, info, actor.now_millis, |repo, emit| diff(repo, Some(head), Some(to), None, emit))
}
