//! Pipeline: read a configuration, wire the rooms, run them. The only room that knows every stage, and the only one
//! with threads.
//!
//! ```text
//!  reader thread --rows--> flow thread: capture -> route -> window --deltas--> the caller: apply -> version -> sinks
//!                                 ^------------------- mirror, committed ------------------'
//! ```

mod cases;
pub mod config;
mod drain;
mod error;
mod flow;
mod input;
mod lines;
mod link;
mod plan;
mod reading;
mod resume;
mod retention;
mod run;
mod sinks;
mod stdin;
mod versioning;
mod widths;

pub use cases::run_case;
pub use drain::with_drain;
pub use error::PipelineError;
pub use plan::{Forecast, plan};
pub use run::{Context, RunReport, run};
pub use sinks::{export_deltas, write_sinks};
pub use widths::check_widths;
