//! What a repository or a thin bundle offers to another repository.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::delta::{CommitId, SortedMap, Timestamp};
use crate::store::{Action, Disk, Log, OperationRecord, Place, Record, StoreError};
use crate::version::error::{Result, VersionError};
use crate::version::repository::Repository;

/// A commit that is offered.
#[derive(Clone, Debug)]
pub struct Offered {
    /// Its identity.
    pub id: CommitId,
    /// The commits it builds on.
    pub parents: Vec<CommitId>,
    /// When it was made.
    pub time: Timestamp,
    /// Where its record is in the sender's log.
    pub place: Place,
}

/// The commits and names that are offered.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// The commits, parents first.
    pub commits: Vec<Offered>,
    by_id: HashMap<CommitId, usize>,
    /// The branches.
    pub branches: BTreeMap<String, CommitId>,
    /// The tags.
    pub tags: BTreeMap<String, CommitId>,
}

/// Whoever offers: its log, and what of it.
pub struct Sender<'s> {
    /// The log in which the commits are.
    pub(super) log: &'s Log,
    /// What is offered.
    pub(super) offer: Offer,
}

impl Offer {
    fn add(&mut self, commit: Offered) {
        self.by_id.insert(commit.id, self.commits.len());
        self.commits.push(commit);
    }

    /// Returns the number of a commit that is offered.
    pub fn find(&self, id: &CommitId) -> Option<usize> {
        self.by_id.get(id).copied()
    }
}

impl<'s> Sender<'s> {
    /// Offers all that a repository holds.
    pub fn of(repo: &'s Repository) -> Self {
        let mut offer = Offer::default();
        let id = |c: usize| repo.entry(c).id;
        for c in 0..repo.len() {
            let entry = repo.entry(c);
            let parents = entry.parents.iter().map(|&p| id(p)).collect();
            offer.add(Offered { id: entry.id, parents, time: entry.time, place: entry.place });
        }
        let named = |names: &SortedMap<String, usize>| names.iter().map(|(n, &c)| (n.clone(), id(c))).collect();
        (offer.branches, offer.tags) = (named(repo.branches()), named(repo.tags()));
        Self { log: repo.log(), offer }
    }

    /// Returns the branches that are offered and where they point.
    pub fn branches(&self) -> impl Iterator<Item = (&str, CommitId)> {
        self.offer.branches.iter().map(|(name, id)| (name.as_str(), *id))
    }
}

/// A bundle of what came after some commits.
pub struct Thin {
    log: Log,
    offer: Offer,
}

impl Thin {
    /// Opens a thin bundle.
    ///
    /// # Errors
    /// When it is damaged, or holds what such a bundle does not.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self> {
        let mut offer = Offer::default();
        let odd = |place: Place| {
            StoreError::corrupt(disk.display("log"), Some(place.offset), "there should be no such record in it")
        };
        let log = Log::open(disk.clone(), false, None, &mut |place, record| {
            match record {
                Record::Commit(record) => {
                    let body = record.body;
                    offer.add(Offered { id: body.id(), parents: body.parents, time: body.time, place });
                }
                Record::Operation(OperationRecord { action, .. }) => match action {
                    Action::Branch { name, to: Some(to), .. } => drop(offer.branches.insert(name, to)),
                    Action::Tag { name, to: Some(to), .. } => drop(offer.tags.insert(name, to)),
                    _ => return Err(odd(place)),
                },
            }
            Ok(())
        })?;
        Ok(Self { log, offer })
    }

    /// Offers all that is in it.
    pub fn sender(&self) -> Sender<'_> {
        Sender { log: &self.log, offer: self.offer.clone() }
    }

    /// Returns the commits that whoever takes it over has to hold.
    pub fn needs(&self) -> Vec<CommitId> {
        let all = self.offer.commits.iter().flat_map(|c| &c.parents);
        let named = self.offer.branches.values().chain(self.offer.tags.values());
        let mut needs: Vec<CommitId> = all.chain(named).filter(|id| self.offer.find(id).is_none()).copied().collect();
        needs.sort_unstable();
        needs.dedup();
        needs
    }
}

/// Says that what is offered does not go on from what is held.
pub fn not_taken(problem: impl Into<String>, advice: impl Into<String>) -> VersionError {
    VersionError::NotTaken { problem: problem.into(), advice: advice.into() }
}
