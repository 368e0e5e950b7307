//! What can go wrong between the engine and its files.

use std::io;

use super::format::FORMAT;
use crate::delta::CommitId;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no repository at the path.
    #[error("no repository at {path}")]
    NoRepository {
        /// Where one was looked for.
        path: String,
    },
    /// The address of a database is wrong, or this program cannot go there.
    #[error("{0}")]
    BadAddress(String),
    /// The path holds something else.
    #[error("{path} holds files that are not a repository")]
    NotARepository {
        /// The directory.
        path: String,
    },
    /// Another writer has the repository.
    #[error("{path} is being written by process {holder}")]
    Locked {
        /// The lock file.
        path: String,
        /// The process id as the lock file tells it.
        holder: String,
    },
    /// A file is whole, and of a format that this program does not read.
    #[error("{path} was written by {} vecdelta{by} in format {format}; this is vecdelta {}, which reads format {FORMAT}",
        if *format < FORMAT { "an earlier" } else { "a later" }, env!("CARGO_PKG_VERSION"))]
    OtherFormat {
        /// The file.
        path: String,
        /// The number of its format.
        format: u32,
        /// The version of the program that wrote it, behind a space; empty when it does not say.
        by: String,
    },
    /// Bytes are not what they were when they were written.
    #[error("{0}")]
    Corrupt(Box<Damage>),
    /// The operating system refused.
    #[error("cannot {action} {path}: {error}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// The reason.
        error: io::Error,
    },
    /// An earlier write or sync failed, so nothing more is acknowledged.
    #[error("an earlier write failed: open the repository again to go on from the last reported commit")]
    Poisoned,
}

/// A place in a repository that is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: String,
    /// Where in it, in bytes from its start.
    pub offset: Option<u64>,
    /// The commit whose data it is.
    pub commit: Option<CommitId>,
    /// What is wrong.
    pub problem: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.path)?;
        if let Some(offset) = self.offset {
            write!(f, " at offset {offset}")?;
        }
        if let Some(commit) = self.commit {
            write!(f, " (commit {})", &commit.to_hex()[..12])?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl StoreError {
    /// Makes a corruption error.
    pub fn corrupt(path: impl Into<String>, offset: Option<u64>, problem: impl Into<String>) -> Self {
        StoreError::Corrupt(Box::new(Damage { path: path.into(), offset, commit: None, problem: problem.into() }))
    }

    /// Adds the commit whose data were being read.
    #[must_use]
    pub fn in_commit(self, id: CommitId) -> Self {
        match self {
            StoreError::Corrupt(mut damage) => {
                damage.commit.get_or_insert(id);
                StoreError::Corrupt(damage)
            }
            other => other,
        }
    }

    /// Returns whether bytes of a file that lies elsewhere were not there: once they are brought, the same can be done
    /// again.
    pub fn is_waiting(&self) -> bool {
        matches!(self, StoreError::Io { error, .. } if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Wraps an I/O error, naming what was tried on which file.
    pub fn io(action: &'static str, path: impl Into<String>) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.into();
        move |error| StoreError::Io { action, path, error }
    }
}

/// The result of a store operation.
pub type Result<T> = std::result::Result<T, StoreError>;
