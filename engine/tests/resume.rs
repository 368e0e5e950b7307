//! A pipeline that was stopped goes on where it was, and nothing depends on how the work was cut.
//!
//! A run that ends in the middle (a signal, a crash) and is started again must make exactly the commits that are
//! missing: none twice, none left out, no half epoch. What a pipeline makes of its input may not depend on the number
//! of threads, on the batches rows come in, or on how large its windows are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use vecdelta::event::Event;
use vecdelta::pipeline::config::{self, Close, Missing, Pipeline, Triggers, Window};
use vecdelta::store::{MemoryDisk, Pending};
use vecdelta::version::{MAIN, Repository};

use crate::support::drive::{open, problems};
use crate::support::files::{Dir, epochs, run_at};
use crate::support::oracle::{Tables, read};
use crate::support::random::Rng;

const FILES: usize = 5;

/// Writes epochs of so many rows and components.
fn files(dir: &Dir, rows: usize, dims: usize) -> Vec<PathBuf> {
    let mut rng = Rng::new(11);
    let mut table: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    let mut out = Vec::new();
    for file in 0..FILES {
        for i in 0..rows {
            if rng.chance(if file == 0 { 95 } else { 10 }) {
                table.insert(format!("id-{i:05}"), (0..dims).map(|_| (rng.unit() * 64.0).round() as f32).collect());
            }
        }
        table.retain(|_, _| !rng.chance(1));
        let rows: Vec<_> = table.clone().into_iter().collect();
        out.push(dir.jsonl(&format!("epoch-{file}.jsonl"), &rows));
    }
    out
}

/// Every commit's identity, and the table of the last.
fn outcome(repo: &Repository) -> (Vec<String>, Tables) {
    let ids = (0..repo.len()).map(|c| repo.entry(c).id.to_hex()).collect();
    (ids, read(repo, repo.head(MAIN).unwrap()).unwrap())
}

fn undisturbed(pipeline: &Pipeline) -> (Vec<String>, Tables) {
    let mut repo = open(&MemoryDisk::default()).unwrap();
    run_at(pipeline, &mut repo, &AtomicBool::new(false), true, &|_| {}).unwrap();
    outcome(&repo)
}

/// Runs with a stop at the n-th event; returns whether there were so many.
fn run_until(pipeline: &Pipeline, repo: &mut Repository, n: usize) -> bool {
    let (stop, events) = (AtomicBool::new(false), AtomicUsize::new(0));
    let listener = |_: &Event| {
        if events.fetch_add(1, Ordering::Relaxed) == n {
            stop.store(true, Ordering::Relaxed);
        }
    };
    run_at(pipeline, repo, &stop, true, &listener).unwrap();
    events.into_inner() > n
}

#[test]
fn a_run_that_was_stopped_makes_the_missing_commits() {
    let dir = Dir::new();
    // An epoch takes most of the budget between the stages, so that the reader is not far ahead.
    let pipeline = epochs(files(&dir, 3_000, 60), Missing::Delete);
    let want = undisturbed(&pipeline);
    assert_eq!(want.0.len(), FILES);
    let mut halves = 0;
    for n in (0..).step_by(2) {
        let disk = MemoryDisk::default();
        let mut repo = open(&disk).unwrap();
        let stopped = run_until(&pipeline, &mut repo, n);
        let made = repo.len();
        halves += usize::from(made > 0 && made < FILES);
        drop(repo);
        let mut repo = open(&disk).unwrap();
        let report = run_at(&pipeline, &mut repo, &AtomicBool::new(false), true, &|_| {}).unwrap();
        assert_eq!((report.skipped.len(), report.commits.len()), (made, FILES - made), "stopped at event {n}");
        assert!(outcome(&repo) == want, "stopped at event {n} after {made} commits");
        if !stopped {
            break;
        }
    }
    assert!(halves > 0, "it was stopped in the middle");
}

#[test]
fn a_run_after_a_crash_makes_the_missing_commits() {
    let dir = Dir::new();
    let pipeline = epochs(files(&dir, 300, 3), Missing::Delete);
    let want = undisturbed(&pipeline);
    let recorded = MemoryDisk::recording();
    let mut repo = open(&recorded).unwrap();
    run_at(&pipeline, &mut repo, &AtomicBool::new(false), true, &|_| {}).unwrap();
    for n in (0..recorded.operations()).step_by(2) {
        for pending in [Pending::Lost, Pending::Kept] {
            let disk = recorded.crash(n, pending);
            let mut repo = open(&disk).unwrap();
            let made = repo.len();
            let report = run_at(&pipeline, &mut repo, &AtomicBool::new(false), true, &|_| {}).unwrap();
            assert_eq!(report.commits.len(), FILES - made);
            let label = format!("after {n} operations, {pending:?}, {made} commits");
            if n > 12 {
                // The origin is under no commit's hash, so even a repository that is made again has the same ones.
                assert!(outcome(&repo) == want, "{label}");
            }
            assert_eq!(problems(&disk), [""; 0], "{label}");
        }
    }
}

/// A pipeline whose rows go to two windows, which both close with the epoch.
fn two_windows(files: Vec<PathBuf>) -> Pipeline {
    let mut pipeline = epochs(files, Missing::Delete);
    let route = |name: &str, matches: &str| config::Route {
        name: name.to_owned(),
        matches: matches.to_owned(),
        window: name.to_owned(),
        ..pipeline.routes[0].clone()
    };
    pipeline.routes = vec![route("even", "vectors/id-*[02468]"), route("odd", "**")];
    pipeline.windows = ["even", "odd"].map(|name| Window::new(name.to_owned(), Close::Epoch)).to_vec();
    pipeline
}

/// A stop must not commit what was seen of the epoch so far, and a crash between the two commits of a file must not
/// make the second run pass over the file.
#[test]
fn an_epoch_of_two_windows_is_not_left_half() {
    let dir = Dir::new();
    let paths = files(&dir, 9_000, 4);
    let want = undisturbed(&two_windows(paths.clone())).1;
    assert!(want == undisturbed(&epochs(paths.clone(), Missing::Delete)).1, "windows change no table");
    let tables: Vec<Tables> =
        (1..=FILES).map(|n| undisturbed(&epochs(paths[..n].to_vec(), Missing::Delete)).1).collect();
    let pipeline = two_windows(paths);
    for n in (0..).step_by(31) {
        let disk = MemoryDisk::default();
        let mut repo = open(&disk).unwrap();
        let stopped = run_until(&pipeline, &mut repo, n);
        if let Some(head) = repo.head(MAIN) {
            let found = read(&repo, head).unwrap();
            assert!(tables.contains(&found), "stopped at event {n}: half an epoch");
        }
        run_at(&pipeline, &mut repo, &AtomicBool::new(false), true, &|_| {}).unwrap();
        assert!(outcome(&repo).1 == want, "stopped at event {n}");
        if !stopped {
            break;
        }
    }
    let recorded = MemoryDisk::recording();
    let told = Mutex::new(Vec::new());
    let listener = |event: &Event| {
        if matches!(event, Event::DeltaVersioned { .. }) {
            told.lock().unwrap().push(recorded.operations());
        }
    };
    let mut repo = open(&recorded).unwrap();
    run_at(&pipeline, &mut repo, &AtomicBool::new(false), true, &listener).unwrap();
    let told = told.into_inner().unwrap();
    assert!(told.len() > FILES, "two windows make more commits than files");
    for n in told {
        let mut repo = open(&recorded.crash(n, Pending::Lost)).unwrap();
        run_at(&pipeline, &mut repo, &AtomicBool::new(false), true, &|_| {}).unwrap();
        assert!(outcome(&repo).1 == want, "after the crash at operation {n}");
    }
}

/// Epochs in windows that close by count: what an open window holds is what the next epoch is compared with.
#[test]
fn the_size_of_windows_changes_no_table() {
    let dir = Dir::new();
    let rows =
        |values: [f32; 3]| values.iter().enumerate().map(|(i, v)| (format!("id-{i}"), vec![*v])).collect::<Vec<_>>();
    let mut paths = vec![
        dir.jsonl("0.jsonl", &rows([1.0, 2.0, 3.0])),
        dir.jsonl("1.jsonl", &rows([9.0, 2.0, 8.0])),
        // Back to the values before: no difference from the table, but one from the open window.
        dir.jsonl("2.jsonl", &rows([1.0, 2.0, 3.0])),
    ];
    let whole = files(&dir, 400, 3);
    for (paths, missing) in
        [(std::mem::take(&mut paths), Missing::Keep), (whole.clone(), Missing::Keep), (whole, Missing::Delete)]
    {
        let want = undisturbed(&epochs(paths.clone(), missing)).1;
        for (epoch, count) in [true, false].into_iter().flat_map(|e| [1, 2, 7, 150, 1_000_000].map(|c| (e, c))) {
            if !epoch && missing == Missing::Delete {
                continue;
            }
            let mut pipeline = epochs(paths.clone(), missing);
            pipeline.sources[0].epoch = epoch;
            pipeline.routes[0].window = "w".to_owned();
            let close = Close::First(Triggers { count: Some(count), ..Triggers::default() });
            pipeline.windows = vec![Window::new("w".to_owned(), close)];
            let found = undisturbed(&pipeline).1;
            assert!(found == want, "windows of {count}, epoch = {epoch}, {missing:?}");
        }
    }
}

/// A source whose changes go to different windows: the later change must not be committed first.
#[test]
fn a_change_does_not_overtake_the_one_it_builds_on() {
    let dir = Dir::new();
    let mut rng = Rng::new(3);
    let mut row = vec![0.5f32; 8];
    let mut rows = vec![("id".to_owned(), row.clone()), ("other".to_owned(), row.clone())];
    for i in 0..60 {
        let by = if rng.chance(50) { 1e-3 } else { 1.0 };
        row[i % 8] += by;
        rows.push(("id".to_owned(), row.clone()));
    }
    let last = rows.last().unwrap().1.clone();
    let mut pipeline = epochs(vec![dir.jsonl("stream.jsonl", &rows)], Missing::Keep);
    pipeline.sources[0].epoch = false;
    let all = pipeline.routes[0].clone();
    let large = config::When { min_l2: Some(0.1), ..config::When::default() };
    pipeline.routes = vec![
        config::Route { name: "large".to_owned(), when: large, window: "few".to_owned(), ..all.clone() },
        config::Route { window: "many".to_owned(), ..all },
    ];
    let window = |name: &str, count| {
        let close = Close::First(Triggers { count: Some(count), ..Triggers::default() });
        Window::new(name.to_owned(), close)
    };
    pipeline.windows = vec![window("few", 2), window("many", 1_000)];
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    run_at(&pipeline, &mut repo, &AtomicBool::new(false), false, &|_| {}).unwrap();
    let bits: Vec<u8> = last.iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(outcome(&repo).1["vectors"].rows["id"], bits);
    assert_eq!(problems(&disk), [""; 0]);
}

/// A mirror that turns out to be damaged in the middle of a run: it is made anew, and no input is passed over.
#[test]
fn a_damaged_mirror_costs_no_input() {
    let dir = Dir::new();
    let paths = files(&dir, 200, 3);
    for (epoch, count) in [(true, None), (true, Some(3)), (false, Some(3)), (false, Some(1_000_000))] {
        let mut pipeline = epochs(paths.clone(), Missing::Keep);
        pipeline.sources[0].epoch = epoch;
        if let Some(count) = count {
            let close = Close::First(Triggers { count: Some(count), ..Triggers::default() });
            pipeline.windows = vec![Window::new("epoch".to_owned(), close)];
        }
        let want = undisturbed(&pipeline).1;
        let disk = MemoryDisk::default();
        let mut first = pipeline.clone();
        first.sources[0].inputs.truncate(1);
        run_at(&first, &mut open(&disk).unwrap(), &AtomicBool::new(false), false, &|_| {}).unwrap();
        let (path, mut rows) = disk.files().into_iter().find(|(p, _)| p.ends_with("/rows")).unwrap();
        // The last rows: something is committed before they are reached.
        let end = rows.len();
        rows[end - 40..].iter_mut().for_each(|b| *b ^= 0x11);
        disk.put(&path, rows);
        let mut rest = pipeline.clone();
        rest.sources[0].inputs.remove(0);
        let told = AtomicBool::new(false);
        let listener = |event: &Event| {
            if matches!(event, Event::TargetStateCorrupted { .. }) {
                told.store(true, Ordering::Relaxed);
            }
        };
        let mut repo = open(&disk).unwrap();
        run_at(&rest, &mut repo, &AtomicBool::new(false), false, &listener).unwrap();
        assert!(told.into_inner(), "the damage was noticed");
        assert!(outcome(&repo).1 == want, "epoch = {epoch}, windows of {count:?}");
        assert_eq!(problems(&disk), [""; 0]);
    }
}

const DIRECTORY: &str = "VECDELTA_TEST_FILES";

/// Prints the identity of every commit; the next test runs it in processes with other numbers of threads.
#[test]
fn identities() {
    if let Some(dir) = std::env::var_os(DIRECTORY) {
        let paths = (0..FILES).map(|i| PathBuf::from(&dir).join(format!("epoch-{i}.jsonl"))).collect();
        let memory: u64 = std::env::var("VECDELTA_TEST_MEMORY").unwrap().parse().unwrap();
        let mut pipeline = epochs(paths, Missing::Delete);
        pipeline.settings.memory_bytes = memory;
        println!("\nids {}", undisturbed(&pipeline).0.join(" "));
    }
}

#[test]
fn the_same_input_and_clock_make_the_same_commits_whatever_the_threads() {
    let dir = Dir::new();
    files(&dir, 9_000, 4);
    let ids = |threads: &str, memory: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "resume::identities", "--nocapture"])
            .env(DIRECTORY, &dir.0)
            .env("VECDELTA_TEST_MEMORY", memory)
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().find_map(|l| l.strip_prefix("ids ")).expect("it ran").to_owned()
    };
    let one = ids("1", "1048576");
    assert_eq!(one.split(' ').count(), FILES);
    for (threads, memory) in [("1", "536870912"), ("2", "1048576"), ("3", "536870912")] {
        assert_eq!(ids(threads, memory), one, "{threads} threads, {memory} bytes");
    }
}
