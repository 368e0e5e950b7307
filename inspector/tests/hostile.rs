//! Files that were cut or changed: an answer or a trouble, never a panic.

use std::sync::Arc;

use vecdelta::delta::{Element, Table};
use vecdelta::store::{Bundle, Disk, MemoryDisk};
use vecdelta::version::{
    Actor, CommitInfo, Differences, Repository, commit_differences, difference, new_origin, set_branch,
};
use vecdelta_inspector::ask::{Answer, Ask, Export, Format, Place, Reply, Request, Trouble};
use vecdelta_inspector::work::{Opener, Worker};

use super::support::{asks, bundled, demo_bundle, shown, window};

const NAME: &str = "shop.vdpack";

/// Finds the bundle with these bytes.
fn opener(bytes: Vec<u8>) -> Opener {
    Box::new(move |_| {
        let disk = MemoryDisk::default();
        disk.put(NAME, bytes.clone());
        let file = disk.open(NAME, false).expect("it was just put there");
        Ok((Arc::new(Bundle::open(file, NAME)?), false))
    })
}

/// A history that is told in a few thousand bytes: two branches, a merge that is open, a vector that went.
fn small() -> Vec<u8> {
    let disk = Arc::new(MemoryDisk::default());
    let mut repo = Repository::open_writer(disk, Some(new_origin(1_767_603_600_000, 0))).expect("it is empty");
    let table = Arc::new(Table { collection: "products".into(), element: Element::F32, dims: 3 });
    let row =
        |seed: u8| (0..3_u8).flat_map(|d| (f32::from(seed) + f32::from(d) / 4.0).to_le_bytes()).collect::<Vec<u8>>();
    let commit = |repo: &mut Repository, branch: &str, at: u64, rows: &[(&str, Option<u8>, Option<u8>)]| {
        let bits = |seed: Option<u8>| seed.map(row);
        let of =
            |&(key, old, new): &(&str, _, _)| difference(&table, key, bits(old).as_deref(), bits(new).as_deref(), true);
        let part = Differences::new(table.clone(), rows.iter().filter_map(of).collect());
        let info = CommitInfo { branch: branch.into(), author: "ana".into(), ..CommitInfo::default() };
        commit_differences(repo, info, 1_767_603_600_000 + at, |_, write| write(part)).expect("it fits");
    };
    commit(&mut repo, "main", 1, &[("a", None, Some(1)), ("b", None, Some(2)), ("c", None, Some(9))]);
    let actor = Actor { author: "ana".into(), now_millis: 1_767_603_600_002 };
    set_branch(&mut repo, "side", 0, &actor).expect("it is free");
    commit(&mut repo, "side", 3, &[("a", Some(1), Some(4)), ("d", None, Some(7))]);
    commit(&mut repo, "main", 4, &[("a", Some(1), Some(5)), ("b", Some(2), None)]);
    bundled(&repo)
}

/// Asks everything; returns what came of it, and how many commits there are.
fn ask_everything(bytes: Vec<u8>) -> (Vec<Result<Answer, Trouble>>, u32) {
    let mut worker = Worker::new(opener(bytes));
    let mut number = 0;
    let mut ask = |ask| {
        number += 1;
        let reply = worker.answer(&Request { number, ask }).expect("memory never waits");
        let bytes = borsh::to_vec(&reply).expect("writing to memory cannot fail");
        assert_eq!(borsh::from_slice::<Reply>(&bytes).expect("it was just written"), reply);
        reply.result
    };
    let opened = match ask(Ask::Open(Place::Demo)) {
        Ok(Answer::Opened(opened)) => opened,
        other => return (vec![other], 0),
    };
    let commits = opened.commits;
    let mut results = vec![Ok(Answer::Opened(opened))];
    for commit in 0..commits {
        results.extend(asks(commit).into_iter().chain(more_asks(commit)).map(&mut ask));
    }
    results.extend([Ask::Spread { from: 0, count: commits }, merge()].map(&mut ask));
    (results, commits)
}

fn merge() -> Ask {
    Ask::Merge { ours: "main".into(), theirs: "side".into(), strategy: "reject".into(), rows: Vec::new() }
}

/// Questions that read rows.
fn more_asks(commit: u32) -> [Ask; 3] {
    let collection = || "products".to_owned();
    let what = Export { commit, collection: collection(), keys: Vec::new(), since: None, format: Format::Csv };
    [
        Ask::Versions { tip: commit, source: "products/a".into(), from: 0 },
        Ask::Drift { before: 0, after: commit, collection: collection(), from: 0 },
        Ask::Export { what, turn: 0 },
    ]
}

fn shown_commits(results: &[Result<Answer, Trouble>]) -> usize {
    results.iter().filter(|r| matches!(r, Ok(Answer::Commit(_)))).count()
}

#[test]
fn a_bundle_that_is_cut_anywhere_is_a_trouble() {
    let bytes = demo_bundle();
    assert_eq!(shown_commits(&ask_everything(bytes.clone()).0), 16);
    for len in (0..bytes.len()).step_by(bytes.len() / 50) {
        ask_everything(bytes[..len].to_vec());
    }
    let bytes = small();
    assert_eq!(shown_commits(&ask_everything(bytes.clone()).0), 3);
    for len in 0..bytes.len() {
        let (results, commits) = ask_everything(bytes[..len].to_vec());
        assert!(commits == 0 && results[0].is_err(), "{len} of {} bytes are taken for a bundle", bytes.len());
    }
}

/// Says whether an answer is the right one, or says what is damaged.
fn is_truth_or_trouble(found: &Result<Answer, Trouble>, truth: &Result<Answer, Trouble>) -> bool {
    match (found, truth) {
        (Err(_), _) => true,
        (Ok(Answer::Records(found)), Ok(Answer::Records(truth))) => {
            found.from == truth.from
                && found.records.len() == truth.records.len()
                && found.records.iter().zip(&truth.records).all(|(f, t)| f == t || !f.damage.is_empty())
        }
        _ => found == truth,
    }
}

#[test]
fn a_bundle_with_flipped_bits_is_a_trouble_or_the_truth() {
    let bytes = small();
    let (truth, _) = ask_everything(bytes.clone());
    assert!(truth.iter().all(Result::is_ok), "{:?}", truth.iter().find(|r| r.is_err()));
    let all: Vec<usize> = (0..bytes.len()).collect();
    let filled: Vec<usize> = all.iter().copied().filter(|&i| bytes[i] != 0).collect();
    let (mut bits, mut noticed) = (0x2545_f491_4f6c_dd1d_u64, 0);
    for _ in 0..10_000 {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        let mut damaged = bytes.clone();
        // What is not zero is seldom what fills up pages.
        let from = if bits.is_multiple_of(16) { &all } else { &filled };
        let at = from[(bits >> 8) as usize % from.len()];
        damaged[at] ^= 1 << (bits >> 4 & 7);
        let (results, _) = ask_everything(damaged);
        noticed += usize::from(results != truth);
        for (i, (found, truth)) in results.iter().zip(&truth).enumerate() {
            assert!(is_truth_or_trouble(found, truth), "byte {at}, question {i}: {found:?} instead of {truth:?}");
        }
    }
    assert!(noticed > 5_000, "only {noticed} flips were noticed; {} of {} bytes are filled", filled.len(), all.len());
}

#[test]
fn the_window_tells_of_a_damaged_file_and_stays_usable() {
    fn broken() -> Opener {
        let mut bytes = demo_bundle();
        let middle = bytes.len() / 2;
        bytes.truncate(middle);
        opener(bytes)
    }
    for theme in [egui::Theme::Dark, egui::Theme::Light] {
        let w = window([900.0, 600.0], theme, Some(Place::Demo), "", broken);
        let state = shown(&w);
        assert!(state["trouble"].is_string(), "{state}");
        assert_eq!(state["ready"], false);
    }
}
