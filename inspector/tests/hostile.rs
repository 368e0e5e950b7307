//! Files that were cut or changed: an answer or a trouble, never a panic.

use std::sync::Arc;

use vecdelta::store::{Bundle, Disk, MemoryDisk};
use vecdelta::version::{Repository, bundle};
use vecdelta_inspector::ask::{Answer, Place, Reply, Request};
use vecdelta_inspector::work::{Opener, Worker, demo};

use super::support::{asks, shown, window};

const NAME: &str = "shop.vdpack";

/// Returns the demo history as one file.
fn whole() -> Vec<u8> {
    let repo = Repository::open(demo().expect("memory does not refuse")).expect("it was just made");
    let disk = MemoryDisk::default();
    bundle(&repo, &disk, NAME, &mut |_| {}).expect("memory does not refuse");
    disk.files()[NAME].clone()
}

/// Finds the bundle with these bytes.
fn opener(bytes: Vec<u8>) -> Opener {
    Box::new(move |_| {
        let disk = MemoryDisk::default();
        disk.put(NAME, bytes.clone());
        let file = disk.open(NAME, false).expect("it was just put there");
        Ok((Arc::new(Bundle::open(file, NAME)?), false))
    })
}

/// Asks everything; returns how many commits could be shown.
fn ask_everything(bytes: Vec<u8>) -> usize {
    let mut worker = Worker::new(opener(bytes));
    let mut number = 0;
    let mut ask = |worker: &mut Worker, ask| -> Reply {
        number += 1;
        worker.answer(&Request { number, ask }).expect("memory never waits")
    };
    let opened = ask(&mut worker, vecdelta_inspector::ask::Ask::Open(Place::Demo));
    let Ok(Answer::Opened(opened)) = opened.result else { return 0 };
    let mut shown = 0;
    for commit in 0..opened.commits {
        for question in asks(commit) {
            let reply = ask(&mut worker, question);
            let bytes = borsh::to_vec(&reply).expect("writing to memory cannot fail");
            assert_eq!(borsh::from_slice::<Reply>(&bytes).expect("it was just written"), reply);
            shown += usize::from(matches!(reply.result, Ok(Answer::Commit(_))));
        }
    }
    shown
}

#[test]
fn a_bundle_that_is_cut_anywhere_is_a_trouble() {
    let bytes = whole();
    assert_eq!(ask_everything(bytes.clone()), 16);
    for len in (0..bytes.len()).step_by(bytes.len() / 150) {
        ask_everything(bytes[..len].to_vec());
    }
}

#[test]
fn a_bundle_with_flipped_bits_is_a_trouble_or_the_truth() {
    let bytes = whole();
    let mut bits = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..200 {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        let mut damaged = bytes.clone();
        let at = (bits >> 8) as usize % bytes.len();
        damaged[at] ^= 1 << (bits % 8);
        ask_everything(damaged);
    }
}

#[test]
fn the_window_tells_of_a_damaged_file_and_stays_usable() {
    fn broken() -> Opener {
        let mut bytes = whole();
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
