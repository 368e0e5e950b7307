//! A repository in PostgreSQL: what any disk does, and what only a server can do to it.

use std::sync::Arc;

use vecdelta::capture::Missing;
use vecdelta::delta::{Element, Table};
use vecdelta::pipeline::PipelineError;
use vecdelta::store::{Disk, MemoryDisk, StoreError, disk_at};
use vecdelta::version::{MAIN, Repository, VersionError, verify};

use super::conformance::{answers, say_the_same};
use super::servers::{alone, client, crash_database, end_sessions, new_repository, together};
use super::support::drive::{Epoch, ORIGIN, ingest};
use super::support::random::{Rng, changed, row};

#[test]
fn a_database_answers_like_every_disk() {
    let _together = together();
    let memory: Arc<dyn Disk> = Arc::new(MemoryDisk::default());
    let database = disk_at(new_repository().as_ref()).unwrap();
    say_the_same(&answers(&database), &answers(&memory), "a database");
}

/// Random writes, cuts, reads and renames, against a plain vector of bytes.
#[test]
fn a_file_keeps_every_byte() {
    let _together = together();
    let disk = disk_at(new_repository().as_ref()).unwrap();
    for dir in ["log", "cache"] {
        let mut rng = Rng::new(5);
        let path = format!("{dir}/file");
        disk.create_dir(dir).unwrap();
        let mut file = disk.open(&path, true).unwrap();
        let mut want: Vec<u8> = Vec::new();
        for step in 0..300 {
            let at = match rng.below(3) {
                0 => want.len(),
                1 => rng.below(want.len() + 1),
                _ => want.len() + rng.below(100_000),
            };
            match rng.below(10) {
                0 => {
                    want.resize(rng.below(want.len() * 2 + 10).min(4 << 20), 0);
                    file.set_len(want.len() as u64).unwrap();
                }
                1 => {
                    disk.rename(&path, &format!("{dir}/other")).unwrap();
                    disk.rename(&format!("{dir}/other"), &path).unwrap();
                    file = disk.open(&path, true).unwrap();
                }
                _ => {
                    let most = *rng.pick(&[1, 1_000, 70_000, 700_000]);
                    let data: Vec<u8> = (0..rng.below(most) + 1).map(|i| (i * 7 + step) as u8).collect();
                    file.write_at(&data, at as u64).unwrap();
                    want.resize(want.len().max(at + data.len()), 0);
                    want[at..at + data.len()].copy_from_slice(&data);
                }
            }
            assert_eq!(file.len().unwrap(), want.len() as u64);
            let from = rng.below(want.len() + 1);
            let to = from + rng.below((want.len() - from).min(1 << 20) + 1);
            let mut found = vec![1; to - from];
            file.read_at(&mut found, from as u64).unwrap();
            assert!(found == want[from..to], "step {step}");
        }
        let mut found = vec![0; want.len()];
        file.read_at(&mut found, 0).unwrap();
        assert!(found == want);
        assert!(file.read_at(&mut [0; 2], want.len() as u64 - 1).is_err());
        assert_eq!(disk.list(dir).unwrap(), ["file"]);
        disk.remove(&path).unwrap();
        assert_eq!(disk.len(&path).unwrap(), None);
        // Whoever has it open goes on reading.
        file.read_at(&mut found, 0).unwrap();
        assert!(found == want);
    }
}

#[test]
fn one_writer_at_a_time_and_readers_beside_it() {
    let _together = together();
    let place = new_repository();
    let held = Repository::open_writer(disk_at(place.as_ref()).unwrap(), Some(ORIGIN)).unwrap();
    for disk in [held.disk().clone(), disk_at(place.as_ref()).unwrap()] {
        let Err(VersionError::Store(StoreError::Locked { holder, .. })) = Repository::open_writer(disk, None) else {
            panic!("two writers");
        };
        assert!(holder.starts_with(&std::process::id().to_string()), "{holder}");
    }
    Repository::open(disk_at(place.as_ref()).unwrap()).unwrap();
    drop(held);
    Repository::open_writer(disk_at(place.as_ref()).unwrap(), None).unwrap();
}

/// A history in the making, and what of it was reported.
struct History {
    rng: Rng,
    rows: Vec<(String, Vec<u8>)>,
    table: Arc<Table>,
    reported: usize,
    head: Vec<(String, Vec<u8>)>,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let rows = (0..60).map(|i| (format!("key-{i}"), row(&mut rng, Element::F32, 24))).collect();
        let table = Arc::new(Table { collection: "c".to_owned(), element: Element::F32, dims: 24 });
        Self { rng, rows, table, reported: 0, head: Vec::new() }
    }

    /// Commits one more epoch.
    fn step(&mut self, repo: &mut Repository) -> Result<(), PipelineError> {
        let n = self.rows.len();
        for i in 0..n {
            if self.rng.below(4) == 0 {
                self.rows[i].1 = changed(&mut self.rng, Element::F32, &self.rows[i].1);
            }
        }
        self.rows.push((format!("more-{n}"), row(&mut self.rng, Element::F32, 24)));
        let epoch =
            Epoch { table: self.table.clone(), rows: self.rows.clone(), missing: Missing::Delete, batch_rows: 16 };
        ingest(repo, MAIN, 1_000 + self.reported as u64, &[epoch])?;
        self.reported += 1;
        self.head = self.rows.clone();
        Ok(())
    }

    /// Holds what a new connection finds against what was reported; one commit more may have arrived unreported.
    fn check(&mut self, place: &str) -> Repository {
        let disk = disk_at(place.as_ref()).unwrap();
        let repo = Repository::open_writer(disk.clone(), None).unwrap();
        assert!((self.reported..=self.reported + 1).contains(&repo.len()), "{} of {}", repo.len(), self.reported);
        let report = verify(&disk).unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        if repo.len() > self.reported {
            self.reported += 1;
            self.head = self.rows.clone();
        }
        let head = repo.head(MAIN).unwrap();
        let mut found = super::support::oracle::read(&repo, head).unwrap().remove("c").unwrap().rows;
        for (key, row) in &self.head {
            assert!(found.remove(key).as_ref() == Some(row), "{key}");
        }
        assert!(found.is_empty());
        repo
    }
}

/// The session ends at a random moment of a commit: the writer notices and stops, and nothing that was reported is lost.
#[test]
fn a_lost_connection_loses_nothing_that_was_reported() {
    let _together = together();
    let place = new_repository();
    let mut history = History::new(11);
    let mut repo = Repository::open_writer(disk_at(place.as_ref()).unwrap(), Some(ORIGIN)).unwrap();
    history.step(&mut repo).unwrap();
    for round in 0..25 {
        history.step(&mut repo).unwrap();
        let mut own = client();
        let repository = place.split_once("repo=").unwrap().1.to_owned();
        // Ends the session that holds this repository's lock, and no neighbour's.
        let end = move || {
            std::thread::sleep(std::time::Duration::from_millis(5 + round * 7));
            let sql = "SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks l \
                 JOIN vecdelta.repository r ON r.id::bigint = l.objid::bigint WHERE l.locktype = 'advisory' AND r.name = $1";
            own.query_one(sql, &[&repository]).unwrap().get::<_, i64>(0)
        };
        let ended = std::thread::spawn(end);
        let failed = loop {
            match history.step(&mut repo) {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(ended.join().unwrap(), 1);
        assert!(!failed.to_string().contains("corrupt"), "{failed}");
        // Nothing goes on under a lock that is lost.
        let attempted = history.rows.clone();
        assert!(history.step(&mut repo).is_err());
        history.rows = attempted;
        drop(repo);
        repo = history.check(&place);
    }
    assert!(history.reported > 25, "{}", history.reported);
}

/// The server itself is killed between commits and in the middle of them.
#[test]
fn a_killed_server_loses_nothing_that_was_reported() {
    let _alone = alone();
    let place = new_repository();
    let mut history = History::new(12);
    let mut repo = Repository::open_writer(disk_at(place.as_ref()).unwrap(), Some(ORIGIN)).unwrap();
    for round in 0..4u64 {
        let crash = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(150 + round * 37));
            crash_database();
        });
        while history.step(&mut repo).is_ok() {}
        crash.join().unwrap();
        drop(repo);
        repo = history.check(&place);
        history.step(&mut repo).unwrap();
    }
    assert!(history.reported > 8);
}

/// A reader goes on in a new session.
#[test]
fn a_reader_outlives_its_session() {
    let _alone = alone();
    let place = new_repository();
    let mut history = History::new(13);
    let mut repo = Repository::open_writer(disk_at(place.as_ref()).unwrap(), Some(ORIGIN)).unwrap();
    history.step(&mut repo).unwrap();
    drop(repo);
    let reader = Repository::open(disk_at(place.as_ref()).unwrap()).unwrap();
    assert!(end_sessions(std::process::id()) > 0);
    let head = reader.head(MAIN).unwrap();
    assert_eq!(super::support::oracle::read(&reader, head).unwrap()["c"].rows.len(), history.rows.len());
}
