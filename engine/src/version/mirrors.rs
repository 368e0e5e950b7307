//! The mirrors of branch heads: opened where they are whole, rebuilt from the log where not.

use std::sync::{Arc, RwLock};

use rayon::prelude::*;

use super::checkout::{Checkout, Rows, number_of};
use super::error::{Result, VersionError};
use super::keys::read_keys;
use super::repository::{CommitIndex, Repository, table_of};
use crate::delta::{CommitId, Table, domain, key_hashes, row_hashes};
use crate::store::{Cost, Mirror, StoreError, Written, row_sum};

/// How many bytes of rows are read at once when a mirror is rebuilt.
const CHUNK_BYTES: usize = 64 << 20;

/// Opens the mirror of a collection at a branch's head, or rebuilds it.
///
/// # Errors
/// When the log is damaged or the disk refuses.
pub fn open_mirror(repo: &Repository, branch: &str, table: Arc<Table>) -> Result<Arc<RwLock<Mirror>>> {
    let dir = directory(branch, &table.collection);
    let disk = repo.disk().clone();
    let head = repo.head(branch);
    if let Some(head) = head {
        check_shape(repo, head, &table)?;
    }
    let mirror = match (head, last_written(repo, branch, &table.collection)?) {
        (Some(head), Some(stamp)) => match Mirror::open(disk, &dir, table.clone(), &stamp.0) {
            Some(mirror) => mirror,
            None => rebuild(repo, head, &dir, table)?,
        },
        _ => Mirror::create(disk, &dir, table)?,
    };
    Ok(Arc::new(RwLock::new(mirror)))
}

/// Makes the mirror of a collection that gets another shape: all its keys, and no row yet.
///
/// # Errors
/// When the log is damaged or the disk refuses.
pub fn reshape_mirror(repo: &Repository, branch: &str, table: Arc<Table>) -> Result<Arc<RwLock<Mirror>>> {
    let dir = directory(branch, &table.collection);
    let mut mirror = Mirror::create(repo.disk().clone(), &dir, table.clone())?;
    if let (Some(head), Some(number)) = (repo.head(branch), repo.collection_number(&table.collection)) {
        *mirror.keys_mut() = read_keys(repo, head, &table.collection, 0..repo.slots(head, number))?;
    }
    Ok(Arc::new(RwLock::new(mirror)))
}

/// Saves a mirror that stands at its branch's head.
///
/// # Errors
/// When the head cannot be read or the disk refuses; the commits count all the same.
pub fn save_mirror(repo: &Repository, branch: &str, mirror: &RwLock<Mirror>) -> Result<()> {
    let mut mirror = mirror.write().expect("no thread panics with it");
    if let Some(stamp) = last_written(repo, branch, &mirror.table().collection)? {
        mirror.save(&stamp.0)?;
    }
    Ok(())
}

/// Finds the newest commit of a branch that wrote to a collection: mirrors stand at it.
fn last_written(repo: &Repository, branch: &str, collection: &str) -> Result<Option<CommitId>> {
    let Some(head) = repo.head(branch) else { return Ok(None) };
    for commit in repo.first_parents(head) {
        let record = repo.commit(commit)?;
        let Some(number) = number_of(&record, collection) else { return Ok(None) };
        if record.blocks.iter().any(|b| b.collection == number) {
            return Ok(Some(repo.entry(commit).id));
        }
    }
    Ok(None)
}

/// Refuses a shape other than that of the collection at a commit.
fn check_shape(repo: &Repository, commit: CommitIndex, table: &Table) -> Result<()> {
    let record = repo.commit(commit)?;
    let Some(number) = number_of(&record, &table.collection) else { return Ok(()) };
    let have = table_of(&record.body.collections[usize::from(number)])?;
    if have == *table {
        return Ok(());
    }
    let shape = |t: &Table| format!("{} x {}", t.dims, t.element.name());
    Err(VersionError::OtherShape { collection: table.collection.clone(), have: shape(&have), got: shape(table) })
}

/// Makes the mirror of a collection at a commit anew from the log.
///
/// # Errors
/// When the log is damaged or the disk refuses.
pub fn rebuild(repo: &Repository, commit: CommitIndex, dir: &str, table: Arc<Table>) -> Result<Mirror> {
    let mut mirror = Mirror::create(repo.disk().clone(), dir, table.clone())?;
    let checkout = Checkout::new(repo, commit, table.clone());
    let slots = checkout.slots();
    *mirror.keys_mut() = read_keys(repo, commit, &table.collection, 0..slots)?;
    let chunk = (CHUNK_BYTES / table.row_bytes().max(1) / rayon::current_num_threads()).clamp(1, 1 << 20) as u32;
    let starts: Vec<u32> = (0..slots).step_by(chunk as usize).collect();
    let written: Vec<Result<Vec<Written>>> = starts
        .into_par_iter()
        .map(|start| {
            let rows = checkout.range(start..(start + chunk).min(slots))?;
            mirror.write(start, &rows.data)?;
            Ok(written(&rows, &table, &mirror))
        })
        .collect();
    let written = written.into_iter().collect::<Result<Vec<_>>>()?.concat();
    mirror.apply(&written, slots);
    Ok(mirror)
}

/// Makes a damaged mirror of a branch's head anew from the log; keys of sources that are not yet committed stay, in their slots.
///
/// # Errors
/// When the log is damaged or the disk refuses.
pub fn mend_mirror(repo: &Repository, branch: &str, mirror: &RwLock<Mirror>) -> Result<()> {
    let mut held = mirror.write().expect("no thread panics with it");
    let (table, disk) = (held.table().clone(), repo.disk().clone());
    let dir = directory(branch, &table.collection);
    let mut anew = match repo.head(branch) {
        Some(head) => rebuild(repo, head, &dir, table)?,
        None => Mirror::create(disk, &dir, table)?,
    };
    let later = held.keys().between(anew.keys().len()..held.keys().len());
    anew.keys_mut().extend(&later);
    *held = anew;
    Ok(())
}

fn written(rows: &Rows, table: &Table, mirror: &Mirror) -> Vec<Written> {
    let size = table.row_bytes();
    let alive = (0..rows.alive.len()).filter(|&i| rows.alive[i]);
    let row = |i| (rows.first + i as u32, &rows.data[i * size..(i + 1) * size], rows.cost[i]);
    written_rows(table, mirror, &alive.map(row).collect::<Vec<_>>())
}

/// Describes rows that come into a mirror: slot, bits, and what reading them back costs.
pub fn written_rows(table: &Table, mirror: &Mirror, rows: &[(u32, &[u8], Cost)]) -> Vec<Written> {
    let key = |slot: u32| mirror.keys().get(slot);
    let keys = key_hashes(rows.iter().map(|r| key(r.0)));
    let hashes = row_hashes(table.element, rows.iter().map(|r| (key(r.0), r.1)));
    let hashed = rows.iter().zip(keys).zip(hashes);
    let written =
        |((&(slot, bits, cost), key), row)| Written { slot, key, row: Some(row), sum: row_sum(slot, bits), cost };
    hashed.map(written).collect()
}

/// Removes the mirror of a collection, so that the next look makes it anew.
///
/// # Errors
/// When the disk refuses.
pub fn discard_mirror(repo: &Repository, branch: &str, collection: &str) -> Result<()> {
    let dir = directory(branch, collection);
    let gone = repo.disk().remove(&dir);
    Ok(gone.map_err(StoreError::io("remove", repo.disk().display(&dir)))?)
}

/// Returns the directory of a mirror; names are data, so they appear only hashed.
pub fn directory(branch: &str, collection: &str) -> String {
    let mut hasher = blake3::Hasher::new_keyed(&domain("vecdelta v1 mirror"));
    hasher.update(branch.as_bytes()).update(&[0]).update(collection.as_bytes());
    format!("cache/mirrors/{}", &hasher.finalize().to_hex()[..16])
}
