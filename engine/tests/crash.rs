//! Power loss at every single write, sync and rename.
//!
//! A commit that was printed and then was gone after a crash, a repository that did not open any more, half an epoch:
//! each of these has happened to stores that call fsync at every commit, because one fsync was missing, or two came in
//! the wrong order. So a whole session is recorded operation by operation, the power fails after each of them, and for
//! each moment the disk is what it may be: all that was not synced is lost, or kept, or one operation of it is missing,
//! or torn. The same once more for the repair that the next start makes.
//!
//! Assumed of the disk: see `store::Disk`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use vecdelta::capture::Missing;
use vecdelta::delta::{Element, Table};
use vecdelta::event::Event;
use vecdelta::pipeline::config;
use vecdelta::store::{MemoryDisk, Pending, StoreError};
use vecdelta::version::{
    Keep, MAIN, Merge, Repository, Strategy, VersionError, collect, compact, merge, rollback, set_branch, set_tag,
    snapshot,
};

use crate::support::drive::{Epoch, apply, at, ingest, open, problems};
use crate::support::files::{Dir, NOW, epochs, run_at};
use crate::support::oracle::{Collection, Tables, names, read, read_held};
use crate::support::random::{Rng, changed, row};

/// Everything that a repository has reported.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    /// Their tables; `None` for those that a compaction left out.
    commits: Vec<Option<Tables>>,
    branches: BTreeMap<String, usize>,
    tags: BTreeMap<String, usize>,
    snapshots: BTreeSet<usize>,
}

impl State {
    fn of(repo: &Repository) -> Result<Self, VersionError> {
        Ok(Self {
            commits: (0..repo.len()).map(|c| read_held(repo, c)).collect::<Result<_, _>>()?,
            branches: names(repo.branches()),
            tags: names(repo.tags()),
            snapshots: (0..repo.len()).filter(|&c| repo.snapshot(c).is_some()).collect(),
        })
    }

    fn commit(&mut self, branch: &str, table: Tables) {
        self.branches.insert(branch.to_owned(), self.commits.len());
        self.commits.push(Some(table));
    }

    fn head(&self, branch: &str) -> Tables {
        self.branches.get(branch).map_or_else(Tables::new, |&c| self.commits[c].clone().expect("heads are kept"))
    }
}

/// A session as it was recorded: after how many operations each state was reported.
struct Session {
    disk: MemoryDisk,
    reported: Vec<(usize, State)>,
}

impl Session {
    fn new(segment_bytes: u64) -> Self {
        let disk = MemoryDisk::recording().with_segments_of(segment_bytes);
        Self { disk, reported: Vec::new() }
    }

    fn report(&mut self, state: State) {
        self.reported.push((self.disk.operations(), state));
    }

    /// Returns what may be found after `n` operations: the last state reported before, or the one being written.
    fn allowed(&self, n: usize) -> &[(usize, State)] {
        let known = self.reported.partition_point(|(at, _)| *at <= n);
        &self.reported[known.saturating_sub(1)..(known + 1).min(self.reported.len())]
    }
}

/// What is tried with each image, and how often.
#[derive(Default)]
struct Trial {
    /// Whether the head was damaged beforehand, which `verify` then says.
    head_damaged: bool,
    images: usize,
    distinct: usize,
    seen: HashSet<[u8; 32]>,
}

impl Trial {
    /// Crashes at each of the operations from `first` on.
    fn crash_everywhere(&mut self, disk: &MemoryDisk, first: usize, allowed: &dyn Fn(usize) -> (bool, Vec<State>)) {
        for n in first..=disk.operations() {
            let mut variants = vec![Pending::Lost, Pending::Kept, Pending::NamesLost];
            variants.extend([Pending::Torn(0), Pending::Torn(512), Pending::Torn(4096)]);
            let all = if n % 8 == 0 { usize::MAX } else { 10 };
            variants.extend((0..disk.pending(n).min(all)).map(Pending::Without));
            let (unborn, states) = allowed(n);
            for pending in variants {
                let image = disk.crash(n, pending);
                self.images += 1;
                if self.is_new(&image, unborn, &states) {
                    let at = format!("after {n} operations, {pending:?}");
                    let found = problems(&image.crash(usize::MAX, Pending::Kept));
                    let harmless = unborn || self.head_damaged || found.is_empty();
                    assert!(harmless, "{at}: a reader finds {found:?}");
                    check(&image, unborn, &states, &at);
                }
            }
        }
    }

    fn is_new(&mut self, image: &MemoryDisk, unborn: bool, states: &[State]) -> bool {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[u8::from(unborn), states.len() as u8]);
        hasher.update(&states.first().map_or(0, |s| s.commits.len() + s.tags.len()).to_le_bytes());
        for (path, data) in image.files() {
            hasher.update(path.as_bytes()).update(&data.len().to_le_bytes()).update(&data);
        }
        let new = self.seen.insert(*hasher.finalize().as_bytes());
        self.distinct += usize::from(new);
        new
    }
}

/// Opens an image and looks for all that was reported; then work goes on.
fn check(image: &MemoryDisk, unborn: bool, allowed: &[State], at: &str) {
    let lost = |e: &VersionError| matches!(e, VersionError::Store(StoreError::NoRepository { .. }));
    let repo = match Repository::open_writer(Arc::new(image.clone()), None) {
        Err(e) if unborn && lost(&e) => {
            drop(open(image).unwrap_or_else(|e| panic!("{at}: cannot be made again: {e}")));
            return;
        }
        opened => opened.unwrap_or_else(|e| panic!("{at}: does not open: {e}")),
    };
    let found = State::of(&repo).unwrap_or_else(|e| panic!("{at}: cannot be read: {e}"));
    assert!(allowed.contains(&found), "{at}: {} commits, which is not what was reported", found.commits.len());
    go_on(image, repo, &found, at);
    assert_eq!(problems(image), [""; 0], "{at}: not whole after work went on");
}

/// Commits on top, which compares every row with a mirror that may be stale, torn or lost.
fn go_on(image: &MemoryDisk, mut repo: Repository, found: &State, at: &str) {
    let mut rng = Rng::new(image.operations() as u64);
    for branch in found.branches.keys() {
        let mut table = found.head(branch);
        let epochs: Vec<Epoch> = table.iter().map(|(name, c)| next_epoch(&mut rng, name, c)).collect();
        apply(&mut table, &epochs);
        let commit = ingest(&mut repo, branch, NOW, &epochs).unwrap_or_else(|e| panic!("{at}: no work on top: {e}"));
        assert!(read(&repo, commit).unwrap() == table, "{at}: the commit on top of {branch} is not its epoch");
    }
}

/// Makes an epoch that holds most rows as they were, changes some, leaves some out and brings new ones.
fn next_epoch(rng: &mut Rng, name: &str, c: &Collection) -> Epoch {
    let mut rows = Vec::new();
    for (key, old) in &c.rows {
        match rng.below(6) {
            0 => {}
            1 => rows.push((key.clone(), changed(rng, c.element, old))),
            _ => rows.push((key.clone(), old.clone())),
        }
    }
    let key = format!("key-{}", rng.below(40));
    if rows.iter().all(|(k, _)| *k != key) {
        rows.push((key, row(rng, c.element, c.dims)));
    }
    let table = Table { collection: name.to_owned(), element: c.element, dims: c.dims };
    Epoch { table: Arc::new(table), rows, missing: Missing::Delete, batch_rows: 5 }
}

/// Two collections through the stages: every kind of transaction, and a mirror that is opened again for each.
fn driven(segment_bytes: u64) -> Session {
    let mut session = Session::new(segment_bytes);
    let mut rng = Rng::new(1);
    let mut state = State::default();
    let mut repo = open(&session.disk).unwrap();
    session.report(state.clone());
    let empty = |element, dims| Collection { element, dims, rows: BTreeMap::new() };
    let mut table = Tables::from([("a".to_owned(), empty(Element::F32, 6)), ("b".to_owned(), empty(Element::F16, 3))]);
    for step in 0..9 {
        let branch = if step % 4 == 3 { "other" } else { MAIN };
        if let Some(&head) = state.branches.get(branch) {
            table = state.commits[head].clone().unwrap();
        }
        for i in 0..4 {
            let row = row(&mut rng, Element::F32, 6);
            table.get_mut("a").unwrap().rows.entry(format!("key-{i}")).or_insert(row);
        }
        let epochs: Vec<Epoch> = table.iter().map(|(name, c)| next_epoch(&mut rng, name, c)).collect();
        table.values_mut().for_each(|c| c.rows.clear());
        let mut new = state.head(branch);
        apply(&mut new, &epochs);
        if step % 2 == 1 {
            drop(repo);
            repo = open(&session.disk).unwrap();
        }
        ingest(&mut repo, branch, NOW + step, &epochs).unwrap();
        state.commit(branch, new);
        session.report(state.clone());
        operate(&mut session, &mut repo, &mut state, step);
        table.entry("b".to_owned()).or_insert_with(|| empty(Element::F16, 3));
        table.entry("a".to_owned()).or_insert_with(|| empty(Element::F32, 6));
    }
    session
}

/// Does between the commits what is no commit.
fn operate(session: &mut Session, repo: &mut Repository, state: &mut State, step: u64) {
    match step {
        1 => {
            set_tag(repo, "first", 0, &at(NOW)).unwrap();
            state.tags.insert("first".to_owned(), 0);
        }
        2 => {
            set_branch(repo, "other", 1, &at(NOW)).unwrap();
            state.branches.insert("other".to_owned(), 1);
        }
        4 => {
            snapshot(repo, 4, &at(NOW)).unwrap();
            state.snapshots.insert(4);
        }
        6 => {
            rollback(repo, MAIN, 1, &at(NOW)).unwrap();
            state.commit(MAIN, state.commits[1].clone().unwrap());
        }
        5 => {
            let theirs = state.branches["other"];
            let request = Merge {
                into: MAIN.to_owned(),
                theirs,
                name: "other".to_owned(),
                policy: Strategy::Ours.into(),
                resolved: Vec::new(),
                custom: None,
                fast_forward: false,
                dry_run: false,
                message: String::new(),
            };
            merge(repo, &request, &at(NOW), &mut |_| Ok::<_, VersionError>(())).unwrap();
            state.commit(MAIN, read(repo, state.commits.len()).unwrap());
        }
        7 => {
            compact(repo, Keep { from: usize::MAX, every: 0 }, &at(NOW), &mut |_, _| {}).unwrap();
            state
                .commits
                .iter_mut()
                .enumerate()
                .filter(|(c, _)| repo.stands_for(*c).is_some())
                .for_each(|(_, t)| *t = None);
            assert!(state.commits.iter().any(Option::is_none), "something was left out");
        }
        8 => assert!(collect(repo).unwrap().records > 0),
        _ => return,
    }
    session.report(state.clone());
}

/// Files through the whole pipeline, with its threads and its own snapshots.
fn piped(segment_bytes: u64) -> Session {
    let mut session = Session::new(segment_bytes);
    let mut rng = Rng::new(2);
    let mut repo = open(&session.disk).unwrap();
    session.report(State::default());
    let dir = Dir::new();
    let mut files: Vec<std::path::PathBuf> = Vec::new();
    for file in 0..6 {
        let mut rows = Vec::new();
        for i in 0..14 {
            if rng.chance(80) {
                rows.push((format!("id-{i}"), (0..5).map(|_| rng.unit() as f32).collect()));
            }
        }
        // The same file comes again: an epoch without any change.
        let name = format!("epoch-{file}.jsonl");
        files.push(if file == 3 { files[2].clone() } else { dir.jsonl(&name, &rows) });
    }
    let mut pipeline = epochs(files, Missing::Delete);
    pipeline.version.snapshot = Some(config::SnapshotRule { every_commits: Some(3), or_bytes: None });
    let told = Mutex::new(Vec::new());
    let listener = |event: &Event| {
        if matches!(event, Event::DeltaVersioned { .. } | Event::SnapshotCreated { .. }) {
            told.lock().unwrap().push((session.disk.operations(), matches!(event, Event::SnapshotCreated { .. })));
        }
    };
    run_at(&pipeline, &mut repo, &AtomicBool::new(false), false, &listener).unwrap();
    let mut state = State::default();
    for (at, is_snapshot) in told.into_inner().unwrap() {
        if is_snapshot {
            state.snapshots.insert(state.commits.len() - 1);
        } else {
            state.commit(MAIN, read(&repo, state.commits.len()).unwrap());
        }
        session.reported.push((at, state.clone()));
    }
    assert!(state == State::of(&repo).unwrap() && !state.snapshots.is_empty(), "every report was told");
    session
}

fn crash_all(session: &Session, trial: &mut Trial) {
    trial.crash_everywhere(&session.disk, 0, &|n| {
        let unborn = session.reported.partition_point(|(at, _)| *at <= n) == 0;
        (unborn, session.allowed(n).iter().map(|(_, s)| s.clone()).collect())
    });
}

#[test]
fn no_crash_loses_what_was_reported() {
    let mut trial = Trial::default();
    for segment_bytes in [1 << 30, 1_500] {
        crash_all(&driven(segment_bytes), &mut trial);
    }
    println!("{} images, {} distinct", trial.images, trial.distinct);
    assert!(trial.images >= 5_000, "{} images", trial.images);
}

#[test]
fn no_crash_in_a_pipeline_loses_what_was_reported() {
    let mut trial = Trial::default();
    for segment_bytes in [1 << 30, 1_000] {
        crash_all(&piped(segment_bytes), &mut trial);
    }
    println!("{} images, {} distinct", trial.images, trial.distinct);
    assert!(trial.images >= 1_500, "{} images", trial.images);
}

/// The repair is work on the disk as well: the power fails in it, too.
#[test]
fn no_crash_in_the_repair_loses_what_was_reported() {
    let session = driven(1_500);
    let mut trial = Trial::default();
    for n in (0..=session.disk.operations()).step_by(3) {
        let allowed: Vec<State> = session.allowed(n).iter().map(|(_, s)| s.clone()).collect();
        let unborn = session.reported.partition_point(|(at, _)| *at <= n) == 0;
        for (torn, pending) in [(false, Pending::Torn(512)), (true, Pending::Kept), (false, Pending::Without(1))] {
            let image = session.disk.crash(n, pending);
            if torn && !break_newest_slot(&image) {
                continue;
            }
            let first = image.operations();
            match Repository::open_writer(Arc::new(image.clone()), None) {
                Ok(_) => {}
                Err(_) if unborn => continue,
                Err(e) => panic!("after {n} operations, {pending:?}: {e}"),
            }
            trial.head_damaged = torn;
            trial.crash_everywhere(&image, first, &|_| (false, allowed.clone()));
        }
    }
    println!("{} images, {} distinct", trial.images, trial.distinct);
    assert!(trial.images >= 1_000, "{} images", trial.images);
}

/// Damages the slot of the head that was written last; the other one and the log tell what it said.
fn break_newest_slot(image: &MemoryDisk) -> bool {
    let files = image.files();
    let Some(head) = files.get("head").filter(|h| h.len() == 1024) else { return false };
    let sequence = |slot: usize| u64::from_le_bytes(head[slot * 512 + 8..slot * 512 + 16].try_into().unwrap());
    let mut head = head.clone();
    let newest = usize::from(sequence(1) > sequence(0));
    head[newest * 512 + 100] ^= 1;
    image.put("head", head);
    true
}
