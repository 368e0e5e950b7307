//! What can stop a pipeline.

use std::path::PathBuf;

use crate::apply::Rejection;
use crate::capture::CaptureError;
use crate::capture::read::ReadError;
use crate::export::ExportError;
use crate::store::StoreError;
use crate::version::VersionError;

/// Why a pipeline stopped before the end of its input.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A file cannot be read as a table.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file's rows cannot be captured.
    #[error("{file}, {error}")]
    Capture {
        /// The file.
        file: String,
        /// Why.
        error: CaptureError,
    },
    /// A file's rows do not fit the collection.
    #[error("{file}: collection `{collection}` holds {have}, this file has {got}")]
    OtherShape {
        /// The file.
        file: String,
        /// The collection.
        collection: String,
        /// What it holds.
        have: String,
        /// What the file has.
        got: String,
    },
    /// A delta was refused, so its window was not committed.
    #[error("{file}: `{}` was refused: {}", .rejection.key, .rejection.reason)]
    Rejected {
        /// The file.
        file: String,
        /// Which delta, and why.
        rejection: Rejection,
    },
    /// The history could not be continued.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// A sink could not be written.
    #[error("sink `{sink}`: {error}")]
    Sink {
        /// The sink.
        sink: String,
        /// Why.
        error: ExportError,
    },
    /// No file fits a source's path.
    #[error("source `{source_name}`: no file fits {path}")]
    NoInput {
        /// The source.
        source_name: String,
        /// The path or glob.
        path: String,
    },
    /// An input directory cannot be listed.
    #[error("cannot list {}: {error}", .path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// The reason.
        error: std::io::Error,
    },
    /// What reads for a sink ends because the sink does.
    #[error("the sink has ended")]
    Stopped,
    /// A source of `kind = "feed"` has nobody who hands rows in.
    #[error("source `{source_name}`: nobody hands rows in")]
    NoFeed {
        /// The source.
        source_name: String,
    },
    /// A server that a source follows is away for too long, refuses, or brings what cannot be taken.
    #[error("source `{source_name}`: {message}")]
    Server {
        /// The source.
        source_name: String,
        /// Why.
        message: String,
    },
    /// A route cannot be used.
    #[error("route `{route}`: {problem}")]
    Route {
        /// The route.
        route: String,
        /// Why.
        problem: String,
    },
}

impl PipelineError {
    /// Returns whether the repository could not be read or written.
    pub fn is_store(&self) -> bool {
        matches!(
            self,
            PipelineError::Version(VersionError::Store(_))
                | PipelineError::Capture { error: CaptureError::Store(_), .. }
        )
    }
}

impl From<StoreError> for PipelineError {
    fn from(error: StoreError) -> Self {
        PipelineError::Version(error.into())
    }
}
