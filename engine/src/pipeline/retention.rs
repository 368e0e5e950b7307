//! The snapshot policy: when a run writes the whole state down.

use super::config::SnapshotRule;
use super::{Context, PipelineError};
use crate::event::Event;
use crate::version::{Actor, CommitIndex, Repository, snapshot};

/// Writes a snapshot when so many commits, or so many bytes of deltas, lie behind the last one.
///
/// # Errors
/// When the history is damaged or the disk refuses.
pub fn snapshot_when_due(
    repo: &mut Repository,
    commit: CommitIndex,
    rule: Option<SnapshotRule>,
    context: &Context<'_>,
) -> Result<(), PipelineError> {
    let Some(rule) = rule else { return Ok(()) };
    if is_due(repo, commit, rule)? {
        let actor = Actor { author: context.author.clone(), now_millis: (context.now)() };
        let bytes = snapshot(repo, commit, &actor)?.unwrap_or(0);
        let commit = repo.entry(commit).id.to_hex();
        (context.listener)(&Event::SnapshotCreated { commit, bytes });
    }
    Ok(())
}

fn is_due(repo: &Repository, commit: CommitIndex, rule: SnapshotRule) -> Result<bool, PipelineError> {
    let (mut commits, mut bytes) = (0, 0);
    for c in repo.first_parents(commit).take_while(|&c| repo.snapshot(c).is_none()) {
        commits += 1;
        bytes += repo.commit(c)?.blocks.iter().map(|b| u64::from(b.len)).sum::<u64>();
        if rule.every_commits.is_some_and(|n| commits >= n) || rule.or_bytes.is_some_and(|n| bytes >= n) {
            return Ok(true);
        }
    }
    Ok(false)
}
