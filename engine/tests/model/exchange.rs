//! A second repository, to which a model hands commits over and from which it takes some.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use vecdelta::delta::{CommitId, SortedMap};
use vecdelta::store::{Bundle, Disk, MemoryDisk};
use vecdelta::version::{
    Outcome, Received, Repository, Sender, Thin, VersionError, Wanted, bundle, bundle_since, clone_into, receive,
};

use super::{Back, Model};
use crate::support::drive::{apply, at, ingest, problems};
use crate::support::oracle::{Tables, names, read};

/// What is known of a commit, whichever repository has it.
#[derive(Clone, Debug)]
pub struct Known {
    parents: Vec<CommitId>,
    /// The commits against whose rows some of its own are coded.
    earlier: Vec<CommitId>,
    table: Tables,
}

/// The other repository and what is true of it.
pub struct Far {
    disk: MemoryDisk,
    repo: Repository,
    held: HashSet<CommitId>,
    /// Commits whose tables a compaction had left out before it was copied.
    gone: HashSet<CommitId>,
    branches: BTreeMap<String, CommitId>,
    tags: BTreeMap<String, CommitId>,
}

/// What one side has, as the other one sees it.
#[derive(Clone)]
struct Side {
    held: HashSet<CommitId>,
    gone: HashSet<CommitId>,
    branches: BTreeMap<String, CommitId>,
    tags: BTreeMap<String, CommitId>,
}

/// What an exchange should come to.
#[derive(Default)]
struct Expected {
    new: HashSet<CommitId>,
    moved: BTreeMap<String, CommitId>,
    refused: BTreeSet<String>,
    tags: BTreeMap<String, CommitId>,
}

impl Model {
    pub fn exchange(&mut self) {
        match self.rng.below(10) {
            0..2 => self.clone_whole(),
            2..4 => self.look_into_bundle(),
            _ if self.far.is_none() => self.clone_whole(),
            4..6 => self.ingest_far(),
            6..8 => self.push(),
            _ => self.pull(),
        }
    }

    fn id(&self, commit: usize) -> CommitId {
        self.repo.as_ref().unwrap().entry(commit).id
    }

    pub fn know(&mut self, commit: usize) {
        let parents = self.repo.as_ref().unwrap().entry(commit).parents.iter().map(|&p| self.id(p)).collect();
        let earlier = earlier(self.repo.as_ref().unwrap(), commit);
        self.known.insert(self.id(commit), Known { parents, earlier, table: self.commits[commit].clone() });
    }

    fn near(&self) -> Side {
        let named = |names: &BTreeMap<String, usize>| names.iter().map(|(n, &c)| (n.clone(), self.id(c))).collect();
        Side {
            held: (0..self.commits.len()).map(|c| self.id(c)).collect(),
            gone: self.gone.iter().map(|&c| self.id(c)).collect(),
            branches: named(&self.branches),
            tags: named(&self.tags),
        }
    }

    fn clone_whole(&mut self) {
        let disk = MemoryDisk::default();
        let origin = [100 + self.rng.below(100) as u8; 32];
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let repo = clone_into(self.repo.as_ref().unwrap(), &shared, origin, &mut |_| {}).unwrap();
        let Side { held, gone, branches, tags } = self.near();
        self.far = Some(Far { disk, repo, held, gone, branches, tags });
        self.ask_far();
    }

    /// A bundle is read in place of the repository that it was made of.
    fn look_into_bundle(&mut self) {
        let disk = MemoryDisk::default();
        bundle(self.repo.as_ref().unwrap(), &disk, "b", &mut |_| {}).unwrap();
        let file = Bundle::open(disk.open("b", false).unwrap(), "b").unwrap();
        assert!(file.check().unwrap().is_empty());
        let repo = Repository::open(Arc::new(file)).unwrap();
        assert_eq!((names(repo.branches()), names(repo.tags())), (self.branches.clone(), self.tags.clone()));
        let commit = self.any_commit();
        assert!(read(&repo, commit).unwrap() == self.commits[commit], "commit {commit} in a bundle");
    }

    /// The other side goes on by itself.
    fn ingest_far(&mut self) {
        let far = self.far.as_ref().unwrap();
        let names: Vec<String> = far.branches.keys().cloned().collect();
        if names.is_empty() {
            return;
        }
        let branch = self.rng.pick(&names).clone();
        let parent = self.far.as_ref().unwrap().branches[&branch];
        let mut table = self.known[&parent].table.clone();
        let shape = self.rng.below(self.shapes.len());
        let epochs = [self.epoch(shape, &table)];
        apply(&mut table, &epochs);
        let (now, far) = (self.now, self.far.as_mut().unwrap());
        let commit = ingest(&mut far.repo, &branch, now, &epochs).unwrap();
        let id = far.repo.entry(commit).id;
        far.held.insert(id);
        far.branches.insert(branch, id);
        let earlier = earlier(&far.repo, commit);
        self.known.insert(id, Known { parents: vec![parent], earlier, table });
    }

    fn ancestors(&self, of: CommitId) -> HashSet<CommitId> {
        let (mut seen, mut open) = (HashSet::new(), vec![of]);
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(&self.known[&id].parents);
            }
        }
        seen
    }

    /// Says what should become of an exchange; `None` when commits cannot be handed over.
    fn expect(&self, from: &Side, to: &Side, bare: &HashSet<CommitId>) -> Option<Expected> {
        let mut expected = Expected::default();
        for (name, &id) in &from.branches {
            let all = self.ancestors(id);
            let head = to.branches.get(name);
            let moves = match head {
                Some(head) => *head != id && all.contains(head),
                None => true,
            };
            let behind = head.is_some_and(|head| self.ancestors(*head).contains(&id));
            if moves && !to.gone.contains(&id) {
                expected.moved.insert(name.clone(), id);
                expected.new.extend(all.difference(&to.held));
            } else if !behind {
                expected.refused.insert(name.clone());
            }
        }
        for (name, &id) in &from.tags {
            let arrives = to.held.contains(&id) || expected.new.contains(&id);
            if arrives && !to.tags.contains_key(name) && !to.gone.contains(&id) {
                expected.tags.insert(name.clone(), id);
            }
        }
        let lost = |id: &CommitId| {
            let known = &self.known[id];
            bare.contains(id) || known.parents.iter().take(1).chain(&known.earlier).any(|base| to.gone.contains(base))
        };
        (!expected.new.iter().any(lost)).then_some(expected)
    }

    fn push(&mut self) {
        let (near, mut far) = (self.near(), self.far.take().unwrap());
        let repo = self.repo.take().unwrap();
        let done = hand_over(&mut self.rng, &repo, &mut far.repo, &near, self.now);
        let bare = bare(&repo);
        self.repo = Some(repo);
        let side = Side {
            held: far.held.clone(),
            gone: far.gone.clone(),
            branches: far.branches.clone(),
            tags: far.tags.clone(),
        };
        if let Some(expected) = agree(done, self.expect(&near, &side, &bare)) {
            far.held.extend(expected.new);
            far.branches.extend(expected.moved);
            far.tags.extend(expected.tags);
        }
        self.far = Some(far);
        self.ask_far();
    }

    fn pull(&mut self) {
        let far = self.far.take().unwrap();
        let side = Side {
            held: far.held.clone(),
            gone: far.gone.clone(),
            branches: far.branches.clone(),
            tags: far.tags.clone(),
        };
        let near = self.near();
        let mut repo = self.repo.take().unwrap();
        let before = repo.len();
        let done = hand_over(&mut self.rng, &far.repo, &mut repo, &side, self.now);
        self.repo = Some(repo);
        let expected = agree(done, self.expect(&side, &near, &bare(&far.repo)));
        self.far = Some(far);
        let Some(expected) = expected else {
            assert_eq!(self.repo().len(), before, "a pull that is refused leaves nothing");
            return;
        };
        let ids: Vec<CommitId> = (before..self.repo().len()).map(|c| self.id(c)).collect();
        assert_eq!(ids.iter().copied().collect::<HashSet<_>>(), expected.new);
        for id in ids {
            let Known { parents, table, .. } = self.known[&id].clone();
            let parents = parents.iter().map(|p| self.repo.as_ref().unwrap().find(p).unwrap()).collect();
            self.parents.push(parents);
            self.commits.push(table);
            self.holds(self.commits.len() - 1);
        }
        for (name, id) in expected.moved {
            let to = self.repo().find(&id).unwrap();
            let from = self.branches.insert(name.clone(), to);
            self.backs.push(Back::Branch(name, from));
        }
        for (name, id) in expected.tags {
            let to = self.repo().find(&id).unwrap();
            self.tags.insert(name.clone(), to);
            self.backs.push(Back::Tag(name, None));
        }
    }

    /// Asks the other side what should be true of it.
    fn ask_far(&mut self) {
        let far = self.far.as_ref().unwrap();
        let ids = |names: &SortedMap<String, usize>| -> BTreeMap<String, CommitId> {
            names.iter().map(|(n, &c)| (n.clone(), far.repo.entry(c).id)).collect()
        };
        assert_eq!((ids(far.repo.branches()), ids(far.repo.tags())), (far.branches.clone(), far.tags.clone()));
        assert_eq!(far.repo.len(), far.held.len());
        let commit = self.rng.below(far.repo.len());
        let id = far.repo.entry(commit).id;
        match read(&far.repo, commit) {
            Ok(table) => assert!(table == self.known[&id].table && !far.gone.contains(&id), "far commit {commit}"),
            Err(error) => assert!(far.gone.contains(&id), "{error}"),
        }
    }

    pub fn end_far(&mut self) {
        if self.far.is_some() {
            self.ask_far();
        }
        if let Some(Far { disk, repo, .. }) = self.far.take() {
            drop(repo);
            assert_eq!(problems(&disk), [""; 0]);
        }
    }
}

/// Returns the commits against whose rows some of a commit's are coded.
fn earlier(repo: &Repository, commit: usize) -> Vec<CommitId> {
    repo.entry(commit).skips.iter().map(|&(_, earlier)| repo.entry(earlier as usize).id).collect()
}

/// Returns the commits whose rows were collected.
fn bare(repo: &Repository) -> HashSet<CommitId> {
    (0..repo.len()).map(|c| repo.entry(c)).filter(|e| e.place.bare).map(|e| e.id).collect()
}

/// Hands over all branches, directly or by way of a file.
fn hand_over(
    rng: &mut crate::support::random::Rng,
    from: &Repository,
    to: &mut Repository,
    side: &Side,
    now: u64,
) -> Result<Received, VersionError> {
    let disk = MemoryDisk::default();
    let open = || Bundle::open(disk.open("b", false).unwrap(), "b").unwrap();
    let mut take = |sender: &Sender<'_>| receive(to, sender, &Wanted::default(), &at(now), &|_| {});
    match rng.below(3) {
        0 => {
            bundle(from, &disk, "b", &mut |_| {}).unwrap();
            take(&Sender::of(&Repository::open(Arc::new(open())).unwrap()))
        }
        1 if side.gone.is_empty() && bare(from).is_empty() => {
            // Every exchange begins with a clone, so the first commit is held on both sides.
            bundle_since(from, 0, &disk, "b", &mut |_| {}).unwrap();
            take(&Thin::open(Arc::new(open())).unwrap().sender())
        }
        _ => take(&Sender::of(from)),
    }
}

/// Compares what was done with what was expected; returns what to take over.
fn agree(done: Result<Received, VersionError>, expected: Option<Expected>) -> Option<Expected> {
    let Some(expected) = expected else {
        assert!(matches!(done, Err(VersionError::NotTaken { .. })), "{done:?}");
        return None;
    };
    let done = done.unwrap();
    assert_eq!(done.commits as usize, expected.new.len());
    let moved: BTreeMap<_, _> = done.branches.iter().filter(|b| b.moves()).map(|b| (b.name.clone(), b.to)).collect();
    let refused: BTreeSet<_> = done.branches.iter().filter(|b| b.is_refused()).map(|b| b.name.clone()).collect();
    assert_eq!((moved, refused), (expected.moved.clone(), expected.refused.clone()));
    let tags: BTreeMap<_, _> = done.tags.iter().filter(|t| t.clash.is_none()).map(|t| (t.name.clone(), t.to)).collect();
    assert_eq!(tags, expected.tags);
    for branch in &done.branches {
        assert!(!matches!(&branch.outcome, Outcome::Unusable(why) if why.is_empty()));
    }
    Some(expected)
}
