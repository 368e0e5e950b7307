//! What can be wrong with the change of a vector.

use vecdelta_kernels::Element;

/// Why a change of a vector cannot be made, applied or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VectorError {
    /// A vector has at least one component.
    #[error("a vector of 0 components cannot change")]
    NoDims,
    /// There is no row before and none after.
    #[error("there is no row, neither before the change nor after it")]
    NoRow,
    /// A row has another size than the change.
    #[error("the row has {found} bytes, the change is one of rows of {expected} bytes")]
    Row {
        /// Bytes of the rows that the change is for.
        expected: u64,
        /// Bytes given.
        found: u64,
    },
    /// Two changes are of rows of different shapes.
    #[error("a change of {}[{}] does not follow one of {}[{}]", found.0.name(), found.1, expected.0.name(), expected.1)]
    Shape {
        /// Element type and dims of the first.
        expected: (Element, u32),
        /// Element type and dims of the other.
        found: (Element, u32),
    },
    /// A whole row does not say what it overwrites.
    #[error("a whole row does not say what it overwrites, so it cannot be turned round: compare the two rows")]
    NotInvertible,
    /// The bytes are of another version.
    #[error("a vector change of version {0}: only version 1 is known")]
    Version(u8),
    /// The code of the form is not known.
    #[error("form {0} of a vector change is not known")]
    Form(u8),
    /// The code of the element type is not known.
    #[error("element type {0} is not known")]
    Element(u8),
    /// The input ends early.
    #[error("the vector change ends within its {what}, at byte {at}")]
    Truncated {
        /// What should be there.
        what: &'static str,
        /// Where it begins.
        at: usize,
    },
    /// A component is outside the row.
    #[error("component {index} is outside a row of {dims}")]
    Index {
        /// The component.
        index: u64,
        /// Components of the row.
        dims: u32,
    },
    /// The input holds what nothing writes.
    #[error("at byte {at} of the vector change: {what}")]
    Corrupt {
        /// What is wrong.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// The same change has other, proper bytes.
    #[error("not the canonical form of a vector change: {0}")]
    NotCanonical(&'static str),
}
