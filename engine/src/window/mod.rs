//! Window: gather deltas until something closes the group, and compose those of the same source.

mod board;
mod gathered;
mod open;
mod own;
mod policy;
mod reorder;

pub use board::{Pending, WindowNumber, Windows};
pub use gathered::Closing;
pub use open::{Closed, Window, WindowMetrics};
pub use policy::{CloseReason, WindowPolicy};
pub use reorder::{Held, Reorder, batch_of};
