//! One writer, many readers, on a real file system.
//!
//! Two writers on one log overwrite each other's commits; a reader that sees the rows of one commit with the keys of
//! another has a table that never was. The second writer must be refused at once and be told who holds the
//! repository, the lock must end with its holder however that ends, and a reader sees whole commits only.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use vecdelta::capture::Missing;
use vecdelta::delta::{Element, Table};
use vecdelta::store::{Disk, LocalDisk, StoreError};
use vecdelta::version::{MAIN, Repository, VersionError, verify};

use crate::support::drive::{Epoch, ORIGIN, ingest};
use crate::support::files::Dir;
use crate::support::oracle::read;

fn writer(dir: &Path) -> Result<Repository, VersionError> {
    Repository::open_writer(Arc::new(LocalDisk::new(dir)), Some(ORIGIN))
}

fn holder(refused: Result<Repository, VersionError>) -> String {
    match refused {
        Err(VersionError::Store(StoreError::Locked { path, holder })) => {
            assert!(path.ends_with("cache/lock"), "{path}");
            holder
        }
        Err(e) => panic!("{e}"),
        Ok(_) => panic!("two writers have the repository"),
    }
}

#[test]
fn of_writers_that_come_at_once_one_wins() {
    let dir = Dir::new();
    for _ in 0..25 {
        let (start, end) = (Barrier::new(4), Barrier::new(4));
        let won = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    let opened = writer(&dir.0);
                    end.wait();
                    match opened {
                        Ok(_) => _ = won.fetch_add(1, Ordering::Relaxed),
                        refused => assert_eq!(holder(refused), std::process::id().to_string()),
                    }
                });
            }
        });
        assert_eq!(won.into_inner(), 1);
        // The winner's lock went with it.
        writer(&dir.0).unwrap();
    }
}

const HELD: &str = "VECDELTA_TEST_HELD";

/// Holds a repository until standard input ends; the next test runs it in a process of its own.
#[test]
fn hold() {
    if let Some(dir) = std::env::var_os(HELD) {
        let _repo = writer(Path::new(&dir)).unwrap();
        println!("\nheld");
        let _ = std::io::stdin().read(&mut [0]);
    }
}

#[test]
fn the_holder_is_named_and_its_end_frees_the_lock() {
    let dir = Dir::new();
    drop(writer(&dir.0).unwrap());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "concurrency::hold", "--nocapture"])
        .env(HELD, &dir.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "held"));
    assert_eq!(holder(writer(&dir.0)), child.id().to_string());
    Repository::open(Arc::new(LocalDisk::new(&dir.0))).expect("a reader needs no lock");
    child.kill().unwrap();
    child.wait().unwrap();
    writer(&dir.0).expect("the lock ends with its holder");
}

#[test]
fn readers_see_whole_commits_only() {
    const COMMITS: u32 = 200;
    const ROWS: u32 = 40;
    let dir = Dir::new();
    let disk: Arc<dyn Disk> = Arc::new(LocalDisk::new(&dir.0));
    let mut repo = writer(&dir.0).unwrap();
    let table = Arc::new(Table { collection: "c".to_owned(), element: Element::F32, dims: 3 });
    let done = AtomicBool::new(false);
    let seen = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let reader = Repository::open(disk.clone()).unwrap();
                    assert!(reader.len() >= last, "a commit that was seen is gone");
                    last = reader.len();
                    let Some(head) = reader.head(MAIN) else { continue };
                    let rows = &read(&reader, head).unwrap()["c"].rows;
                    let number = (head as f32).to_le_bytes().repeat(3);
                    assert_eq!(rows.len(), (ROWS + head as u32) as usize);
                    assert!(rows.values().all(|row| *row == number), "rows of two commits at commit {head}");
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for commit in 0..COMMITS {
            let row = (commit as f32).to_le_bytes().repeat(3);
            let rows = (0..ROWS + commit).map(|i| (format!("key-{i}"), row.clone())).collect();
            let epoch = Epoch { table: table.clone(), rows, missing: Missing::Delete, batch_rows: 64 };
            ingest(&mut repo, MAIN, u64::from(commit), &[epoch]).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(seen.into_inner() > 10, "the readers were there");
    let report = verify(&disk).unwrap();
    assert!(report.problems.is_empty() && report.commits == u64::from(COMMITS), "{:?}", report.problems);
}
