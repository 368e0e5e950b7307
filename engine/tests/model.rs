//! Random histories against a plain oracle.
//!
//! Each rule of a version store is simple: a commit is a table, a table never changes. The failures come from what is
//! done to make it fast (slots, blocks against old bits, mirrors, snapshots) in an order that nobody thought of: a row
//! that is deleted, comes back on another branch, is snapshotted and rolled back. Here a seed chooses the order, and a
//! map from commit to table says after every command what is true.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use vecdelta::capture::Missing;
use vecdelta::delta::{Change, Element, Source, Table};
use vecdelta::store::{MemoryDisk, Pending};
use vecdelta::version::{
    MAIN, Repository, VersionError, compare, delete_branch, delete_tag, rollback, set_branch, set_tag, snapshot, value,
};

use crate::support::drive::{Epoch, apply, at, ingest, open, problems};
use crate::support::oracle::{self, Tables, differences, read};
use crate::support::random::{Rng, changed, row};

const SEQUENCES: u64 = 320;
const COMMANDS: usize = 50;

/// A repository and what is true of it.
struct Model {
    rng: Rng,
    disk: MemoryDisk,
    repo: Option<Repository>,
    shapes: Vec<Arc<Table>>,
    commits: Vec<Tables>,
    parents: Vec<Option<usize>>,
    branches: BTreeMap<String, usize>,
    tags: BTreeMap<String, usize>,
    roots: HashMap<[u8; 32], [u8; 32]>,
    now: u64,
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let disk = MemoryDisk::recording();
        let disk = if rng.chance(30) { disk.with_segments_of(4_000) } else { disk };
        let shape = |name: &str| {
            let element = *rng.pick(&Element::ALL);
            Arc::new(Table { collection: name.to_owned(), element, dims: 1 + rng.below(40) as u32 })
        };
        let shapes = ["alpha", "beta", "gamma"].map(shape).to_vec();
        let repo = Some(open(&disk).unwrap());
        Self {
            rng,
            disk,
            repo,
            shapes,
            commits: Vec::new(),
            parents: Vec::new(),
            branches: BTreeMap::new(),
            tags: BTreeMap::new(),
            roots: HashMap::new(),
            now: 1_000,
        }
    }

    fn repo(&mut self) -> &mut Repository {
        self.repo.as_mut().unwrap()
    }

    fn any_commit(&mut self) -> usize {
        self.rng.below(self.commits.len())
    }

    fn any_branch(&mut self) -> String {
        let names: Vec<String> = self.branches.keys().cloned().collect();
        if names.is_empty() { MAIN.to_owned() } else { self.rng.pick(&names).clone() }
    }

    fn command(&mut self) {
        self.now += self.rng.below(3) as u64;
        let choice = if self.commits.is_empty() { 0 } else { self.rng.below(100) };
        match choice {
            0..60 => self.ingest(),
            60..67 => self.branch(),
            67..70 => self.tag(),
            70..78 => self.roll_back(),
            78..85 => {
                let (commit, now) = (self.any_commit(), self.now);
                snapshot(self.repo(), commit, &at(now)).unwrap();
            }
            85..91 => self.reopen(),
            91..95 => {
                self.repo = None;
                self.disk.files().into_keys().filter(|p| p.starts_with("cache/")).for_each(|p| self.disk.take(&p));
                self.reopen();
            }
            _ => self.crash(),
        }
    }

    fn ingest(&mut self) {
        let branch = self.any_branch();
        let parent = self.branches.get(&branch).copied();
        let mut table = parent.map_or_else(Tables::new, |c| self.commits[c].clone());
        let mut epochs = Vec::new();
        for i in 0..self.shapes.len() {
            if i == 0 || self.rng.chance(40) {
                epochs.push(self.epoch(i, &table));
            }
        }
        apply(&mut table, &epochs);
        let now = self.now;
        let commit = ingest(self.repo(), &branch, now, &epochs).unwrap();
        self.committed(&branch, commit, table);
    }

    /// Makes an epoch: changed rows, rows as they were long ago, new ones, and at times nothing at all.
    fn epoch(&mut self, shape: usize, before: &Tables) -> Epoch {
        let table = self.shapes[shape].clone();
        let missing = if self.rng.chance(60) { Missing::Delete } else { Missing::Keep };
        let (busy, leave_out) = (*self.rng.pick(&[0, 10, 50, 100]), *self.rng.pick(&[0, 0, 5, 50, 100]));
        let mut rows: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (key, old) in before.get(&table.collection).map(|c| &c.rows).into_iter().flatten() {
            if self.rng.chance(leave_out) {
                continue;
            }
            let new = match self.rng.chance(busy) {
                false => old.clone(),
                true if self.rng.chance(25) => self.long_ago(&table.collection, key).unwrap_or_else(|| old.clone()),
                true => changed(&mut self.rng, table.element, old),
            };
            rows.insert(key.clone(), new);
        }
        for _ in 0..*self.rng.pick(&[0, 0, 1, 4, 12]) {
            let key = format!("key/{}", self.rng.below(40));
            let new = self.long_ago(&table.collection, &key);
            let new = new.unwrap_or_else(|| row(&mut self.rng, table.element, table.dims));
            rows.entry(key).or_insert(new);
        }
        let mut rows: Vec<_> = rows.into_iter().collect();
        for i in (1..rows.len()).rev() {
            if self.rng.chance(20) {
                let j = self.rng.below(i + 1);
                rows.swap(i, j);
            }
        }
        Epoch { table, rows, missing, batch_rows: 1 + self.rng.below(20) }
    }

    /// Returns the row that a source had at some commit.
    fn long_ago(&mut self, collection: &str, key: &str) -> Option<Vec<u8>> {
        if self.commits.is_empty() || self.rng.chance(50) {
            return None;
        }
        let commit = self.any_commit();
        self.commits[commit].get(collection)?.rows.get(key).cloned()
    }

    fn committed(&mut self, branch: &str, commit: usize, table: Tables) {
        assert_eq!(commit, self.commits.len());
        self.parents.push(self.branches.get(branch).copied());
        self.branches.insert(branch.to_owned(), commit);
        self.commits.push(table);
        self.holds(commit);
        let root = self.repo().commit(commit).unwrap().body.state_root.0;
        let fingerprint = *blake3::hash(format!("{:?}", self.commits[commit]).as_bytes()).as_bytes();
        let known = *self.roots.entry(fingerprint).or_insert(root);
        assert_eq!(known, root, "equal tables have equal roots, whatever their history");
        assert_eq!(self.roots.values().filter(|r| **r == root).count(), 1, "other tables have other roots");
    }

    fn branch(&mut self) {
        let now = self.now;
        let name = format!("side-{}", self.rng.below(3));
        if self.branches.contains_key(&name) {
            delete_branch(self.repo(), &name, &at(now)).unwrap();
            self.branches.remove(&name);
        } else {
            let to = self.any_commit();
            set_branch(self.repo(), &name, to, &at(now)).unwrap();
            self.branches.insert(name, to);
        }
    }

    fn tag(&mut self) {
        let (now, to) = (self.now, self.any_commit());
        let name = format!("tag-{}", self.rng.below(4));
        if self.tags.remove(&name).is_some() {
            delete_tag(self.repo(), &name, &at(now)).unwrap();
        } else {
            set_tag(self.repo(), &name, to, &at(now)).unwrap();
            self.tags.insert(name, to);
        }
    }

    fn roll_back(&mut self) {
        let (branch, to, now) = (self.any_branch(), self.any_commit(), self.now);
        let commit = rollback(self.repo(), &branch, to, &at(now)).unwrap();
        self.committed(&branch, commit, self.commits[to].clone());
    }

    fn reopen(&mut self) {
        self.repo = None;
        self.repo = Some(open(&self.disk).unwrap());
    }

    fn crash(&mut self) {
        self.repo = None;
        let variants = [Pending::Lost, Pending::Kept, Pending::NamesLost, Pending::Torn(512)];
        let pending =
            if self.rng.chance(50) { *self.rng.pick(&variants) } else { Pending::Without(self.rng.below(20)) };
        self.disk = self.disk.crash(usize::MAX, pending);
        self.reopen();
    }

    fn holds(&mut self, commit: usize) {
        assert!(read(self.repo(), commit).unwrap() == self.commits[commit], "commit {commit} is another table");
    }

    /// Asks the repository what the oracle knows.
    fn ask(&mut self) {
        assert_eq!(*self.repo.as_ref().unwrap().branches(), self.branches);
        assert_eq!(*self.repo.as_ref().unwrap().tags(), self.tags);
        let (a, b) = (self.any_commit(), self.any_commit());
        self.holds(a);
        self.ask_value(a);
        let from = (!self.rng.chance(5)).then_some(a);
        let nothing = Tables::new();
        let want = oracle::compare(from.map_or(&nothing, |a| &self.commits[a]), &self.commits[b]);
        let repo = self.repo.as_ref().unwrap();
        assert!(differences(repo, from, Some(b)).unwrap() == want, "diff of {from:?} and {b}");
        if let Some(parent) = self.parents[b] {
            self.ask_measures(parent, b);
            self.ask_measures(b, parent);
        }
    }

    fn ask_measures(&self, from: usize, to: usize) {
        let mut found: BTreeMap<(String, String), Change> = BTreeMap::new();
        compare(self.repo.as_ref().unwrap(), from, to, None, &mut |table, m| {
            assert!(found.insert((table.collection.clone(), m.key), m.change).is_none(), "a source comes twice");
            Ok::<_, VersionError>(())
        })
        .unwrap();
        let want = oracle::compare(&self.commits[from], &self.commits[to]);
        let want: BTreeMap<_, _> = want.into_iter().map(|(k, (change, ..))| (k, change)).collect();
        assert!(found == want, "measures between {from} and {to}");
    }

    fn ask_value(&mut self, at: usize) {
        let source = Source {
            collection: self.rng.pick(&self.shapes).collection.clone(),
            key: format!("key/{}", self.rng.below(40)),
        };
        let held = |c: usize| self.commits[c].get(&source.collection).and_then(|t| t.rows.get(&source.key)).cloned();
        match (value(self.repo.as_ref().unwrap(), at, &source), held(at)) {
            (Ok(found), Some(row)) => {
                assert!(found.row == row, "{source} at {at}");
                let way = std::iter::successors(Some(at), |&c| self.parents[c]);
                let writer = way.into_iter().find(|&c| self.parents[c].and_then(held).as_ref() != Some(&row)).unwrap();
                assert_eq!(found.commit, writer, "who wrote {source} as it is at {at}");
            }
            (Err(VersionError::UnknownSource { .. } | VersionError::UnknownCollection { .. }), None) => {}
            (found, want) => panic!("{source} at {at}: {found:?}, expected {want:?}"),
        }
    }

    fn run(mut self) {
        for _ in 0..COMMANDS {
            self.command();
            if self.rng.chance(40) && !self.commits.is_empty() {
                self.ask();
            }
        }
        for commit in 0..self.commits.len() {
            self.holds(commit);
        }
        self.repo = None;
        assert_eq!(problems(&self.disk), [""; 0]);
    }
}

fn run_seeds(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let run = std::panic::catch_unwind(|| Model::new(seed).run());
        assert!(run.is_ok(), "seed {seed} fails, see above");
    }
}

// Two halves, so that two cores share them.

#[test]
fn random_histories_are_exact() {
    run_seeds(0..SEQUENCES / 2);
}

#[test]
fn more_random_histories_are_exact() {
    run_seeds(SEQUENCES / 2..SEQUENCES);
}
