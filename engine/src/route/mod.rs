//! Route: decide which window and which sinks a delta goes to.

mod router;

pub use router::{Condition, Decision, Route, Router};
