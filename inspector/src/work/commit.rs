//! One commit in full.

use vecdelta::delta::Element;
use vecdelta::version::{CommitIndex, Repository, VersionError};

use super::history::{number, record};
use crate::ask::{Collection, Commit};

/// Reads a commit.
pub fn commit(repo: &Repository, commit: CommitIndex) -> Result<Commit, VersionError> {
    let read = repo.commit(commit)?;
    let (entry, body) = (repo.entry(commit), &read.body);
    let collections = body.collections.iter().map(|c| Collection {
        name: c.name.clone(),
        element: Element::from_code(c.element).map_or("unknown", Element::name).to_owned(),
        dims: c.dims,
        rows: c.rows,
        generation: c.generation.clone(),
        older: c.older.iter().map(|o| (o.generation.clone(), o.rows)).collect(),
    });
    Ok(Commit {
        number: number(commit),
        id: entry.id.to_hex(),
        parents: entry.parents.iter().map(|&p| (number(p), repo.entry(p).id.to_hex())).collect(),
        branch: body.branch.clone(),
        time: body.time.rfc3339(),
        record: record(&read, repo.snapshot(commit).is_some()),
        unchanged: body.counts.unchanged,
        metadata: body.metadata.clone().into_iter().collect(),
        collections: collections.collect(),
        state_root: body.state_root.to_hex(),
        stands_for: repo.stands_for(commit).map(number),
    })
}
