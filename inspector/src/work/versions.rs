//! The versions of one source.

use vecdelta::delta::Source;
use vecdelta::version::{CommitIndex, Repository, VersionError, read_versions, versions_of};

use super::history::number;
use crate::ask::{SLICE_BYTES, Version, VersionSlice};

/// Reads versions of a source from a number on.
pub fn versions(repo: &Repository, tip: CommitIndex, source: &str, from: u32) -> Result<VersionSlice, VersionError> {
    let source = Source::parse(source).map_err(|e| VersionError::Refused(e.to_string()))?;
    let total = versions_of(repo, tip, &source)?.len();
    let mut out = VersionSlice { total: number(total), from, ..VersionSlice::default() };
    read_versions(repo, tip, &source, from as usize..total, &mut |version| {
        out.versions.push(Version {
            commit: number(version.commit),
            element: version.table.element.code(),
            dims: version.table.dims,
            alive: version.row.is_some(),
        });
        out.bits.extend(version.row.unwrap_or_default());
        out.bits.len() < SLICE_BYTES
    })?;
    Ok(out)
}
