//! Failures: a message, a hint, and the exit code that scripts rely on.

use crate::capture::CaptureError;
use crate::capture::read::{ReadError, ReadErrorKind};
use crate::export::ExportError;
use crate::pipeline::PipelineError;
use crate::store::{FORMAT, StoreError};
use crate::version::VersionError;

/// Bad input data.
pub const BAD_DATA: u8 = 65;
/// An input was not found.
pub const NOT_FOUND: u8 = 66;
/// An output cannot be created.
pub const CANNOT_CREATE: u8 = 73;
/// The operating system refused.
pub const IO: u8 = 74;
/// Try again.
pub const TRY_AGAIN: u8 = 75;
/// The repository is corrupt.
pub const CORRUPT: u8 = 76;
/// Bad configuration.
pub const BAD_CONFIG: u8 = 78;

/// Why a command or a request failed.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What is wrong, and where; empty when nothing needs to be said.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Failure {
    /// Makes a failure.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::NoRepository { .. } => {
                Self::new(NOT_FOUND, message).hint("`vecdelta ingest REPO FILE` makes one")
            }
            StoreError::BadAddress(_) => Self::new(2, message),
            StoreError::NotARepository { .. } => {
                Self::new(CANNOT_CREATE, message).hint("name a path that does not exist yet, such as table.vd")
            }
            StoreError::Locked { .. } => {
                Self::new(TRY_AGAIN, message).hint("wait until it is done, or stop that process; readers may go on")
            }
            StoreError::OtherFormat { format, .. } if format > FORMAT => {
                Self::new(BAD_DATA, message).hint("a vecdelta of that version, or a later one, reads it")
            }
            StoreError::OtherFormat { .. } => Self::new(BAD_DATA, message).hint(
                "nothing is damaged: `vecdelta export` of the version that wrote it gives tables, which this one ingests anew",
            ),
            StoreError::Corrupt(_) => Self::new(CORRUPT, message)
                .hint("`vecdelta verify REPO` lists all damage; what cannot be read back must come from a copy"),
            StoreError::Io { error, .. } if error.kind() == std::io::ErrorKind::StorageFull => {
                Self::new(IO, message).hint("free some space; everything reported before is safe")
            }
            StoreError::Io { .. } | StoreError::Poisoned => {
                Self::new(IO, message).hint("everything reported before is safe")
            }
        }
    }
}

impl From<VersionError> for Failure {
    fn from(error: VersionError) -> Self {
        let message = error.to_string();
        match error {
            VersionError::Store(error) => error.into(),
            VersionError::UnknownRevision { .. } | VersionError::AmbiguousRevision { .. } => Self::new(
                NOT_FOUND, message,
            )
            .hint("a revision is a branch, a tag, 6 or more digits of a hash, REV~N or @TIME; see `vecdelta log`"),
            VersionError::Compacted { .. } => Self::new(NOT_FOUND, message)
                .hint("`vecdelta undo` takes a compaction back until `vecdelta gc`; a tag keeps a commit from it"),
            VersionError::BadRevision { .. } | VersionError::UnknownCollection { .. } => Self::new(NOT_FOUND, message),
            VersionError::UnknownSnapshot { .. } => {
                Self::new(NOT_FOUND, message).hint("`vecdelta snapshot REPO --list` shows those that are held")
            }
            VersionError::UnknownSource { .. } => Self::new(NOT_FOUND, message)
                .hint("a source is named collection/key; `vecdelta export` writes all of them"),
            VersionError::BadName { .. } | VersionError::Source(_) | VersionError::Refused(_) => Self::new(2, message),
            VersionError::OtherShape { .. } => Self::new(BAD_DATA, message)
                .hint("`--generation NAME` declares that another model makes the vectors, of another width if need be"),
            VersionError::Unshaped { .. } => Self::new(BAD_DATA, message)
                .hint("`--missing delete` lets them go; otherwise give all rows in one epoch"),
            VersionError::Mixed { .. } => Self::new(BAD_DATA, message)
                .hint("give all rows in one epoch, or allow a mix while the re-embedding goes on"),
            VersionError::NotTaken { advice, .. } => Self::new(1, message).hint(advice),
            VersionError::Clock(_) => Self::new(IO, message),
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let code = match error.kind {
            ReadErrorKind::NotFound => NOT_FOUND,
            ReadErrorKind::BadData => BAD_DATA,
            ReadErrorKind::Io => IO,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        let message = error.to_string();
        match error {
            ExportError::Format { .. } | ExportError::ListFormat { .. } => Self::new(2, message),
            ExportError::Create { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists => {
                Self::new(CANNOT_CREATE, message).hint("name another place, or remove what is there")
            }
            _ => Self::new(CANNOT_CREATE, message),
        }
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        let message = error.to_string();
        match error {
            PipelineError::Read(error) => error.into(),
            PipelineError::Version(error) => error.into(),
            PipelineError::Capture { error: CaptureError::Store(error), .. } => error.into(),
            PipelineError::Capture { error: CaptureError::Mirror, .. } => {
                Self::new(CORRUPT, message).hint("`vecdelta reindex REPO` makes the cache anew")
            }
            PipelineError::Capture { .. } => Self::new(BAD_DATA, message).hint("the repository is as before"),
            PipelineError::OtherShape { .. } => {
                Self::new(BAD_DATA, message).hint("use --collection NAME to keep another table beside this one")
            }
            PipelineError::Rejected { .. } => Self::new(BAD_DATA, message).hint("the window was not committed"),
            PipelineError::Sink { error, .. } => error.into(),
            PipelineError::NoInput { .. } => Self::new(NOT_FOUND, message),
            PipelineError::List { .. } => Self::new(NOT_FOUND, message),
            PipelineError::Stopped => Self::new(IO, message),
            PipelineError::Server { .. } => {
                Self::new(IO, message).hint("what was committed is safe; the next run goes on behind it")
            }
            PipelineError::NoFeed { .. } => Self::new(BAD_CONFIG, message)
                .hint("`vecdelta run` reads files and standard input; a feed needs the program that brings it"),
            PipelineError::Route { .. } => Self::new(BAD_CONFIG, message),
        }
    }
}
