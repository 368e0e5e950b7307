//! An error from the disk at every single call.
//!
//! After a failed fsync the kernel forgets that the pages were dirty: the next fsync "succeeds" and the data are gone.
//! A store that tries again, or that acknowledges the next commit on the same handle, has lost data without a word. So
//! each call fails once, as an I/O error and as a full disk that takes half of a write, until a session passes.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use vecdelta::capture::Missing;
use vecdelta::delta::{Element, Table};
use vecdelta::event::Event;
use vecdelta::pipeline::PipelineError;
use vecdelta::store::{Fault, FaultKind, MemoryDisk, Pending, StoreError};
use vecdelta::version::{
    Keep, MAIN, Merge, Repository, Strategy, VersionError, collect, compact, merge, rollback, set_branch, set_tag,
    snapshot,
};

use crate::support::drive::{Epoch, at, ingest, open, problems};
use crate::support::files::{Dir, epochs, run_at};
use crate::support::oracle::{Tables, read, read_held};
use crate::support::random::{Rng, row};

/// A row of the epoch `step`; every third one stays as it is.
fn epoch(step: u64) -> [Epoch; 1] {
    let table = Table { collection: "c".to_owned(), element: Element::F32, dims: 4 };
    let seed = |i: u64| if i.is_multiple_of(3) { i } else { i + 100 * step };
    let rows = (0..9).map(|i| (format!("key-{i}"), row(&mut Rng::new(seed(i)), Element::F32, 4))).collect();
    [Epoch { table: Arc::new(table), rows, missing: Missing::Delete, batch_rows: 4 }]
}

/// A step of a session: what it does, and whether that is a commit.
type Step = (bool, fn(&mut Repository) -> Result<(), PipelineError>);

const STEPS: [Step; 12] = [
    (true, |r| ingest(r, MAIN, 1, &epoch(1)).map(drop)),
    (true, |r| ingest(r, MAIN, 2, &epoch(2)).map(drop)),
    (false, |r| Ok(set_tag(r, "t", 0, &at(3))?)),
    (false, |r| Ok(snapshot(r, 1, &at(4)).map(drop)?)),
    (false, |r| Ok(set_branch(r, "b", 0, &at(5))?)),
    (true, |r| ingest(r, "b", 6, &epoch(3)).map(drop)),
    (true, |r| Ok(rollback(r, MAIN, 0, &at(7)).map(drop)?)),
    (true, |r| ingest(r, MAIN, 8, &epoch(4)).map(drop)),
    (true, |r| merged(r)),
    (false, |r| Ok(compact(r, Keep { from: usize::MAX, every: 0 }, &at(10), &mut |_, _| {}).map(drop)?)),
    (false, |r| Ok(collect(r).map(drop)?)),
    (true, |r| ingest(r, MAIN, 12, &epoch(5)).map(drop)),
];

fn merged(repo: &mut Repository) -> Result<(), PipelineError> {
    let request = Merge {
        into: MAIN.to_owned(),
        theirs: repo.head("b").expect("it was made before"),
        name: "b".to_owned(),
        policy: Strategy::Theirs.into(),
        resolved: Vec::new(),
        custom: None,
        fast_forward: false,
        dry_run: false,
        message: String::new(),
    };
    merge(repo, &request, &at(9), &mut |_| Ok::<_, VersionError>(()))?;
    Ok(())
}

/// What the session leaves when nothing fails: its commits, and how many there are after each step.
fn undisturbed() -> (Vec<Tables>, Vec<usize>) {
    let mut repo = open(&disk()).unwrap();
    let (mut counts, mut tables) = (vec![0], Vec::new());
    for (_, step) in STEPS {
        step(&mut repo).unwrap();
        counts.push(repo.len());
        // Read at once: later they may be compacted.
        tables.extend((tables.len()..repo.len()).map(|c| read(&repo, c).unwrap()));
    }
    (tables, counts)
}

fn disk() -> MemoryDisk {
    MemoryDisk::recording().with_segments_of(1_200)
}

/// Returns how many steps passed, the error that ended them, and the handle.
fn session(disk: &MemoryDisk) -> (usize, Option<PipelineError>, Option<Repository>) {
    let mut repo = match open(disk) {
        Ok(repo) => repo,
        Err(e) => return (0, Some(e), None),
    };
    for (done, (_, step)) in STEPS.iter().enumerate() {
        if let Err(e) = step(&mut repo) {
            return (done, Some(e), Some(repo));
        }
    }
    (STEPS.len(), None, Some(repo))
}

#[test]
fn nothing_is_acknowledged_after_a_failure() {
    let (tables, counts) = undisturbed();
    for kind in [FaultKind::Io, FaultKind::Full] {
        for at in 0.. {
            let disk = disk();
            disk.fail(Some(Fault { at, kind }));
            let (done, error, handle) = session(&disk);
            if disk.calls() <= at {
                assert!(error.is_none() && at > 60, "{at} calls, {error:?}");
                break;
            }
            let label = format!("{kind:?} at call {at}, step {done}");
            disk.fail(None);
            if let Some(error) = &error {
                names_its_file(error, &label);
            }
            let extra = match (&error, handle) {
                (Some(error), Some(repo)) => usize::from(further_commit(repo, error, &label)),
                _ => 0,
            };
            reopened(&disk, &tables, counts[done], error.is_some(), extra, &label);
        }
    }
}

fn names_its_file(error: &PipelineError, label: &str) {
    let text = error.to_string();
    assert!(text.contains("memory:"), "{label}: the text names no file: {text}");
}

/// Tries to go on with a handle that failed: after a failure of the log it refuses. Returns whether it did not.
fn further_commit(mut repo: Repository, error: &PipelineError, label: &str) -> bool {
    let log_failed = ["memory:log", "memory:head"].iter().any(|p| error.to_string().contains(p));
    match ingest(&mut repo, "after", 99, &epoch(9)) {
        Ok(_) => {
            assert!(!log_failed, "{label}: a commit after {error}");
            true
        }
        Err(PipelineError::Version(VersionError::Store(StoreError::Poisoned))) => {
            assert!(log_failed, "{label}: refused without need after {error}");
            false
        }
        Err(e) => panic!("{label}: {e}"),
    }
}

/// Opens again: what was acknowledged is there, and at most the one commit that was on its way besides.
fn reopened(disk: &MemoryDisk, tables: &[Tables], acknowledged: usize, failed: bool, extra: usize, label: &str) {
    // The power fails as well: what a failed sync left behind is gone.
    for image in [disk.crash(usize::MAX, Pending::Lost), disk.crash(usize::MAX, Pending::Kept)] {
        let mut repo = open(&image).unwrap_or_else(|e| panic!("{label}: does not open again: {e}"));
        let found: Vec<Option<Tables>> = (0..repo.len()).map(|c| read_held(&repo, c).unwrap()).collect();
        let own = found.len() - extra;
        let in_flight = usize::from(failed);
        assert!((acknowledged..=acknowledged + in_flight).contains(&own), "{label}: {own} commits");
        let fits = |(found, table): (&Option<Tables>, &Tables)| found.as_ref().is_none_or(|f| f == table);
        assert!(found[..own].iter().zip(tables).all(fits), "{label}: another table than was ingested");
        let commit = ingest(&mut repo, MAIN, 100, &epoch(7)).unwrap_or_else(|e| panic!("{label}: {e}"));
        assert_eq!(read(&repo, commit).unwrap()["c"].rows, epoch(7)[0].rows.iter().cloned().collect(), "{label}");
        assert_eq!(problems(&image), [""; 0], "{label}");
    }
}

/// The same with the threads of a pipeline: it ends with the error, and a second run makes the rest of the commits.
#[test]
fn a_pipeline_ends_with_the_failure_and_resumes_behind_it() {
    let dir = Dir::new();
    let file = |n: u64| {
        let mut rng = Rng::new(n);
        let rows: Vec<_> = (0..7).map(|i| (format!("id-{i}"), vec![rng.unit() as f32, i as f32, n as f32])).collect();
        dir.jsonl(&format!("epoch-{n}.jsonl"), &rows)
    };
    let pipeline = epochs((0..4).map(file).collect(), Missing::Delete);
    let run = |disk: &MemoryDisk| -> (usize, Result<(), PipelineError>) {
        let told = Mutex::new(0);
        let listener = |event: &Event| {
            if matches!(event, Event::DeltaVersioned { .. }) {
                *told.lock().unwrap() += 1;
            }
        };
        let result = open(disk)
            .and_then(|mut repo| run_at(&pipeline, &mut repo, &AtomicBool::new(false), true, &listener).map(drop));
        (told.into_inner().unwrap(), result)
    };
    let whole = MemoryDisk::default();
    run(&whole).1.unwrap();
    let repo = open(&whole).unwrap();
    let want: Vec<Tables> = (0..repo.len()).map(|c| read(&repo, c).unwrap()).collect();
    assert_eq!(want.len(), 4);
    for at in 0.. {
        let kind = if at % 2 == 0 { FaultKind::Io } else { FaultKind::Full };
        let disk = disk();
        disk.fail(Some(Fault { at, kind }));
        let (told, result) = run(&disk);
        if disk.calls() <= at {
            result.unwrap();
            break;
        }
        if let Err(error) = result {
            names_its_file(&error, &format!("call {at}"));
        }
        disk.fail(None);
        let disk = disk.crash(usize::MAX, Pending::Lost);
        let held = open(&disk).unwrap().len();
        assert!((told..=told + 1).contains(&held), "call {at}: {told} were told, {held} are there");
        run(&disk).1.unwrap();
        let repo = open(&disk).unwrap();
        let found: Vec<Tables> = (0..repo.len()).map(|c| read(&repo, c).unwrap()).collect();
        assert!(found == want, "call {at}: {} commits after the second run", found.len());
    }
}

/// The repair of a torn log and a damaged head may fail as well; the next start repairs it.
#[test]
fn a_repair_that_fails_is_repeated() {
    let recorded = disk();
    session(&recorded);
    for n in (0..recorded.operations()).step_by(5) {
        for at in 0.. {
            let image = recorded.crash(n, Pending::Torn(512));
            let Some(mut head) = image.files().get("head").cloned() else { break };
            head[at as usize % 2 * 512 + 8] ^= 1;
            image.put("head", head);
            let Ok(before) = Repository::open(Arc::new(image.clone())).map(|r| r.len()) else { break };
            image.fail(Some(Fault { at, kind: FaultKind::Full }));
            let failed = Repository::open_writer(Arc::new(image.clone()), None);
            let over = image.calls() <= at;
            image.fail(None);
            drop(failed);
            let repo = open(&image.crash(usize::MAX, Pending::Lost)).unwrap();
            assert!(repo.len() >= before, "operation {n}, call {at}: {} of {before} commits", repo.len());
            if over {
                break;
            }
        }
    }
}
