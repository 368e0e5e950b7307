//! How far one source moved, without its bits.

use super::Change;

/// How far one source moved between two commits.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure<'k> {
    /// The collection's number in the commit's list.
    pub collection: u16,
    /// The source's key.
    pub key: &'k str,
    /// What happened.
    pub change: Change,
    /// How many components differ.
    pub changed_dims: u32,
    /// The Euclidean length of the difference, or of the row that came or went; NaN between two shapes.
    pub l2: f64,
    /// The largest difference of a component.
    pub max_abs: f64,
    /// The cosine between before and after, where it is defined.
    pub cosine: Option<f64>,
}
