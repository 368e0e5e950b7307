//! What becomes of a delta, and what a target remembers.

use super::ConflictDetected;
use crate::delta::{DeltaId, RowHash, Timestamp};

/// What became of a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationStatus {
    /// It was not looked at: a delta before it, in the same window, failed.
    Pending,
    /// It changed the state.
    Applied,
    /// It was applied before, or the state is its result already: nothing was done.
    Already,
    /// The state stays, as the policy for conflicts says.
    Skipped,
    /// It changed the state after a conflict was resolved.
    Merged,
    /// It could not be applied.
    Failed,
    /// It was applied and taken back.
    RolledBack,
}

/// The outcome of one delta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The delta.
    pub delta: DeltaId,
    /// What became of it.
    pub status: ApplicationStatus,
    /// The hash of the target's state after it; none when the source is absent.
    pub state: Option<RowHash>,
    /// Whether transformers made another row of it than its sender's.
    pub transformed: bool,
    /// The conflict that was resolved.
    pub conflict: Option<ConflictDetected>,
}

/// The delta that a state comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastApplied {
    /// Its id.
    pub id: DeltaId,
    /// When it was made.
    pub time: Timestamp,
}

/// What a target needs to go on elsewhere; its history stays behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The row as its senders have it, before any transformer; none when the source is absent.
    pub row: Option<Vec<u8>>,
    /// Its hash.
    pub hash: Option<RowHash>,
    /// The last delta that was applied.
    pub last: Option<LastApplied>,
}
