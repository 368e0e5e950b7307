//! The log as a channel: deltas of the commits behind a cursor, piece by piece.

use std::sync::Arc;

use vecdelta_kernels::max_abs;

use crate::delta::{Change, DeltaBatch, DeltaRow, Keys, Notes, Table};
use crate::pipeline::PipelineError;
use crate::route::Cursor;
use crate::store::SlotNotes;
use crate::version::{
    CommitIndex, Difference, Differences, Leg, Repository, diff, find_slot, is_ancestor, notes_of, way,
};

/// Returns the legs from a cursor to a head, and whether the cursor is of another history: then they lead from the empty table.
///
/// The rows that a cursor counts are those of the first leg.
///
/// # Errors
/// When the history is damaged.
pub fn legs(repo: &Repository, cursor: &Cursor, head: CommitIndex) -> Result<(Vec<Leg>, bool), PipelineError> {
    let after = match &cursor.after {
        None => None,
        Some(id) => match repo.find(id) {
            Some(after) => Some(after),
            None => return Ok((way(repo, None, head)?, true)),
        },
    };
    let legs = on_to(repo, after, head)?;
    let Some(within) = &cursor.within else { return Ok((legs, false)) };
    let Some(within) = repo.find(within) else { return Ok((way(repo, None, head)?, true)) };
    if legs.first().is_some_and(|leg| leg.to == within) {
        return Ok((legs, false));
    }
    // The branch was pointed elsewhere in the middle of a commit: its other rows come first, then what leads from there.
    let mut all = vec![Leg { from: after, to: within }];
    all.extend(on_to(repo, Some(within), head)?);
    Ok((all, false))
}

fn on_to(repo: &Repository, after: Option<CommitIndex>, head: CommitIndex) -> Result<Vec<Leg>, PipelineError> {
    let Some(after) = after else { return Ok(way(repo, None, head)?) };
    if after != head && !is_ancestor(repo, after, head) || repo.stands_for(after).is_some() {
        // The branch points elsewhere now: one leg leads there from where the subscriber is.
        return Ok(vec![Leg { from: Some(after), to: head }]);
    }
    Ok(way(repo, Some(after), head)?)
}

/// Hands over the deltas of a leg, piece by piece, each with the number of its first row.
///
/// # Errors
/// When the history is damaged, or `emit` fails.
pub fn read_leg(
    repo: &Repository,
    leg: Leg,
    wanted: &dyn Fn(&str) -> bool,
    emit: &mut dyn FnMut(u32, DeltaBatch) -> Result<(), PipelineError>,
) -> Result<(), PipelineError> {
    let mut row = 0;
    let mut notes: Option<(String, SlotNotes)> = None;
    diff(repo, leg.from, Some(leg.to), None, &mut |part| {
        let first = row;
        row += part.sources.len() as u32;
        let collection = part.table.collection.clone();
        if !wanted(&collection) {
            return Ok(());
        }
        if notes.as_ref().is_none_or(|(name, _)| *name != collection) {
            notes = Some((collection.clone(), notes_of(repo, leg.to, &collection)?));
        }
        let own = notes.as_ref().map(|(_, notes)| notes).filter(|notes| !notes.slots.is_empty());
        let notes = match own {
            Some(own) => notes_for(repo, leg.to, &part, own)?,
            None => Notes::default(),
        };
        emit(first, batch_of(&part.table, &part.sources, notes))
    })
}

/// Finds the notes of the sources of a part.
fn notes_for(
    repo: &Repository,
    commit: CommitIndex,
    part: &Differences,
    own: &SlotNotes,
) -> Result<Notes, PipelineError> {
    let mut notes = Notes::default();
    let blank = own.notes.blank(repo.entry(commit).time.physical_millis);
    for d in &part.sources {
        let slot = find_slot(repo, commit, &part.table.collection, &d.key)?;
        let at = slot.and_then(|slot| own.slots.binary_search(&slot).ok());
        notes.push_note(&at.map_or_else(|| blank.clone(), |at| own.notes.note(at)));
    }
    Ok(notes)
}

/// Writes differences of one commit as a batch.
pub fn batch_of(table: &Arc<Table>, sources: &[Difference], notes: Notes) -> DeltaBatch {
    let size = table.row_bytes();
    let side = |of: &dyn Fn(&Difference) -> &[u8]| {
        let mut rows = Vec::with_capacity(sources.len() * size);
        sources.iter().for_each(|d| put(&mut rows, of(d), size));
        rows.into()
    };
    DeltaBatch {
        table: table.clone(),
        keys: Keys::from_texts(sources.iter().map(|d| d.key.as_str())),
        deltas: sources.iter().map(|d| row_of(d, table)).collect(),
        old: side(&|d| &d.old),
        new: side(&|d| &d.new),
        notes,
    }
}

/// Adds a row; one that is absent, or of another shape, becomes zeros.
fn put(rows: &mut Vec<u8>, row: &[u8], size: usize) {
    if row.len() == size {
        rows.extend_from_slice(row);
    } else {
        rows.resize(rows.len() + size, 0);
    }
}

/// Describes a difference as the stages do.
pub fn row_of(d: &Difference, table: &Table) -> DeltaRow {
    let alone = if d.change == Change::Delete { &d.old } else { &d.new };
    match &d.measures {
        Some(measures) => DeltaRow::update(0, measures),
        None => DeltaRow::whole(0, d.change, table, d.l2, max_abs(table.element, alone)),
    }
}
