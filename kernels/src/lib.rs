//! Bit-exact loops over embedding rows.
//!
//! A row is a slice of little-endian bytes, `dims * element.size()` long and aligned to nothing.
//! A change of a row is the XOR of its bits, so it is exact for every bit pattern, its own
//! inverse, and composes in any order. A *sparse row* lists only the components that changed:
//! their indices, ascending, and `element.size()` bytes for each.
//!
//! ```
//! use vecdelta_kernels::{Element, differs, extract, measure, scatter_xor};
//!
//! let bytes = |row: [f32; 3]| row.map(f32::to_le_bytes).concat();
//! let (old, new) = (bytes([0.0, 3.0, 1.0]), bytes([0.0, 0.0, 5.0]));
//!
//! assert!(differs(&old, &new));
//! let change = measure(Element::F32, &old, &new);
//! assert_eq!((change.changed, change.l2(), change.max_abs), (2, 5.0, 4.0));
//!
//! let (mut indices, mut bits) = (Vec::new(), Vec::new());
//! extract(Element::F32, &old, &new, &mut indices, &mut bits);
//! assert_eq!(indices, [1, 2]);
//!
//! let mut row = old;
//! scatter_xor(Element::F32, &mut row, &indices, &bits)?;
//! assert_eq!(row, new);
//! # Ok::<(), vecdelta_kernels::ShapeError>(())
//! ```
//!
//! ```text
//! old, new --differs--> same: done
//!             |
//!             +--measure--> RowChange        how much
//!             +--extract--> sparse row       what exactly
//!                             |
//!                             +--compose_sparse, Composer--> sparse row
//!                             +--scatter_xor, xor_into-----> row
//! ```
//!
//! Every kernel has a portable form ([`portable`]) and one in AVX2, and a few have one in AVX-512; which
//! is chosen at run time. All return identical bits; the sums of [`measure()`] are defined down to the order of additions.
//! [`widest()`] compiles plain loops of other crates in both ways.

mod add;
mod apply;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod cell;
mod compose;
mod differs;
mod dispatch;
mod dots;
mod element;
mod extract;
mod fields;
mod hashes;
mod magnitude;
mod measure;
#[cfg(test)]
mod naive;
mod pen;
pub mod portable;
mod push;
mod rans;
mod shape;
#[cfg(test)]
mod tests;
mod widen;
mod widest;

pub use add::add_finite;
pub use apply::{scatter_xor, xor_into};
pub use compose::{Composer, compose_sparse};
pub use differs::differs;
pub use dots::dots;
pub use element::Element;
pub use extract::extract;
pub use fields::{FIELD_MAX, or_fields};
pub use hashes::{HASH_LANES, Message, keyed_hashes};
pub use magnitude::{all_finite, max_abs};
pub use measure::{RowChange, measure, norm_squared};
pub use pen::{BitPen, put_fields};
pub use push::{RansSteps, push_symbols};
pub use rans::{RANS_LANES, RANS_SLOTS, RansTable, pop_symbol, pop_symbols};
pub use shape::ShapeError;
pub use widen::widen;
pub use widest::{Widest, widest};
