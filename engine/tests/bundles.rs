//! A repository in one file.
//!
//! A copy is worth something when it is the same to the bit, and when whoever made it up cannot do harm with it. So
//! bundles are cut off at every length, every byte of them is changed, and fronts are forged with hashes that fit.

use std::sync::Arc;

use vecdelta::capture::Missing;
use vecdelta::delta::{Element, Source, Table};
use vecdelta::store::{Bundle, Disk, Fault, FaultKind, MemoryDisk, Pending};
use vecdelta::version::{MAIN, Repository, bundle, rollback, set_branch, set_tag, snapshot, value, verify};

use crate::support::drive::{Epoch, at, ingest, open};
use crate::support::oracle::{Tables, read};
use crate::support::random::{Rng, row};

/// Makes an epoch over some of forty keys.
pub fn epoch(rng: &mut Rng, name: &str) -> Epoch {
    let mut rows: Vec<(String, Vec<u8>)> = Vec::new();
    for i in 0..40 {
        if rng.chance(60) {
            rows.push((format!("key-{i}"), row(rng, Element::F32, 4)));
        }
    }
    let table = Table { collection: name.to_owned(), element: Element::F32, dims: 4 };
    Epoch { table: Arc::new(table), rows, missing: Missing::Delete, batch_rows: 16 }
}

/// A small repository with every kind of transaction.
pub fn small() -> (MemoryDisk, Repository) {
    let disk = MemoryDisk::default().with_segments_of(3_000);
    let mut repo = open(&disk).unwrap();
    let mut rng = Rng::new(4);
    for step in 0..6 {
        let mut epochs = vec![epoch(&mut rng, "a")];
        if step == 3 {
            epochs.push(epoch(&mut rng, "b"));
        }
        ingest(&mut repo, if step == 4 { "side" } else { MAIN }, 1_000 + step, &epochs).unwrap();
        if step == 2 {
            set_branch(&mut repo, "side", 1, &at(2_000)).unwrap();
            set_tag(&mut repo, "first", 0, &at(2_000)).unwrap();
        }
    }
    snapshot(&mut repo, 3, &at(3_000)).unwrap();
    rollback(&mut repo, MAIN, 1, &at(3_000)).unwrap();
    // The writer leaves an index; what comes then is in memory only.
    drop(repo);
    let mut repo = open(&disk).unwrap();
    ingest(&mut repo, MAIN, 4_000, &[epoch(&mut rng, "a")]).unwrap();
    (disk, repo)
}

pub fn all(repo: &Repository) -> Vec<Tables> {
    (0..repo.len()).map(|c| read(repo, c).unwrap()).collect()
}

/// Writes a bundle and returns its bytes.
pub fn bundled(repo: &Repository) -> Vec<u8> {
    let disk = MemoryDisk::default();
    bundle(repo, &disk, "b.vdpack", &mut |_| {}).unwrap();
    assert_eq!(disk.files().keys().collect::<Vec<_>>(), ["b.vdpack"]);
    disk.files()["b.vdpack"].clone()
}

pub fn opened(bytes: Vec<u8>) -> Result<Bundle, String> {
    let disk = MemoryDisk::default();
    disk.put("b.vdpack", bytes);
    Bundle::open(disk.open("b.vdpack", false).unwrap(), "b.vdpack").map_err(|e| e.to_string())
}

#[test]
fn a_bundle_is_read_like_its_repository() {
    let (_disk, repo) = small();
    let bundle: Arc<dyn Disk> = Arc::new(opened(bundled(&repo)).unwrap());
    let copy = Repository::open(bundle.clone()).unwrap();
    assert_eq!(all(&copy), all(&repo));
    assert_eq!((copy.branches(), copy.tags(), copy.origin()), (repo.branches(), repo.tags(), repo.origin()));
    assert!(copy.snapshot(3).is_some());
    for (commit, i) in (0..repo.len()).flat_map(|c| (0..40).map(move |i| (c, i))) {
        let source = Source { collection: "a".to_owned(), key: format!("key-{i}") };
        let own = |repo: &Repository| value(repo, commit, &source).ok().map(|v| (v.commit, v.row));
        assert_eq!(own(&copy), own(&repo), "{source} at {commit}, by way of the index");
    }
    let report = verify(&bundle).unwrap();
    assert!(report.problems.is_empty() && report.commits == repo.len() as u64, "{report:?}");
    assert!(Repository::open_writer(bundle, None).is_err());
}

#[test]
fn an_empty_repository_is_bundled_as_well() {
    let repo = open(&MemoryDisk::default()).unwrap();
    let copy = Repository::open(Arc::new(opened(bundled(&repo)).unwrap())).unwrap();
    assert!(copy.is_empty());
}

/// A file with the name of the bundle is whole, whenever the power fails; when the disk refuses, there is none.
#[test]
fn a_bundle_is_whole_or_not_there() {
    let (_disk, repo) = small();
    let disk = MemoryDisk::recording();
    bundle(&repo, &disk, "b.vdpack", &mut |_| {}).unwrap();
    let mut there = 0;
    for n in 0..=disk.operations() {
        for pending in [Pending::Lost, Pending::Kept, Pending::NamesLost, Pending::Torn(512), Pending::Without(0)] {
            let files = disk.crash(n, pending).files();
            let Some(bytes) = files.get("b.vdpack") else { continue };
            assert!(opened(bytes.clone()).unwrap().check().unwrap().is_empty(), "after {n} operations, {pending:?}");
            there += 1;
        }
    }
    assert!(there > 0);
    let calls = disk.calls();
    for (at, kind) in (0..calls).flat_map(|at| [(at, FaultKind::Io), (at, FaultKind::Full)]) {
        let disk = MemoryDisk::default();
        disk.fail(Some(Fault { at, kind }));
        let written = bundle(&repo, &disk, "b.vdpack", &mut |_| {});
        let names: Vec<String> = disk.files().into_keys().collect();
        assert!(written.is_ok() || names.is_empty() || at + 1 == calls, "{at} {kind:?}: {names:?}");
    }
}

#[test]
fn every_cut_and_every_changed_byte_of_a_bundle_is_noticed() {
    let (_disk, repo) = small();
    let (bytes, want) = (bundled(&repo), all(&repo));
    for len in 0..bytes.len() {
        assert!(opened(bytes[..len].to_vec()).is_err(), "cut off at {len}");
    }
    assert!(opened([&bytes[..], b"x"].concat()).is_err());
    let mut harmless = 0;
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let Ok(bundle) = opened(changed) else { continue };
        assert!(!bundle.check().unwrap().is_empty(), "byte {at} is not noticed by a check");
        // Whoever reads all the same finds the damage or never needs what is damaged.
        if at % 31 == 0
            && let Ok(repo) = Repository::open(Arc::new(bundle))
        {
            for (commit, want) in want.iter().enumerate().take(repo.len()) {
                let whole = read(&repo, commit).map_or(!is_index(&bytes, at), |table| table == *want);
                assert!(whole, "byte {at}");
                harmless += 1;
            }
        }
    }
    assert!(harmless > 0);
}

/// Whether a byte lies before or behind the log, where nothing is that tables need.
fn is_index(bytes: &[u8], at: usize) -> bool {
    let first = |magic: &[u8]| bytes.windows(8).position(|w| w == magic).unwrap();
    !(first(b"VDLOG004")..first(b"VDINDX03")).contains(&at)
}

#[test]
fn a_forged_front_is_refused() {
    let (_disk, repo) = small();
    let bytes = bundled(&repo);
    let directory = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let mut rng = Rng::new(6);
    let mut refused = 0;
    for _ in 0..5_000 {
        let mut forged = bytes.clone();
        let at = rng.below(64 + directory);
        for byte in &mut forged[at..(at + 1 + rng.below(8)).min(64 + directory)] {
            *byte = *rng.pick(&[0, 1, 0x7F, 0x80, 0xFF]);
        }
        reseal(&mut forged);
        match opened(forged) {
            Err(_) => refused += 1,
            Ok(bundle) => {
                // A name or a hash was changed: what can be read all the same is checked by its own hashes.
                bundle.check().unwrap();
                let Ok(repo) = Repository::open(Arc::new(bundle)) else { continue };
                if refused % 50 == 0 {
                    (0..repo.len()).for_each(|c| drop(read(&repo, c)));
                }
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
}

fn reseal(bytes: &mut [u8]) {
    let directory = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let Some(held) = bytes.get(64..).and_then(|b| b.get(..directory)) else { return };
    let mut hasher = blake3::Hasher::new_keyed(&blake3::derive_key("vecdelta v1 pack", b""));
    let hash = *hasher.update(&bytes[..32]).update(held).finalize().as_bytes();
    bytes[32..64].copy_from_slice(&hash);
}
