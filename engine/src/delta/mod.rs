//! The published language: what every room of the engine may say to the next one.
//!
//! No I/O, no clock, no threads: time and randomness come in as values.

mod batch;
mod glob;
mod hash;
mod keys;
mod refs;
mod source;
mod timestamp;

pub use batch::{Change, DeltaBatch, DeltaRow, RowBatch, Table};
pub use glob::{Glob, GlobError};
pub(crate) use hash::domain;
pub use hash::{CommitId, DeltaId, RowHash, StateRoot, hex, key_hash, row_hash};
pub use keys::Keys;
pub use refs::{HASH_DIGITS_MIN, check_ref};
pub use source::{KEY_BYTES_MAX, Source, SourceError, check_collection, check_key};
pub use timestamp::{ClockError, Timestamp};
pub use vecdelta_kernels::Element;
