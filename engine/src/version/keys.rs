//! The keys of a collection's slots at a commit.

use std::ops::Range;

use bytes::Bytes;
use rayon::prelude::*;

use super::checkout::{number_of, will_read};
use super::error::Result;
use super::graph::RecordOf;
use super::repository::{CommitIndex, Repository};
use crate::codec;
use crate::delta::{KEY_BYTES_MAX, Keys, key_hash, key_hashes};
use crate::store::{BlockKind, BlockRef, KeyTable, Log, Place, StoreError};

struct KeyBlock {
    place: Place,
    blocks: std::sync::Arc<Vec<BlockRef>>,
    index: usize,
}

/// Reads the keys of a range of slots, in slot order.
///
/// # Errors
/// When a block on the way is damaged.
pub fn read_keys(repo: &Repository, commit: CommitIndex, collection: &str, slots: Range<u32>) -> Result<KeyTable> {
    let mut table = KeyTable::default();
    if slots.is_empty() {
        return Ok(table);
    }
    let blocks = key_blocks(repo, commit, collection, &slots)?;
    let texts: Vec<Result<Keys>> = blocks.par_iter().map(|b| decode(repo, b)).collect();
    for (block, keys) in blocks.iter().zip(texts) {
        let (keys, entry) = (keys?, &block.blocks[block.index]);
        for (slot, key) in (entry.first_slot..).zip(keys.iter()) {
            if slots.contains(&slot) {
                table.push(key);
            }
        }
    }
    if table.len() as usize != slots.len() {
        return Err(
            StoreError::corrupt(repo.disk().display("log"), None, "the keys of some sources are missing").into()
        );
    }
    Ok(table)
}

/// Returns the hash of each key of a table, in slot order.
pub fn hashes_of(keys: &KeyTable) -> Vec<[u8; 16]> {
    const TASK: u32 = 4096;
    let tasks: Vec<u32> = (0..keys.len()).step_by(TASK as usize).collect();
    let task = |start: u32| key_hashes((start..(start + TASK).min(keys.len())).map(|slot| keys.get(slot)));
    tasks.into_par_iter().flat_map_iter(task).collect()
}

/// Finds the slot of a key.
///
/// # Errors
/// When a block on the way is damaged.
pub fn find_slot(repo: &Repository, commit: CommitIndex, collection: &str, key: &str) -> Result<Option<u32>> {
    find_slot_of(repo, commit, collection, &key_hash(key))
}

/// Finds the slot of the key that has a hash.
///
/// # Errors
/// When a block on the way is damaged.
pub fn find_slot_of(repo: &Repository, commit: CommitIndex, collection: &str, hash: &[u8; 16]) -> Result<Option<u32>> {
    let Some(number) = repo.collection_number(collection) else {
        return Ok(None);
    };
    let slots = repo.index().slots_of(repo, number, hash)?;
    if let Some(slots) = slots {
        let mine = |record: u32| match repo.graph().records[record as usize - 1] {
            RecordOf::Commit(c) => repo.is_before(c, commit),
            RecordOf::Operation(_) => false,
        };
        return Ok(slots.into_iter().find(|(record, _)| mine(*record)).map(|(_, slot)| slot));
    }
    let blocks = key_blocks(repo, commit, collection, &(0..repo.slots(commit, number)))?;
    let hit = |b: &KeyBlock| -> Option<Result<u32>> {
        match decode(repo, b) {
            Ok(keys) => {
                let at = keys.iter().position(|k| key_hash(k) == *hash)?;
                Some(Ok(b.blocks[b.index].first_slot + at as u32))
            }
            Err(e) => Some(Err(e)),
        }
    };
    blocks.par_iter().find_map_first(hit).transpose()
}

/// Finds the blocks that hold the keys of a range of slots, in slot order.
fn key_blocks(repo: &Repository, commit: CommitIndex, collection: &str, slots: &Range<u32>) -> Result<Vec<KeyBlock>> {
    let Some(number) = repo.collection_number(collection) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    let start = last_with(repo, commit, number, slots.end);
    let mut above = repo.slots(start, number);
    for c in repo.first_parents(start) {
        let below = repo.entry(c).parents.first().map_or(0, |&p| repo.slots(p, number));
        if below < above && below < slots.end {
            let record = repo.commit(c).inspect_err(|e| will_read(repo, e, c))?;
            let place = repo.entry(c).place;
            let own = number_of(&record, collection);
            let blocks = std::sync::Arc::new(record.blocks);
            let mine = blocks.iter().enumerate().rev().filter(|(_, b)| {
                b.kind == BlockKind::Keys
                    && Some(b.collection) == own
                    && b.first_slot < slots.end
                    && b.last_slot >= slots.start
            });
            found.extend(mine.map(|(index, _)| KeyBlock { place, blocks: blocks.clone(), index }));
        }
        above = below;
        if below <= slots.start {
            break;
        }
    }
    found.reverse();
    Ok(found)
}

/// Goes back along first parents, in leaps, as long as a commit has that many slots.
fn last_with(repo: &Repository, commit: CommitIndex, collection: u16, slots: u32) -> CommitIndex {
    let mut at = commit;
    while let Some(&parent) = repo.entry(at).parents.first() {
        let leap = repo.entry(at).jump as CommitIndex;
        let Some(&next) = [leap, parent].iter().find(|&&c| repo.slots(c, collection) >= slots) else { break };
        at = next;
    }
    at
}

fn decode(repo: &Repository, block: &KeyBlock) -> Result<Keys> {
    read_keys_block(repo, block.place, &block.blocks, block.index)
}

/// Reads block `i` of a transaction, which holds keys.
///
/// # Errors
/// When it is damaged.
pub fn read_keys_block(repo: &Repository, place: Place, blocks: &[BlockRef], i: usize) -> Result<Keys> {
    read_keys_in(repo.log(), place, blocks, i)
}

/// Reads block `i` of a transaction of a log, which holds keys.
///
/// # Errors
/// When it is damaged.
pub fn read_keys_in(log: &Log, place: Place, blocks: &[BlockRef], i: usize) -> Result<Keys> {
    let entry = &blocks[i];
    let payload = log.block(place, blocks, i)?;
    let corrupt = |p: String| StoreError::corrupt(log.disk().display("log"), Some(place.offset), p);
    let count = entry.rows as usize;
    let mut input = payload.as_slice();
    let (bytes, offsets) = codec::decode_texts(&mut input, count, count.saturating_mul(KEY_BYTES_MAX))
        .map_err(|e| corrupt(e.to_string()))?;
    let keys = Keys::from_parts(Bytes::from(bytes), offsets).ok_or_else(|| corrupt("the keys are not texts".into()))?;
    if keys.len() != count {
        return Err(corrupt("a block holds another number of keys than stated".into()).into());
    }
    Ok(keys)
}
