//! `vecdelta snapshot`: write the whole table of a commit down, so that reading starts there.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::error::CliError;
use super::open::{actor, commit, writer};
use super::output::{print_json, short, size};
use crate::version::{SnapshotRule, snapshot_is_due};

/// Write the whole table of a commit down, so that later reads start there.
#[derive(clap::Args)]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// When: a branch, tag, hash, REV~N or @TIME.
    #[arg(long, value_name = "REV")]
    at: Option<String>,
    /// Only if so many commits lie behind the last snapshot.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    every: Option<u32>,
    /// Only if so many bytes of deltas do; with --every, whichever comes first.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    or_bytes: Option<u64>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let mut repo = writer(&args.repo)?;
    let at = commit(&repo, args.at.as_deref())?;
    let at = at.ok_or_else(|| CliError::new(super::error::NOT_FOUND, "the repository has no commit yet"))?;
    let id = repo.entry(at).id;
    let rule = SnapshotRule { every_commits: args.every, or_bytes: args.or_bytes };
    if rule != SnapshotRule::default() && !snapshot_is_due(&repo, at, rule)? {
        match args.json {
            true => print_json(&json!({ "commit": id.to_hex(), "bytes": null }))?,
            false => writeln!(std::io::stdout(), "no snapshot of {} is due", short(id))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let bytes = crate::version::snapshot(&mut repo, at, &actor())?;
    match (args.json, bytes) {
        (true, _) => print_json(&json!({ "commit": id.to_hex(), "bytes": bytes }))?,
        (false, Some(bytes)) => writeln!(std::io::stdout(), "snapshot of {}: {}", short(id), size(bytes))?,
        (false, None) => writeln!(std::io::stdout(), "{} has a snapshot already", short(id))?,
    }
    Ok(ExitCode::SUCCESS)
}
