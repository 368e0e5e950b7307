//! What a pipeline file says, as plain values: every default filled in, every path absolute, every name known.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::apply::{Transformer, Validator};
use crate::capture::{CapturePolicy, Detector, Missing};
use crate::delta::Change;
use crate::version::Generation;

/// A whole pipeline: where data comes from, what is done with it, where it goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pipeline {
    /// `[pipeline]`.
    pub settings: Settings,
    /// `[source.NAME]`, in the order of the file; at least one.
    pub sources: Vec<Source>,
    /// `[capture]`.
    pub capture: Capture,
    /// `[[route]]`, in the order in which they are tried; at least one.
    pub routes: Vec<Route>,
    /// `[window.NAME]`, and the built-in window `epoch` where a route uses it.
    pub windows: Vec<Window>,
    /// `[apply]`.
    pub apply: Apply,
    /// `[version]`.
    pub version: Version,
    /// `[sink.NAME]`, in the order of the file; may be empty.
    pub sinks: Vec<Sink>,
    /// `[[test]]`.
    pub tests: Vec<Test>,
}

/// What holds for the whole pipeline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The pipeline's name; the file's name without its ending when it has none.
    pub name: String,
    /// The repository's directory.
    pub store: PathBuf,
    /// The budget in bytes over every queue and open window.
    pub memory_bytes: u64,
    /// How long a stop may take to close windows and commit.
    pub drain: Duration,
    /// The author on the commits, when the file names one.
    pub author: Option<String>,
    /// How many threads to use, when the file says so; all cores otherwise.
    pub threads: Option<u32>,
}

/// Where vectors are read.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The name, unique in the file.
    pub name: String,
    /// The format of the input.
    pub kind: SourceKind,
    /// The files, in the order of the configuration; never empty.
    pub inputs: Vec<Input>,
    /// The order in which files are read.
    pub order: FileOrder,
    /// The id column or field, when it is named.
    pub id: Option<String>,
    /// The vector column, field or tensor, when it is named.
    pub vector: Option<String>,
    /// The width which every vector must have, when it is given.
    pub dims: Option<u32>,
    /// The collection which receives the rows.
    pub collection: String,
    /// What becomes of ids that an epoch does not hold.
    pub missing: Missing,
    /// Whether each file is a whole epoch; otherwise rows are a stream of changes.
    pub epoch: bool,
}

impl Source {
    /// Returns whether rows may arrive at any time: they come from standard input.
    pub fn live(&self) -> bool {
        self.inputs.contains(&Input::Stdin)
    }
}

/// The format of a source's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Parquet.
    Parquet,
    /// Arrow IPC, file or stream.
    Arrow,
    /// NumPy.
    Npy,
    /// `.fvecs` and `.bvecs`.
    Fvecs,
    /// Safetensors.
    Safetensors,
    /// JSON lines.
    Jsonl,
    /// Any of these, told by content.
    Files,
}

/// One entry of a source's `path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// One file.
    File(PathBuf),
    /// All files below `directory` whose path relative to it matches `pattern`.
    Glob {
        /// The deepest directory without a wildcard.
        directory: PathBuf,
        /// The rest of the path.
        pattern: String,
    },
}

/// The order in which a source's files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOrder {
    /// By path, byte by byte.
    FileName,
    /// As `path` lists them; by path within one glob.
    Given,
    /// By time of last modification, then by path.
    Modified,
}

/// When a difference is worth a delta.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capture {
    /// What counts as changed.
    pub detect: Detector,
    /// Components that moved by at most this much keep their old bits; 0 keeps replay bit-exact.
    pub epsilon: f64,
    /// Bytes of rows that open windows may hold together; half of the budget when absent.
    pub buffer_bytes: Option<u64>,
    /// How often a quiet live source says that it is alive.
    pub heartbeat: Option<Duration>,
}

impl Capture {
    /// Returns the policy for a source; `missing` is what the source says of ids that an epoch does not hold.
    pub fn policy(&self, missing: Missing) -> CapturePolicy {
        CapturePolicy { detector: self.detect.clone(), epsilon: self.epsilon, missing }
    }

    /// Returns whether capture may leave out changes: it is then marked on the commits.
    pub fn lossy(&self) -> bool {
        self.policy(Missing::Keep).is_lossy()
    }
}

/// Who gets a delta.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The name, unique in the file.
    pub name: String,
    /// A glob over `collection/key`.
    pub matches: String,
    /// Further conditions.
    pub when: When,
    /// The window that collects the deltas.
    pub window: String,
    /// The sinks that receive the closed windows.
    pub to: Vec<String>,
    /// Whether later routes see the delta as well.
    pub continues: bool,
}

/// A route's conditions; all must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When {
    /// The least Euclidean distance.
    pub min_l2: Option<f64>,
    /// The kinds of change; all when empty.
    pub change: Vec<Change>,
    /// The collection.
    pub collection: Option<String>,
}

/// What is collected into one commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// The name, unique in the file.
    pub name: String,
    /// What closes it.
    pub close: Close,
}

/// What closes a window.
#[derive(Clone, Debug, PartialEq)]
pub enum Close {
    /// The end of an epoch: one commit per file.
    Epoch,
    /// Whichever of these comes first; at least one is set.
    First(Triggers),
}

/// The triggers of a window that does not follow epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Triggers {
    /// Time since the first delta of the window.
    pub after: Option<Duration>,
    /// Number of deltas.
    pub count: Option<u64>,
    /// Bytes of deltas.
    pub bytes: Option<u64>,
}

/// What is done to vectors, and checked, before a window is committed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Apply {
    /// The transformers, in order.
    pub transform: Vec<Transformer>,
    /// The validators of what comes out, in order.
    pub validate: Vec<Validator>,
}

/// How windows become commits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Version {
    /// The branch that moves.
    pub branch: String,
    /// The message of the commits, with `{file}` and `{source}` to be filled in.
    pub message: Option<String>,
    /// What every commit says besides.
    pub metadata: BTreeMap<String, String>,
    /// When to write a snapshot; the repository's own rule when absent.
    pub snapshot: Option<SnapshotRule>,
    /// What makes the vectors from here on; as before when absent.
    pub generation: Option<Generation>,
    /// Whether a commit that leaves rows of another generation is refused.
    pub forbid_mixed: bool,
}

/// When to write a snapshot: whichever comes first; at least one is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotRule {
    /// After so many commits.
    pub every_commits: Option<u32>,
    /// After so many bytes of deltas.
    pub or_bytes: Option<u64>,
}

/// Where results are written.
#[derive(Clone, Debug, PartialEq)]
pub struct Sink {
    /// The name, unique in the file.
    pub name: String,
    /// The format.
    pub kind: SinkKind,
    /// Where to write, with `{branch}` and `{collection}` to be filled in.
    pub path: String,
    /// What to write.
    pub what: SinkContent,
    /// The fields of a line, for JSON lines; empty for other formats.
    pub fields: Vec<SinkField>,
}

/// The format of a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkKind {
    /// Parquet.
    Parquet,
    /// Arrow IPC.
    Arrow,
    /// NumPy.
    Npy,
    /// JSON lines.
    Jsonl,
}

/// What a sink writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkContent {
    /// What changed.
    Deltas,
    /// The whole table after the last commit.
    Table,
}

/// A field of a JSON line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkField {
    /// `collection/key`.
    Source,
    /// The collection.
    Collection,
    /// The key.
    Id,
    /// `insert`, `update` or `delete`.
    Change,
    /// How many components differ.
    ChangedDims,
    /// Euclidean distance.
    L2,
    /// The cosine between the vectors before and after.
    Cosine,
    /// The largest move of a component.
    MaxAbs,
    /// The route.
    Route,
    /// The commit's hash.
    Commit,
    /// The commit's time.
    Time,
    /// The hash of the row before.
    Base,
    /// The hash of the row after.
    Result,
    /// The new vector, as numbers.
    Vector,
    /// The new vector, as the bits in hex.
    Bits,
}

/// A case that `vecdelta test` runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// What is claimed.
    pub name: String,
    /// The change.
    pub given: Given,
    /// What must become of it.
    pub expect: Expect,
}

/// The change of one source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// The key.
    pub id: String,
    /// The collection.
    pub collection: String,
    /// The vector before; absent for an insert.
    pub before: Option<Vec<f64>>,
    /// The vector after; absent for a delete.
    pub after: Option<Vec<f64>>,
}

/// What must become of a change; what is absent is not compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// Whether capture makes a delta of it.
    pub captured: Option<bool>,
    /// The kind of the delta.
    pub change: Option<Change>,
    /// How many components differ.
    pub changed_dims: Option<u32>,
    /// The first route that takes it.
    pub route: Option<String>,
    /// The sinks that receive it, in any order.
    pub to: Option<Vec<String>>,
}
