//! Compare: which sources differ between two commits and by how much, without their bits.

use std::sync::Arc;

use vecdelta_kernels::RowChange;

use super::diff::diff;
use super::error::VersionError;
use super::repository::{CommitIndex, Repository, table_of};
use crate::delta::{Change, Measure, Table};
use crate::store::{KeptMeasures, recall_measures};

/// Hands over how far each source moved that differs between two commits.
///
/// Between a commit and its parent the measures that were kept when it was made are enough; otherwise rows are read.
///
/// # Errors
/// When the history is damaged, or `emit` fails.
pub fn compare<E: From<VersionError>>(
    repo: &Repository,
    from: CommitIndex,
    to: CommitIndex,
    only: Option<(&str, Option<&str>)>,
    emit: &mut dyn FnMut(&Table, &Measure<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let is_parent = |parent, child| repo.entry(child).parents.first() == Some(&parent);
    let (child, forward) = if is_parent(from, to) { (to, true) } else { (from, false) };
    let kept = if forward || is_parent(to, from) { kept_measures(repo, child) } else { None };
    let Some(kept) = kept else {
        return compare_rows(repo, from, to, only, emit);
    };
    let tables: Vec<Table> =
        repo.commit(child)?.body.collections.iter().map(table_of).collect::<Result<_, VersionError>>()?;
    if kept.iter().any(|measure| usize::from(measure.collection) >= tables.len()) {
        return compare_rows(repo, from, to, only, emit);
    }
    for mut measure in kept.iter() {
        let table = &tables[usize::from(measure.collection)];
        let wanted =
            only.is_none_or(|(name, key)| name == table.collection && key.is_none_or(|key| key == measure.key));
        if !forward {
            measure.change = reverse(measure.change);
        }
        if wanted {
            emit(table, &measure)?;
        }
    }
    Ok(())
}

/// Returns how far a commit moved each source from where its first parent has it, if that was kept when it was made.
pub fn kept_measures(repo: &Repository, commit: CommitIndex) -> Option<KeptMeasures> {
    let entry = repo.entry(commit);
    // An empty list of a first commit, as it was kept once, says nothing of what came.
    entry.parents.first()?;
    recall_measures(repo.disk().as_ref(), entry.id)
}

fn reverse(change: Change) -> Change {
    match change {
        Change::Insert => Change::Delete,
        Change::Update => Change::Update,
        Change::Delete => Change::Insert,
    }
}

fn compare_rows<E: From<VersionError>>(
    repo: &Repository,
    from: CommitIndex,
    to: CommitIndex,
    only: Option<(&str, Option<&str>)>,
    emit: &mut dyn FnMut(&Table, &Measure<'_>) -> Result<(), E>,
) -> Result<(), E> {
    diff(repo, Some(from), Some(to), only, &mut |part| {
        let table: Arc<Table> = part.table;
        for d in part.sources {
            let whole = if d.new.is_empty() { &d.old } else { &d.new };
            let measure = Measure {
                collection: 0,
                change: d.change,
                changed_dims: d.changed_dims,
                l2: d.l2,
                max_abs: match &d.measures {
                    Some(m) => m.max_abs,
                    None if d.change == Change::Update => f64::NAN,
                    None => vecdelta_kernels::max_abs(table.element, whole),
                },
                cosine: d.measures.as_ref().and_then(RowChange::cosine),
                key: &d.key,
            };
            emit(&table, &measure)?;
        }
        Ok(())
    })
}
