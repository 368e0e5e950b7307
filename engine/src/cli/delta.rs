//! One delta of a history, as text and as JSON.

use std::io::{self, Write};

use vecdelta_kernels::RowChange;

use super::error::CliError;
use super::output::{number, printable, short, time};
use crate::delta::{CommitId, DeltaId, Source};
use crate::version::{
    CommitIndex, HeldDelta, Repository, VersionError, children_of, delta_of, find_delta, parent_of, resolve,
};

/// What a user names: a commit, or what a commit did to one source.
pub enum Named {
    /// A commit.
    Commit(CommitIndex),
    /// A delta.
    Delta(Box<HeldDelta>),
}

/// Finds what a text names: a revision, `REV:COLLECTION/KEY`, or the 64 digits of a delta.
pub fn named(repo: &Repository, text: &str) -> Result<Named, CliError> {
    if let Some((revision, source)) = delta_in_commit(text) {
        let commit = resolve(repo, revision)?;
        let delta = delta_of(repo, commit, &source)?.ok_or_else(|| {
            let (at, source) = (short(repo.entry(commit).id), printable(&source.to_string()));
            CliError::new(super::error::NOT_FOUND, format!("{at} left {source} as it was"))
                .hint(format!("`vecdelta find REPO --source {source}` lists the deltas of a source"))
        })?;
        return Ok(Named::Delta(Box::new(delta)));
    }
    match resolve(repo, text) {
        Ok(commit) => Ok(Named::Commit(commit)),
        Err(error @ VersionError::UnknownRevision { .. }) => {
            let found = DeltaId::from_hex(text).map(|id| find_delta(repo, &id)).transpose()?.flatten();
            found.map(|delta| Named::Delta(Box::new(delta))).ok_or_else(|| error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Splits `REV:COLLECTION/KEY`; a time has colons of its own, the name of a collection has none.
fn delta_in_commit(text: &str) -> Option<(&str, Source)> {
    text.match_indices(':').find_map(|(at, _)| Some((&text[..at], Source::parse(&text[at + 1..]).ok()?)))
}

/// Prints a delta on two lines.
pub fn line(out: &mut impl Write, repo: &Repository, delta: &HeldDelta) -> io::Result<()> {
    let (d, entry) = (&delta.difference, repo.entry(delta.commit));
    let source = printable(&delta.source.to_string());
    writeln!(out, "{}", delta.id(repo))?;
    let (id, when, change) = (short(entry.id), time(entry.time), d.change.name());
    writeln!(out, "  {id} {when} {change} {source} {} dims, L2 {}", d.changed_dims, number(d.l2))
}

/// Prints all that is known of a delta.
pub fn show(out: &mut impl Write, repo: &Repository, delta: &HeldDelta) -> Result<(), CliError> {
    let (d, body) = (&delta.difference, repo.commit(delta.commit)?.body);
    let or_none = |hash: Option<String>| hash.unwrap_or_else(|| "none".to_owned());
    writeln!(out, "delta       {}", delta.id(repo))?;
    writeln!(out, "source      {}", printable(&delta.source.to_string()))?;
    let cosine = d.measures.as_ref().and_then(RowChange::cosine).map(|c| format!(", cosine {c:.6}"));
    let (dims, l2) = (delta.table.dims, number(d.l2));
    writeln!(
        out,
        "change      {}, {} of {dims} dims, L2 {l2}{}",
        d.change.name(),
        d.changed_dims,
        cosine.unwrap_or_default()
    )?;
    writeln!(out, "commit      {}", CommitId::to_hex(repo.entry(delta.commit).id))?;
    writeln!(out, "time        {}", time(body.time))?;
    writeln!(out, "author      {}", printable(&body.author))?;
    writeln!(out, "message     {}", printable(&body.message))?;
    writeln!(out, "parent      {}", or_none(parent_of(repo, delta)?.map(DeltaId::to_hex)))?;
    for child in children_of(repo, delta)? {
        writeln!(out, "child       {}", child.id(repo))?;
    }
    writeln!(out, "base        {}", or_none(delta.base.map(|h| h.to_hex())))?;
    writeln!(out, "result      {}", or_none(delta.result.map(|h| h.to_hex())))?;
    Ok(())
}
