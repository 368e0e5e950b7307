//! Parked merges: conflicts that wait in the log until they are resolved, one by one.

use super::policy::{Policy, Strategy};
use crate::delta::Source;
use crate::store::{Action, Resolution};
use crate::version::error::{Result, VersionError};
use crate::version::graph::Parked;
use crate::version::repository::{Actor, CommitIndex, Repository};

/// Notes that a merge waits on a branch.
///
/// # Errors
/// When one waits there already, or the disk refuses.
pub fn park(repo: &mut Repository, branch: &str, theirs: CommitIndex, policy: &Policy, actor: &Actor) -> Result<()> {
    if repo.parked().contains_key(branch) {
        let text = format!("a merge waits on branch `{branch}` already: continue or abandon it first");
        return Err(VersionError::Refused(text));
    }
    let ours = repo.head(branch).ok_or_else(|| VersionError::Refused(format!("there is no branch `{branch}`")))?;
    let id = |c: CommitIndex| repo.entry(c).id;
    let action =
        Action::Park { branch: branch.to_owned(), ours: id(ours), theirs: id(theirs), policy: policy.to_string() };
    repo.operate(actor, 0, action)
}

/// Resolves some conflicts of the merge that waits on a branch; what is said later about a source counts.
///
/// # Errors
/// When no merge waits there, a strategy resolves nothing, or the disk refuses.
pub fn resolve_conflicts(
    repo: &mut Repository,
    branch: &str,
    sources: &[Source],
    resolution: Resolution,
    actor: &Actor,
) -> Result<()> {
    waiting(repo, branch)?;
    if let Resolution::Strategy(name) = &resolution
        && Strategy::from_name(name).is_none_or(|s| s == Strategy::Reject)
    {
        return Err(VersionError::Refused(format!("`{name}` does not resolve a conflict")));
    }
    let sources = sources.iter().map(Source::to_string).collect();
    repo.operate(actor, 0, Action::Resolve { branch: branch.to_owned(), sources, resolution })
}

/// Gives up the merge that waits on a branch; the branch is as it was.
///
/// # Errors
/// When none waits there, or the disk refuses.
pub fn abandon(repo: &mut Repository, branch: &str, actor: &Actor) -> Result<()> {
    waiting(repo, branch)?;
    repo.operate(actor, 0, Action::Abandon { branch: branch.to_owned() })
}

/// Returns the merge that waits on a branch.
pub fn waiting<'r>(repo: &'r Repository, branch: &str) -> Result<&'r Parked> {
    repo.parked().get(branch).ok_or_else(|| {
        let there: Vec<&str> = repo.parked().keys().map(String::as_str).collect();
        let there = if there.is_empty() {
            "none waits anywhere".to_owned()
        } else {
            format!("one waits on {}", there.join(", "))
        };
        VersionError::Refused(format!("no merge waits on branch `{branch}`; {there}"))
    })
}
