//! Version: commits, the graph they form, and the table as it was at each of them.

mod ancestry;
mod beside;
mod by_commit;
mod change;
mod checkout;
mod collect;
mod compact;
mod compare;
mod data;
mod diff;
mod error;
mod find;
mod fit;
mod generation;
mod graph;
mod index;
mod keys;
mod look;
mod merge;
mod mirrors;
mod names;
mod noted;
mod picked;
mod proof;
mod prove;
mod reading;
mod rehash;
mod replay;
mod repository;
mod revision;
mod root;
mod skip;
mod snapshot;
mod stage;
mod state;
mod states;
mod stream;
mod table;
mod touched;
mod transfer;
mod undo;
mod value;
mod vector;
mod verify;
mod versions;
mod way;

pub use ancestry::{is_ancestor, merge_base, merge_bases, topological};
pub use change::{commit_differences, rollback};
pub use checkout::{Checkout, Rows, Steps, number_of};
pub use collect::{Collected, collect};
pub use compact::{Compacted, Keep, compact};
pub use compare::{compare, kept_measures};
pub use diff::{Difference, Differences, diff, difference};
pub use error::{Result, VersionError};
pub use find::{HeldDelta, Lookup, children_of, delta_of, find, find_delta, parent_of};
pub use generation::{Generation, MADE_BY, declared_generations, generations_at, row_generations};
pub use graph::{CommitEntry, Composed, Graph, Move, Operation, Parked, RecordOf};
pub use keys::{find_slot, read_keys};
pub use look::{
    Blame, DimMove, Drift, DriftOptions, Found, Metric, Moves, Overlap, Query, Side, SourceMove, Step, Watch, blame,
    drift, percentile, search,
};
pub use merge::{
    Conflict, Custom, Ending, Merge, Merged, MergedSource, Policy, PolicyError, States, Strategy, abandon, merge,
    merge_source, park, parked_merge, preview as preview_merge, resolve_conflicts,
};
pub use mirrors::{discard_mirror, mend_mirror, open_mirror, rebuild, reshape_mirror, save_mirror};
pub use names::{delete_branch, delete_tag, rename_branch, rename_tag, set_branch, set_tag};
pub use noted::notes_of;
pub use picked::Picked;
pub use proof::{Checkpoint, check_since, checkpoint};
pub use prove::{Proof, Proven, Row, Shows, SourcePart, check_proof, prove_commit, prove_since, prove_source};
pub use reading::within;
pub use rehash::{Rehashed, record_count, rehash};
pub use repository::{Actor, CommitIndex, MAIN, Repository, new_origin, table_of};
pub use revision::{check_name, default_head, resolve};
pub use root::state_root;
pub use snapshot::{HeldSnapshot, SnapshotRule, delete_snapshot, snapshot, snapshot_is_due, snapshots};
pub use stage::{CommitInfo, Stage, Staged};
pub use states::find_out as index_states;
pub use stream::{Leg, deltas, way, way_through};
pub use table::{read_table, table, tables};
pub use touched::touched;
pub use transfer::{
    Arriving, BranchMove, Outcome, Received, Sender, TagMove, Thin, Wanted, bundle, bundle_since, clone_into,
    live_bundle, receive,
};
pub use undo::{Done, Undone, history, undo};
pub use value::{Value, touches, value};
pub use vector::VersionVector;
pub use verify::{Report, verify};
pub use versions::{Version, read_versions, versions_of};
pub use way::{commits_with, writers_of};
