//! Sinks: where the deltas of a channel go besides the repository, while the pipeline runs.
//!
//! # How to add one
//! Implement [`Sink`], add its settings to `config`, and a line to [`open`](super::sink::open). A courier of its own
//! thread ([`deliver`](super::deliver)) calls it: [`resume`](Sink::resume) once, then [`write`](Sink::write) and
//! [`flush`](Sink::flush) by turns, [`close`](Sink::close) at the end. It may block and fail as it likes: what it does
//! not take stays in the log, and nobody else waits for it unless the settings say so.

#[cfg(not(all(feature = "nats", feature = "postgres", feature = "ruvector")))]
mod absent;
mod jsonl;
mod line;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "postgres")]
mod postgres;
mod rolling;
#[cfg(feature = "ruvector")]
mod ruvector;
mod table;
mod webhook;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "postgres")]
use self::postgres::Postgres;
use super::config;
use super::link::Loan;
use crate::delta::{Change, CommitId, DeltaBatch, DeltaRow, Note, Table, row_hash};
use crate::export::{ExportError, PartFormat};
use crate::route::Cursor;

#[cfg(feature = "nats")]
pub use self::nats::place as nats_place;
#[cfg(feature = "postgres")]
pub use self::postgres::target as postgres_target;
pub use table::{export_deltas, write_tables};

/// Where the deltas of a channel go.
pub trait Sink: Send {
    /// Says where it left off, before anything is written.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn resume(&mut self) -> Result<Resume, SinkError>;

    /// Begins anew: the history is another one than the one it was written from.
    ///
    /// # Errors
    /// When what is there cannot be removed.
    fn restart(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Takes deltas, in this order. They need not be durable before [`flush`](Self::flush).
    ///
    /// # Errors
    /// Then none of them counts, or with [`SinkFailure::Refused`] all but some.
    fn write(&mut self, deltas: &[Delivered]) -> Result<(), SinkError>;

    /// Returns whether it has gathered so much that it wants to be flushed.
    fn is_full(&self) -> bool {
        false
    }

    /// Makes durable what was written, with the cursor behind it, both or neither; returns whether it did. One that
    /// gathers more first, such as a file that is written as a whole, may return `false`.
    ///
    /// # Errors
    /// When it cannot. With [`SinkFailure::Unavailable`] it keeps what was written, and is asked again; else that is given
    /// again by the next run.
    fn flush(&mut self, cursor: &Cursor) -> Result<bool, SinkError>;

    /// Ends: everything is durable, or an error says that it is not. Returns the files that were written.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    fn close(&mut self, cursor: &Cursor) -> Result<Vec<PathBuf>, SinkError>;
}

/// Who knows how far a sink is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resume {
    /// The sink itself: it keeps the cursor with what it writes, so nothing counts twice. `None` is the beginning.
    Kept(Option<Cursor>),
    /// The repository keeps it; after a crash some deltas come twice.
    Unknown,
}

/// What a failed call means for what was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkFailure {
    /// Nothing was taken; the same later may succeed, such as when a server is away. It is tried for as long as the run goes.
    Unavailable,
    /// All but these were taken; they are tried again as their priority says, then they are dead letters.
    Refused(Vec<usize>),
    /// Nothing more can be taken in this run.
    Fatal,
    /// The file or directory cannot be made, so nothing can be taken in this run.
    CannotCreate,
}

/// Why a sink could not take deltas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkError {
    /// What it means.
    pub failure: SinkFailure,
    /// In words.
    pub message: String,
}

impl SinkError {
    /// Nothing more can be taken in this run.
    pub fn fatal(message: impl fmt::Display) -> Self {
        Self { failure: SinkFailure::Fatal, message: message.to_string() }
    }

    /// The same may succeed later.
    pub fn unavailable(message: impl fmt::Display) -> Self {
        Self { failure: SinkFailure::Unavailable, message: message.to_string() }
    }

    /// Some deltas are refused, by their numbers in the slice; the others were taken.
    pub fn refused(which: Vec<usize>, message: impl fmt::Display) -> Self {
        Self { failure: SinkFailure::Refused(which), message: message.to_string() }
    }
}

impl From<ExportError> for SinkError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Create { .. } => Self { failure: SinkFailure::CannotCreate, message: error.to_string() },
            other => Self::fatal(other),
        }
    }
}

/// Says that a file could not be made.
fn cannot_create(path: &Path, source: io::Error) -> SinkError {
    ExportError::Create { path: path.to_owned(), source }.into()
}

/// Says that a file could not be written.
fn cannot_write(path: &Path, source: io::Error) -> SinkError {
    ExportError::Io { path: path.to_owned(), source }.into()
}

/// Returns where a sink writes the deltas of a collection.
pub fn place(sink: &config::Sink, branch: &str, collection: &str) -> PathBuf {
    PathBuf::from(sink.path.replace("{branch}", branch).replace("{collection}", collection))
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SinkError {}

/// Deltas of one commit on their way to a sink together.
#[derive(Debug)]
pub struct Parcel {
    /// The commit that they are part of.
    pub commit: CommitId,
    /// When the commit was made, in milliseconds since 1970.
    pub millis: u64,
    /// The deltas.
    pub batch: Arc<DeltaBatch>,
    /// The names of all routes.
    pub routes: Arc<[String]>,
    /// What its bytes have of a budget, until the last of its deltas is done.
    pub loan: Option<Arc<Loan>>,
}

/// One delta of a commit, on its way to a sink.
#[derive(Clone, Debug)]
pub struct Delivered {
    parcel: Arc<Parcel>,
    index: u32,
    row: u32,
    route: u32,
}

impl Delivered {
    /// Takes a delta out of a parcel: which one it is there, the number of the row in its commit, in the order of the log, and
    /// the number of the route that sends it.
    ///
    /// # Panics
    /// If the parcel has no such delta or route.
    pub fn new(parcel: Arc<Parcel>, index: usize, row: u32, route: usize) -> Self {
        assert!(index < parcel.batch.deltas.len() && route < parcel.routes.len(), "it is in the parcel");
        Self { parcel, index: index as u32, row, route: route as u32 }
    }

    /// Returns the commit that it is part of.
    pub fn commit(&self) -> CommitId {
        self.parcel.commit
    }

    /// Returns when the commit was made, in milliseconds since 1970.
    pub fn millis(&self) -> u64 {
        self.parcel.millis
    }

    /// Returns the name of the route that sends it.
    pub fn route(&self) -> &str {
        &self.parcel.routes[self.route as usize]
    }

    /// Returns the bits before and after it, zeros where there are none.
    pub fn rows(&self) -> (&[u8], &[u8]) {
        self.parcel.batch.rows(self.index as usize)
    }

    /// Returns what its row brought besides.
    pub fn note(&self) -> Note {
        self.parcel.batch.notes.note(self.index as usize)
    }

    /// Returns the shape of its collection.
    pub fn table(&self) -> &Arc<Table> {
        &self.parcel.batch.table
    }

    /// Returns the key of its source.
    pub fn key(&self) -> &str {
        self.parcel.batch.keys.get(self.index as usize)
    }

    /// Returns what is known of it besides its bits.
    pub fn delta(&self) -> &DeltaRow {
        &self.parcel.batch.deltas[self.index as usize]
    }

    /// Returns the bits before it; `None` for an insert.
    pub fn old(&self) -> Option<&[u8]> {
        (self.delta().change != Change::Insert).then(|| self.rows().0)
    }

    /// Returns the bits after it; `None` for a delete.
    pub fn new_bits(&self) -> Option<&[u8]> {
        (self.delta().change != Change::Delete).then(|| self.rows().1)
    }

    /// Returns a value of its row's metadata.
    pub fn meta(&self, name: &str) -> Option<&str> {
        self.parcel.batch.notes.get(self.index as usize, name)
    }

    /// Returns the hashes of the rows before and after it in hex: what a receiver compares to take each delta once.
    pub fn base_and_result(&self) -> (Option<String>, Option<String>) {
        let hash = |row: &[u8]| row_hash(self.key(), self.table().element, row).to_hex();
        (self.old().map(hash), self.new_bits().map(hash))
    }

    /// Returns what tells this delta from all others, for receivers that drop repeats: its commit and row.
    pub fn id(&self) -> String {
        format!("{}-{}", self.commit().to_hex(), self.row)
    }
}

#[cfg(any(feature = "nats", feature = "postgres"))]
impl From<crate::wire::WireError> for SinkError {
    fn from(error: crate::wire::WireError) -> Self {
        match error {
            crate::wire::WireError::Away(message) => Self::unavailable(message),
            crate::wire::WireError::Refused(message) => Self::fatal(message),
        }
    }
}

/// Opens the sink on a server.
fn on_server(to: &config::SinkServer) -> Box<dyn Sink> {
    match to {
        #[cfg(feature = "nats")]
        config::SinkServer::Nats(to) => Box::new(nats::Nats::new(to)),
        #[cfg(feature = "postgres")]
        config::SinkServer::Postgres(to) => Box::new(Postgres::new(to)),
        #[cfg(not(feature = "nats"))]
        config::SinkServer::Nats(_) => Box::new(absent::Absent("nats")),
        #[cfg(not(feature = "postgres"))]
        config::SinkServer::Postgres(_) => Box::new(absent::Absent("postgres")),
    }
}

/// Opens the sink of a setting; `None` for one that gets the whole table at the end of a run instead.
pub fn open(sink: &config::Sink, branch: &str, collection: &str) -> Option<Box<dyn Sink>> {
    use config::{SinkContent, SinkKind};
    if sink.what == SinkContent::Table {
        return None;
    }
    if let Some(server) = &sink.server {
        return Some(on_server(&server.filled("branch", branch).filled("collection", collection)));
    }
    let path = place(sink, branch, collection);
    match sink.kind {
        SinkKind::Jsonl => Some(Box::new(jsonl::Jsonl::new(path, sink.fields.clone()))),
        SinkKind::Parquet => Some(Box::new(rolling::Rolling::new(path, PartFormat::Parquet, sink.roll_bytes))),
        SinkKind::Arrow => Some(Box::new(rolling::Rolling::new(path, PartFormat::Arrow, sink.roll_bytes))),
        SinkKind::Webhook => Some(Box::new(webhook::Webhook::new(sink))),
        #[cfg(feature = "ruvector")]
        SinkKind::RuVector => Some(Box::new(ruvector::RuVector::new(path, sink.metric))),
        #[cfg(not(feature = "ruvector"))]
        SinkKind::RuVector => Some(Box::new(absent::Absent("ruvector"))),
        SinkKind::Npy | SinkKind::Nats | SinkKind::Postgres => None,
    }
}
