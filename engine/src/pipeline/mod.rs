//! Pipeline: read a configuration, wire the rooms, run them. The only room that knows every stage, and the only one
//! with threads.
//!
//! ```text
//!  readers --rows--> flow thread: capture -> route -> window --deltas--> the caller: apply -> version --> couriers --> sinks
//!                          ^------------------- mirror, committed ------------------'
//! ```

mod cases;
pub mod config;
mod controls;
pub mod deliver;
mod drain;
mod error;
mod feed;
mod flow;
#[cfg_attr(
    not(any(feature = "nats", feature = "postgres")),
    allow(dead_code, unused_imports, unused_variables, reason = "nothing is built in that could be followed")
)]
mod follow;
mod input;
mod link;
mod metrics;
mod online;
mod plan;
mod reading;
mod reload;
mod requests;
mod resume;
mod retention;
mod run;
mod shares;
pub mod sink;
mod stdin;
mod turns;
mod versioning;
mod widths;

pub use cases::run_case;
pub use controls::{Controls, TOLD_TO_WAIT};
pub use deliver::{Served, SinkEnd};
pub use drain::with_drain;
pub use error::PipelineError;
pub use feed::{Fate, Feed, FeedClosed, FeedEnd, Refusal, Ticket, feed};
pub use follow::Doors;
pub use metrics::{Figures, L2_CLASSES, Lengths, Metrics, SinkFigures, SourceFigures, StageFigures, WindowFigures};
pub use online::{Asked, ask_servers};
pub use plan::{Forecast, plan};
pub use reload::{policy_changes, refusals, run_turn};
pub use requests::{Part, Refused, Request, RequestBook, Settled, refusal_json};
pub use resume::last_mark;
pub use run::{Asks, Context, Live, RunReport, run, run_with};
pub use shares::on_threads;
pub use sink::{export_deltas, write_tables};
pub use turns::{Turns, with_turns};
pub use widths::check_widths;
