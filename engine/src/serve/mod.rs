//! Serve: the only room with a network. A repository over HTTP, and what reads one from there.
//!
//! ```text
//!  http/     connections, requests, responses; knows nothing of vectors
//!  guard.rs  who may ask: Host, Origin, token
//!  api/      one file a question, answered from the repository as it is now (held.rs)
//!  ranges.rs pieces of the bundle, and conditions; web.rs: the inspector's files
//!  metrics.rs figures for Prometheus; live/ a pipeline while it runs
//!  client.rs, remote.rs: the other end, so that a command can read a served repository
//! ```

mod api;
mod client;
mod guard;
mod held;
pub mod http;
mod listen;
mod live;
mod metrics;
mod ranges;
mod remote;
mod spool;
mod web;

pub use api::{Site, Writer};
pub use client::{Client, ClientError, Url};
pub use guard::{Guard, is_loopback};
pub use held::Held;
pub use listen::{address, beside, until};
pub use live::{Board, Boards, Doors, LiveSite, STAGES, Standing, doors};
pub use metrics::{Exposition, ServerMetrics};
pub use remote::open_bundle;
pub use spool::clear_spool;
pub use web::Web;
