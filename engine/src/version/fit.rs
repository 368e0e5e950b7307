//! What a record has to say so that it fits, before anything is read by it; an error says why it does not.

use crate::store::{BlockKind, BlockRef, CommitRecord, KEYS_PER_BLOCK};

/// Checks that a commit has the slots of its parent and those of its new keys: what is allocated to read it goes by its
/// slots, so a record must not be able to name more of them than there are keys. `before` tells the slots of the parent.
pub(super) fn check_record(record: &CommitRecord, before: &dyn Fn(&str) -> u32) -> Result<(), String> {
    if record.slots.len() != record.body.collections.len() {
        return Err("the record's lists differ in length".to_owned());
    }
    check_blocks(&record.blocks, &record.slots)?;
    check_skips(record)?;
    for (number, (state, &slots)) in record.body.collections.iter().zip(&record.slots).enumerate() {
        let keys = record.blocks.iter().filter(|b| b.kind == BlockKind::Keys && usize::from(b.collection) == number);
        let mut next = u64::from(before(&state.name));
        for block in keys {
            let end = next + u64::from(block.rows);
            if u64::from(block.first_slot) != next || u64::from(block.last_slot) + 1 != end {
                return Err("the keys of a record are not those of the next slots".to_owned());
            }
            next = end;
        }
        if next != u64::from(slots) {
            return Err("the record names other slots than its keys make".to_owned());
        }
    }
    Ok(())
}

/// Checks that no block claims more rows than its collection has slots, or more keys than a block holds.
pub(super) fn check_blocks(blocks: &[BlockRef], slots: &[u32]) -> Result<(), String> {
    for block in blocks {
        let slots = *slots.get(usize::from(block.collection)).ok_or("a block is of no collection of its record")?;
        let most = if block.kind == BlockKind::Keys { slots.min(KEYS_PER_BLOCK as u32) } else { slots };
        if block.rows > most {
            return Err("a block claims more rows than there can be".to_owned());
        }
    }
    Ok(())
}

/// Checks that a commit says against which commit each of its blocks is coded that skips some.
fn check_skips(record: &CommitRecord) -> Result<(), String> {
    if !record.skips.is_sorted_by(|a, b| a.collection < b.collection) {
        return Err("the commits against which rows are coded are not in order".to_owned());
    }
    if record.skips.iter().any(|s| usize::from(s.collection) >= record.slots.len()) {
        return Err("rows are coded against others of no collection of the record".to_owned());
    }
    let told = |b: &BlockRef| record.skips.iter().any(|s| s.collection == b.collection);
    let mut skipping = record.blocks.iter().filter(|b| b.kind == BlockKind::Skip);
    if skipping.all(told) { Ok(()) } else { Err("it does not say against which commit its rows are coded".to_owned()) }
}

/// Checks that what is no commit's own data needs no commit beside the one it is based on.
pub(super) fn check_own(blocks: &[BlockRef]) -> Result<(), String> {
    if blocks.iter().all(|b| b.kind != BlockKind::Skip) {
        return Ok(());
    }
    Err("its rows are coded against an earlier commit".to_owned())
}
