//! What a merge would do.

use borsh::{BorshDeserialize, BorshSerialize};

use super::CommitNumber;

/// What a merge would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MergePreview {
    /// The common ancestor.
    pub base: CommitNumber,
    /// Whether everything is merged already.
    pub merged_already: bool,
    /// Whether the branch only lags behind.
    pub fast_forward: bool,
    /// How many sources would change on our side.
    pub sources: u64,
    /// How many are in conflict.
    pub conflicts: u64,
    /// How many of them are open.
    pub open: u64,
    /// The conflicts, or as many as fit.
    pub rows: Vec<Conflict>,
}

/// A merge of two branches as somebody chose it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Chosen {
    /// The branch that is merged into, and the one that is merged.
    pub branches: [String; 2],
    /// Where they pointed when that was chosen.
    pub heads: [CommitNumber; 2],
    /// The strategy for every conflict.
    pub strategy: String,
    /// Sources with a strategy of their own.
    pub rows: Vec<(String, String)>,
}

/// A source that both sides changed in different ways. Measures are the bits of an f64; NaN where there is none.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Conflict {
    /// The source, `collection/key`.
    pub source: String,
    /// How many components are in conflict.
    pub dims: u32,
    /// How many components there are.
    pub width: u32,
    /// The distance between ours and theirs.
    pub l2: u64,
    /// The cosine between ours and theirs.
    pub cosine: u64,
    /// Which sides deleted it: ours, theirs.
    pub deleted: [bool; 2],
    /// Whether it is resolved.
    pub resolved: bool,
}

/// The bits of a source in a merge.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ConflictRows {
    /// The code of the element type.
    pub element: u8,
    /// The number of components.
    pub width: u32,
    /// The components in conflict.
    pub dims: Vec<u32>,
    /// Base, ours, theirs and the result; `None` where there is no row.
    pub rows: [Option<Vec<u8>>; 4],
    /// Whether it is resolved.
    pub resolved: bool,
}
