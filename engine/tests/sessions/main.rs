//! Whole command-line sessions, as users and scripts see them.
//!
//! A session is a text: each command, what it printed, its exit code. Texts that people read are kept as snapshots beside
//! the tests; what changes from run to run (hashes, times, sizes) is replaced by names first. To accept new texts:
//! `INSTA_UPDATE=always cargo test -p vecdelta --test sessions`.

#![allow(clippy::unwrap_used, reason = "a test may end with a panic")]

mod shell;

mod deletes;
mod empty;
mod errors;
mod event_time;
mod events;
mod generations;
mod handover;
mod history;
mod json;
mod live;
mod logs;
mod look;
mod merges;
mod pipelines;
mod pipes;
mod proofs;
mod quickstart;
mod rejects;
mod reload;
mod requests;
mod serve;
mod signals;
mod sinks;
mod sockets;

/// A test file that is not named here would never run.
#[test]
fn no_file_is_forgotten() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(file) = name.strip_suffix(".rs").filter(|file| *file != "main") {
            assert!(include_str!("main.rs").contains(&format!("\nmod {file};\n")), "{name} is not listed in main.rs");
        }
    }
}
