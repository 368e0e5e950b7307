//! What made each row, and what rows brought besides their vectors, through random histories against a plain oracle.
//!
//! A row keeps its generation wherever it goes: back in a rollback, over to another branch in a merge, through a compaction.
//! Its bits do not tell, so a map of every commit does.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use vecdelta::capture::{Capture, CapturePolicy, Missing};
use vecdelta::delta::{Element, Keys, Note, Notes, RowBatch, Table};
use vecdelta::store::MemoryDisk;
use vecdelta::version::{
    CommitInfo, Ending, Generation, Keep, MAIN, Merge, Policy, Repository, Sender, Stage, Strategy, VersionError,
    Wanted, collect, compact, find_slot, merge, merge_base, notes_of, open_mirror, receive, rollback, row_generations,
    save_mirror, set_branch, snapshot,
};

use crate::support::drive::{at, open, problems};
use crate::support::merge as merged;
use crate::support::oracle::{Collection, Tables};
use crate::support::random::Rng;

const NAME: &str = "c";

/// The bits of a row, and what made it.
type Row = (Vec<u8>, String);

/// What is true of a commit.
#[derive(Clone, Default)]
struct State {
    rows: BTreeMap<String, Row>,
    in_force: String,
    /// What the commit noted of each source that it wrote; nothing of those that it deleted.
    noted: BTreeMap<String, Option<String>>,
}

struct History {
    rng: Rng,
    disk: MemoryDisk,
    repo: Repository,
    states: Vec<State>,
    parents: Vec<Vec<usize>>,
    branches: BTreeMap<String, usize>,
    /// How many commits told more than they wrote, and how many were compacted away.
    seen: [usize; 2],
    now: u64,
}

fn table() -> Arc<Table> {
    Arc::new(Table { collection: NAME.to_owned(), element: Element::F32, dims: 2 })
}

impl History {
    fn new(seed: u64) -> Self {
        let disk = MemoryDisk::default();
        let repo = open(&disk).unwrap();
        let (states, parents, branches) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { rng: Rng::new(seed), disk, repo, states, parents, branches, seen: [0; 2], now: 1_000 }
    }

    fn command(&mut self) {
        self.now += 10;
        match if self.states.is_empty() { 0 } else { self.rng.below(20) } {
            0..9 => self.ingest(),
            9..12 => self.roll_back(),
            12..15 => self.merge(),
            15 => {
                let (name, to) = (format!("side-{}", self.rng.below(2)), self.any_commit());
                if self.branches.insert(name.clone(), to).is_none() {
                    set_branch(&mut self.repo, &name, to, &at(self.now)).unwrap();
                } else {
                    // It may be moved no more than a commit at a time: leave it where it is.
                    self.branches.insert(name.clone(), self.repo.head(&name).unwrap());
                }
            }
            16 => {
                let keep = Keep { from: self.rng.below(self.states.len() + 1), every: *self.rng.pick(&[0, 2]) };
                compact(&mut self.repo, keep, &at(self.now), &mut |_, _| {}).unwrap();
            }
            17 => drop(collect(&mut self.repo).unwrap()),
            18 => {
                let commit = self.any_commit();
                snapshot(&mut self.repo, commit, &at(self.now)).unwrap();
            }
            _ => self.reopen(),
        }
        for (name, &at) in &self.branches {
            assert_eq!(self.repo.head(name), Some(at), "{name}");
        }
    }

    fn reopen(&mut self) {
        // A repository has one writer: the old one goes first.
        let elsewhere = open(&MemoryDisk::default()).unwrap();
        drop(std::mem::replace(&mut self.repo, elsewhere));
        self.repo = open(&self.disk).unwrap();
    }

    fn any_commit(&mut self) -> usize {
        loop {
            let commit = self.rng.below(self.states.len());
            if self.repo.stands_for(commit).is_none() {
                return commit;
            }
        }
    }

    fn any_branch(&mut self) -> String {
        let names: Vec<String> = self.branches.keys().cloned().collect();
        if names.is_empty() { MAIN.to_owned() } else { self.rng.pick(&names).clone() }
    }

    /// Gives some sources new rows, of few values, so that many come back to what they were.
    fn ingest(&mut self) {
        let branch = self.any_branch();
        let mut state = self.branches.get(&branch).map_or_else(State::default, |&c| self.states[c].clone());
        let declared = self.rng.chance(30).then(|| (*self.rng.pick(&["a", "b", "d"])).to_owned());
        state.in_force = declared.clone().unwrap_or(state.in_force);
        state.noted.clear();
        let missing = if self.rng.chance(20) { Missing::Delete } else { Missing::Keep };
        let column = *self.rng.pick(&["lang", "source"]);
        let (noting, mut notes, mut keys, mut bits) = (self.rng.chance(60), Notes::default(), Vec::new(), Vec::new());
        for i in (0..8).filter(|_| self.rng.chance(50)).collect::<Vec<_>>() {
            let (key, row) = (format!("k{i}"), [self.rng.below(3) as f32, self.rng.below(2) as f32]);
            let row: Vec<u8> = row.iter().flat_map(|x| x.to_le_bytes()).collect();
            let text = format!("{key} at {}", self.now);
            notes.push_note(&Note::of([(column, text.as_str())], None));
            if state.rows.get(&key).is_none_or(|(held, _)| *held != row) {
                state.noted.insert(key.clone(), noting.then_some(text));
                state.rows.insert(key.clone(), (row.clone(), state.in_force.clone()));
            }
            keys.push(key);
            bits.extend(row);
        }
        if missing == Missing::Delete {
            let gone: Vec<String> = state.rows.keys().filter(|k| !keys.contains(k)).cloned().collect();
            for key in gone {
                state.rows.remove(&key);
                state.noted.insert(key, None);
            }
        }
        let notes = if noting { notes } else { Notes::default() };
        let generations = declared.map(|name| (NAME.to_owned(), Generation { name, ..Generation::default() }));
        let info = CommitInfo { branch, generations: generations.into_iter().collect(), ..CommitInfo::default() };
        let commit = self.stage(info, missing, &keys, bits, notes);
        self.committed(commit, state, Vec::new());
    }

    fn stage(&mut self, info: CommitInfo, missing: Missing, keys: &[String], bits: Vec<u8>, notes: Notes) -> usize {
        let branch = info.branch.clone();
        let mirror = open_mirror(&self.repo, &branch, table()).unwrap();
        let mut stage = Stage::begin(&self.repo, &info, self.now).unwrap();
        let number = stage.add_collection(mirror.clone()).unwrap();
        let mut capture = Capture::new(mirror.clone(), CapturePolicy { missing, ..CapturePolicy::default() });
        let keys = Keys::from_texts(keys.iter().map(String::as_str));
        let captured = capture.step(&RowBatch { keys, rows: Bytes::from(bits), first_row: 0, notes }).unwrap();
        captured.batches.into_iter().for_each(|batch| stage.add(number, batch).unwrap());
        for batch in capture.end_epoch().unwrap() {
            stage.add(number, batch).unwrap();
        }
        let staged = stage.finish(info).unwrap();
        let commit = self.repo.take(staged).unwrap();
        save_mirror(&self.repo, &branch, &mirror).unwrap();
        commit
    }

    fn committed(&mut self, commit: usize, state: State, merged: Vec<usize>) {
        assert_eq!(commit, self.states.len());
        let branch = self.repo.branch_of(commit).unwrap().to_owned();
        let before = self.branches.insert(branch, commit);
        self.parents.push(before.into_iter().chain(merged).collect());
        self.states.push(state);
        self.seen[0] += usize::from(self.repo.commit(commit).unwrap().body.metadata.contains_key("generations"));
        self.holds(commit);
    }

    fn roll_back(&mut self) {
        let (branch, to) = (self.any_branch(), self.any_commit());
        let before = self.states[self.branches[&branch]].clone();
        let commit = rollback(&mut self.repo, &branch, to, &at(self.now)).unwrap();
        let state = State { noted: BTreeMap::new(), ..self.states[to].clone() };
        self.committed(commit, touched(state, &before), Vec::new());
    }

    fn merge(&mut self) {
        let (into, other) = (self.any_branch(), self.any_branch());
        let (ours, theirs) = (self.branches[&into], self.branches[&other]);
        let Some(base) = merge_base(&self.repo, ours, theirs) else { return };
        let (strategy, rule) =
            *self.rng.pick(&[("theirs", Strategy::Theirs), ("ours", Strategy::Ours), ("average", Strategy::Average)]);
        let request = Merge {
            into: into.clone(),
            theirs,
            name: other,
            policy: Policy::from(rule),
            resolved: Vec::new(),
            custom: None,
            fast_forward: true,
            dry_run: false,
            message: String::new(),
        };
        let done = merge(&mut self.repo, &request, &at(self.now), &mut |_| Ok::<_, VersionError>(())).unwrap();
        match done.ending {
            Ending::FastForward => drop(self.branches.insert(into, theirs)),
            Ending::Commit => {
                let state = self.merged([base, ours, theirs], strategy);
                let state = touched(state, &self.states[ours].clone());
                self.committed(done.commit.unwrap(), state, vec![theirs]);
            }
            _ => {}
        }
    }

    fn merged(&self, commits: [usize; 3], strategy: &str) -> State {
        let [base, ours, theirs] = commits.map(|c| &self.states[c]);
        let tables = [base, ours, theirs].map(|s| {
            let rows: BTreeMap<_, _> = s.rows.iter().map(|(k, (bits, _))| (k.clone(), bits.clone())).collect();
            let all = Collection { element: Element::F32, dims: 2, rows };
            Tables::from_iter((!all.rows.is_empty()).then(|| (NAME.to_owned(), all)))
        });
        let (table, _) = merged::merge([&tables[0], &tables[1], &tables[2]], strategy, |_, _| false);
        let mut state = State { in_force: ours.in_force.clone(), ..State::default() };
        if theirs.in_force != base.in_force && ours.in_force == base.in_force {
            state.in_force.clone_from(&theirs.in_force);
        }
        for (key, bits) in table.get(NAME).into_iter().flat_map(|c| c.rows.clone()) {
            let (o, t) = (ours.rows.get(&key), theirs.rows.get(&key));
            let made = match (o, t) {
                (Some((held, made)), _) if *held == bits => made.clone(),
                (_, Some((held, made))) if *held == bits => made.clone(),
                (Some((_, a)), Some((_, b))) if a == b => a.clone(),
                _ => String::new(),
            };
            state.rows.insert(key, (bits, made));
        }
        state
    }

    /// Compares a commit with what is true of it.
    fn holds(&mut self, commit: usize) {
        let (repo, state) = (&self.repo, &self.states[commit]);
        let record = repo.commit(commit).unwrap();
        let Some(own) = record.body.collections.iter().find(|s| s.name == NAME) else { return };
        assert_eq!(own.generation, state.in_force, "in force at {commit}");
        let rows = row_generations(repo, commit, NAME).unwrap();
        let mut older: BTreeMap<&str, u64> = BTreeMap::new();
        for (key, (_, made)) in &state.rows {
            let slot = find_slot(repo, commit, NAME, key).unwrap().unwrap();
            assert_eq!(rows.get(slot), Some(made.as_str()), "what made {key} at {commit}");
            *older.entry(made).or_default() += u64::from(*made != state.in_force);
        }
        assert_eq!(rows.alive().count(), state.rows.len(), "at {commit}");
        let counted: BTreeMap<&str, u64> = own.older.iter().map(|o| (o.generation.as_str(), o.rows)).collect();
        older.retain(|_, rows| *rows > 0);
        assert_eq!(counted, older, "older rows at {commit}");
    }

    /// Compares the notes of a commit with the last ones of each source since the one before that is held.
    fn is_noted(&mut self, commit: usize) {
        let mut want: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        let (mut at, before) = (Some(commit), self.repo.bases(commit).nth(1));
        while let Some(c) = at.filter(|_| at != before) {
            for (key, note) in &self.states[c].noted {
                want.entry(key).or_insert(note.as_deref());
            }
            at = self.parents[c].first().copied();
        }
        let found = notes_of(&self.repo, commit, NAME).unwrap();
        let mut got: BTreeMap<u32, &str> = BTreeMap::new();
        for (row, &slot) in found.slots.iter().enumerate() {
            let note = found.notes.get(row, "lang").or(found.notes.get(row, "source"));
            got.extend(note.map(|note| (slot, note)));
        }
        let bits = |c: usize, key: &str| self.states[c].rows.get(key).map(|row| &row.0);
        for (key, note) in want {
            let slot = find_slot(&self.repo, commit, NAME, key).unwrap().unwrap();
            let got = got.remove(&slot);
            // Of a source that was changed and changed back nothing is left but the note of the bits that it has.
            let back = |c: usize| {
                bits(c, key) == bits(commit, key) && self.states[c].noted.get(key) == Some(&got.map(str::to_owned))
            };
            let fits = got == note || (note.is_none() && (0..commit).any(back));
            assert!(fits, "note of {key} at {commit}: {got:?}, {note:?}");
        }
        assert!(got.is_empty(), "notes of {commit}: {got:?}");
    }

    fn end(&mut self) {
        for commit in 0..self.states.len() {
            match self.repo.stands_for(commit) {
                Some(_) => self.seen[1] += 1,
                None => {
                    self.holds(commit);
                    self.is_noted(commit);
                }
            }
        }
        assert_eq!(problems(&self.disk), [""; 0]);
        let bare = (0..self.repo.len()).any(|c| self.repo.entry(c).place.bare);
        if !bare {
            let disk = MemoryDisk::default();
            let mut other = Repository::open_writer(Arc::new(disk.clone()), Some([8; 32])).unwrap();
            let sender = Sender::of(&self.repo);
            receive(&mut other, &sender, &Wanted::default(), &at(self.now), &|_| {}).unwrap();
            assert_eq!(problems(&disk), [""; 0]);
        }
    }
}

/// Says that sources which differ from before were written, and that nothing was noted of them.
fn touched(mut state: State, before: &State) -> State {
    let keys = state.rows.keys().chain(before.rows.keys());
    let bits = |s: &State, key: &String| s.rows.get(key).map(|r| r.0.clone());
    let differ = keys.filter(|key| bits(&state, key) != bits(before, key)).map(|key| (key.clone(), None));
    state.noted = differ.collect();
    state
}

#[test]
fn rows_keep_their_generation_and_their_last_note() {
    let mut seen = [0; 2];
    for seed in 0..60 {
        let mut history = History::new(seed);
        (0..40).for_each(|_| history.command());
        history.end();
        seen = std::array::from_fn(|i| seen[i] + history.seen[i]);
    }
    assert!(seen.iter().all(|n| *n > 50), "{seen:?}");
}

#[test]
fn a_rollback_restores_the_generation_where_no_row_differs() {
    let mut history = History::new(1);
    let one: Vec<u8> = [1.0f32, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    for name in ["a", "b"] {
        let made = Generation { name: name.to_owned(), ..Generation::default() };
        let generations = BTreeMap::from([(NAME.to_owned(), made)]);
        let info = CommitInfo { branch: MAIN.to_owned(), generations, ..CommitInfo::default() };
        history.stage(info, Missing::Keep, &["k".to_owned()], one.clone(), Notes::default());
    }
    rollback(&mut history.repo, MAIN, 0, &at(5_000)).unwrap();
    let states = history.repo.commit(2).unwrap().body.collections;
    assert_eq!((states[0].generation.as_str(), states[0].older.as_slice()), ("a", &[][..]));
    assert_eq!(problems(&history.disk), [""; 0]);
}
