//! vecdelta for JavaScript: exact deltas, their streams, a detector, and histories that are read from bytes or by ranges.
//!
//! A row of vectors comes in as a `Uint8Array` of little-endian elements, as `docs/delta.md` says, or as a
//! `Float32Array` where the elements are f32. What goes wrong is thrown as a `VecdeltaError` with a `code`. Everything is
//! synchronous; a history that is read by ranges throws the code `waiting` until the ranges that it lacks were filled in,
//! and `js/index.js` does that for its callers.

mod delta;
mod detector;
mod error;
mod history;
mod json;
mod rows;
mod stream;

pub use delta::WasmDelta;
pub use detector::WasmDeltaDetector;
pub use history::{WasmHistory, WasmVector};
pub use stream::WasmDeltaStream;
