//! Blame: which commit last touched each component of a source.

use super::super::error::Result;
use super::super::repository::{CommitIndex, Repository};
use super::super::value::{held, value};
use crate::delta::Source;

/// Who is answerable for each component of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blame {
    /// For each component the commit that last changed its bits, or brought the source.
    pub dims: Vec<CommitIndex>,
}

/// Finds for each component of a source at a commit which commit gave it the bits that it has.
///
/// The way back goes along first parents, past commits that a compaction left out, from one change of the source to the one before, and ends as soon as every
/// component has its commit. A source that was deleted and came back owes all components to the commit that brought it
/// back, even where the bits are those of before.
///
/// # Errors
/// When the source is not there at the commit, or the history is damaged.
pub fn blame(repo: &Repository, commit: CommitIndex, source: &Source) -> Result<Blame> {
    let mut state = value(repo, commit, source)?;
    let size = state.table.element.size();
    let mut open: Vec<usize> = (0..state.table.dims as usize).collect();
    let mut dims = vec![state.commit; open.len()];
    while !open.is_empty() {
        let by = state.commit;
        let parent = repo.bases(by).nth(1);
        let Some(before) = parent.map_or(Ok(None), |p| held(repo, p, source))? else {
            open.into_iter().for_each(|i| dims[i] = by);
            break;
        };
        let same_shape = before.table.element == state.table.element && before.table.dims == state.table.dims;
        let cell = |row: &[u8], i: usize| row[i * size..(i + 1) * size].to_vec();
        open.retain(|&i| {
            let same = same_shape && cell(&before.row, i) == cell(&state.row, i);
            if !same {
                dims[i] = by;
            }
            same
        });
        state = before;
    }
    Ok(Blame { dims })
}
