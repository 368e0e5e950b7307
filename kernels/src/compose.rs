//! Several changes of a row as one.
//!
//! XOR needs no order, so two ways suffice: a merge for two sparse rows, and for more a row of
//! scratch into which all are scattered and which is compressed once at the end. Folding many
//! pairwise costs 2 to 11 times the scatter.

use crate::Element;
use crate::apply::{scatter, xor_into};
use crate::cell::{by_size, split};
use crate::extract::extract;
use crate::shape::{ShapeError, check_bits, check_length, check_order, check_sparse};

/// Appends the composition of two sparse rows, ascending: first `a`, then `b`, or the reverse.
///
/// Components whose changes cancel drop out. A sparse row is its indices and `element.size()`
/// little-endian bytes for each.
///
/// # Errors
/// If the bits of one are not as long as its indices ask for, or its indices do not ascend
/// strictly. Then nothing was appended.
pub fn compose_sparse(
    element: Element,
    a: (&[u32], &[u8]),
    b: (&[u32], &[u8]),
    out_indices: &mut Vec<u32>,
    out_bits: &mut Vec<u8>,
) -> Result<(), ShapeError> {
    for (indices, bits) in [a, b] {
        check_bits(element.size(), indices, bits)?;
        check_order(indices)?;
    }
    out_indices.reserve(a.0.len() + b.0.len());
    out_bits.reserve(a.1.len() + b.1.len());
    by_size!(element, merge(a, b, out_indices, out_bits));
    Ok(())
}

fn merge<const SIZE: usize>(
    (a_indices, a_bits): (&[u32], &[u8]),
    (b_indices, b_bits): (&[u32], &[u8]),
    out_indices: &mut Vec<u32>,
    out_bits: &mut Vec<u8>,
) {
    let (a_cells, b_cells) = (split::<SIZE>(a_bits), split::<SIZE>(b_bits));
    let (mut a, mut b) = (0, 0);
    while a < a_indices.len() && b < b_indices.len() {
        let (a_index, b_index) = (a_indices[a], b_indices[b]);
        let cell = match a_index.cmp(&b_index) {
            std::cmp::Ordering::Less => a_cells[a],
            std::cmp::Ordering::Greater => b_cells[b],
            std::cmp::Ordering::Equal => std::array::from_fn(|i| a_cells[a][i] ^ b_cells[b][i]),
        };
        a += usize::from(a_index <= b_index);
        b += usize::from(b_index <= a_index);
        if cell != [0; SIZE] {
            out_indices.push(a_index.min(b_index));
            out_bits.extend_from_slice(&cell);
        }
    }
    for (rest, cells) in [(&a_indices[a..], &a_cells[a..]), (&b_indices[b..], &b_cells[b..])] {
        for (&index, cell) in rest.iter().zip(cells) {
            if *cell != [0; SIZE] {
                out_indices.push(index);
                out_bits.extend_from_slice(cell);
            }
        }
    }
}

/// Composes any number of changes of one row, sparse and dense, at a few nanoseconds per changed
/// component.
///
/// The row of scratch is reused: one composer serves many rows of one shape.
///
/// ```
/// use vecdelta_kernels::{Composer, Element};
///
/// let mut composer = Composer::new(Element::U8, 4);
/// composer.add_sparse(&[0, 2], &[7, 9])?;
/// composer.add_sparse(&[2, 3], &[9, 1])?;
/// let (mut indices, mut bits) = (Vec::new(), Vec::new());
/// composer.finish(&mut indices, &mut bits);
/// assert_eq!((indices, bits), (vec![0, 3], vec![7, 1])); // component 2 went back
/// # Ok::<(), vecdelta_kernels::ShapeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Composer {
    element: Element,
    dims: usize,
    scratch: Vec<u8>,
    /// The row that did not change, which the scratch is compared with.
    zero: Vec<u8>,
}

impl Composer {
    /// Returns a composer for rows of `dims` components, with nothing added.
    pub fn new(element: Element, dims: usize) -> Self {
        let zero = vec![0; dims * element.size()];
        Composer { element, dims, scratch: zero.clone(), zero }
    }

    /// Adds a sparse row; the order of its indices does not matter.
    ///
    /// # Errors
    /// If `bits` is not as long as `indices` asks for, or an index is not below `dims`. Then
    /// nothing was added.
    pub fn add_sparse(&mut self, indices: &[u32], bits: &[u8]) -> Result<(), ShapeError> {
        check_sparse(self.element.size(), self.dims, indices, bits)?;
        by_size!(self.element, scatter(&mut self.scratch, indices, bits));
        Ok(())
    }

    /// Adds a dense row: the XOR of all bits, `dims * element.size()` bytes.
    ///
    /// # Errors
    /// If `bits` has another length. Then nothing was added.
    pub fn add_dense(&mut self, bits: &[u8]) -> Result<(), ShapeError> {
        check_length(self.scratch.len(), bits.len())?;
        xor_into(&mut self.scratch, bits);
        Ok(())
    }

    /// Appends the composition as a sparse row, ascending, and starts anew.
    pub fn finish(&mut self, indices: &mut Vec<u32>, bits: &mut Vec<u8>) {
        extract(self.element, &self.zero, &self.scratch, indices, bits);
        self.scratch.fill(0);
    }
}
