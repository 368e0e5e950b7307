//! Commits made from differences: what rollback and merge have in common.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use super::diff::{Difference, Differences, diff};
use super::error::{Result, VersionError};
use super::generation::{Generation, KeyGenerations, only_generation};
use super::mirrors::{open_mirror, reshape_mirror, save_mirror};
use super::repository::{Actor, CommitIndex, Repository, table_of};
use super::stage::{CommitInfo, Stage};
use super::table::tables;
use vecdelta_kernels::norm_squared;

use crate::delta::{Change, DeltaBatch, DeltaRow, Keys};
use crate::store::{CollectionState, Mirror};

/// Of how many rows the generation is handed over at once.
const GENERATIONS_AT_ONCE: usize = 1 << 16;

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
    let mut mirrors: BTreeMap<String, (usize, Arc<RwLock<Mirror>>, bool)> = BTreeMap::new();
    let branch = info.branch.clone();
    let staged = {
        let shared: &Repository = repo;
        let mut stage = Stage::begin(shared, &info, now_millis)?;
        differences(shared, &mut |part| {
            let name = part.table.collection.clone();
            if !mirrors.contains_key(&name) {
                let mirror = match open_mirror(shared, &info.branch, part.table.clone()) {
                    // A declared generation may bring another shape: then all rows begin anew.
                    Err(VersionError::OtherShape { .. }) if info.generations.contains_key(&name) => {
                        reshape_mirror(shared, &info.branch, part.table.clone())?
                    }
                    mirror => mirror?,
                };
                let unshaped =
                    mirror.read().expect("no thread panics with it").is_empty() && shape_changes(shared, &info, &part)?;
                mirrors.insert(name.clone(), (stage.add_collection(mirror.clone())?, mirror, unshaped));
            }
            let (number, mirror, unshaped) = &mirrors[&name];
            let mut mirror = mirror.write().expect("no thread panics with it");
            let part = if *unshaped { as_inserts(part) } else { part };
            let batch = batch_of(&mut mirror, &part)?;
            drop(mirror);
            stage.add(*number, batch)?;
            stage.tell_generations(*number, &part.generations)
        })?;
        stage.finish(info)?
    };
    let commit = repo.take(staged)?;
    for (_, mirror, _) in mirrors.values() {
        // The commit counts already: a mirror that cannot be saved is made anew by the next writer.
        let _ = save_mirror(repo, &branch, mirror);
    }
    Ok(commit)
}

/// Returns whether a collection has another shape at the head of the branch.
fn shape_changes(repo: &Repository, info: &CommitInfo, part: &Differences) -> Result<bool> {
    let Some(head) = repo.head(&info.branch) else { return Ok(false) };
    Ok(tables(repo, head)?.iter().any(|t| t.collection == part.table.collection && *t != *part.table))
}

/// Rows of another shape have nothing that they could be coded against; those that go are left out.
fn as_inserts(part: Differences) -> Differences {
    let element = part.table.element;
    let whole = |d: Difference| {
        let l2 = norm_squared(element, &d.new).sqrt();
        Difference { change: Change::Insert, old: Vec::new(), measures: None, l2, ..d }
    };
    let sources = part.sources.into_iter().filter(|d| d.change != Change::Delete).map(whole).collect();
    Differences { sources, ..part }
}

/// Writes differences as deltas in the numbering of a branch's mirror.
fn batch_of(mirror: &mut Mirror, part: &Differences) -> Result<DeltaBatch> {
    let size = part.table.row_bytes();
    let mut deltas = Vec::with_capacity(part.sources.len());
    let (mut old, mut new) =
        (Vec::with_capacity(part.sources.len() * size), Vec::with_capacity(part.sources.len() * size));
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
        old.extend_from_slice(if d.change == Change::Insert { &absent } else { &d.old });
        new.extend_from_slice(if d.change == Change::Delete { &absent } else { &d.new });
        deltas.push(match &d.measures {
            Some(measures) => DeltaRow::update(slot, measures),
            None => {
                let row = if d.new.is_empty() { &d.old } else { &d.new };
                DeltaRow::whole(slot, d.change, &part.table, d.l2, vecdelta_kernels::max_abs(part.table.element, row))
            }
        });
    }
    Ok(DeltaBatch {
        table: part.table.clone(),
        keys: Keys::from_texts(part.sources.iter().map(|d| d.key.as_str())),
        deltas,
        old: old.into(),
        new: new.into(),
        notes: crate::delta::Notes::default(),
    })
}

/// Returns what made the vectors of each collection at a commit.
pub fn generations_of(repo: &Repository, commit: CommitIndex) -> Result<BTreeMap<String, Generation>> {
    let states = repo.commit(commit)?.body.collections.into_iter();
    Ok(states.map(|s| (s.name, Generation { name: s.generation, made_by: s.made_by })).collect())
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
        generations: generations_of(repo, to)?,
        drop_unshaped: true,
        ..CommitInfo::default()
    };
    commit_differences(repo, info, actor.now_millis, |repo, emit| {
        diff(repo, Some(head), Some(to), None, emit)?;
        restore_generations(repo, head, to, emit)
    })
}

/// Hands over from which generations the rows at an earlier commit stem, where that is not what it will be anyway.
fn restore_generations(
    repo: &Repository,
    head: CommitIndex,
    to: CommitIndex,
    emit: &mut dyn FnMut(Differences) -> Result<()>,
) -> Result<()> {
    let (now, then) = (repo.commit(head)?.body.collections, repo.commit(to)?.body.collections);
    for state in &then {
        let before = now.iter().find(|s| s.name == state.name);
        let kind = |s: &CollectionState| (s.generation.clone(), s.made_by.clone(), s.older.clone());
        if before.map_or(state.older.is_empty(), |before| kind(before) == kind(state) && state.older.is_empty()) {
            continue;
        }
        let table = Arc::new(table_of(state)?);
        // The generation in force is restored even when no row differs.
        emit(Differences::new(table.clone(), Vec::new()))?;
        let in_force = Some(state.generation.as_str());
        if before.is_some_and(|before| only_generation(before) == in_force) && only_generation(state) == in_force {
            continue;
        }
        let held = KeyGenerations::at(repo, head, &state.name)?;
        let wanted = KeyGenerations::at(repo, to, &state.name)?;
        let mut all = wanted.all().filter(|(key, name)| Some(*name) != in_force || held.of(key) != in_force).peekable();
        while all.peek().is_some() {
            let mut part = Differences::new(table.clone(), Vec::new());
            for (key, name) in all.by_ref().take(GENERATIONS_AT_ONCE) {
                part.generations.entry(name.to_owned()).or_default().push(key.to_owned());
            }
            emit(part)?;
        }
    }
    Ok(())
}
