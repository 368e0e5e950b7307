//! Taking over what another repository offers: new commits first, then the names.

use std::collections::BTreeMap;

use super::check::{Incoming, check};
use super::offer::{Sender, not_taken};
use super::plan::{BranchMove, Plan, TagMove};
use crate::delta::ClockError;
use crate::store::{Action, Block, CommitRecord, FrameHeader, FrameKind, Record};
use crate::version::error::{Result, VersionError};
use crate::version::repository::{Actor, Repository};
use crate::version::vector::VersionVector;

/// How far the clock of whoever made a commit may be ahead of this machine's.
const DRIFT_MILLIS_MAX: u64 = 24 * 60 * 60 * 1000;

/// Which branches to take over.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Their names there; all of them when there are none.
    pub branches: Vec<String>,
    /// The name that the one branch gets here, if another.
    pub rename: Option<String>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arriving {
    /// So many more slots were looked at, to check what arrives.
    Checked(u64),
    /// All is right, and so many commits are to be written.
    Begins(u64),
    /// One more commit is durable.
    Written,
}

/// What arrived.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// How many commits.
    pub commits: u64,
    /// How many blocks.
    pub blocks: u64,
    /// How many bytes the blocks have.
    pub bytes: u64,
    /// What became of each branch that was asked for.
    pub branches: Vec<BranchMove>,
    /// What became of each tag that was not here yet or is elsewhere.
    pub tags: Vec<TagMove>,
    /// What is held now of each node.
    pub vector: VersionVector,
}

/// Takes over branches, the commits that lead to them, and the tags on those.
///
/// Everything that arrives is checked before anything of it is written. Each commit is then a transaction that moves no
/// name; the branches move when all of them are durable. A branch that would lose commits stays where it is.
///
/// # Errors
/// When a branch is not offered, what is offered does not fit together or is damaged, or the disk refuses.
pub fn receive(
    repo: &mut Repository,
    sender: &Sender<'_>,
    wanted: &Wanted,
    actor: &Actor,
    seen: &(dyn Fn(Arriving) + Sync),
) -> Result<Received> {
    let plan = Plan::of(repo, sender, &names(sender, wanted)?)?;
    let new: Vec<usize> = plan.new.iter().copied().collect();
    check_rows(sender, &new)?;
    check_clocks(repo, sender, &new, actor)?;
    let mut out = Received { commits: new.len() as u64, ..Received::default() };
    let checked = check(repo, sender, &new, &|slots| seen(Arriving::Checked(slots)))?;
    seen(Arriving::Begins(out.commits));
    for commit in checked {
        out.blocks += commit.record.blocks.len() as u64;
        out.bytes += commit.record.blocks.iter().map(|b| u64::from(b.len)).sum::<u64>();
        write(repo, sender, commit)?;
        seen(Arriving::Written);
    }
    for branch in plan.branches.iter().filter(|b| b.moves()) {
        let (name, from, to) = (branch.name.clone(), branch.from, Some(branch.to));
        repo.operate(actor, 0, Action::Branch { name, from, to })?;
    }
    for tag in plan.tags.iter().filter(|t| t.clash.is_none()) {
        repo.operate(actor, 0, Action::Tag { name: tag.name.clone(), from: None, to: Some(tag.to) })?;
    }
    (out.branches, out.tags) = (plan.branches, plan.tags);
    out.vector = (0..repo.len()).map(|c| repo.entry(c).time).collect();
    Ok(out)
}

/// Returns the name here of each branch that is wanted, by its name there.
fn names(sender: &Sender<'_>, wanted: &Wanted) -> Result<BTreeMap<String, String>> {
    let there = &sender.offer.branches;
    if let Some(name) = wanted.branches.iter().find(|n| !there.contains_key(*n)) {
        let names: Vec<&str> = there.keys().map(String::as_str).collect();
        return Err(VersionError::UnknownRevision {
            text: name.clone(),
            near: names.into_iter().take(10).map(str::to_owned).collect(),
        });
    }
    let own = |name: &String| (name.clone(), wanted.rename.clone().unwrap_or_else(|| name.clone()));
    Ok(match wanted.branches.as_slice() {
        [] => there.keys().map(|n| (n.clone(), n.clone())).collect(),
        some => some.iter().map(own).collect(),
    })
}

/// A commit whose rows were collected after a compaction cannot be rebuilt anywhere else.
pub(super) fn check_rows(sender: &Sender<'_>, new: &[usize]) -> Result<()> {
    let Some(&bare) = new.iter().find(|&&c| sender.offer.commits[c].place.bare) else { return Ok(()) };
    let id = sender.offer.commits[bare].id.to_hex();
    let problem =
        format!("commit {} was compacted there and its rows were collected: only its record is left", &id[..12]);
    Err(not_taken(
        problem,
        "`vecdelta clone` copies the whole log, compactions included; or take it from an older copy",
    ))
}

/// Time goes on from the latest that is known: a clock that is far ahead would carry every later commit along.
fn check_clocks(repo: &Repository, sender: &Sender<'_>, new: &[usize], actor: &Actor) -> Result<()> {
    for commit in new.iter().map(|&c| &sender.offer.commits[c]) {
        let merged = repo.graph().time.merge(commit.time, actor.now_millis, DRIFT_MILLIS_MAX);
        if let Err(ClockError::Drift { ahead_millis, .. }) = merged {
            let (id, hours) = (commit.id.to_hex(), ahead_millis / 3_600_000);
            let problem = format!("commit {} was made {hours} hours ahead of this machine's clock", &id[..12]);
            return Err(not_taken(
                problem,
                "set the clock that is wrong; what was made ahead of time is taken when its time has come",
            ));
        }
        merged?;
    }
    Ok(())
}

/// Writes one commit: its blocks as they are, and its record behind the last one here.
fn write(repo: &mut Repository, sender: &Sender<'_>, commit: Incoming) -> Result<()> {
    let Incoming { place, record, .. } = commit;
    let (place, record) = {
        let mut tx = repo.begin()?;
        for (i, block) in record.blocks.iter().enumerate() {
            let payload = sender.log.block(place, &record.blocks, i)?;
            let header = FrameHeader { kind: FrameKind::Block, len: payload.len() as u64, hash: block.hash };
            tx.append(&Block { header, payload })?;
        }
        let record = Record::Commit(CommitRecord { link: tx.link(), moves: None, ..record });
        (tx.finish(&record)?, record)
    };
    repo.written(place, record)
}
