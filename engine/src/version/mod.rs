//! Version: commits, the graph they form, and the table as it was at each of them.

mod change;
mod checkout;
mod compare;
mod data;
mod diff;
mod error;
mod keys;
mod look;
mod mirrors;
mod names;
mod proof;
mod replay;
mod repository;
mod revision;
mod root;
mod snapshot;
mod stage;
mod stream;
mod table;
mod value;
mod verify;

pub use change::{commit_differences, rollback};
pub use checkout::{Checkout, Rows, number_of};
pub use compare::compare;
pub use diff::{Difference, Differences, diff};
pub use error::{Result, VersionError};
pub use keys::{find_slot, read_keys};
pub use look::{
    Blame, DimMove, Drift, DriftOptions, Found, Metric, Moves, Overlap, Query, Side, SourceMove, Step, Watch, blame,
    drift, percentile, search,
};
pub use mirrors::{discard_mirror, open_mirror, rebuild, save_mirror};
pub use names::{delete_branch, delete_tag, set_branch, set_tag};
pub use proof::{Checkpoint, check_since, checkpoint};
pub use repository::{CommitEntry, CommitIndex, MAIN, Repository, Snapshot, new_origin, table_of};
pub use revision::{check_name, default_head, resolve};
pub use root::state_root;
pub use snapshot::snapshot;
pub use stage::{CommitInfo, Stage, Staged};
pub use stream::{deltas, way};
pub use table::{read_table, table, tables};
pub use value::{Value, touches, value};
pub use verify::{Report, verify};
