//! Block codec: rows of vectors as few bytes, alone or as a change of other rows, exactly.
//!
//! ```text
//! encode_fresh(rows)       \                       / apply_row(r, row)
//!                           >  payload  > Block  -<
//! encode_change(old, new)  /                       \ apply_all(rows)
//! ```
//!
//! Rows are little-endian elements. Every bit pattern comes back, whatever it means as a number. One row of a block is
//! decoded from that row's old bits alone. The bytes of every mode are drawn in `docs/codec.md`.

mod bits;
mod block;
mod bytes;
mod cell_block;
mod cells;
mod cells32;
mod change;
mod error;
mod exponents;
mod frequencies;
mod fresh;
mod grid32;
mod hybrids32;
mod integers;
mod layout;
mod level;
mod numbers;
mod plain32;
mod positions;
mod precision;
mod rans;
mod reader;
mod rows32;
mod scaled;
mod source;
mod spare;
#[cfg(test)]
mod tests;
mod text;
mod tokens;
mod trial;
mod word;

pub use block::{Block, Run};
pub use bytes::{decode_bytes, encode_bytes};
pub use change::{Base, encode_change};
pub use error::CodecError;
pub use fresh::encode_fresh;
pub use numbers::{decode_sorted, encode_sorted, get_varint, put_varint};
pub use text::{decode_texts, encode_texts};
