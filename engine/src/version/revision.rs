//! Revisions: the texts that name a commit.

use super::error::{Result, VersionError};
use super::repository::{CommitIndex, MAIN, Repository};
use crate::delta::{HASH_DIGITS_MIN, check_ref, read_moment};

/// Finds the commit that a revision names: a branch, a tag, a hash or a prefix of it, `REV~N`, or `@TIME`.
///
/// # Errors
/// When it names none, several, or is not a revision; the message lists what is there.
pub fn resolve(repo: &Repository, text: &str) -> Result<CommitIndex> {
    if let Some(time) = text.strip_prefix('@') {
        return at_time(repo, text, time);
    }
    if let Some((base, back)) = text.rsplit_once('~') {
        let back: usize = if back.is_empty() { Ok(1) } else { back.parse() }
            .map_err(|_| bad(text, "what follows `~` is the number of commits to go back"))?;
        let base = resolve(repo, base)?;
        return repo.first_parents(base).nth(back).ok_or_else(|| {
            let held = repo.first_parents(base).count() - 1;
            bad(text, &format!("only {held} commits lie before it"))
        });
    }
    let named = repo.branches().get(text).or_else(|| repo.tags().get(text));
    if let Some(&commit) = named {
        return Ok(commit);
    }
    by_prefix(repo, text)
}

/// Finds the commit to read when no revision is given: the head of `main`, if there is a commit.
pub fn default_head(repo: &Repository) -> Option<CommitIndex> {
    repo.head(MAIN).or_else(|| repo.branches().values().next().copied())
}

fn by_prefix(repo: &Repository, text: &str) -> Result<CommitIndex> {
    let hex = text.len() >= HASH_DIGITS_MIN && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if !hex {
        return Err(unknown(repo, text));
    }
    let prefix = text.to_ascii_lowercase();
    let graph = repo.graph();
    let fits = |c: &CommitIndex| graph.commits[*c].id.to_hex().starts_with(&prefix);
    let found: Vec<CommitIndex> = (0..graph.commits.len()).filter(fits).collect();
    match found.as_slice() {
        [] => Err(unknown(repo, text)),
        [one] => Ok(*one),
        many => Err(VersionError::AmbiguousRevision {
            text: text.to_owned(),
            candidates: many.iter().take(10).map(|&c| graph.commits[c].id.to_hex()).collect(),
        }),
    }
}

fn at_time(repo: &Repository, text: &str, time: &str) -> Result<CommitIndex> {
    let time = read_moment(time).ok_or_else(|| bad(text, "what follows `@` is a time like 2026-03-01T12:00:00Z"))?;
    let millis = u64::try_from(time).unwrap_or(0);
    let head = default_head(repo).ok_or_else(|| unknown(repo, text))?;
    repo.first_parents(head)
        .find(|&c| repo.entry(c).time.physical_millis <= millis)
        .ok_or_else(|| bad(text, "the history begins later"))
}

fn bad(text: &str, problem: &str) -> VersionError {
    VersionError::BadRevision { text: text.to_owned(), problem: problem.to_owned() }
}

fn unknown(repo: &Repository, text: &str) -> VersionError {
    let names = repo.branches().keys().chain(repo.tags().keys());
    VersionError::UnknownRevision { text: text.to_owned(), near: names.take(10).cloned().collect() }
}

/// Checks a name for a branch or tag.
///
/// # Errors
/// When it is empty, long, looks like a hash or holds a character that revisions use.
pub fn check_name(what: &'static str, name: &str) -> Result<()> {
    check_ref(name).map_err(|problem| VersionError::BadName {
        name: name.to_owned(),
        what,
        problem: problem.to_owned(),
    })
}
