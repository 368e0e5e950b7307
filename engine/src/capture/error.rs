//! What can go wrong while rows are compared.

use crate::store::StoreError;

/// Why rows could not be captured.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// An id comes twice in one epoch.
    #[error("row {row} (counted from 0): the id `{key}` was in an earlier row of this epoch")]
    Repeated {
        /// The later row.
        row: u64,
        /// The id.
        key: String,
    },
    /// The mirror's bits are not those that were written.
    #[error("the mirror under cache/ is damaged")]
    Mirror,
    /// The mirror could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}
