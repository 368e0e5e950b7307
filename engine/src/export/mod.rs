//! Writers of table files: a state, or a stream of deltas, in formats that other tools read.
//!
//! ```text
//! TableWriter --> arrow.rs, parquet.rs, npy.rs, csv.rs --> pending.rs   PATH.tmp-PID, made durable, renamed to PATH
//! ChangeWriter -> changes.rs -->                               the same: which sources differ
//! DeltaWriter --> deltas.rs --> PART files --> manifest.rs      what must be in the directory, with BLAKE3 sums
//! ```
//!
//! All bits are kept. `bf16`, for which Arrow has no type, is written as `UInt16` with a note in the column's metadata that
//! the readers of [`capture`](crate::capture) understand.

mod arrays;
mod arrow;
mod changes;
mod csv;
mod deltas;
mod error;
mod manifest;
mod npy;
mod parquet;
mod pending;
mod table;
#[cfg(test)]
mod tests;

pub use changes::ChangeWriter;
pub use deltas::{DeltaPart, DeltaWriter, PartFormat};
pub use error::ExportError;
pub use manifest::{Listed, MANIFEST, Problem, check_manifest, write_manifest, write_manifest_of};
pub use pending::Pending;
pub use table::{TableFormat, TableWriter, format_of};
