//! Window: gather deltas until something closes the group, and compose those of the same source.

mod open;
mod policy;

pub use open::{Closed, Window, WindowMetrics};
pub use policy::{CloseReason, WindowPolicy};
