//! What went wrong, for people.

use std::io::ErrorKind;

use vecdelta::store::StoreError;
use vecdelta::version::VersionError;

use crate::ask::Trouble;

/// Describes an error, with the way out.
pub fn trouble(error: &VersionError) -> Trouble {
    let damaged = matches!(error, VersionError::Store(StoreError::Corrupt(_)));
    let advice = match error {
        VersionError::Store(StoreError::Corrupt(_)) => {
            "`vecdelta verify` lists everything that is damaged. A clone or a bundle made before can be opened instead."
        }
        VersionError::Store(StoreError::NoRepository { .. } | StoreError::NotARepository { .. }) => {
            "Open a directory that `vecdelta ingest` or `vecdelta run` made, or a file that `vecdelta bundle` made."
        }
        VersionError::Store(StoreError::OtherFormat { .. }) => {
            "Nothing is damaged: the version of vecdelta that wrote it opens it, and exports its tables."
        }
        VersionError::Compacted { .. } => "Choose a commit that is kept: those drawn with a full dot.",
        _ => "",
    };
    Trouble { text: error.to_string(), damaged, advice: advice.to_owned() }
}

/// Returns whether an error only says that bytes have to be fetched first.
pub fn waits(error: &VersionError) -> bool {
    matches!(error, VersionError::Store(StoreError::Io { error, .. }) if error.kind() == ErrorKind::WouldBlock)
}
