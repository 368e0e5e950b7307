//! Pipeline: read a configuration, wire the rooms, run them. The only room that knows every stage, and the only one
//! with threads.
//!
//! ```text
//!  reader thread --rows--> flow thread: capture -> route -> window --deltas--> the caller: apply -> version -> sinks
//!                                 ^------------------- mirror, committed ------------------'
//! ```

pub mod config;
mod error;
mod flow;
mod input;
mod link;
mod reading;
mod resume;
mod retention;
mod run;
mod versioning;

pub use error::PipelineError;
pub use run::{Context, RunReport, run};
