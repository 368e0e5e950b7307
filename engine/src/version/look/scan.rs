//! Going over the rows of a table, and telling how far it is.

use std::sync::Arc;

use vecdelta_kernels::widen;

use super::super::error::Result;
use super::super::repository::{CommitIndex, Repository};
use super::super::table::read_table;
use super::super::{VersionError, number_of};
use crate::delta::{Keys, Table};

/// How many rows one task looks at. Sums are added task by task, so they depend on this number.
pub(super) const TASK_ROWS: usize = 256;

/// How far long work has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A pass begins.
    Begin {
        /// What it does.
        what: &'static str,
        /// How many rows it goes over, at most.
        rows: u64,
    },
    /// So many further rows were looked at.
    Rows(u64),
}

/// Who is told how far it is.
pub type Watch<'a> = &'a mut dyn FnMut(Step);

/// Hands over the rows of a collection at a commit, piece by piece; nothing of a collection without a width.
pub(super) fn scan(
    repo: &Repository,
    commit: CommitIndex,
    table: &Arc<Table>,
    (what, watch): (&'static str, Watch<'_>),
    take: &mut dyn FnMut(&Keys, &[u8]),
) -> Result<()> {
    watch(Step::Begin { what, rows: rows(repo, commit, &table.collection)? });
    if table.row_bytes() == 0 {
        return Ok(());
    }
    read_table::<VersionError>(repo, commit, table, &mut |keys, rows| {
        take(keys, &rows);
        watch(Step::Rows(keys.len() as u64));
        Ok(())
    })
}

/// Returns how many rows a collection has at a commit.
pub(super) fn rows(repo: &Repository, commit: CommitIndex, collection: &str) -> Result<u64> {
    let record = repo.commit(commit)?;
    Ok(number_of(&record, collection).map_or(0, |n| record.body.collections[usize::from(n)].rows))
}

/// Returns a row as `f64`.
pub(super) fn wide(table: &Table, row: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    widen(table.element, row, &mut out);
    out
}

/// Goes over the numbers of a row that was widened.
pub(super) fn values(wide: &[u8]) -> impl Iterator<Item = f64> {
    wide.as_chunks::<8>().0.iter().map(|bits| f64::from_le_bytes(*bits))
}
