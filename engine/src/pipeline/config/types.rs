//! What a pipeline file says, as plain values: every default filled in, every path absolute, every name known.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::followed::{Followed, MessageFormat, SourceServer};
use super::servers::SinkServer;
use crate::apply::{Transformer, Validator};
use crate::capture::read::ReadOptions;
use crate::capture::{CapturePolicy, Detector, Missing};
use crate::delta::Change;
use crate::pipeline::deliver::OnSlow;
use crate::route::{DeliveryGuarantee, Hours, Priority};
use crate::version::Generation;
pub use crate::version::SnapshotRule;

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

impl Pipeline {
    /// Returns whether each partition has a repository of its own.
    pub fn is_divided(&self) -> bool {
        self.settings.store.to_string_lossy().contains("{partition}")
    }

    /// Returns the pipeline of one partition.
    pub fn for_partition(&self, partition: u32) -> Self {
        let fill = |text: &str| text.replace("{partition}", &partition.to_string());
        let mut own = self.clone();
        own.settings.store = fill(&own.settings.store.to_string_lossy()).into();
        for source in &mut own.sources {
            if let Some(SourceServer { place: Followed::Nats { only, .. }, .. }) = &mut source.server {
                *only = Some(partition);
            }
        }
        for sink in &mut own.sinks {
            sink.path = fill(&sink.path);
            sink.server = sink.server.take().map(|server| server.of_partition(partition));
        }
        own
    }
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
    /// The columns whose values travel with the rows.
    pub meta: Vec<String>,
    /// Whether more files are waited for.
    pub watch: bool,
    /// The field that says that an id is gone, for files of JSON lines.
    pub deleted: Option<String>,
    /// What it follows, for NATS and PostgreSQL, or where it listens.
    pub server: Option<SourceServer>,
    /// What becomes of a row that is refused.
    pub on_reject: OnReject,
}

impl Source {
    /// Returns whether rows come that cannot be read again: from standard input, or handed in.
    pub fn live(&self) -> bool {
        self.inputs.contains(&Input::Stdin) || self.inputs.contains(&Input::Feed)
    }

    /// Says what readers must know of it.
    pub fn read_options(&self) -> ReadOptions {
        use SourceKind::{Feed, Files, Nats, Postgres, Socket};
        ReadOptions {
            format: (!matches!(self.kind, Files | Feed | Socket | Nats | Postgres)).then(|| self.kind.name()),
            id: self.id.clone(),
            vector: self.vector.clone(),
            dims: self.dims,
            deleted: self.deleted.clone(),
            element: None,
            meta: self.meta.clone().into(),
        }
    }

    /// Returns into how many partitions it is divided, if it is.
    pub fn partitions(&self) -> Option<u32> {
        match &self.server.as_ref()?.place {
            Followed::Nats { stream, format: MessageFormat::Deltas, .. } => Some(stream.partitions),
            _ => None,
        }
    }

    /// Returns whether it may be quiet for a while and then go on.
    pub fn waits(&self) -> bool {
        self.live() || self.watch || self.server.as_ref().is_some_and(|server| server.follow)
    }
}

/// What becomes of a row that cannot be read, or that a transformer or validator refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnReject {
    /// It is kept apart, and the stream goes on.
    DeadLetter,
    /// The run ends.
    #[default]
    Stop,
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
    /// Rows that are handed in.
    Feed,
    /// Rows that others send to a socket.
    Socket,
    /// Messages of a stream of NATS.
    Nats,
    /// Rows of a table of PostgreSQL.
    Postgres,
}

/// One entry of a source's `path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// Rows that the program around the pipeline hands in: [`Feed`](crate::pipeline::Feed).
    Feed,
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
    /// The least time between two captures of one id from a stream.
    pub min_interval: Option<Duration>,
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
    /// How urgent its deltas are.
    pub priority: Priority,
    /// How old a delta may be when a sink gets it.
    pub ttl: Option<Duration>,
}

/// A route's conditions; all must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When {
    /// The least Euclidean distance.
    pub min_l2: Option<f64>,
    /// The greatest Euclidean distance.
    pub max_l2: Option<f64>,
    /// The least move of the component that moved furthest.
    pub min_max_abs: Option<f64>,
    /// The greatest cosine between the vectors before and after.
    pub max_cosine: Option<f64>,
    /// The least number of components that differ.
    pub min_dims: Option<u32>,
    /// Metadata columns and the values of which the row must have one.
    pub meta: Vec<(String, Vec<String>)>,
    /// Metadata columns in which the row must have a value.
    pub exists: Vec<String>,
    /// The time of day at which it is captured.
    pub hours: Option<Hours>,
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
    /// Whose time counts.
    pub clock: Clock,
    /// What becomes of what is late.
    pub late: Late,
}

impl Window {
    /// Makes a window that runs by the time of arrival.
    pub fn new(name: String, close: Close) -> Self {
        Self { name, close, clock: Clock::default(), late: Late::default() }
    }
}

/// The clock of a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Whose time counts.
    pub kind: ClockKind,
    /// The metadata column that holds the time of a row, for the clock of events.
    pub column: Option<String>,
    /// How far rows may come out of order.
    pub lateness: Duration,
    /// After how much quiet the clock goes on by itself.
    pub idle: Option<Duration>,
}

/// Whose time counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockKind {
    /// The time of arrival.
    #[default]
    Processing,
    /// The time that each row brings along.
    Event,
}

/// What becomes of a row whose window was closed before it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Late {
    /// It goes into the window that is open.
    #[default]
    NewVersion,
    /// It is kept apart.
    DeadLetter,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Triggers {
    /// Time since the first delta of the window.
    pub after: Option<Duration>,
    /// The time between the whole multiples of it at which the window closes.
    pub every: Option<Duration>,
    /// Time since the last delta of the window.
    pub gap: Option<Duration>,
    /// The metadata column whose value ends the window.
    pub on_meta: Option<String>,
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
    /// The address that deltas are posted to.
    pub url: Option<String>,
    /// By what the index tells how near vectors are.
    pub metric: IndexMetric,
    /// How large a part file grows.
    pub roll_bytes: Option<u64>,
    /// What is promised.
    pub guarantee: DeliveryGuarantee,
    /// What happens when it is slow.
    pub on_slow: OnSlow,
    /// The server that it writes to, but for a webhook's.
    pub server: Option<SinkServer>,
}

impl Sink {
    /// Returns whether its place names the partition.
    pub(super) fn names_partition(&self) -> bool {
        let named = |text: &str| text.contains("{partition}");
        self.server.as_ref().map_or(named(&self.path), |server| named(server.place().1))
    }

    /// Returns whether each partition has a place of its own; the rows of a table never meet.
    pub(super) fn is_divided(&self) -> bool {
        matches!(self.kind, SinkKind::Webhook | SinkKind::Postgres) || self.names_partition()
    }

    /// Returns whether each collection has a place of its own.
    pub fn by_collection(&self) -> bool {
        self.path.contains("{collection}") || self.server.as_ref().is_some_and(|s| s.place().1.contains("{collection}"))
    }
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
    /// JSON lines, posted to a server.
    Webhook,
    /// Messages of a stream of NATS.
    Nats,
    /// Rows of a table of PostgreSQL.
    Postgres,
    /// An index of ruvector-core.
    RuVector,
}

/// By what an index tells how near vectors are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IndexMetric {
    /// The angle between them.
    #[default]
    Cosine,
    /// The distance between them.
    Euclidean,
    /// The product of them.
    Dot,
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
    /// What tells the delta from all others.
    Delta,
    /// The metadata of the row.
    Meta,
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
    /// The metadata of the row.
    pub meta: Vec<(String, String)>,
    /// When it is captured, in milliseconds since 1970.
    pub now_millis: u64,
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
    /// How urgent the first route that takes it is.
    pub priority: Option<Priority>,
    /// The window that collects it.
    pub window: Option<String>,
}
