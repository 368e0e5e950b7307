//! One history on every kind of disk: whoever asks gets the same answers, whatever holds the files.
//!
//! What is asked are the look-ups that a repository of deltas, snapshots, streams and their index has to answer.

use std::sync::Arc;

use vecdelta::capture::Missing;
use vecdelta::delta::{Element, Source, Table};
use vecdelta::store::{Disk, LocalDisk, MemoryDisk};
use vecdelta::version::{
    Keep, Lookup, MAIN, Repository, VersionError, checkpoint, collect, commits_with, compact, delta_of, deltas, find,
    find_delta, find_slot, parent_of, resolve, rollback, set_branch, set_tag, snapshot, topological, undo, value,
    verify, way, writers_of,
};

use crate::support::drive::{Epoch, ORIGIN, at, ingest};
use crate::support::files::Dir;
use crate::support::random::{Rng, changed, row};

/// Tells a history, and writes down every answer on the way.
pub fn answers(disk: &Arc<dyn Disk>) -> Vec<String> {
    let mut said = Vec::new();
    let mut rng = Rng::new(77);
    let table = Arc::new(Table { collection: "c".to_owned(), element: Element::F32, dims: 6 });
    let mut rows: Vec<(String, Vec<u8>)> =
        (0..30).map(|i| (format!("key-{i}"), row(&mut rng, Element::F32, 6))).collect();
    for step in 0..12u64 {
        let mut repo = Repository::open_writer(disk.clone(), Some(ORIGIN)).unwrap();
        for (_, row) in rows.iter_mut().skip(step as usize).step_by(5) {
            *row = changed(&mut rng, Element::F32, row);
        }
        let branch = if step > 5 && step % 3 == 0 { "side" } else { MAIN };
        let epoch = Epoch { table: table.clone(), rows: rows.clone(), missing: Missing::Keep, batch_rows: 7 };
        ingest(&mut repo, branch, 1_000 + step, &[epoch]).unwrap();
        match step {
            2 => set_tag(&mut repo, "v1", 1, &at(1_100)).unwrap(),
            4 => set_branch(&mut repo, "side", 3, &at(1_100)).unwrap(),
            6 => said.push(format!("{:?}", snapshot(&mut repo, 2, &at(1_200)).unwrap())),
            7 => said.push(format!("{:?}", rollback(&mut repo, MAIN, 4, &at(1_300)).unwrap())),
            9 => {
                said.push(format!("{:?}", compact(&mut repo, Keep { from: 99, every: 3 }, &at(1_400), &mut |_, _| {})))
            }
            10 => said.push(undo(&mut repo, &at(1_500)).unwrap()),
            11 => {
                compact(&mut repo, Keep { from: 8, every: 0 }, &at(1_600), &mut |_, _| {}).unwrap();
                said.push(format!("{:?}", collect(&mut repo).unwrap()));
            }
            _ => {}
        }
        drop(repo);
        said.extend(asked(disk));
    }
    said
}

/// Asks by identity, source, time, text, parent and way.
fn asked(disk: &Arc<dyn Disk>) -> Vec<String> {
    let repo = Repository::open(disk.clone()).unwrap();
    let mut said = vec![format!("{:?} {:?} {}", repo.branches(), repo.tags(), checkpoint(&repo))];
    for c in 0..repo.len() {
        let id = repo.entry(c).id.to_hex();
        said.push(format!("{:?} {:?} {:?}", resolve(&repo, &id[..12]).ok(), repo.entry(c).parents, repo.stands_for(c)));
        for key in ["key-3", "key-17", "none"] {
            let source = Source { collection: "c".to_owned(), key: key.to_owned() };
            let found = value(&repo, c, &source).map(|v| (v.commit, v.row));
            said.push(format!("{:?} {:?}", found.map_err(|e| e.to_string()), find_slot(&repo, c, "c", key).unwrap()));
        }
    }
    for key in ["key-0", "key-17", "none"] {
        said.push(format!("{:?}", writers_of(&repo, "c", key).unwrap()));
    }
    said.push(format!("{:?} {:?}", commits_with(&repo, &["at 1003"]), commits_with(&repo, &["nothing"])));
    let heads: Vec<usize> = repo.branches().values().copied().collect();
    said.push(format!("{:?}", topological(&repo, &heads)));
    let head = repo.head(MAIN).unwrap();
    deltas(&repo, &way(&repo, None, head).unwrap(), None, &mut |commit, part| {
        said.extend(part.sources.iter().map(|d| format!("{commit} {} {:?} {:?}", d.key, d.change, d.new)));
        Ok::<_, VersionError>(())
    })
    .unwrap();
    said.extend(["key-3", "key-17"].into_iter().flat_map(|key| looked_up(&repo, head, key)));
    let report = verify(disk).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    said.push(format!("{} {}", report.commits, report.bytes));
    said
}

/// Looks the newest delta of a source up by its identity, source, states, parent and text.
fn looked_up(repo: &Repository, head: usize, key: &str) -> Vec<String> {
    let source = Source { collection: "c".to_owned(), key: key.to_owned() };
    let by = value(repo, head, &source).unwrap().commit;
    let delta = delta_of(repo, by, &source).unwrap().unwrap();
    let again = find_delta(repo, &delta.id(repo)).unwrap().unwrap();
    assert_eq!((again.commit, &again.source, &again.difference.new), (by, &source, &delta.difference.new));
    let parent = parent_of(repo, &delta).unwrap();
    let of = |lookup: Lookup| {
        let mut found = Vec::new();
        find(repo, &lookup, &mut |d| {
            found.push((d.commit, d.source.to_string(), d.id(repo) == delta.id(repo)));
            Ok::<_, VersionError>(true)
        })
        .unwrap();
        assert!(found.iter().any(|(_, _, same)| *same), "{lookup:?} does not find its delta: {found:?}");
        format!("{lookup:?} {found:?}")
    };
    let text = repo.commit(by).unwrap().body.message;
    vec![
        of(Lookup { source: Some(source), ..Lookup::default() }),
        of(Lookup { base: delta.base, ..Lookup::default() }),
        of(Lookup { result: delta.result, ..Lookup::default() }),
        of(Lookup { parent, ..Lookup::default() }),
        of(Lookup { text, ..Lookup::default() }),
    ]
}

/// Compares what two disks answered.
pub fn say_the_same(got: &[String], want: &[String], what: &str) {
    let differs = got.iter().zip(want).position(|(a, b)| a != b);
    assert!(differs.is_none() && got.len() == want.len(), "{what}: answer {differs:?} of {}", want.len());
}

#[test]
fn every_disk_answers_alike() {
    let dir = Dir::new();
    let memory: Arc<dyn Disk> = Arc::new(MemoryDisk::default());
    let short: Arc<dyn Disk> = Arc::new(MemoryDisk::default().with_segments_of(1_000));
    let local: Arc<dyn Disk> = Arc::new(LocalDisk::new(dir.0.join("local.vd")));
    let want = answers(&memory);
    assert!(want.len() > 1_000, "{} answers", want.len());
    say_the_same(&answers(&local), &want, "a directory");
    // Sizes of the log differ with the number of segment headers: those two kinds of answers are left out.
    let shorter = answers(&short);
    let plain = |all: &[String]| -> Vec<String> {
        all.iter()
            .filter(|a| !a.starts_with("Collected") && a.split(' ').any(|w| w.parse::<u64>().is_err()))
            .cloned()
            .collect()
    };
    assert!(plain(&shorter) == plain(&want), "short segments");
}
