//! Bytes that are not what they were: rot, lost ends, lost and mixed-up files, and a forger who knows the format.
//!
//! In a Parquet file 93 % of single flipped bytes give wrong numbers without an error, in SQLite 57 %. Here every byte
//! of every file is flipped, each file is cut at every length, and files are taken away, swapped and put back from an
//! older copy. `verify` must name the file; reading gives the right bits or an error; under `cache/` nothing matters.

use std::sync::Arc;

use vecdelta::capture::Missing;
use vecdelta::codec::encode_fresh;
use vecdelta::delta::{Element, RowHash, Table, row_hash};
use vecdelta::store::{BlockKind, Bundle, Disk, FORMAT, MemoryDisk, StoreError};
use vecdelta::version::{
    Checkpoint, Keep, Lookup, MAIN, Repository, VersionError, bundle, check_since, checkpoint, collect, compact,
    compare, find, set_branch, set_tag, snapshot, verify,
};

use crate::support::drive::{Epoch, at, ingest, open, problems};
use crate::support::forge::{Seal, edit, of_format, transactions, write};
use crate::support::oracle::{self, Tables, read};
use crate::support::random::{Rng, changed, row};

const ROWS: u64 = 10;

/// The epoch `step`: some rows change with each, one goes, one comes.
fn epoch(step: u64) -> Epoch {
    let table = Table { collection: "c".to_owned(), element: Element::F32, dims: 5 };
    let base = |i| row(&mut Rng::new(i), Element::F32, 5);
    let value = |i: u64| {
        if (i + step).is_multiple_of(3) {
            changed(&mut Rng::new(i + 50 * step), Element::F32, &base(i))
        } else {
            base(i)
        }
    };
    let rows = (step..step + ROWS).map(|i| (format!("key-{i}"), value(i))).collect();
    Epoch { table: Arc::new(table), rows, missing: Missing::Delete, batch_rows: 8 }
}

/// A small repository with every kind of record, and its tables.
fn small(segment_bytes: u64) -> (MemoryDisk, Vec<Tables>) {
    let disk = MemoryDisk::default().with_segments_of(segment_bytes);
    let mut repo = open(&disk).unwrap();
    for step in 0..3 {
        ingest(&mut repo, MAIN, step, &[epoch(step)]).unwrap();
    }
    set_tag(&mut repo, "t", 0, &at(10)).unwrap();
    snapshot(&mut repo, 1, &at(11)).unwrap();
    set_branch(&mut repo, "b", 1, &at(12)).unwrap();
    ingest(&mut repo, "b", 13, &[epoch(4)]).unwrap();
    let tables = (0..repo.len()).map(|c| read(&repo, c).unwrap()).collect();
    (disk, tables)
}

/// Returns a disk with the same files.
fn copy(disk: &MemoryDisk, segment_bytes: u64) -> MemoryDisk {
    let copy = MemoryDisk::default().with_segments_of(segment_bytes);
    disk.files().into_iter().for_each(|(path, data)| copy.put(&path, data));
    copy
}

/// Reads everything that can be read: each table is the right one or an error. Returns how many could be read.
fn never_wrong(disk: &MemoryDisk, tables: &[Tables], at: &str) -> usize {
    let Ok(repo) = Repository::open(Arc::new(disk.clone())) else { return 0 };
    let mut right = 0;
    for (commit, table) in tables.iter().enumerate().take(repo.len()) {
        match read(&repo, commit) {
            Ok(found) => {
                assert!(found == *table, "{at}: commit {commit} reads as another table");
                right += 1;
            }
            Err(VersionError::Store(StoreError::Corrupt(damage))) => assert!(damage.path.contains("memory:"), "{at}"),
            Err(e) => panic!("{at}: {e}"),
        }
    }
    right
}

fn verify_names(disk: &MemoryDisk, file: &str, at: &str) {
    let found = problems(disk);
    assert!(found.iter().any(|p| p.contains(file)), "{at}: verify says {found:?}");
}

#[test]
fn every_flipped_byte_is_found_and_none_reads_as_wrong_data() {
    let (disk, tables) = small(900);
    let mut flips = 0;
    for (path, data) in disk.files().into_iter().filter(|(p, _)| !p.starts_with("cache/")) {
        for i in 0..data.len() {
            let mut bytes = data.clone();
            bytes[i] ^= 1 << (i % 8);
            disk.put(&path, bytes);
            let at = format!("{path} byte {i}");
            verify_names(&disk, &path, &at);
            let read = never_wrong(&disk, &tables, &at);
            assert!(path != "head" || read == tables.len(), "{at}: one slot of the head is enough");
            flips += 1;
        }
        disk.put(&path, data);
    }
    assert_eq!(problems(&disk), [""; 0]);
    println!("{flips} bytes flipped");
    assert!(flips > 3_000);
}

#[test]
fn every_lost_end_is_found() {
    let (disk, tables) = small(900);
    let mut cuts = 0;
    for (path, data) in disk.files().into_iter().filter(|(p, _)| !p.starts_with("cache/")) {
        for len in 0..data.len() {
            disk.put(&path, data[..len].to_vec());
            let at = format!("{path} cut to {len}");
            // An inner segment that ends between two frames is missed where the next one goes on.
            verify_names(&disk, if path == "head" { "head" } else { "log/" }, &at);
            never_wrong(&disk, &tables, &at);
            cuts += 1;
        }
        disk.put(&path, data);
    }
    println!("{cuts} lengths");
}

/// A head with one slot left is repaired by the next writer, from whichever slot it is.
#[test]
fn a_damaged_slot_of_the_head_is_restored() {
    for segment_bytes in [900, 1 << 30] {
        let (disk, tables) = small(segment_bytes);
        let whole = disk.files()["head"].clone();
        for bytes in [
            [&[0; 512], &whole[512..]].concat(),
            [&whole[..512], &[0; 512]].concat(),
            whole[..512].to_vec(),
            [&whole[..], b"more"].concat(),
        ] {
            let damaged = copy(&disk, segment_bytes);
            damaged.put("head", bytes);
            verify_names(&damaged, "head", "damaged slot");
            let repo = open(&damaged).unwrap();
            assert_eq!(repo.len(), tables.len());
            drop(repo);
            assert_eq!(problems(&damaged), [""; 0]);
            assert_eq!(never_wrong(&damaged, &tables, "repaired"), tables.len());
        }
    }
}

/// The index outlives a collection, states included: looking one up that nothing led to reads no row, even a damaged one.
#[test]
fn after_a_collection_no_row_is_read_to_look_a_state_up() {
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    let table = Arc::new(Table { collection: "c".to_owned(), element: Element::U8, dims: 1 });
    // More rows than a writer reads again on the way out.
    let mut rows: Vec<(String, Vec<u8>)> = (0..140_000u32).map(|i| (i.to_string(), vec![i as u8])).collect();
    for step in 0..4u8 {
        rows[0].1 = vec![100 + step];
        let epoch = Epoch { table: table.clone(), rows: rows.clone(), missing: Missing::Keep, batch_rows: 8192 };
        ingest(&mut repo, MAIN, u64::from(step), &[epoch]).unwrap();
    }
    compact(&mut repo, Keep { from: 9, every: 0 }, &at(9), &mut |_, _| {}).unwrap();
    assert!(collect(&mut repo).unwrap().records > 0);
    drop(repo);
    let (path, mut log) = disk.files().into_iter().find(|(path, _)| path.starts_with("log/")).unwrap();
    let mut at = 64;
    while at < log.len() {
        let len = u64::from_le_bytes(log[at + 8..at + 16].try_into().unwrap()) as usize;
        if log[at + 4] == 1 {
            log[at + 48] ^= 1;
        }
        at += 48 + len;
    }
    disk.put(&path, log);
    let repo = Repository::open(Arc::new(disk.clone())).unwrap();
    let found = |result: &RowHash| {
        let lookup = Lookup { result: Some(*result), ..Lookup::default() };
        find(&repo, &lookup, &mut |_| Ok::<_, VersionError>(true))
    };
    found(&RowHash([9; 32])).unwrap();
    assert!(found(&row_hash("7", Element::U8, &[7])).is_err(), "one that is there has to be read");
}

/// A file of another format is not damaged: it is refused by name, and nothing is written into it.
#[test]
fn another_format_is_refused_by_name() {
    let (disk, _) = small(900);
    let repo = Repository::open(Arc::new(disk.clone())).unwrap();
    let packs = MemoryDisk::default();
    bundle(&repo, &packs, "b", &mut |_| {}).unwrap();
    drop(repo);
    for (format, version, by) in [
        (1, [0; 8], "an earlier vecdelta in format 1"),
        (FORMAT as u8 + 1, *b"9.10.2\0\0", "a later vecdelta 9.10.2 in format"),
    ] {
        let other = copy(&disk, 900);
        let mut head = other.files()["head"].clone();
        of_format(&mut head, format, &version);
        other.put("head", head.clone());
        let before = other.files();
        let shared: Arc<dyn Disk> = Arc::new(other.clone());
        let mut said = vec![
            Repository::open(shared.clone()).map(drop).unwrap_err().to_string(),
            Repository::open_writer(shared.clone(), Some([1; 32])).map(drop).unwrap_err().to_string(),
            verify(&shared).map(drop).unwrap_err().to_string(),
        ];
        assert_eq!(other.files(), before);
        let mut pack = packs.files()["b"].clone();
        of_format(&mut pack, format, &version);
        packs.put("other", pack);
        said.push(Bundle::open(packs.open("other", false).unwrap(), "other").map(drop).unwrap_err().to_string());
        assert!(said.iter().all(|text| text.contains(by)), "{said:?}");
        // The same bytes under a hash that does not fit are damage, and one slot of our own is enough to go on.
        head[480] ^= 1;
        head[1023] ^= 1;
        other.put("head", head.clone());
        let damaged = Repository::open(shared.clone()).map(drop).unwrap_err();
        assert!(matches!(damaged, VersionError::Store(StoreError::Corrupt(_))), "{damaged}");
        other.put("head", [&disk.files()["head"][..512], &head[512..]].concat());
        Repository::open(shared).unwrap();
    }
}

#[test]
fn lost_swapped_and_foreign_files_are_found() {
    let (disk, tables) = small(900);
    let files = disk.files();
    let kept: Vec<String> = files.keys().filter(|p| !p.starts_with("cache/")).cloned().collect();
    assert!(kept.len() > 3, "{kept:?}");
    for path in &kept {
        let damaged = copy(&disk, 900);
        damaged.take(path);
        verify_names(&damaged, path, &format!("{path} is lost"));
        assert_eq!(never_wrong(&damaged, &tables, path), 0);
        for other in kept.iter().filter(|o| *o != path) {
            let damaged = copy(&disk, 900);
            damaged.put(path, files[other].clone());
            verify_names(&damaged, path, &format!("{other} in place of {path}"));
            never_wrong(&damaged, &tables, path);
        }
    }
    for (path, data) in [("log/00000099.vdlog", files[&kept[1]].clone()), ("log/x", vec![1]), ("notes", Vec::new())] {
        let damaged = copy(&disk, 900);
        damaged.put(path, data);
        verify_names(&damaged, path, "a foreign file");
        assert_eq!(never_wrong(&damaged, &tables, path), tables.len());
    }
}

/// Every file put back from every earlier moment: never fewer commits without a word, and none is cut off.
#[test]
fn older_copies_of_files_are_found() {
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    let mut moments = Vec::new();
    let mut tables = Vec::new();
    for step in 0..5 {
        let commit = ingest(&mut repo, MAIN, step, &[epoch(step)]).unwrap();
        tables.push(read(&repo, commit).unwrap());
        moments.push(disk.files());
    }
    let pinned = checkpoint(&repo);
    drop(repo);
    for (age, moment) in moments.iter().enumerate().take(4) {
        for (path, data) in moment.iter().filter(|(p, _)| !p.starts_with("cache/")) {
            let damaged = copy(&disk, 1 << 30);
            damaged.put(path, data.clone());
            let at = format!("{path} as after commit {age}");
            never_wrong(&damaged, &tables, &at);
            // One transaction behind the head is what a crash leaves; only a checkpoint tells it from an old head.
            if path == "head" && age == 3 {
                let repo = Repository::open(Arc::new(damaged)).unwrap();
                assert!(check_since(&repo, &pinned).unwrap_err().contains("cut off"));
                continue;
            }
            verify_names(&damaged, if path == "head" { "head" } else { "log/" }, &at);
            let log = damaged.files()["log/00000000.vdlog"].len();
            assert!(open(&damaged).is_err(), "{at}: a writer takes it");
            assert_eq!(damaged.files()["log/00000000.vdlog"].len(), log, "{at}: a writer cut it");
        }
        let mut rolled_back = moment.clone();
        rolled_back.retain(|p, _| !p.starts_with("cache/"));
        let whole = MemoryDisk::default();
        rolled_back.into_iter().for_each(|(path, data)| whole.put(&path, data));
        let repo = Repository::open(Arc::new(whole)).unwrap();
        assert!(check_since(&repo, &pinned).unwrap_err().contains("cut off"), "the whole repository of commit {age}");
    }
}

#[test]
fn whatever_happens_to_the_cache_the_next_commit_is_right() {
    let (disk, tables) = small(1 << 30);
    let next = epoch(5);
    let want = Tables::from([(
        "c".to_owned(),
        oracle::Collection { element: Element::F32, dims: 5, rows: next.rows.iter().cloned().collect() },
    )]);
    let mut tried = 0;
    for (path, data) in disk.files().into_iter().filter(|(p, _)| p.starts_with("cache/")) {
        let flipped = (0..data.len()).map(|i| {
            let mut bytes = data.clone();
            bytes[i] ^= 1 << (i % 8);
            bytes
        });
        let cut = (0..data.len()).step_by(9).map(|len| data[..len].to_vec());
        for (i, bytes) in flipped.chain(cut).enumerate() {
            let damaged = copy(&disk, 1 << 30);
            damaged.put(&path, bytes);
            let at = format!("{path}, damage {i}");
            let mut repo = open(&damaged).unwrap();
            for (from, to) in [(0, 1), (2, 1), (1, 3)] {
                let mut found = 0;
                compare(&repo, from, to, None, &mut |_, _| {
                    found += 1;
                    Ok::<_, VersionError>(())
                })
                .unwrap();
                assert_eq!(found, oracle::compare(&tables[from], &tables[to]).len(), "{at}");
            }
            for branch in [MAIN, "b"] {
                let commit = ingest(&mut repo, branch, 20, std::slice::from_ref(&next)).unwrap();
                assert!(read(&repo, commit).unwrap() == want, "{at}: another table on {branch}");
            }
            tried += 1;
        }
    }
    println!("{tried} damaged caches");
    assert!(tried > 1_000);
}

/// Whoever edits a record or a row and recomputes the hashes is found by the chain, a root, or a checkpoint.
#[test]
fn an_informed_forger_is_found() {
    let (disk, tables) = small(1 << 30);
    let repo = Repository::open(Arc::new(disk.clone())).unwrap();
    let pinned = checkpoint(&repo);
    drop(repo);
    assert_eq!(pinned, Checkpoint::parse(&pinned.to_string()).unwrap());
    let forged = |seal, change: fn(&mut crate::support::forge::Transaction)| {
        let forged = copy(&disk, 1 << 30);
        edit(&forged, 1, seal, change);
        forged
    };
    let message: fn(&mut crate::support::forge::Transaction) = |tx| tx.commit().body.message.push('!');
    verify_names(&forged(Seal::WithoutLinks, message), "log/", "without the links");
    verify_names(&forged(Seal::WithoutIds, message), "log/", "without the names of commits");
    verify_names(&forged(Seal::All, |tx| tx.commit().body.state_root.0[0] ^= 1), "log/", "a state root");
    verify_names(&forged(Seal::All, |tx| tx.commit().body.collections[0].root[9] ^= 1), "log/", "a collection's root");
    verify_names(&forged(Seal::All, |tx| tx.commit().body.collections[0].rows += 1), "log/", "a number of rows");
    verify_names(&forged(Seal::All, forge_row), "log/", "a row");
    // With all made right again, the history is whole, but it is another one.
    let edits: [fn(&mut crate::support::forge::Transaction); 4] = [
        message,
        |tx| tx.commit().body.time.physical_millis += 1,
        |tx| _ = tx.commit().body.metadata.insert("reviewed".to_owned(), "yes".to_owned()),
        |tx| tx.commit().body.author = "somebody else".to_owned(),
    ];
    for change in edits {
        let forged = forged(Seal::All, change);
        assert_eq!(problems(&forged), [""; 0]);
        assert_eq!(never_wrong(&forged, &tables, "forged"), tables.len());
        let repo = Repository::open(Arc::new(forged)).unwrap();
        assert!(check_since(&repo, &pinned).unwrap_err().contains("rewritten"));
    }
    // The same with nothing changed is the same history: the forger's tools are sound.
    let again = copy(&disk, 1 << 30);
    write(&again, transactions(&disk), Seal::All);
    let repo = Repository::open(Arc::new(again)).unwrap();
    check_since(&repo, &pinned).unwrap();
}

/// Writes other rows in place of those of a block that stands on its own.
fn forge_row(tx: &mut crate::support::forge::Transaction) {
    let at = tx.refs().iter().position(|b| b.kind == BlockKind::Fresh).unwrap();
    let rows = tx.refs()[at].rows as usize;
    let mut payload = Vec::new();
    encode_fresh(Element::F32, 5, &vec![0x3F; rows * 20], &mut payload);
    tx.blocks[at] = payload;
}

#[test]
fn verify_counts_what_it_checked() {
    let (disk, tables) = small(900);
    let bytes: usize = disk.files().iter().filter(|(p, _)| p.starts_with("log/")).map(|(_, d)| d.len()).sum();
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let report = verify(&disk).unwrap();
    assert_eq!(report.commits, tables.len() as u64);
    assert_eq!(report.bytes, bytes as u64);
}
