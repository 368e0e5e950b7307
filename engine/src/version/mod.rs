//! Version: commits, the graph they form, and the table as it was at each of them.

mod change;
mod checkout;
mod compare;
mod data;
mod diff;
mod error;
mod graph;
mod index;
mod keys;
mod mirrors;
mod names;
mod proof;
mod prove;
mod replay;
mod repository;
mod revision;
mod root;
mod snapshot;
mod stage;
mod state;
mod stream;
mod table;
mod transfer;
mod value;
mod vector;
mod verify;
mod way;

pub use change::{commit_differences, rollback};
pub use checkout::{Checkout, Rows, number_of};
pub use compare::compare;
pub use diff::{Difference, Differences, diff};
pub use error::{Result, VersionError};
pub use graph::{CommitEntry, Composed, Graph, Move, Operation, Parked, RecordOf};
pub use keys::{find_slot, read_keys};
pub use mirrors::{discard_mirror, open_mirror, rebuild, save_mirror};
pub use names::{delete_branch, delete_tag, set_branch, set_tag};
pub use proof::{Checkpoint, check_since, checkpoint};
pub use prove::{Proof, Proven, Row, Shows, SourcePart, check_proof, prove_commit, prove_since, prove_source};
pub use repository::{Actor, CommitIndex, MAIN, Repository, new_origin, table_of};
pub use revision::{check_name, default_head, resolve};
pub use root::state_root;
pub use snapshot::snapshot;
pub use stage::{CommitInfo, Stage, Staged};
pub use stream::{deltas, way};
pub use table::{read_table, table, tables};
pub use transfer::{
    Arriving, BranchMove, Outcome, Received, Sender, TagMove, Thin, Wanted, bundle, bundle_since, clone_into, receive,
};
pub use value::{Value, touches, value};
pub use vector::VersionVector;
pub use verify::{Report, verify};
pub use way::writers_of;
