//! Transfer: a repository as one file, copies of it, and what one has and another lacks.

mod check;
mod offer;
mod plan;
mod rebuild;
mod receive;
mod thin;
mod whole;

pub use offer::{Sender, Thin};
pub(super) use plan::ancestors;
pub use plan::{BranchMove, Outcome, TagMove};
pub use receive::{Arriving, Received, Wanted, receive};
pub use thin::bundle_since;
pub use whole::{bundle, clone_into, live_bundle};
