//! Conflicts: a delta that was made from another state than the target's.

use std::fmt;

use vecdelta_kernels::Element;

use crate::delta::{DeltaId, round_to};

/// What is done with a delta that does not continue the target's state.
///
/// All but the first two need the row that the delta was made from. A target knows the rows of its history; an XOR from
/// a row that it does not know is refused by every policy.
#[derive(Clone, Copy, Debug, Default)]
pub enum ConflictResolution {
    /// It is refused.
    #[default]
    Reject,
    /// What the target has stays; the delta is skipped.
    FirstWriteWins,
    /// The state with the later time wins, by the hybrid logical clock; among equals the larger id.
    LastWriteWins,
    /// Both changes are taken when no dimension was changed by both to different bits; otherwise it is refused.
    Disjoint,
    /// Both changes are taken; a dimension that both changed becomes the mean of the two, in f64, rounded once.
    Merge,
    /// A function makes the row; nothing is a source that is absent.
    ///
    /// Its error refuses the delta.
    Custom(fn(&ThreeWay<'_>) -> Result<Option<Vec<u8>>, String>),
}

/// The three rows of a conflict; none where the source is absent.
#[derive(Clone, Copy, Debug)]
pub struct ThreeWay<'a> {
    /// The type of the components.
    pub element: Element,
    /// The row that the delta was made from.
    pub base: Option<&'a [u8]>,
    /// The row of the target.
    pub ours: Option<&'a [u8]>,
    /// The row that the delta leads to.
    pub theirs: Option<&'a [u8]>,
}

/// A delta that does not continue the target's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictDetected {
    /// The delta.
    pub delta: DeltaId,
    /// The last delta that was applied to the target.
    pub conflicting: Option<DeltaId>,
    /// Why they do not go together.
    pub reason: String,
    /// The dimensions that both changed to different bits, where that is the reason.
    pub dims: Vec<u32>,
}

impl fmt::Display for ConflictDetected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delta {} conflicts with ", self.delta)?;
        match self.conflicting {
            Some(id) => write!(f, "{id}, the last one applied: ")?,
            None => write!(f, "the state that the target began with: ")?,
        }
        f.write_str(&self.reason)
    }
}

/// Why three rows do not become one.
pub(super) enum Unmerged {
    /// Both sides changed these dimensions.
    Dims(Vec<u32>),
    /// One side deleted what the other changed.
    Delete,
}

impl ThreeWay<'_> {
    /// Takes both changes, component by component; `mean` resolves a component that both changed.
    ///
    /// That both sides come to the same bits is no conflict, and neither is an insert by both of equal components: an
    /// absent row is a row of zeros.
    pub(super) fn merge(&self, mean: bool) -> Result<Option<Vec<u8>>, Unmerged> {
        let (ours, theirs) = match (self.ours, self.theirs) {
            (Some(ours), Some(theirs)) => (ours, theirs),
            (None, None) => return Ok(None),
            (gone, _) => {
                let left = if gone.is_none() { self.theirs } else { self.ours };
                return if left == self.base { Ok(None) } else { Err(Unmerged::Delete) };
            }
        };
        let size = self.element.size();
        let zeros;
        let base = match self.base {
            Some(base) => base,
            None => {
                zeros = vec![0; ours.len()];
                &zeros
            }
        };
        let (mut row, mut dims) = (ours.to_vec(), Vec::new());
        let cells = base.chunks_exact(size).zip(theirs.chunks_exact(size)).enumerate();
        for (ours, (dim, (base, theirs))) in row.chunks_exact_mut(size).zip(cells) {
            if ours == base {
                ours.copy_from_slice(theirs);
            } else if theirs != base && theirs != ours {
                match mean {
                    true => self.mean_into(ours, theirs),
                    false => dims.push(dim as u32),
                }
            }
        }
        if dims.is_empty() { Ok(Some(row)) } else { Err(Unmerged::Dims(dims)) }
    }

    fn mean_into(&self, ours: &mut [u8], theirs: &[u8]) {
        let (a, b) = (self.element.to_f64(ours), self.element.to_f64(theirs));
        let sum = a + b;
        // Halves are exact, and the sum of f64s of one sign may overflow.
        let mean = if sum.is_infinite() { a / 2.0 + b / 2.0 } else { sum / 2.0 };
        // It lies between two values of the type; only that of opposite infinities is NaN, which floats hold.
        round_to(self.element, mean, ours);
    }
}
