//! Window: gather deltas until something closes the group, and compose those of the same source.

mod policy;
mod window;

pub use policy::{CloseReason, WindowPolicy};
pub use window::{Closed, Window, WindowMetrics};
