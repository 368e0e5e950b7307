//! What can go wrong when a history is asked or continued.

use crate::delta::{ClockError, SourceError};
use crate::store::StoreError;

/// A failure of a command on a history.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A text names no commit.
    #[error("there is no revision `{text}`{}", candidates(.near))]
    UnknownRevision {
        /// The text.
        text: String,
        /// Names that look like it.
        near: Vec<String>,
    },
    /// A hash prefix fits several commits.
    #[error("`{text}` fits {} commits: {}", .candidates.len(), .candidates.join(", "))]
    AmbiguousRevision {
        /// The prefix.
        text: String,
        /// The hashes that begin with it.
        candidates: Vec<String>,
    },
    /// A text is not a revision at all.
    #[error("`{text}` is not a revision: {problem}")]
    BadRevision {
        /// The text.
        text: String,
        /// Why.
        problem: String,
    },
    /// A name that cannot be used.
    #[error("`{name}` cannot name a {what}: {problem}")]
    BadName {
        /// The name.
        name: String,
        /// Branch or tag.
        what: &'static str,
        /// Why.
        problem: String,
    },
    /// The collection is not in the table at that revision.
    #[error("there is no collection `{name}` at {revision}{}", candidates(.near))]
    UnknownCollection {
        /// Its name.
        name: String,
        /// The revision.
        revision: String,
        /// The collections that are there.
        near: Vec<String>,
    },
    /// The source is not in the table at that revision.
    #[error("there is no source `{name}` at {revision}")]
    UnknownSource {
        /// Its name.
        name: String,
        /// The revision.
        revision: String,
    },
    /// There is no snapshot of a commit.
    #[error("there is no snapshot of {revision}")]
    UnknownSnapshot {
        /// The commit.
        revision: String,
    },
    /// A source's name is malformed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A compaction left only the record of a commit.
    #[error("the table at {revision} was compacted away; {next} is the next commit that is kept")]
    Compacted {
        /// The commit.
        revision: String,
        /// The commit that stands for it.
        next: String,
    },
    /// Sources have no row in the new shape of their collection.
    #[error(
        "sources of `{collection}` that have no row with {dims} components: {sources}; they cannot stay as they are"
    )]
    Unshaped {
        /// The collection.
        collection: String,
        /// How many.
        sources: u64,
        /// The width of the new rows.
        dims: u32,
    },
    /// Rows of an older generation would be left.
    #[error("{rows} rows of `{collection}` would not be of generation `{generation}`")]
    Mixed {
        /// The collection.
        collection: String,
        /// The generation in force.
        generation: String,
        /// How many rows stem from others.
        rows: u64,
    },
    /// Time cannot go on.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The rows do not fit the collection.
    #[error("collection `{collection}` holds {have}, these rows are {got}")]
    OtherShape {
        /// Its name.
        collection: String,
        /// Its shape.
        have: String,
        /// The shape of the rows.
        got: String,
    },
    /// What another repository offers is not taken.
    #[error("{problem}")]
    NotTaken {
        /// Why.
        problem: String,
        /// What to do instead.
        advice: String,
    },
    /// More is asked than there is.
    #[error("{0}")]
    Refused(String),
}

impl VersionError {
    /// Makes a corruption error for a place that is found by reading, not by a hash.
    pub fn corrupt(path: impl Into<String>, problem: impl Into<String>) -> Self {
        StoreError::corrupt(path, None, problem).into()
    }

    /// Returns whether bytes of a file that lies elsewhere were not there: once they are brought, the same can be done
    /// again.
    pub fn is_waiting(&self) -> bool {
        matches!(self, VersionError::Store(error) if error.is_waiting())
    }
}

/// The result of an operation on a history.
pub type Result<T> = std::result::Result<T, VersionError>;

fn candidates(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    format!(" (there is {})", near.join(", "))
}
