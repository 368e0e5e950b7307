//! A bundle that lies elsewhere.
//!
//! The bytes come by ranges from a file that counts them. What must hold: every answer is that of the whole file, little
//! is asked for before there is a graph, memory stays bounded, and a read that had to wait leaves nothing half-done.

use std::sync::Arc;

use vecdelta::capture::Missing;
use vecdelta::delta::{Element, Source, Table};
use vecdelta::store::{Bundle, Disk, DiskFile, MemoryDisk, PAGE_BYTES, PagedFile, StoreError};
use vecdelta::version::{
    MAIN, Repository, VersionError, bundle, commits_with, diff, resolve, snapshot, value, writers_of,
};

use crate::bundles::{all, bundled, small};
use crate::support::drive::{Epoch, at, ingest, open};
use crate::support::oracle::read;
use crate::support::random::{Rng, row};

/// A file elsewhere: counts what is asked for.
struct Elsewhere {
    bytes: Vec<u8>,
    pages: PagedFile,
    requests: u64,
    brought: u64,
}

impl Elsewhere {
    fn new(bytes: Vec<u8>, held_max: u64) -> Self {
        Self { pages: PagedFile::new(bytes.len() as u64, held_max), bytes, requests: 0, brought: 0 }
    }

    /// Does something that may have to wait, as often as it takes.
    fn run<T>(&mut self, act: &mut dyn FnMut() -> Result<T, VersionError>) -> Result<T, VersionError> {
        self.pages.begin();
        loop {
            match act() {
                Err(e) if e.is_waiting() => {}
                other => return other,
            }
            let missing = self.pages.missing();
            assert!(!missing.is_empty(), "who waits knows for what");
            for range in missing {
                self.requests += 1;
                self.brought += range.end - range.start;
                let bytes = &self.bytes[range.start as usize..range.end as usize];
                self.pages.fill(range.start, bytes).map_err(StoreError::io("read", "elsewhere"))?;
            }
            assert!(self.requests < 1_000_000, "it never ends");
        }
    }

    fn open(&mut self) -> Result<Repository, VersionError> {
        let pages = self.pages.clone();
        let opened = |pages: &PagedFile| -> Result<Repository, VersionError> {
            Repository::open(Arc::new(Bundle::open(Box::new(pages.clone()), "elsewhere")?))
        };
        self.run(&mut || opened(&pages))
    }

    /// Returns how many requests and bytes it took since this was last asked.
    fn spent(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.requests), std::mem::take(&mut self.brought))
    }
}

#[test]
fn every_answer_is_that_of_the_whole_file() {
    let (_disk, repo) = small();
    for held_max in [40 * PAGE_BYTES, u64::MAX] {
        let mut file = Elsewhere::new(bundled(&repo), held_max);
        let copy = file.open().unwrap();
        let tables: Vec<_> = (0..copy.len()).map(|c| file.run(&mut || read(&copy, c)).unwrap()).collect();
        assert_eq!(tables, all(&repo));
        for (commit, i) in (0..repo.len()).flat_map(|c| (0..40).map(move |i| (c, i))) {
            let source = Source { collection: "a".to_owned(), key: format!("key-{i}") };
            let got = file.run(&mut || value(&copy, commit, &source)).ok().map(|v| (v.commit, v.row));
            assert_eq!(got, value(&repo, commit, &source).ok().map(|v| (v.commit, v.row)));
            let got = file.run(&mut || writers_of(&copy, "a", &source.key)).unwrap();
            assert_eq!(got, writers_of(&repo, "a", &source.key).unwrap());
        }
        let found = file.run(&mut || commits_with(&copy, &["at 1003"])).unwrap();
        assert_eq!(found, commits_with(&repo, &["at 1003"]).unwrap());
        assert!(found.is_some_and(|f| !f.is_empty()));
    }
}

/// A damaged index is left out, and the log read in its place: piece by piece, with the same answers.
#[test]
fn without_its_index_the_log_is_read_and_nothing_is_kept_of_what_had_to_wait() {
    let (_disk, repo) = small();
    let mut bytes = bundled(&repo);
    let index = bytes.windows(8).position(|w| w == b"VDINDX03").unwrap();
    for at in [index, bytes.len() - 20] {
        bytes[at] ^= 1;
        let mut file = Elsewhere::new(bytes.clone(), u64::MAX);
        let copy = file.open().unwrap();
        for i in 0..40 {
            let key = format!("key-{i}");
            let got = file.run(&mut || writers_of(&copy, "a", &key)).unwrap();
            assert_eq!(got, writers_of(&repo, "a", &key).unwrap(), "{key}");
        }
        bytes[at] ^= 1;
    }
}

/// A log of many megabytes: random rows, which cannot be made small. A segment is followed by the next one after some bytes.
fn large(commits: u64, rows: usize, segment_bytes: u64) -> Vec<u8> {
    let disk = MemoryDisk::default().with_segments_of(segment_bytes);
    let mut repo = open(&disk).unwrap();
    let mut rng = Rng::new(5);
    let table = Arc::new(Table { collection: "a".to_owned(), element: Element::F32, dims: 64 });
    for step in 0..commits {
        let rows = (0..rows).map(|_| (format!("key-{}", rng.below(2_000)), row(&mut rng, Element::F32, 64)));
        let rows: std::collections::BTreeMap<_, _> = rows.collect();
        let rows = rows.into_iter().collect();
        let epoch = Epoch { table: table.clone(), rows, missing: Missing::Keep, batch_rows: 256 };
        let commit = ingest(&mut repo, MAIN, 1_000 + step, &[epoch]).unwrap();
        if step % 64 == 63 {
            snapshot(&mut repo, commit, &at(2_000 + step)).unwrap();
        }
    }
    drop(repo);
    let (repo, packs) = (open(&disk).unwrap(), MemoryDisk::default());
    bundle(&repo, &packs, "b.vdpack", &mut |_| {}).unwrap();
    packs.files().remove("b.vdpack").unwrap()
}

#[test]
fn the_graph_takes_three_requests_and_a_vector_a_few_whatever_the_length() {
    for (commits, rows, segment_bytes) in [(200, 8, 1 << 30), (200, 160, 1 << 30), (200, 160, 2 << 20)] {
        let mut file = Elsewhere::new(large(commits, rows, segment_bytes), 8 << 20);
        let len = file.bytes.len();
        let copy = file.open().unwrap();
        assert_eq!(copy.len(), commits as usize);
        let (requests, brought) = file.spent();
        assert!(requests <= 3 && brought <= 512 << 10, "{len} bytes: {requests} requests, {brought} bytes");

        let whole = PagedFile::whole(&file.bytes);
        let whole = Repository::open(Arc::new(Bundle::open(Box::new(whole), "whole").unwrap())).unwrap();
        for back in [0, 1, 63, 100] {
            let commit = resolve(&whole, &format!("main~{back}")).unwrap();
            let source = Source { collection: "a".to_owned(), key: "key-7".to_owned() };
            let got = file.run(&mut || value(&copy, commit, &source)).ok().map(|v| v.row);
            assert_eq!(got, value(&whole, commit, &source).ok().map(|v| v.row));
            let (requests, brought) = file.spent();
            assert!(requests <= 12 && brought <= 4 << 20, "{len} bytes: {requests} requests, {brought} bytes");
        }
        let (old, new) = (resolve(&whole, "main~3").unwrap(), resolve(&whole, "main").unwrap());
        let sources = |repo: &Repository| {
            let mut keys = Vec::new();
            diff::<VersionError>(repo, Some(old), Some(new), None, &mut |part| {
                keys.extend(part.sources.into_iter().map(|d| (d.key, d.new)));
                Ok(())
            })?;
            Ok(keys)
        };
        assert_eq!(file.run(&mut || sources(&copy)).unwrap(), sources(&whole).unwrap());
        let (requests, _) = file.spent();
        assert!(requests <= 40, "{len} bytes: {requests} requests for a diff");
        assert!(file.pages.held() <= 8 << 20);
    }
}

/// A segment's head is looked at when something of it is read: then it is the error that opening a directory would give.
#[test]
fn a_damaged_head_of_a_later_segment_is_an_error_of_what_is_read_there_and_of_nothing_else() {
    let bytes = large(60, 160, 500_000);
    let heads: Vec<usize> = bytes.windows(8).enumerate().filter(|(_, w)| *w == b"VDLOG004").map(|(at, _)| at).collect();
    assert!(heads.len() > 2);
    let mut want = Elsewhere::new(bytes.clone(), u64::MAX);
    let whole = want.open().unwrap();
    for (at, change) in [(heads[1], 0x20), (heads[1] + 7, 1), (heads[1] + 10, 1), (heads[1] + 63, 0x80)] {
        let mut changed = bytes.clone();
        changed[at] ^= change;
        let mut file = Elsewhere::new(changed, u64::MAX);
        let copy = file.open().unwrap();
        let (mut whole_ones, mut refused) = (0, 0);
        for commit in 0..copy.len() {
            match file.run(&mut || copy.commit(commit)) {
                Ok(record) => {
                    assert_eq!(record, want.run(&mut || whole.commit(commit)).unwrap());
                    whole_ones += 1;
                }
                Err(e) => {
                    let e = e.to_string();
                    let place = e.starts_with("elsewhere: log/00000001.vdlog at offset 0");
                    assert!(place && e.ends_with("the header is damaged or of another repository"), "{e}");
                    refused += 1;
                }
            }
        }
        assert!(whole_ones > 0 && refused > 0, "{whole_ones} were whole, {refused} refused");
    }
}

#[test]
fn a_bundle_that_is_cut_or_changed_elsewhere_is_an_error() {
    let (_disk, repo) = small();
    let (bytes, want) = (bundled(&repo), all(&repo));
    for at in (0..bytes.len()).step_by(41) {
        assert!(Elsewhere::new(bytes[..at].to_vec(), u64::MAX).open().is_err(), "cut off at {at}");
        let mut changed = bytes.clone();
        changed[at] ^= 0x20;
        let mut file = Elsewhere::new(changed, u64::MAX);
        let Ok(copy) = file.open() else { continue };
        for (commit, want) in want.iter().enumerate().take(copy.len()) {
            if let Ok(table) = file.run(&mut || read(&copy, commit)) {
                assert_eq!(table, *want, "byte {at}");
            }
        }
    }
}

/// The disk says which of its names there are without waiting; only the bytes come later.
#[test]
fn a_file_elsewhere_has_its_names_at_once() {
    let (_disk, repo) = small();
    let bytes = bundled(&repo);
    let file = PagedFile::new(bytes.len() as u64, u64::MAX);
    assert!(Bundle::open(Box::new(file.clone()), "b").is_err_and(|e| e.is_waiting()));
    for range in file.missing() {
        file.fill(range.start, &bytes[range.start as usize..range.end as usize]).unwrap();
    }
    let bundle = Bundle::open(Box::new(file.clone()), "b").unwrap();
    assert!(bundle.list("log").unwrap().len() > 1 && DiskFile::len(&file).unwrap() == bytes.len() as u64);
}
