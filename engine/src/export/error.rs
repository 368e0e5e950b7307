//! Why an export failed.

use std::io;
use std::path::{Path, PathBuf};

/// Why an export failed; what had been written is removed again.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The name does not tell a format that can be written.
    #[error("{}: the format is told by the extension: use .parquet, .arrow, .npy or .csv", path.display())]
    Format {
        /// The file to be written.
        path: PathBuf,
    },
    /// The name does not tell a format that can hold a list of changes.
    #[error("{}: the format of a list is told by the extension: use .parquet, .arrow or .csv", path.display())]
    ListFormat {
        /// The file to be written.
        path: PathBuf,
    },
    /// The file or directory cannot be made there.
    #[error("{}: cannot create: {source}", path.display())]
    Create {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Writing failed on the way.
    #[error("{}: cannot write: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The format cannot hold what should be written.
    #[error("{}: {message}; {help}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        message: String,
        /// The way out.
        help: &'static str,
    },
}

impl ExportError {
    pub(super) fn create(path: &Path, source: io::Error) -> Self {
        Self::Create { path: path.to_owned(), source }
    }

    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
