//! What can keep a delta from being applied.

use super::{ApplicationStatus, ConflictDetected, Rejection};
use crate::delta::{DeltaError, RowHash, Source};

/// Why a delta, or a roll-back, did not change a target. The target is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The row after the change breaks a rule, or cannot be transformed.
    #[error("`{}` is refused: {}", .0.key, .0.reason)]
    ValidationFailed(Rejection),
    /// There is no target for the source.
    #[error("there is no target `{0}`: add it before its deltas come")]
    TargetNotFound(Source),
    /// The delta is of another source.
    #[error("the delta is of `{delta}`, the target is `{target}`")]
    OtherSource {
        /// The source of the delta.
        delta: Source,
        /// The source of the target.
        target: Source,
    },
    /// The vectors have another width or element type.
    #[error("the delta is of vectors of {delta}, the target `{target}` of {expected}")]
    OtherShape {
        /// The target.
        target: Source,
        /// Its width and element type.
        expected: String,
        /// The delta's.
        delta: String,
    },
    /// The delta does not continue the target's state, and the policy has no answer.
    #[error("`{target}`: {conflict}")]
    ConflictDetected {
        /// The target.
        target: Source,
        /// What does not fit.
        conflict: Box<ConflictDetected>,
    },
    /// The history is shorter than that.
    #[error("cannot roll back the last {asked}: {held} of `{target}` {} held", if *held == 1 { "is" } else { "are" })]
    NothingToRollback {
        /// The target.
        target: Source,
        /// How many were to be rolled back.
        asked: usize,
        /// How many can be.
        held: usize,
    },
    /// The bits of the state are not those that were written.
    #[error("the state of `{target}` is corrupted: it should be {}, it is {}", name(expected), name(actual))]
    TargetStateCorrupted {
        /// The target.
        target: Source,
        /// The hash of the state it should be in; none if it should be absent.
        expected: Option<RowHash>,
        /// The hash of the state it is in.
        actual: Option<RowHash>,
    },
    /// The delta contradicts itself.
    #[error(transparent)]
    Delta(#[from] DeltaError),
}

/// A window that was not applied, because one of its deltas could not be: every target is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("delta {at} of the window, counted from 0: {error}; nothing of the window was applied")]
pub struct WindowFailed {
    /// The delta.
    pub at: usize,
    /// What became of each delta: taken back, failed, or not looked at.
    pub statuses: Vec<ApplicationStatus>,
    /// Why.
    #[source]
    pub error: Box<ApplyError>,
}

fn name(hash: &Option<RowHash>) -> String {
    hash.map_or_else(|| "absent".to_owned(), RowHash::to_hex)
}
