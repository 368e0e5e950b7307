//! What can be wrong with a delta.

use super::{DeltaId, RowHash, SourceError, VectorError};

/// Why a delta cannot be made, read, trusted or applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// The source cannot have that name.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The changed bits are wrong.
    #[error(transparent)]
    Vector(#[from] VectorError),
    /// A delta that begins and ends with nothing.
    #[error("the source is absent before the delta and after it")]
    NoState,
    /// An insert has no base whose bits could be flipped.
    #[error("an insert must carry the whole row, this one carries an XOR")]
    InsertOfXor,
    /// The bytes are of another version.
    #[error("a delta of version {0}: only version 1 is known")]
    Version(u8),
    /// The bytes are no delta.
    #[error("the bytes are not a whole delta")]
    Envelope,
    /// The same delta has other, proper bytes.
    #[error("not the canonical bytes of a delta")]
    NotCanonical,
    /// Something was altered.
    #[error("the delta says it is {stated}, its content is {found}")]
    Id {
        /// The id it carries.
        stated: DeltaId,
        /// The id of what it holds.
        found: DeltaId,
    },
    /// The delta follows another delta than the one given.
    #[error("the delta follows {}, not {}", name(named), name(given))]
    Parent {
        /// The parent it names.
        named: Option<DeltaId>,
        /// The id of the parent given.
        given: Option<DeltaId>,
    },
    /// The delta does not fit its parent.
    #[error("the delta does not continue its parent: {0}")]
    Chain(ChainError),
    /// The delta is of another source of the collection.
    #[error("the delta is of `{delta}`, not of `{given}`")]
    OtherKey {
        /// The key of the delta's source.
        delta: String,
        /// The key given.
        given: String,
    },
    /// The source is in another state than the one the delta applies to.
    #[error("the delta applies to the state {}, the source is in the state {}", name(base), name(found))]
    Conflict {
        /// The state it applies to.
        base: Option<RowHash>,
        /// The state of the source.
        found: Option<RowHash>,
    },
    /// The bits do not lead to the state that the delta promises.
    #[error("the changed bits do not lead to the state that the delta promises")]
    Result,
}

/// What must hold between a delta and its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Both are of one source.
    #[error("it is of another source")]
    Source,
    /// It begins with the state in which the parent ends.
    #[error("it begins with another state than the parent's last one")]
    State,
    /// It is later.
    #[error("it is not later")]
    Time,
}

fn name(hash: &Option<impl ToString>) -> String {
    hash.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
