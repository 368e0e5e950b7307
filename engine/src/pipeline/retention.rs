//! The snapshot policy: when a run writes the whole state down.

use super::{Context, PipelineError};
use crate::event::Event;
use crate::version::{Actor, CommitIndex, Repository, SnapshotRule, snapshot, snapshot_is_due};

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
    if snapshot_is_due(repo, commit, rule)? {
        let actor = Actor { author: context.author.clone(), now_millis: (context.now)() };
        let bytes = snapshot(repo, commit, &actor)?.unwrap_or(0);
        let commit = repo.entry(commit).id.to_hex();
        (context.listener)(&Event::SnapshotCreated { commit, bytes });
    }
    Ok(())
}
