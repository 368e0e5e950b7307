//! What can go wrong on the way to a server.

/// Why a server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// It cannot be reached, or went away; the same may succeed later.
    #[error("{0}")]
    Away(String),
    /// It refuses, or is not what was expected; the same fails again.
    #[error("{0}")]
    Refused(String),
}

/// The result of a call to a server.
pub type Result<T> = std::result::Result<T, WireError>;
