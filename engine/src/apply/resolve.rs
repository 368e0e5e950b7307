//! How a target meets a delta that does not continue its state.

use super::conflict::Unmerged;
use super::target::{State, Target};
use super::{ApplyError, ConflictDetected, ConflictResolution, ThreeWay};
use crate::delta::{Delta, DeltaError, RowHash};

/// The state that a resolved conflict leads to, and the delta's own result.
pub(super) type Resolved = (State, Option<(RowHash, Vec<u8>)>);

impl Target {
    /// Asks the policy about a delta that does not continue the state; nothing to take over means that it is skipped.
    pub(super) fn resolve(&self, delta: &Delta) -> Result<(ConflictDetected, Option<Resolved>), ApplyError> {
        let state = delta.base() != self.sent.hash;
        let reason = if state { "it was made from another state" } else { "it names another delta as its parent" };
        let mut conflict = ConflictDetected {
            delta: delta.id(),
            conflicting: self.last.map(|last| last.id),
            reason: reason.to_owned(),
            dims: Vec::new(),
        };
        let refuse = |conflict| {
            let target = self.source.clone();
            Err(ApplyError::ConflictDetected { target, conflict: Box::new(conflict) })
        };
        let policy = self.policy.conflict_resolution;
        let later = self.last.is_none_or(|last| (delta.time(), delta.id()) > (last.time, last.id));
        match policy {
            ConflictResolution::Reject => return refuse(conflict),
            ConflictResolution::FirstWriteWins => return Ok((conflict, None)),
            ConflictResolution::LastWriteWins if !later => return Ok((conflict, None)),
            _ => {}
        }
        let Some(base) = self.base_row(delta)? else {
            conflict.reason.push_str(", which is not among those that the target remembers");
            return refuse(conflict);
        };
        let theirs = self.result(delta, base.clone())?;
        let rows = ThreeWay {
            element: self.table.element,
            base: base.as_deref(),
            ours: self.sent.row.as_deref(),
            theirs: theirs.row.as_deref(),
        };
        let merged = match policy {
            ConflictResolution::Custom(function) => function(&rows).map_err(|reason| (reason, Vec::new())),
            ConflictResolution::Disjoint => rows.merge(false).map_err(said),
            ConflictResolution::Merge => rows.merge(true).map_err(said),
            _ => Ok(theirs.row.clone()),
        };
        match merged {
            Ok(row) if row.as_ref().is_none_or(|row| row.len() == self.table.row_bytes()) => {
                Ok((conflict, Some((self.state_of(row), theirs.hash.zip(theirs.row)))))
            }
            Ok(_) => refuse(ConflictDetected { reason: "the resolved row has another size".to_owned(), ..conflict }),
            Err((reason, dims)) => refuse(ConflictDetected { reason, dims, ..conflict }),
        }
    }

    /// Returns the row that a delta was made from: absent, the present one, or one of the history; nothing if unknown.
    fn base_row(&self, delta: &Delta) -> Result<Option<Option<Vec<u8>>>, ApplyError> {
        let needless = delta.vector().is_whole() && !self.merges();
        match delta.base() {
            None => Ok(Some(None)),
            // A whole row is its own result, whatever it was made from.
            Some(_) if needless => Ok(Some(None)),
            Some(hash) if self.sent.hash == Some(hash) => Ok(Some(self.sent.row.clone())),
            Some(hash) => Ok(self.history.row_of(hash, &self.sent.row).map_err(DeltaError::from)?.map(Some)),
        }
    }

    fn merges(&self) -> bool {
        !matches!(self.policy.conflict_resolution, ConflictResolution::LastWriteWins)
    }
}

fn said(unmerged: Unmerged) -> (String, Vec<u32>) {
    match unmerged {
        Unmerged::Dims(dims) => (format!("both changed {} dimensions to different bits", dims.len()), dims),
        Unmerged::Delete => ("one deleted what the other changed".to_owned(), Vec::new()),
    }
}
