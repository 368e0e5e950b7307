//! `vecdelta demo`: a small repository with everything in it, to look at and to try commands on.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::error::{CANNOT_CREATE, CliError};
use super::open::disk;
use super::output::{print_json, shown};
use crate::demo;

/// Make a small repository to try things on: branches, a merge with conflicts, a roll-back, a compaction, and a damaged copy.
#[derive(clap::Args)]
pub struct Args {
    /// Where to make it; the directory must not exist.
    dir: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let taken = |e: io::Error| CliError::new(CANNOT_CREATE, format!("cannot create {}: {e}", args.dir.display()));
    if args.dir.exists() {
        return Err(CliError::new(CANNOT_CREATE, format!("{} exists already", args.dir.display())));
    }
    let (whole, damaged) = (args.dir.join("shop.vd"), args.dir.join("damaged.vd"));
    std::fs::create_dir_all(&whole).map_err(taken)?;
    let commits = demo::tell(disk(&whole)?)?;
    damaged_copy(&whole, &damaged).map_err(taken)?;
    if args.json {
        print_json(&json!({ "repository": whole, "damaged": damaged, "commits": commits }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (whole, damaged) = (shown(&whole), shown(&damaged));
    let mut out = io::stdout().lock();
    writeln!(out, "{whole}: {commits} commits of a shop's product vectors. Try:\n")?;
    for (command, what) in [
        (format!("vecdelta log {whole}"), "what happened"),
        (format!("vecdelta diff {whole} v1 main"), "which products changed since the tag v1"),
        (format!("vecdelta get {whole} products/lamp-004 --at v1"), "one vector as it was"),
        (format!("vecdelta merge {whole} seasonal --dry-run"), "what a merge would do, and its conflicts"),
        (format!("vecdelta operations {whole}"), "who moved which branch, and when"),
        (format!("vecdelta verify {damaged}"), "one bit of this copy was flipped"),
    ] {
        writeln!(out, "  {command:<58} {what}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Copies a repository without its cache, with one bit of its log flipped.
fn damaged_copy(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to.join("log"))?;
    std::fs::copy(from.join("head"), to.join("head"))?;
    for entry in std::fs::read_dir(from.join("log"))? {
        let entry = entry?;
        let mut bytes = std::fs::read(entry.path())?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        std::fs::write(to.join("log").join(entry.file_name()), bytes)?;
    }
    Ok(())
}
