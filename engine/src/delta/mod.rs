//! The published language: what every room of the engine may say to the next one.
//!
//! No I/O, no clock, no threads: time and randomness come in as values.

mod batch;
mod batches;
mod calendar;
mod checksum;
mod csv;
#[allow(clippy::module_inception, reason = "the room is named after it")]
mod delta;
mod delta_error;
mod glob;
mod hash;
mod keys;
mod magnitude;
mod measure;
mod notes;
mod payload;
mod refs;
mod round;
mod sorted;
mod source;
#[cfg(test)]
mod tests;
mod timestamp;
mod vector;
mod vector_error;
mod wire;

pub use batch::{Change, DeltaBatch, DeltaRow, RowBatch, Table};
pub use batches::DeltaBatches;
pub use calendar::{date_of, read_moment};
pub use checksum::BatchChecksum;
pub use csv::{csv_head, csv_number, csv_row, csv_text};
pub use delta::{Applied, Delta, DeltaInfo};
pub use delta_error::{ChainError, DeltaError};
pub use glob::{Glob, GlobError};
pub use hash::{CommitId, DeltaId, RowHash, StateRoot, hex, key_hash, key_hashes, row_hash, row_hashes};
pub(crate) use hash::{domain, hash_side_by_side};
pub use keys::Keys;
pub use magnitude::Magnitude;
pub use measure::Measure;
pub use notes::{Cell, Note, Notes};
pub use payload::Payload;
pub use refs::{HASH_DIGITS_MIN, check_ref};
pub use round::round_to;
pub use sorted::SortedMap;
pub use source::{KEY_BYTES_MAX, Source, SourceError, check_collection, check_key};
pub use timestamp::{ClockError, Timestamp};
pub use vecdelta_kernels::Element;
pub use vector::DeltaVector;
pub use vector_error::VectorError;
