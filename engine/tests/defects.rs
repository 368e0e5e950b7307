//! The defects that were found in the sketch this design started from, and in its older relatives: each is a test here
//! or in the room that it concerns.
//!
//! | defect | test |
//! |---|---|
//! | 1 to 13 capture: NaN, -0.0, drift, lossy sums, shapes, hashes, ids, clocks, sizes | `delta::tests::defects::defect_01` to `defect_13` |
//! | 14 globs | `route::router::the_seeds_glob_faults_are_gone`, `delta::glob::tests` |
//! | 15 filters that trust the sender's magnitude | `apply::tests::defects::defect_21_magnitudes_are_measured_here_and_locks_hold` |
//! | 16, 17 windows that wrap, stick or stay open | `window::open::whichever_trigger_comes_first_closes` |
//! | 18, 19 windows that mix shapes, count twice or lose the chain | `window::open::deltas_of_one_source_are_composed_and_those_that_cancel_vanish` |
//! | 20 to 25 application: redelivery, conflicts, roll-back, history ring | `apply::tests::defects::defect_20` to `defect_25` |
//! | 26 to 31, 33 versions: below | `defect_26` to `defect_33` |
//! | 32 deltas that forget what they were composed of | `delta::tests::chain::composed_parts_make_a_delta` |
//! | 34 lengths that overflow before they are checked | `delta::tests::hostile::widths_and_lengths_from_outside_allocate_nothing` |
//! | relatives: compositions that lose one of two changes | `delta::tests::properties`, `delta::tests::defects::defect_07` |
//! | relatives: `compact` that folds all history, a trim that deletes the base of what remains | `defect_33` |
//! | relatives: codecs that refuse, change or inflate what they get | `codec::tests`, `hostile` |
//! | relatives: merges that depend on the order of the sides | `model`, `look` |

use std::sync::Arc;

use vecdelta::capture::Missing;
use vecdelta::delta::{Element, Source, Table, row_hash};
use vecdelta::store::MemoryDisk;
use vecdelta::version::{
    Ending, Keep, Lookup, MAIN, Merge, Policy, Repository, Strategy, VersionError, collect, compact, delta_of, deltas,
    find, is_ancestor, merge, merge_base, set_branch, snapshot, topological, value, way,
};

use crate::support::drive::{Epoch, at, ingest, open, problems};
use crate::support::oracle::read;

/// Makes a commit that sets some sources.
fn put(repo: &mut Repository, branch: &str, now: u64, rows: &[(&str, u8)]) -> usize {
    put_in(repo, "c", branch, now, rows)
}

fn put_in(repo: &mut Repository, collection: &str, branch: &str, now: u64, rows: &[(&str, u8)]) -> usize {
    let table = Arc::new(Table { collection: collection.to_owned(), element: Element::U8, dims: 2 });
    let rows = rows.iter().map(|(key, value)| ((*key).to_owned(), vec![*value, 1])).collect();
    ingest(repo, branch, now, &[Epoch { table, rows, missing: Missing::Keep, batch_rows: 4 }]).unwrap()
}

fn merge_into(
    repo: &mut Repository,
    into: &str,
    theirs: usize,
    now: u64,
) -> Result<(Ending, Option<usize>), VersionError> {
    let request = Merge {
        into: into.to_owned(),
        theirs,
        name: "theirs".to_owned(),
        policy: Policy::from(Strategy::ALL.iter().find(|(name, _)| *name == "reject").unwrap().1),
        resolved: Vec::new(),
        custom: None,
        fast_forward: false,
        dry_run: false,
        message: String::new(),
    };
    let done = merge(repo, &request, &at(now), &mut |_| Ok::<_, VersionError>(()))?;
    Ok((done.ending, done.commit))
}

/// Two branches that part at the first commit: the repository, their heads.
fn fork(disk: &MemoryDisk) -> (Repository, usize, usize) {
    let mut repo = open(disk).unwrap();
    let first = put(&mut repo, MAIN, 1, &[("a", 1), ("b", 1)]);
    set_branch(&mut repo, "side", first, &at(2)).unwrap();
    let ours = put(&mut repo, MAIN, 3, &[("a", 2)]);
    let theirs = put(&mut repo, "side", 4, &[("b", 2)]);
    (repo, ours, theirs)
}

#[test]
fn defect_26_the_common_ancestor_is_the_nearest_and_merges_count() {
    let (mut repo, ours, theirs) = fork(&MemoryDisk::default());
    assert_eq!(merge_base(&repo, ours, theirs), Some(0));
    let (_, merged) = merge_into(&mut repo, MAIN, theirs, 5).unwrap();
    let more = put(&mut repo, "side", 6, &[("b", 3)]);
    // What was merged is common since, not only the root.
    assert_eq!(merge_base(&repo, merged.unwrap(), more), Some(theirs));
    assert!(is_ancestor(&repo, theirs, merged.unwrap()) && is_ancestor(&repo, ours, merged.unwrap()));
    assert!(!is_ancestor(&repo, more, merged.unwrap()));
}

#[test]
fn defect_27_every_parent_comes_before_its_children() {
    let (mut repo, ours, theirs) = fork(&MemoryDisk::default());
    let (_, merged) = merge_into(&mut repo, MAIN, theirs, 5).unwrap();
    let want = vec![0, ours, theirs, merged.unwrap()];
    for heads in [vec![merged.unwrap()], vec![theirs, merged.unwrap()], vec![merged.unwrap(), ours, theirs]] {
        assert_eq!(topological(&repo, &heads), want);
    }
}

#[test]
fn defect_28_a_commit_moves_its_own_branch_and_goes_on_from_its_head() {
    let (repo, ours, theirs) = fork(&MemoryDisk::default());
    assert_eq!((repo.head(MAIN), repo.head("side")), (Some(ours), Some(theirs)));
    assert_eq!((&repo.entry(ours).parents[..], &repo.entry(theirs).parents[..]), (&[0][..], &[0][..]));
    assert_eq!([0, ours, theirs].map(|c| repo.entry(c).depth), [0, 1, 1]);
}

#[test]
fn defect_29_a_merge_has_a_base_two_hashed_parents_and_happens_once() {
    let disk = MemoryDisk::default();
    let (mut repo, ours, theirs) = fork(&disk);
    let (ending, merged) = merge_into(&mut repo, MAIN, theirs, 5).unwrap();
    assert_eq!(ending, Ending::Commit);
    let body = repo.commit(merged.unwrap()).unwrap().body;
    assert_eq!(body.parents, [repo.entry(ours).id, repo.entry(theirs).id]);
    let mut one_parent = body.clone();
    one_parent.parents.pop();
    assert_ne!(one_parent.id(), body.id(), "the second parent is under the hash");
    for again in [theirs, merged.unwrap()] {
        assert_eq!(merge_into(&mut repo, MAIN, again, 6).unwrap(), (Ending::AlreadyMerged, None));
    }
    // Both changed the same component: a conflict, and nothing is written.
    put(&mut repo, MAIN, 7, &[("a", 8)]);
    let other = put(&mut repo, "side", 8, &[("a", 9)]);
    assert_eq!(merge_into(&mut repo, MAIN, other, 9).unwrap(), (Ending::Conflicts, None));
    // Histories that have nothing in common are not merged.
    let mut strange = open(&MemoryDisk::default()).unwrap();
    put(&mut strange, MAIN, 1, &[("z", 1)]);
    let root = put(&mut strange, "other", 2, &[("z", 1)]);
    assert!(strange.entry(root).parents.is_empty());
    assert!(matches!(merge_into(&mut strange, MAIN, root, 3), Err(VersionError::Refused(_))));
}

#[test]
fn defect_30_a_history_is_replayed_and_a_snapshot_is_of_its_commit() {
    let (mut repo, ours, theirs) = fork(&MemoryDisk::default());
    let mut said = Vec::new();
    deltas(&repo, &way(&repo, None, ours).unwrap(), None, &mut |commit, part| {
        said.extend(part.sources.iter().map(|d| (commit, d.key.clone(), d.new.clone())));
        Ok::<_, VersionError>(())
    })
    .unwrap();
    let put = |commit, key: &str, value| (commit, key.to_owned(), vec![value, 1]);
    assert_eq!(said, [put(0, "a", 1), put(0, "b", 1), put(ours, "a", 2)]);
    let before = read(&repo, theirs).unwrap();
    snapshot(&mut repo, ours, &at(5)).unwrap();
    assert!(repo.snapshot(ours).is_some() && repo.snapshot(theirs).is_none());
    assert_eq!(read(&repo, theirs).unwrap(), before);
}

#[test]
fn defect_31_equal_states_do_not_hide_each_other() {
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    let first = put(&mut repo, MAIN, 1, &[("k", 1)]);
    put(&mut repo, MAIN, 2, &[("k", 2)]);
    let back = put(&mut repo, MAIN, 3, &[("k", 1)]);
    let elsewhere = put_in(&mut repo, "d", MAIN, 4, &[("k", 1)]);
    let lookup = Lookup { result: Some(row_hash("k", Element::U8, &[1, 1])), ..Lookup::default() };
    let mut found = Vec::new();
    find(&repo, &lookup, &mut |d| {
        found.push((d.commit, d.source.to_string()));
        Ok::<_, VersionError>(true)
    })
    .unwrap();
    let named = |commit, source: &str| (commit, source.to_owned());
    assert_eq!(found, [named(elsewhere, "d/k"), named(back, "c/k"), named(first, "c/k")]);
}

#[test]
fn defect_33_what_is_kept_keeps_its_base() {
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    let commits: Vec<usize> = (0..12).map(|i| put(&mut repo, MAIN, i, &[("a", i as u8), ("b", 7)])).collect();
    snapshot(&mut repo, commits[3], &at(20)).unwrap();
    let kept: Vec<_> = commits[9..].iter().map(|&c| read(&repo, c).unwrap()).collect();
    let done = compact(&mut repo, Keep { from: commits[9], every: 0 }, &at(21), &mut |_, _| {}).unwrap();
    assert!(done.commits > 0, "it says what it did");
    collect(&mut repo).unwrap();
    for (&c, table) in commits[9..].iter().zip(&kept) {
        assert_eq!(read(&repo, c).unwrap(), *table);
    }
    let source = Source::parse("c/a").unwrap();
    assert_eq!(value(&repo, commits[11], &source).unwrap().row, [11, 1]);
    assert_eq!(delta_of(&repo, commits[10], &source).unwrap().unwrap().difference.old, [9, 1]);
    drop(repo);
    assert_eq!(problems(&disk), [""; 0]);
}
