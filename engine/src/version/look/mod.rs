//! Look: what a table means to those who search it, and how that changed.
//!
//! ```text
//! scan    rows of a table in pieces --+--> search       the nearest to a query at any commit
//! best    the first few of many ------+--> neighbours   the nearest of a sample, for drift
//! sample  a few sources by hash ------+
//! moves, centroid --------------------+--> drift        how far two commits lie apart
//! blame   which commit last touched each component of one source
//! ```
//!
//! Scores are computed in `f64` by [`measure`](vecdelta_kernels::measure()), pieces are cut by size alone and their sums
//! are added in order: no result depends on the number of threads.

mod best;
mod blame;
mod centroid;
mod drift;
mod moves;
mod neighbours;
mod sample;
mod scan;
mod search;

pub use blame::{Blame, blame};
pub use drift::{Drift, DriftOptions, Side, drift};
pub use moves::{DimMove, Moves, SourceMove, percentile};
pub use neighbours::Overlap;
pub use scan::{Step, Watch};
pub use search::{Found, Metric, Query, search};
