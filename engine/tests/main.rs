//! The journeys: one file a kind of failure, all in one program.

#![allow(clippy::unwrap_used)] // a test that panics says where

mod support;

mod bundles;
mod concurrency;
mod conformance;
mod crash;
mod damage;
mod defects;
mod delivery;
mod faults;
mod generations;
mod hostile;
mod look;
mod mirrors;
mod model;
mod proofs;
mod remote;
mod resume;
mod schedules;
mod shared;
mod skips;
mod subscribers;
mod transfer;

/// A journey that nobody lists is a journey that nobody runs.
#[test]
fn every_journey_in_the_folder_is_listed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let listed = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(journey) = name.strip_suffix(".rs").filter(|j| *j != "main") {
            assert!(listed.contains(&format!("\nmod {journey};\n")), "tests/{name} is not listed in tests/main.rs");
        }
    }
}
