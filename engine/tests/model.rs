//! Random histories against a plain oracle.
//!
//! Each rule of a version store is simple: a commit is a table, a table never changes. The failures come from what is
//! done to make it fast (slots, blocks against old bits, mirrors, snapshots) in an order that nobody thought of: a row
//! that is deleted, comes back on another branch, is snapshotted and rolled back. Here a seed chooses the order, and a
//! map from commit to table says after every command what is true.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use vecdelta::delta::{Change, CommitId, DeltaId, Element, RowHash, Source, Table, row_hash};
use vecdelta::store::{MemoryDisk, Pending};
use vecdelta::version::{
    Ending, Keep, Lookup, MAIN, Merge, Policy, Repository, Strategy, VersionError, collect, compact, compare,
    delete_branch, delete_tag, delta_of, find, find_delta, merge, merge_base, merge_bases, parent_of, rename_branch,
    rename_tag, rollback, set_branch, set_tag, snapshot, undo, value,
};

use crate::support::drive::{apply, at, ingest, open, problems};
use crate::support::merge as merged;
use crate::support::oracle::{self, Tables, differences, names, read};
use crate::support::random::Rng;

mod epochs;
mod exchange;

use exchange::{Far, Known};

const SEQUENCES: u64 = 320;
const COMMANDS: usize = 50;

/// What taking an operation back restores.
#[derive(Clone, Debug)]
enum Back {
    Branch(String, Option<usize>),
    Tag(String, Option<usize>),
    Rename {
        tag: bool,
        name: String,
        new: String,
    },
    Snapshot,
    /// The commits that were left out before; `None` when it was collected.
    Compact(Option<BTreeSet<usize>>),
}

/// A repository and what is true of it.
struct Model {
    rng: Rng,
    disk: MemoryDisk,
    repo: Option<Repository>,
    shapes: Vec<Arc<Table>>,
    commits: Vec<Tables>,
    parents: Vec<Vec<usize>>,
    /// Another repository, and the commits of both.
    far: Option<Far>,
    known: HashMap<CommitId, Known>,
    /// Commits that a compaction left out.
    gone: BTreeSet<usize>,
    /// What taking back each operation restores, the last one at the end.
    backs: Vec<Back>,
    branches: BTreeMap<String, usize>,
    tags: BTreeMap<String, usize>,
    roots: HashMap<[u8; 32], [u8; 32]>,
    /// Whether most epochs move every row a little, as further training does.
    trains: bool,
    /// How many commits were coded against an earlier one than their parent.
    skips: usize,
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
        let trains = rng.chance(30);
        Self {
            rng,
            disk,
            repo,
            shapes,
            commits: Vec::new(),
            parents: Vec::new(),
            far: None,
            known: HashMap::new(),
            gone: BTreeSet::new(),
            backs: Vec::new(),
            branches: BTreeMap::new(),
            tags: BTreeMap::new(),
            roots: HashMap::new(),
            trains,
            skips: 0,
            now: 1_000,
        }
    }

    fn repo(&mut self) -> &mut Repository {
        self.repo.as_mut().unwrap()
    }

    /// Returns a commit whose table can be read.
    fn any_commit(&mut self) -> usize {
        loop {
            let commit = self.rng.below(self.commits.len());
            if !self.gone.contains(&commit) {
                return commit;
            }
        }
    }

    fn any_branch(&mut self) -> String {
        let names: Vec<String> = self.branches.keys().cloned().collect();
        if names.is_empty() { MAIN.to_owned() } else { self.rng.pick(&names).clone() }
    }

    fn command(&mut self) {
        self.now += self.rng.below(3) as u64;
        let choice = if self.commits.is_empty() { 0 } else { self.rng.below(100) };
        match choice {
            0..41 => self.ingest(),
            41..50 => self.exchange(),
            50..57 => self.branch(),
            57..60 => self.tag(),
            60..65 => self.roll_back(),
            65..75 => self.merge(),
            75..79 => {
                let (commit, now) = (self.any_commit(), self.now);
                if snapshot(self.repo(), commit, &at(now)).unwrap().is_some() {
                    self.backs.push(Back::Snapshot);
                }
            }
            79..83 => self.compact(),
            83..85 => self.collect(),
            85..88 => self.undo(),
            88..91 => self.reopen(),
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

    fn committed(&mut self, branch: &str, commit: usize, table: Tables) {
        assert_eq!(commit, self.commits.len());
        let before = self.branches.insert(branch.to_owned(), commit);
        self.parents.push(before.into_iter().collect());
        self.backs.push(Back::Branch(branch.to_owned(), before));
        self.commits.push(table);
        self.skips += usize::from(!self.repo().entry(commit).skips.is_empty());
        self.know(commit);
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
            let was = self.branches.remove(&name);
            self.backs.push(Back::Branch(name, was));
        } else {
            let to = self.any_commit();
            set_branch(self.repo(), &name, to, &at(now)).unwrap();
            self.branches.insert(name.clone(), to);
            self.backs.push(Back::Branch(name, None));
        }
    }

    /// Gives a branch or a tag a name that is free, if there is one.
    fn rename(&mut self) {
        let (now, tag) = (self.now, self.rng.chance(50));
        let (names, prefix) = if tag { (&self.tags, "tag") } else { (&self.branches, "side") };
        let old: Vec<String> = names.keys().filter(|n| *n != MAIN).cloned().collect();
        let new = format!("{prefix}-{}", self.rng.below(3));
        if old.is_empty() {
            return;
        }
        let old = self.rng.pick(&old).clone();
        let rename = if tag { rename_tag } else { rename_branch };
        let names = if tag { &mut self.tags } else { &mut self.branches };
        let done = rename(self.repo.as_mut().unwrap(), &old, &new, &at(now));
        if names.contains_key(&new) {
            assert!(matches!(done, Err(VersionError::Refused(_))), "{done:?}");
            return;
        }
        done.unwrap();
        let to = names.remove(&old).unwrap();
        names.insert(new.clone(), to);
        self.backs.push(Back::Rename { tag, name: old, new });
    }

    fn tag(&mut self) {
        if self.rng.chance(30) {
            return self.rename();
        }
        let (now, to) = (self.now, self.any_commit());
        let name = format!("tag-{}", self.rng.below(4));
        if let Some(was) = self.tags.remove(&name) {
            delete_tag(self.repo(), &name, &at(now)).unwrap();
            self.backs.push(Back::Tag(name, Some(was)));
        } else {
            set_tag(self.repo(), &name, to, &at(now)).unwrap();
            self.tags.insert(name.clone(), to);
            self.backs.push(Back::Tag(name, None));
        }
    }

    fn roll_back(&mut self) {
        let (branch, to, now) = (self.any_branch(), self.any_commit(), self.now);
        if !self.branches.contains_key(&branch) {
            return;
        }
        let commit = rollback(self.repo(), &branch, to, &at(now)).unwrap();
        self.committed(&branch, commit, self.commits[to].clone());
    }

    /// Goes from a commit back along first parents, past those that were left out.
    fn way(&self, from: usize) -> impl Iterator<Item = usize> {
        let way = std::iter::successors(Some(from), |&c| self.parents[c].first().copied());
        way.filter(|c| !self.gone.contains(c))
    }

    /// Returns the commit on that way which last wrote or deleted a source.
    fn writer(&self, at: usize, collection: &str, key: &str) -> Option<usize> {
        let held = |c: usize| self.commits[c].get(collection).and_then(|t| t.rows.get(key));
        let way: Vec<usize> = self.way(at).collect();
        let before = |i: usize| way.get(i + 1).and_then(|&c| held(c));
        (0..way.len()).find(|&i| held(way[i]) != before(i)).map(|i| way[i])
    }

    fn merge(&mut self) {
        let (into, other, now) = (self.any_branch(), self.any_branch(), self.now);
        let (Some(&ours), Some(&theirs)) = (self.branches.get(&into), self.branches.get(&other)) else { return };
        let (strategy, rule) = *self.rng.pick(&Strategy::ALL);
        let bases = merged::bases(&self.parents, ours, theirs);
        let found = merge_bases(self.repo(), ours, theirs);
        assert_eq!(found, bases.iter().copied().collect::<Vec<_>>(), "ancestors of {ours} and {theirs}");
        let base = merge_base(self.repo(), ours, theirs);
        let request = Merge {
            into: into.clone(),
            theirs,
            name: other,
            policy: Policy::from(rule),
            resolved: Vec::new(),
            custom: None,
            fast_forward: true,
            dry_run: self.rng.chance(10),
            message: String::new(),
        };
        let mut conflicts = BTreeMap::new();
        let done = merge(self.repo(), &request, &at(now), &mut |c| {
            conflicts.insert((c.table.collection.clone(), c.key.clone()), c.result.is_some());
            Ok::<_, VersionError>(())
        });
        let Some(base) = base else {
            assert!(bases.is_empty() && matches!(done, Err(VersionError::Refused(_))));
            return;
        };
        let done = done.unwrap();
        if base == theirs {
            assert_eq!((done.ending, done.commit), (Ending::AlreadyMerged, None));
        } else if base == ours {
            assert_eq!(done.ending, Ending::FastForward);
            if !request.dry_run {
                self.branches.insert(into.clone(), theirs);
                self.backs.push(Back::Branch(into, Some(ours)));
            }
        } else {
            let tables = [base, ours, theirs].map(|c| &self.commits[c]);
            let time = |side, c: &str, k: &str| {
                self.writer(side, c, k)
                    .map(|w| (self.repo.as_ref().unwrap().entry(w).time, self.repo.as_ref().unwrap().entry(w).id))
            };
            let newer = |c: &str, k: &str| time(theirs, c, k) > time(ours, c, k);
            let (table, want) = merged::merge(tables, strategy, newer);
            assert_eq!(conflicts, want, "conflicts of {theirs} into {ours}, {strategy}");
            let open = want.values().any(|resolved| !resolved);
            let ending = match (open, request.dry_run) {
                (true, _) => Ending::Conflicts,
                (false, true) => Ending::DryRun,
                (false, false) => Ending::Commit,
            };
            assert_eq!(done.ending, ending);
            if ending == Ending::Commit {
                self.committed(&into, done.commit.unwrap(), table);
                self.parents.last_mut().unwrap().push(theirs);
            }
        }
    }

    fn compact(&mut self) {
        let (now, every) = (self.now, *self.rng.pick(&[0, 0, 2, 5]));
        let from = if self.rng.chance(50) { self.commits.len() } else { self.rng.below(self.commits.len()) };
        let mut kept: BTreeSet<usize> = self.branches.values().chain(self.tags.values()).copied().collect();
        let mut seen = BTreeSet::new();
        for (c, parents) in self.parents.iter().enumerate() {
            // Where histories part or meet, those without a child, and those that were asked for.
            kept.extend(parents.iter().enumerate().filter(|(i, p)| !seen.insert(**p) || *i > 0).map(|(_, p)| *p));
            // Those against whose rows the rows of others are coded.
            kept.extend(self.repo.as_ref().unwrap().entry(c).skips.iter().map(|&(_, earlier)| earlier as usize));
            let depth = std::iter::successors(Some(c), |&c| self.parents[c].first().copied()).count() - 1;
            if c >= from || (every > 0 && depth.is_multiple_of(every)) {
                kept.insert(c);
            }
        }
        kept.extend((0..self.commits.len()).filter(|c| !seen.contains(c)));
        let before = self.gone.clone();
        self.gone.extend((0..self.commits.len()).filter(|c| !kept.contains(c)));
        let keep = Keep { from, every: every as u32 };
        let done = compact(self.repo(), keep, &at(now), &mut |_, _| {}).unwrap();
        assert_eq!(done.commits as usize, self.gone.len() - before.len());
        if done.ways > 0 {
            self.backs.push(Back::Compact(Some(before)));
        }
    }

    fn collect(&mut self) {
        let done = collect(self.repo()).unwrap();
        // Cut anew, small segments may be one more.
        let header = 64;
        assert!(done.after <= done.before + header, "{done:?}");
        for back in &mut self.backs {
            if let Back::Compact(before) = back {
                *before = None;
            }
        }
    }

    fn undo(&mut self) {
        let now = self.now;
        let done = undo(self.repo(), &at(now));
        match self.backs.last().cloned() {
            None | Some(Back::Compact(None)) => {
                assert!(matches!(done, Err(VersionError::Refused(_))), "{done:?}");
                return;
            }
            Some(Back::Branch(name, Some(to))) => drop(self.branches.insert(name, to)),
            Some(Back::Branch(name, None)) => drop(self.branches.remove(&name)),
            Some(Back::Tag(name, Some(to))) => drop(self.tags.insert(name, to)),
            Some(Back::Tag(name, None)) => drop(self.tags.remove(&name)),
            Some(Back::Rename { tag, name, new }) => {
                let names = if tag { &mut self.tags } else { &mut self.branches };
                let to = names.remove(&new).unwrap();
                names.insert(name, to);
            }
            Some(Back::Snapshot) => {}
            Some(Back::Compact(Some(before))) => self.gone = before,
        }
        done.unwrap();
        self.backs.pop();
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
        assert_eq!(names(self.repo.as_ref().unwrap().branches()), self.branches);
        assert_eq!(names(self.repo.as_ref().unwrap().tags()), self.tags);
        let (a, b) = (self.any_commit(), self.any_commit());
        self.holds(a);
        self.ask_value(a);
        let from = (!self.rng.chance(5)).then_some(a);
        let nothing = Tables::new();
        let want = oracle::compare(from.map_or(&nothing, |a| &self.commits[a]), &self.commits[b]);
        let repo = self.repo.as_ref().unwrap();
        assert!(differences(repo, from, Some(b)).unwrap() == want, "diff of {from:?} and {b}");
        if let Some(&parent) = self.parents[b].first().filter(|p| !self.gone.contains(p)) {
            self.ask_measures(parent, b);
            self.ask_measures(b, parent);
        }
    }

    fn ask_measures(&self, from: usize, to: usize) {
        let mut found: BTreeMap<(String, String), Change> = BTreeMap::new();
        compare(self.repo.as_ref().unwrap(), from, to, None, &mut |table, m| {
            assert!(
                found.insert((table.collection.clone(), m.key.to_owned()), m.change).is_none(),
                "a source comes twice"
            );
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
                let writer = self.writer(at, &source.collection, &source.key).unwrap();
                assert_eq!(found.commit, writer, "who wrote {source} as it is at {at}");
                self.ask_deltas(at, &source, &found.table, &row);
            }
            (Err(VersionError::UnknownSource { .. } | VersionError::UnknownCollection { .. }), None) => {}
            (found, want) => panic!("{source} at {at}: {found:?}, expected {want:?}"),
        }
    }

    /// Returns the state of a source at a commit, and what its delta there began with, if it has one there.
    fn delta_at(&self, commit: usize, collection: &str, key: &str) -> Option<(Option<RowHash>, Option<RowHash>)> {
        let state = |c: usize| {
            let own = self.commits[c].get(collection)?;
            own.rows.get(key).map(|row| row_hash(key, own.element, row))
        };
        let (base, result) = (self.way(commit).nth(1).and_then(state), state(commit));
        (base != result).then_some((base, result))
    }

    /// Looks deltas up by source, state, parent and identity.
    fn ask_deltas(&self, at: usize, source: &Source, table: &Table, row: &[u8]) {
        let repo = self.repo.as_ref().unwrap();
        let all = || (0..self.commits.len()).filter(|c| !self.gone.contains(c));
        let found = |lookup: Lookup| {
            let mut found = BTreeSet::new();
            find(repo, &lookup, &mut |d| {
                assert!(found.insert((d.commit, d.source.to_string())), "a delta comes twice");
                Ok::<_, VersionError>(true)
            })
            .unwrap();
            found
        };
        let Source { collection, key } = source;
        let of_source: BTreeSet<_> =
            all().filter(|&c| self.delta_at(c, collection, key).is_some()).map(|c| (c, source.to_string())).collect();
        assert_eq!(
            found(Lookup { source: Some(source.clone()), ..Lookup::default() }),
            of_source,
            "deltas of {source}"
        );
        let state = row_hash(key, table.element, row);
        let led = |c: usize, name: &str| self.delta_at(c, name, key).is_some_and(|(_, result)| result == Some(state));
        let names = || self.shapes.iter().map(|s| s.collection.as_str());
        let leading: BTreeSet<_> =
            all().flat_map(|c| names().filter(move |n| led(c, n)).map(move |n| (c, format!("{n}/{key}")))).collect();
        assert_eq!(found(Lookup { result: Some(state), ..Lookup::default() }), leading, "deltas that lead to {source}");
        let id = DeltaId::in_commit(&repo.entry(self.writer(at, collection, key).unwrap()).id, source);
        let delta = find_delta(repo, &id).unwrap().unwrap();
        assert_eq!((delta.id(repo), &delta.source, delta.result), (id, source, Some(state)));
        let (base, _) = self.delta_at(delta.commit, collection, key).unwrap();
        assert_eq!(delta.base, base);
        let before = self.way(delta.commit).nth(1).and_then(|c| self.writer(c, collection, key));
        let parent = before.map(|c| DeltaId::in_commit(&repo.entry(c).id, source));
        assert_eq!(parent_of(repo, &delta).unwrap(), parent, "what came before {source} at {at}");
        if let Some(parent) = parent {
            let children = found(Lookup { parent: Some(parent), ..Lookup::default() });
            assert!(children.contains(&(delta.commit, source.to_string())));
            assert_eq!(delta_of(repo, before.unwrap(), source).unwrap().unwrap().id(repo), parent);
        }
    }

    /// Returns how many of its commits skip some.
    fn run(mut self) -> usize {
        for _ in 0..COMMANDS {
            self.command();
            if self.rng.chance(40) && !self.commits.is_empty() {
                self.ask();
            }
        }
        for commit in 0..self.commits.len() {
            if self.gone.contains(&commit) {
                let refused = read(self.repo(), commit);
                assert!(matches!(refused, Err(VersionError::Compacted { .. })), "{refused:?}");
            } else {
                self.holds(commit);
            }
        }
        self.end_far();
        self.repo = None;
        assert_eq!(problems(&self.disk), [""; 0]);
        self.skips
    }
}

fn run_seeds(seeds: std::ops::Range<u64>) {
    let mut skips = 0;
    for seed in seeds {
        let run = std::panic::catch_unwind(|| Model::new(seed).run());
        skips += run.unwrap_or_else(|_| panic!("seed {seed} fails, see above"));
    }
    assert!(skips > 50, "only {skips} commits are coded against an earlier one than their parent");
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
