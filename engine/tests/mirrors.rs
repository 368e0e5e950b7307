//! A mirror that is whole, but is not the mirror of this history.
//!
//! Capture compares each row with the mirror and takes slots from it. A mirror of the same table in which the sources
//! have other slots let every later update of one source land on another one, and nothing but `verify` noticed. That a
//! mirror's table has the right root is therefore not enough: it must stand at the very commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use vecdelta::capture::Missing;
use vecdelta::delta::{DeltaBatch, Element, Table};
use vecdelta::store::MemoryDisk;
use vecdelta::version::{
    CommitInfo, MAIN, Repository, Stage, delete_branch, open_mirror, rollback, save_mirror, set_branch,
};

use crate::support::drive::{Epoch, at, ingest, open, problems};
use crate::support::oracle::read;

fn table(dims: u32) -> Arc<Table> {
    Arc::new(Table { collection: "c".to_owned(), element: Element::F32, dims })
}

/// An epoch of one-component rows in the order given.
fn epoch(rows: &[(&str, f32)]) -> [Epoch; 1] {
    let rows = rows.iter().map(|(k, v)| ((*k).to_owned(), v.to_le_bytes().to_vec())).collect();
    [Epoch { table: table(1), rows, missing: Missing::Delete, batch_rows: 100 }]
}

fn holds(repo: &Repository, branch: &str, want: &[(&str, f32)]) {
    let rows: BTreeMap<String, Vec<u8>> =
        want.iter().map(|(k, v)| ((*k).to_owned(), v.to_le_bytes().to_vec())).collect();
    assert_eq!(read(repo, repo.head(branch).unwrap()).unwrap()["c"].rows, rows);
}

#[test]
fn a_branch_made_anew_is_not_compared_with_the_mirror_of_the_old_one() {
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    let base = ingest(&mut repo, MAIN, 1, &epoch(&[("a", 1.0)])).unwrap();
    set_branch(&mut repo, "f", base, &at(2)).unwrap();
    ingest(&mut repo, "f", 3, &epoch(&[("a", 1.0), ("x", 2.0), ("y", 3.0)])).unwrap();
    let other = ingest(&mut repo, MAIN, 4, &epoch(&[("a", 1.0), ("y", 3.0), ("x", 2.0)])).unwrap();
    delete_branch(&mut repo, "f", &at(5)).unwrap();
    set_branch(&mut repo, "f", other, &at(6)).unwrap();
    let want = [("a", 1.0), ("x", 9.0), ("y", 3.0)];
    ingest(&mut repo, "f", 7, &epoch(&want)).unwrap();
    holds(&repo, "f", &want);
    assert_eq!(problems(&disk), [""; 0]);
}

#[test]
fn a_mirror_from_before_a_key_came_and_went_is_not_taken() {
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    ingest(&mut repo, MAIN, 1, &epoch(&[("a", 1.0)])).unwrap();
    let old: Vec<_> = disk.files().into_iter().filter(|(p, _)| p.starts_with("cache/")).collect();
    ingest(&mut repo, MAIN, 2, &epoch(&[("a", 1.0), ("z", 2.0)])).unwrap();
    ingest(&mut repo, MAIN, 3, &epoch(&[("a", 1.0)])).unwrap();
    // A crash can bring back the old state: nothing under cache/ is synced.
    old.into_iter().for_each(|(path, data)| disk.put(&path, data));
    let want = [("a", 1.0), ("y", 5.0)];
    ingest(&mut repo, MAIN, 4, &epoch(&want)).unwrap();
    holds(&repo, MAIN, &want);
    assert_eq!(problems(&disk), [""; 0]);
}

#[test]
fn a_key_whose_row_was_not_taken_keeps_its_slot() {
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    ingest(&mut repo, MAIN, 1, &epoch(&[("a", 1.0)])).unwrap();
    // A route that takes no inserts: the key is in the mirror, and its row in no window.
    let info = CommitInfo { branch: MAIN.to_owned(), ..CommitInfo::default() };
    let mirror = open_mirror(&repo, MAIN, table(1)).unwrap();
    let staged = {
        let mut stage = Stage::begin(&repo, &info, 2).unwrap();
        let number = stage.add_collection(mirror.clone()).unwrap();
        mirror.write().unwrap().keys_mut().push("left out");
        let nothing = DeltaBatch {
            table: table(1),
            keys: vecdelta::delta::Keys::default(),
            deltas: Vec::new(),
            old: Default::default(),
            new: Default::default(),
            notes: vecdelta::delta::Notes::default(),
        };
        stage.add(number, nothing).unwrap();
        stage.finish(info).unwrap()
    };
    repo.take(staged).unwrap();
    save_mirror(&repo, MAIN, &mirror).unwrap();
    let want = [("a", 1.0), ("y", 5.0)];
    ingest(&mut repo, MAIN, 3, &epoch(&want)).unwrap();
    holds(&repo, MAIN, &want);
    assert_eq!(problems(&disk), [""; 0]);
}

#[test]
fn the_names_of_what_a_commit_holds_beside_its_rows_are_not_free() {
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    ingest(&mut repo, MAIN, 1, &epoch(&[("a", 1.0)])).unwrap();
    for name in ["notes", "generations"] {
        let metadata = [(name.to_owned(), "0".repeat(64))].into();
        let info = CommitInfo { branch: MAIN.to_owned(), metadata, ..CommitInfo::default() };
        let refused = Stage::begin(&repo, &info, 2).map(drop).unwrap_err().to_string();
        assert!(refused.contains(name) && refused.contains("choose another"), "{refused}");
    }
    ingest(&mut repo, MAIN, 3, &epoch(&[("a", 2.0)])).unwrap();
    assert_eq!(problems(&disk), [""; 0]);
}

#[test]
fn a_branch_is_rolled_back_to_a_collection_of_another_width_and_goes_on() {
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    let one = ingest(&mut repo, MAIN, 1, &epoch(&[("a", 1.0)])).unwrap();
    let wide = Epoch { table: table(2), rows: vec![("a".to_owned(), vec![1; 8])], ..epoch(&[])[0].clone() };
    ingest(&mut repo, "wide", 2, &[wide]).unwrap();
    rollback(&mut repo, "wide", one, &at(3)).unwrap();
    holds(&repo, "wide", &[("a", 1.0)]);
    let want = [("a", 2.0), ("b", 3.0)];
    ingest(&mut repo, "wide", 4, &epoch(&want)).unwrap();
    holds(&repo, "wide", &want);
    assert_eq!(problems(&disk), [""; 0]);
}
