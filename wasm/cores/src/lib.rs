//! Loops over all cores: rayon, under its own names.
//!
//! A browser has one thread, and rayon's machinery would be a good part of what it loads; there the names stand for the
//! loops of the standard library. What rayon promises about order holds either way.

#[cfg(not(target_arch = "wasm32"))]
pub use rayon::*;

#[cfg(any(test, target_arch = "wasm32"))]
mod serial;
#[cfg(target_arch = "wasm32")]
pub use serial::*;
