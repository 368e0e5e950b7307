//! Commits that are coded against an earlier one than their parent, so that old tables are few steps away.

use std::sync::Arc;

use vecdelta::capture::Missing;
use vecdelta::delta::{CommitId, Element, Source, Table};
use vecdelta::store::{Action, BlockKind, Disk, MemoryDisk, Skip};
use vecdelta::version::{
    CommitIndex, Keep, MAIN, Repository, Sender, VersionError, Wanted, collect, compact, delete_snapshot, receive,
    rollback, set_branch, snapshot, undo, value,
};

use crate::support::drive::{Epoch, ORIGIN, apply, at, ingest, open, problems};
use crate::support::forge::{Closing, Seal, Transaction, transactions, write};
use crate::support::oracle::{Tables, read};
use crate::support::random::{Rng, moved, row};

const ROWS: usize = 30;
const DIMS: u32 = 64;
const COMMITS: usize = 12;

fn epoch(rows: Vec<(String, Vec<u8>)>) -> Epoch {
    let table = Arc::new(Table { collection: "a".to_owned(), element: Element::F32, dims: DIMS });
    Epoch { table, rows, missing: Missing::Delete, batch_rows: 7 }
}

/// A history in which every row moves a little each time; one goes and one comes at the sixth commit.
fn trained() -> (MemoryDisk, Vec<Tables>) {
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    let mut rng = Rng::new(7);
    let new = |rng: &mut Rng| (0..DIMS).flat_map(|_| (rng.unit() as f32).to_le_bytes()).collect::<Vec<u8>>();
    let mut rows: Vec<_> = (0..ROWS).map(|i| (format!("key/{i:03}"), new(&mut rng))).collect();
    let (mut table, mut tables) = (Tables::new(), Vec::new());
    for step in 0..COMMITS {
        if step > 0 {
            rows.iter_mut().for_each(|(_, r)| *r = moved(&mut rng, Element::F32, r));
        }
        if step == 5 {
            rows.remove(3);
            rows.push(("late".to_owned(), new(&mut rng)));
        }
        let epochs = [epoch(rows.clone())];
        apply(&mut table, &epochs);
        ingest(&mut repo, MAIN, step as u64, &epochs).unwrap();
        tables.push(table.clone());
    }
    (disk, tables)
}

/// Returns, for each commit, the one against which it is coded instead of its parent.
fn skips(repo: &Repository) -> Vec<Option<CommitIndex>> {
    (0..repo.len()).map(|c| repo.entry(c).skips.first().map(|&(_, to)| to as CommitIndex)).collect()
}

fn read_all(disk: &MemoryDisk, tables: &[Tables]) {
    let repo = Repository::open(Arc::new(disk.clone())).unwrap();
    for (commit, table) in tables.iter().enumerate() {
        match read(&repo, commit) {
            Ok(found) => assert!(found == *table, "commit {commit} is another table"),
            Err(error) => assert!(repo.stands_for(commit).is_some(), "commit {commit}: {error}"),
        }
        let late = Source { collection: "a".to_owned(), key: "late".to_owned() };
        let row = value(&repo, commit, &late).ok().map(|v| v.row);
        assert!(repo.stands_for(commit).is_some() || row.as_ref() == table["a"].rows.get("late"), "late at {commit}");
    }
    assert_eq!(problems(disk), [""; 0]);
}

#[test]
fn every_third_step_goes_back_to_whole_rows() {
    let (disk, tables) = trained();
    let repo = Repository::open(Arc::new(disk.clone())).unwrap();
    let first = Some(0);
    let expected = [None, None, None, None, first, None, None, first, None, None, first, None];
    assert_eq!(skips(&repo), expected);
    drop(repo);
    read_all(&disk, &tables);
    // Without index and mirror the same is read, and the next commit is made in the same way.
    let (mut logs, rows) = (Vec::new(), tables[COMMITS - 1]["a"].rows.clone());
    for cached in [true, false] {
        let copy = MemoryDisk::default();
        let files = disk.files().into_iter().filter(|(path, _)| cached || !path.starts_with("cache/"));
        files.for_each(|(path, data)| copy.put(&path, data));
        read_all(&copy, &tables);
        let mut repo = Repository::open_writer(Arc::new(copy.clone()), Some(ORIGIN)).unwrap();
        for step in 0..4 {
            let mut rng = Rng::new(step);
            let rows = rows.iter().map(|(k, r)| (k.clone(), moved(&mut rng, Element::F32, r))).collect();
            ingest(&mut repo, MAIN, 100 + step, &[epoch(rows)]).unwrap();
        }
        assert!(skips(&repo)[COMMITS..].contains(&first));
        logs.push(copy.files()["log/00000000.vdlog"].clone());
    }
    assert!(logs[0] == logs[1], "what is written does not depend on the cache");
}

#[test]
fn snapshots_compactions_and_rollbacks_leave_the_rows_that_others_are_coded_against() {
    let (disk, mut tables) = trained();
    let mut repo = open(&disk).unwrap();
    // A snapshot between a commit and the one that it is coded against ends no row's way.
    snapshot(&mut repo, 2, &at(50)).unwrap();
    snapshot(&mut repo, 9, &at(50)).unwrap();
    read_all(&disk, &tables);
    delete_snapshot(&mut repo, 2, &at(50)).unwrap();
    read_all(&disk, &tables);
    rollback(&mut repo, MAIN, 7, &at(51)).unwrap();
    tables.push(tables[7].clone());
    read_all(&disk, &tables);
    let done = compact(&mut repo, Keep { from: 10, every: 0 }, &at(52), &mut |_, _| {}).unwrap();
    assert!(done.commits > 0 && repo.stands_for(0).is_none() && repo.stands_for(5).is_some());
    read_all(&disk, &tables);
    undo(&mut repo, &at(53)).unwrap();
    assert!(repo.stands_for(5).is_none());
    read_all(&disk, &tables);
    compact(&mut repo, Keep { from: 10, every: 0 }, &at(54), &mut |_, _| {}).unwrap();
    collect(&mut repo).unwrap();
    read_all(&disk, &tables);
}

#[test]
fn they_travel_to_whoever_holds_what_they_are_coded_against() {
    let (disk, tables) = trained();
    let repo = Repository::open(Arc::new(disk.clone())).unwrap();
    // Whole, and from a few commits on.
    for first in [0, 3, 6] {
        let other = MemoryDisk::default();
        let mut to = Repository::open_writer(Arc::new(other.clone()), Some([9; 32])).unwrap();
        for head in [first, COMMITS - 1] {
            let copy = MemoryDisk::default();
            disk.files().into_iter().for_each(|(path, data)| copy.put(&path, data));
            let mut from = open(&copy).unwrap();
            set_branch(&mut from, "upto", head, &at(60)).unwrap();
            let wanted = Wanted { branches: vec!["upto".to_owned()], rename: None };
            receive(&mut to, &Sender::of(&from), &wanted, &at(61), &|_| {}).unwrap();
        }
        assert_eq!(skips(&to), skips(&repo));
        drop(to);
        read_all(&other, &tables);
    }
    // Where that was compacted away, they are refused with a way out.
    let other = MemoryDisk::default();
    disk.files().into_iter().for_each(|(path, data)| other.put(&path, data));
    let mut to = open(&other).unwrap();
    set_branch(&mut to, "third", 3, &at(62)).unwrap();
    drop(to);
    let cut = MemoryDisk::default();
    let mut to = Repository::open_writer(Arc::new(cut.clone()), Some([9; 32])).unwrap();
    let from = Repository::open(Arc::new(other)).unwrap();
    let wanted = Wanted { branches: vec!["third".to_owned()], rename: None };
    receive(&mut to, &Sender::of(&from), &wanted, &at(63), &|_| {}).unwrap();
    compact(&mut to, Keep { from: 3, every: 0 }, &at(64), &mut |_, _| {}).unwrap();
    let refused = receive(&mut to, &Sender::of(&repo), &Wanted::default(), &at(65), &|_| {});
    let Err(VersionError::NotTaken { problem, advice }) = refused else { panic!("{refused:?}") };
    assert!(problem.contains("compacted away") && advice.contains("undo"), "{problem}: {advice}");
}

#[test]
fn a_commit_that_names_another_than_it_should_is_found_out() {
    let (disk, _) = trained();
    let ids: Vec<CommitId> = transactions(&disk).iter_mut().map(|tx| tx.commit().body.id()).collect();
    let skip = |commit| Skip { collection: 0, commit };
    type Edit<'e> = &'e dyn Fn(&mut Transaction);
    let edits: [(&str, Edit<'_>); 6] = [
        ("none", &|tx| tx.commit().skips.clear()),
        ("an unknown one", &|tx| tx.commit().skips = vec![skip(CommitId([3; 32]))]),
        ("a later one", &|tx| tx.commit().skips = vec![skip(ids[8])]),
        ("another one", &|tx| tx.commit().skips = vec![skip(ids[1])]),
        ("that of another collection", &|tx| tx.commit().skips[0].collection = 1),
        ("two", &|tx| tx.commit().skips = vec![skip(ids[0]), skip(ids[1])]),
    ];
    for (what, edit) in edits {
        let forged = MemoryDisk::default();
        let files = disk.files().into_iter().filter(|(path, _)| !path.starts_with("cache/"));
        files.for_each(|(path, data)| forged.put(&path, data));
        let mut all = transactions(&forged);
        edit(&mut all[7]);
        write(&forged, all, Seal::All);
        let found = problems(&forged);
        assert!(found.iter().any(|p| p.contains("memory:log")), "{what}: {found:?}");
    }
    // Only a commit's own rows may be coded so: what a snapshot shows has to stand on its own.
    let mut repo = open(&disk).unwrap();
    snapshot(&mut repo, 4, &at(70)).unwrap();
    drop(repo);
    disk.files().into_keys().filter(|p| p.starts_with("cache/")).for_each(|p| disk.take(&p));
    let mut all = transactions(&disk);
    let Closing::Operation(operation) = &mut all[COMMITS].closing else { panic!("no operation") };
    let Action::Snapshot { blocks, .. } = &mut operation.action else { panic!("no snapshot") };
    blocks.iter_mut().filter(|b| b.kind == BlockKind::Fresh).for_each(|b| b.kind = BlockKind::Skip);
    write(&disk, all, Seal::All);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let refused = Repository::open(shared).map(|repo| repo.len());
    assert!(refused.as_ref().is_err_and(|e| e.to_string().contains("against which commits")), "{refused:?}");
}

/// Rows that change in a few places only are no smaller against whole rows: those changes add up.
#[test]
fn few_changed_cells_are_coded_against_the_parent() {
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    let mut rng = Rng::new(9);
    let mut rows: Vec<_> = (0..ROWS).map(|i| (format!("key/{i:03}"), row(&mut rng, Element::F32, DIMS))).collect();
    for step in 0..COMMITS as u64 {
        ingest(&mut repo, MAIN, step, &[epoch(rows.clone())]).unwrap();
        for (_, row) in &mut rows {
            let at = rng.below(DIMS as usize) * 4;
            row[at..at + 4].copy_from_slice(&(rng.unit() as f32).to_le_bytes());
        }
    }
    assert_eq!(skips(&repo), [None; COMMITS]);
}

/// Rows far apart lie in as many blocks where they were written whole: all of those would have to be read to write one.
#[test]
fn rows_far_apart_are_coded_against_the_parent() {
    for (every, skips_some) in [(1, true), (10, false)] {
        let disk = MemoryDisk::default();
        let mut repo = open(&disk).unwrap();
        let mut rng = Rng::new(10);
        let new = |rng: &mut Rng| (0..DIMS).flat_map(|_| (rng.unit() as f32).to_le_bytes()).collect::<Vec<u8>>();
        let mut rows: Vec<_> = (0..10 * ROWS).map(|i| (format!("key/{i:03}"), new(&mut rng))).collect();
        for step in 0..COMMITS as u64 {
            ingest(&mut repo, MAIN, step, &[epoch(rows.clone())]).unwrap();
            rows.iter_mut().step_by(every).for_each(|(_, r)| *r = moved(&mut rng, Element::F32, r));
        }
        assert_eq!(skips(&repo).iter().any(Option::is_some), skips_some, "one row in {every} moves");
    }
}
