//! What a record has to say so that it fits, before anything is read by it; an error says why it does not.

use crate::store::{BlockKind, BlockRef, CommitRecord, KEYS_PER_BLOCK, Skip};

const NOT_NAMED: &str = "it does not say rightly against which commits its rows are coded";

/// Checks that a commit has the slots of its parent and those of its new keys: what is allocated to read it goes by its
/// slots, so a record must not be able to name more of them than there are keys. `before` tells the slots of the parent.
pub(super) fn check_record(record: &CommitRecord, before: &dyn Fn(&str) -> u32) -> Result<(), String> {
    if record.slots.len() != record.body.collections.len() {
        return Err("the record's lists differ in length".to_owned());
    }
    check_blocks(&record.blocks, &record.slots, &record.skips)?;
    let mut least = 0;
    for skip in &record.skips {
        if !(least..record.slots.len()).contains(&usize::from(skip.collection)) {
            return Err(NOT_NAMED.to_owned());
        }
        least = usize::from(skip.collection) + 1;
    }
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

/// Checks that no block claims more rows than its collection has slots, or more keys than a block holds, and that the
/// commit is named against which it is coded, if that is not the one before.
pub(super) fn check_blocks(blocks: &[BlockRef], slots: &[u32], skips: &[Skip]) -> Result<(), String> {
    for block in blocks {
        let slots = *slots.get(usize::from(block.collection)).ok_or("a block is of no collection of its record")?;
        let most = if block.kind == BlockKind::Keys { slots.min(KEYS_PER_BLOCK as u32) } else { slots };
        if block.rows > most {
            return Err("a block claims more rows than there can be".to_owned());
        }
        if block.kind == BlockKind::Skip && skips.iter().all(|s| s.collection != block.collection) {
            return Err(NOT_NAMED.to_owned());
        }
    }
    Ok(())
}
