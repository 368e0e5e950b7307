//! Branches and tags: names that point at commits.

use super::error::{Result, VersionError};
use super::repository::{Actor, CommitIndex, MAIN, Repository};
use super::revision::check_name;
use crate::delta::CommitId;
use crate::store::Action;

/// Makes a branch that points at a commit.
///
/// # Errors
/// When the name cannot be used or is taken.
pub fn set_branch(repo: &mut Repository, name: &str, to: CommitIndex, actor: &Actor) -> Result<()> {
    check_name("branch", name)?;
    refuse_taken(repo, name)?;
    repo.check_held(to)?;
    let action = Action::Branch { name: name.to_owned(), from: None, to: Some(repo.entry(to).id) };
    repo.operate(actor, 0, action)
}

/// Makes a tag that points at a commit.
///
/// # Errors
/// When the name cannot be used or is taken: a tag that moved without a word would not be one.
pub fn set_tag(repo: &mut Repository, name: &str, to: CommitIndex, actor: &Actor) -> Result<()> {
    check_name("tag", name)?;
    refuse_taken(repo, name)?;
    repo.check_held(to)?;
    let action = Action::Tag { name: name.to_owned(), from: None, to: Some(repo.entry(to).id) };
    repo.operate(actor, 0, action)
}

/// Removes a branch; its commits stay.
///
/// # Errors
/// When there is none of that name, it is `main`, or a merge waits on it.
pub fn delete_branch(repo: &mut Repository, name: &str, actor: &Actor) -> Result<()> {
    let from = Some(points_at(repo, repo.branches().get(name), "branch", name)?);
    refuse_main(name)?;
    if repo.parked().contains_key(name) {
        let text = format!("a merge waits on `{name}`: finish it with `vecdelta merge --continue`, or `--abandon` it");
        return Err(VersionError::Refused(text));
    }
    let name = name.to_owned();
    repo.operate(actor, 0, Action::Branch { name, from, to: None })
}

/// Removes a tag.
///
/// # Errors
/// When there is none of that name.
pub fn delete_tag(repo: &mut Repository, name: &str, actor: &Actor) -> Result<()> {
    let from = Some(points_at(repo, repo.tags().get(name), "tag", name)?);
    let name = name.to_owned();
    repo.operate(actor, 0, Action::Tag { name, from, to: None })
}

/// Gives a branch another name, in one operation. A merge that waits on it goes along.
///
/// # Errors
/// When there is none of that name, it is `main`, or the new one cannot be used or is taken.
pub fn rename_branch(repo: &mut Repository, name: &str, new: &str, actor: &Actor) -> Result<()> {
    check_name("branch", new)?;
    refuse_taken(repo, new)?;
    let at = points_at(repo, repo.branches().get(name), "branch", name)?;
    refuse_main(name)?;
    repo.operate(actor, 0, Action::Rename { tag: false, name: name.to_owned(), new: new.to_owned(), at })
}

/// Gives a tag another name, in one operation.
///
/// # Errors
/// When there is none of that name, or the new one cannot be used or is taken.
pub fn rename_tag(repo: &mut Repository, name: &str, new: &str, actor: &Actor) -> Result<()> {
    check_name("tag", new)?;
    refuse_taken(repo, new)?;
    let at = points_at(repo, repo.tags().get(name), "tag", name)?;
    repo.operate(actor, 0, Action::Rename { tag: true, name: name.to_owned(), new: new.to_owned(), at })
}

/// Commands work on `main` unless told otherwise; without it the next one would begin a history of its own.
fn refuse_main(name: &str) -> Result<()> {
    if name == MAIN {
        let text = "commands work on `main` unless told otherwise, so it cannot go; \
                    `vecdelta rollback` brings an older state back, `vecdelta branch REPO NAME` keeps this one under another name";
        return Err(VersionError::Refused(text.to_owned()));
    }
    Ok(())
}

fn points_at(repo: &Repository, commit: Option<&CommitIndex>, what: &str, name: &str) -> Result<CommitId> {
    let missing = || VersionError::Refused(format!("there is no {what} `{name}`"));
    commit.map(|&c| repo.entry(c).id).ok_or_else(missing)
}

fn refuse_taken(repo: &Repository, name: &str) -> Result<()> {
    for (what, names) in [("branch", repo.branches()), ("tag", repo.tags())] {
        if let Some(&commit) = names.get(name) {
            let id = repo.entry(commit).id.to_hex();
            return Err(VersionError::Refused(format!(
                "`{name}` is a {what} already, at {}; delete it first to reuse the name",
                &id[..12]
            )));
        }
    }
    Ok(())
}
