//! What has to travel so that branches and tags arrive, and what becomes of each of them.

use std::collections::{BTreeMap, BTreeSet};

use super::offer::{Sender, not_taken};
use crate::delta::CommitId;
use crate::version::error::Result;
use crate::version::repository::{CommitIndex, Repository};
use crate::version::revision::check_name;
use crate::version::vector::VersionVector;

/// Why a name does not go to a commit.
const COMPACTED: &str = "the table of its commit was compacted away here";

/// What becomes of a branch.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is new here.
    New,
    /// It goes on from where it was.
    Forward,
    /// It points there already.
    Current,
    /// It is further here than there: there is nothing to take.
    Ahead,
    /// Both sides went on; nothing was taken.
    Diverged {
        /// How many commits only this side has, and up to when by each node.
        ours: (u64, VersionVector),
        /// How many only the other side has, and up to when by each node.
        theirs: (u64, VersionVector),
    },
    /// The name stands for a tag here or cannot be a name, or a merge waits on the branch; nothing was taken.
    Unusable(String),
}

/// A branch that is offered.
#[derive(Clone, Debug, PartialEq)]
pub struct BranchMove {
    /// Its name here.
    pub name: String,
    /// Where it points here.
    pub from: Option<CommitId>,
    /// Where it points there.
    pub to: CommitId,
    /// What becomes of it.
    pub outcome: Outcome,
}

impl BranchMove {
    /// Returns whether it was refused.
    pub fn is_refused(&self) -> bool {
        matches!(self.outcome, Outcome::Diverged { .. } | Outcome::Unusable(_))
    }

    /// Returns whether it moves here.
    pub fn moves(&self) -> bool {
        matches!(self.outcome, Outcome::New | Outcome::Forward)
    }
}

/// A tag that is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagMove {
    /// Its name.
    pub name: String,
    /// Where it points there.
    pub to: CommitId,
    /// Why it stays away; `None` when it is taken.
    pub clash: Option<String>,
}

/// What has to travel.
#[derive(Debug, Default)]
pub struct Plan {
    /// The numbers of the commits in the offer, parents first.
    pub new: BTreeSet<usize>,
    /// The branches that were asked for.
    pub branches: Vec<BranchMove>,
    /// The tags that are not here yet, or elsewhere.
    pub tags: Vec<TagMove>,
}

impl Plan {
    /// Works out what has to travel; each branch is asked for by its name there and gets one here.
    ///
    /// # Errors
    /// When the sender lacks commits on the way to one that it offers.
    pub fn of(repo: &Repository, sender: &Sender<'_>, wanted: &BTreeMap<String, String>) -> Result<Self> {
        let mut plan = Self::default();
        for (theirs, ours) in wanted {
            let to = sender.offer.branches[theirs];
            let (new, frontier) = missing(repo, sender, to)?;
            let outcome = outcome(repo, sender, ours, to, &new, &frontier);
            let from = repo.head(ours).map(|c| repo.entry(c).id);
            let branch = BranchMove { name: ours.clone(), from, to, outcome };
            if branch.moves() {
                plan.new.extend(new);
            }
            plan.branches.push(branch);
        }
        plan.add_tags(repo, sender);
        Ok(plan)
    }

    /// Tags travel with the commits that they name.
    fn add_tags(&mut self, repo: &Repository, sender: &Sender<'_>) {
        for (name, &to) in &sender.offer.tags {
            let arrives = repo.find(&to).is_some() || sender.offer.find(&to).is_some_and(|c| self.new.contains(&c));
            let held = repo.tags().get(name).map(|&c| repo.entry(c).id);
            if !arrives || held == Some(to) {
                continue;
            }
            let branch = repo.branches().contains_key(name) || self.branches.iter().any(|b| b.name == *name);
            let unreadable = repo.find(&to).is_some_and(|c| repo.stands_for(c).is_some());
            let clash = match (held, branch, check_name("tag", name)) {
                (None, false, Ok(())) if unreadable => Some(COMPACTED.to_owned()),
                (Some(held), ..) => Some(format!("the tag is at {} here", &held.to_hex()[..12])),
                (None, true, _) => Some("a branch has that name here".to_owned()),
                (None, false, Err(error)) => Some(error.to_string()),
                (None, false, Ok(())) => None,
            };
            self.tags.push(TagMove { name: name.clone(), to, clash });
        }
    }
}

/// Returns the commits up to one that are not held here, and those held here on which they build.
fn missing(repo: &Repository, sender: &Sender<'_>, head: CommitId) -> Result<(BTreeSet<usize>, Vec<CommitIndex>)> {
    let (mut new, mut frontier, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![head]);
    while let Some(id) = open.pop() {
        if let Some(held) = repo.find(&id) {
            frontier.insert(held);
            continue;
        }
        let Some(number) = sender.offer.find(&id) else {
            let problem = format!("commit {} is needed, and it is neither held here nor offered", &id.to_hex()[..12]);
            let advice = "take over an older bundle first, or a whole one, or make one with an earlier --from";
            return Err(not_taken(problem, advice));
        };
        if new.insert(number) {
            open.extend(&sender.offer.commits[number].parents);
        }
    }
    Ok((new, frontier.into_iter().collect()))
}

fn outcome(
    repo: &Repository,
    sender: &Sender<'_>,
    name: &str,
    to: CommitId,
    new: &BTreeSet<usize>,
    frontier: &[CommitIndex],
) -> Outcome {
    let unreadable = repo.find(&to).is_some_and(|c| repo.stands_for(c).is_some());
    let Some(head) = repo.head(name) else {
        return match check_name("branch", name) {
            Ok(()) if repo.tags().contains_key(name) => Outcome::Unusable("a tag has that name here".to_owned()),
            Ok(()) if unreadable => Outcome::Unusable(COMPACTED.to_owned()),
            Ok(()) => Outcome::New,
            Err(error) => Outcome::Unusable(error.to_string()),
        };
    };
    if repo.entry(head).id == to {
        return Outcome::Current;
    }
    let (ours, theirs) = (ancestors(repo, &[head]), ancestors(repo, frontier));
    if theirs[head] && repo.parked().contains_key(name) {
        return Outcome::Unusable("a merge waits there: finish it or give it up first".to_owned());
    }
    if theirs[head] && unreadable {
        return Outcome::Unusable(COMPACTED.to_owned());
    }
    if theirs[head] {
        return Outcome::Forward;
    }
    if new.is_empty() && frontier.iter().all(|&c| ours[c]) {
        return Outcome::Ahead;
    }
    let only = |own: &[bool], other: &[bool]| -> Vec<CommitIndex> {
        (0..own.len()).filter(|&c| own[c] && !other[c]).collect()
    };
    let (here, there) = (only(&ours, &theirs), only(&theirs, &ours));
    let time = |c: &CommitIndex| repo.entry(*c).time;
    let arriving = new.iter().map(|&c| sender.offer.commits[c].time);
    Outcome::Diverged {
        ours: (here.len() as u64, here.iter().map(time).collect()),
        theirs: ((there.len() + new.len()) as u64, there.iter().map(time).chain(arriving).collect()),
    }
}

/// Returns for each commit whether it is one of these or lies before one, along all parents.
pub fn ancestors(repo: &Repository, heads: &[CommitIndex]) -> Vec<bool> {
    let mut within = vec![false; repo.len()];
    heads.iter().for_each(|&h| within[h] = true);
    // A parent has a lower number than its child.
    for c in (0..repo.len()).rev() {
        if within[c] {
            repo.entry(c).parents.iter().for_each(|&p| within[p] = true);
        }
    }
    within
}
