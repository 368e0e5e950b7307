//! Window: gather deltas until something closes the group, and compose those of the same source.

mod board;
mod open;
mod policy;
mod reorder;

pub use board::{WindowNumber, Windows};
pub use open::{Closed, Window, WindowMetrics};
pub use policy::{CloseReason, WindowPolicy};
pub use reorder::{Held, Reorder, batch_of};
