//! How large a change is: a view for people and rules, never part of a hash.

use vecdelta_kernels::{Element, max_abs, measure, norm_squared};

use super::VectorError;
use super::wire::{Shape, check_rows};

/// The size of a change, in f64 and with the same bits on every machine.
///
/// It is computed from the rows, so nobody has to trust a sender for it. For inserts and deletes it is that of the row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Magnitude {
    /// How many components differ in their bits; all for inserts and deletes.
    pub changed: u32,
    /// The number of components.
    pub dims: u32,
    /// The Euclidean length of the difference; NaN if a component is, infinite if one is or the sum overflows.
    pub l2: f64,
    /// The largest difference of a component; NaN if one is.
    pub max_abs: f64,
    /// The cosine between the rows; `None` where one is absent or has no direction.
    pub cosine: Option<f64>,
    /// The share of components that changed, from 0 to 1.
    pub density: f64,
}

impl Magnitude {
    /// Compares two rows; `None` is a vector that is absent.
    ///
    /// # Errors
    /// If `dims` is 0, a row has another size, or both are absent.
    pub fn between(element: Element, dims: u32, old: Option<&[u8]>, new: Option<&[u8]>) -> Result<Self, VectorError> {
        check_rows(Shape { element, dims }, [old, new])?;
        match (old, new) {
            (Some(old), Some(new)) => {
                let change = measure(element, old, new);
                Ok(Self {
                    changed: change.changed,
                    dims,
                    l2: change.l2(),
                    max_abs: change.max_abs,
                    cosine: change.cosine(),
                    density: f64::from(change.changed) / f64::from(dims),
                })
            }
            (Some(row), None) | (None, Some(row)) => Ok(Self {
                changed: dims,
                dims,
                l2: norm_squared(element, row).sqrt(),
                max_abs: max_abs(element, row),
                cosine: None,
                density: 1.0,
            }),
            (None, None) => Err(VectorError::NoRow),
        }
    }

    /// Returns whether the change is longer than `threshold`, or of no known length because of a NaN.
    ///
    /// At threshold 0 every changed bit counts, also one that moves nothing, such as 0.0 to -0.0. Rows with the same
    /// bits are never a significant change.
    pub fn is_significant(&self, threshold: f64) -> bool {
        let within = threshold > 0.0 && self.l2 <= threshold;
        self.changed > 0 && !within
    }
}
