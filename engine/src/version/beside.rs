//! What a compaction keeps of that which commits say of rows beside their vectors.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::compact::Way;
use super::data::data_of;
use super::error::Result;
use super::generation::{only_generation, row_generations};
use super::noted::{generations_told, notes_of};
use super::repository::{CommitIndex, Repository};
use crate::store::{CollectionState, PartBlock, SlotGenerations, SlotNotes};

/// Returns the last note of each source on a way, as a block; `written` has the last commit that touched each slot.
///
/// # Errors
/// When notes are damaged.
pub fn last_notes(
    repo: &Repository,
    way: &Way,
    number: u16,
    state: &CollectionState,
    written: &BTreeMap<u32, CommitIndex>,
) -> Result<Option<PartBlock>> {
    let (mut found, mut taken) = (Vec::new(), HashSet::new());
    for c in repo.bases(way.end).take_while(|&c| Some(c) != way.base) {
        let own = notes_of(repo, c, &state.name)?;
        // An earlier compaction may have noted a source without a delta: it was changed, and changed back.
        let is_last = |slot: &u32| written.get(slot).is_none_or(|&last| last <= c);
        let last = (0..own.slots.len()).filter(|&row| is_last(&own.slots[row]) && taken.insert(own.slots[row]));
        let last: Vec<usize> = last.collect();
        if !last.is_empty() {
            let slots: Vec<u32> = last.iter().map(|&row| own.slots[row]).collect();
            found.push((c, slots, own.notes.pick(last.into_iter())));
        }
    }
    // Notes of one block have the same columns, and a time each or none.
    let names: BTreeSet<String> = found.iter().flat_map(|(.., notes)| notes.names().iter().cloned()).collect();
    let names: Arc<[String]> = names.into_iter().collect();
    let timed = found.iter().any(|(.., notes)| notes.millis(0).is_some());
    let mut all = SlotNotes::default();
    for (c, slots, notes) in found {
        let mut notes = notes.with_columns(&names, slots.len());
        if timed && notes.millis(0).is_none() {
            notes.stamp(slots.len(), repo.entry(c).time.physical_millis);
        }
        all.add(slots.into_iter(), &notes);
    }
    Ok(all.encode(number).map(|(entry, block, _)| (entry, block)))
}

/// Returns which rows stem from the generation in force though they stemmed from another one before the way, as a block:
/// of one that was changed and changed back no delta tells it.
///
/// On a way no generation begins and none is told of, so what was written stems from the one in force.
///
/// # Errors
/// When a record or a list is damaged.
pub fn generations(
    repo: &Repository,
    way: &Way,
    number: u16,
    state: &CollectionState,
    written: &BTreeMap<u32, CommitIndex>,
) -> Result<Option<PartBlock>> {
    let Some(base) = way.base else { return Ok(None) };
    let before = repo.commit(base)?.body.collections;
    if before.iter().all(|s| s.name != state.name || only_generation(s) == Some(&state.generation)) {
        return Ok(None);
    }
    let before = row_generations(repo, base, &state.name)?;
    let other = |slot: &u32| before.get(*slot).is_some_and(|name| name != state.generation);
    let mut slots: BTreeSet<u32> = written.keys().copied().collect();
    for c in repo.bases(way.end).take_while(|&c| Some(c) != way.base) {
        // What an earlier compaction told.
        let told = generations_told(repo, c, &data_of(repo, c)?, &state.name)?;
        slots.extend(told.0.values().flatten());
    }
    let slots: Vec<u32> = slots.into_iter().filter(other).collect();
    let all = SlotGenerations([(state.generation.clone(), slots)].into());
    Ok(all.encode(number).map(|(block, _)| block))
}
