//! `vecdelta snapshot`: write the whole table of a commit down, so that reading starts there; list and delete such.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::error::CliError;
use super::events::Events;
use super::open::{actor, commit, reader, writer};
use super::output::{print_json, printable, short, size, time};
use crate::event::Event;
use crate::version::{Repository, SnapshotRule, delete_snapshot, resolve, snapshot_is_due, snapshots};

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
    /// List the snapshots that are held: commit, time, bytes, and the branches and tags that are read from them on.
    #[arg(long, conflicts_with_all = ["at", "every", "or_bytes"])]
    list: bool,
    /// Let the snapshot of a commit go, unless a branch or a tag is read from it on; `gc` frees its bytes.
    #[arg(long, value_name = "REV", conflicts_with_all = ["at", "every", "or_bytes", "list"])]
    delete: Option<String>,
    #[command(flatten)]
    events: Events,
    /// Print one JSON document; with --list, one a line.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    if args.list {
        return list(&reader(&args.repo)?, args.json);
    }
    if let Some(revision) = &args.delete {
        let mut repo = writer(&args.repo)?;
        let at = resolve(&repo, revision)?;
        let (id, bytes) = (repo.entry(at).id, delete_snapshot(&mut repo, at, &actor())?);
        match args.json {
            true => print_json(&json!({ "deleted": id.to_hex(), "bytes": bytes }))?,
            false => {
                let text = format!("the snapshot of {} is gone; `vecdelta gc` frees its {}", short(id), size(bytes));
                writeln!(std::io::stdout(), "{text}")?;
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
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
    let events = args.events.open()?;
    let bytes = crate::version::snapshot(&mut repo, at, &actor())?;
    let made = bytes.map(|bytes| Event::SnapshotCreated { commit: id.to_hex(), bytes });
    made.iter().for_each(|event| events.tell(event));
    events.close()?;
    match (args.json, bytes) {
        (true, _) => print_json(&json!({ "commit": id.to_hex(), "bytes": bytes }))?,
        (false, Some(bytes)) => writeln!(std::io::stdout(), "snapshot of {}: {}", short(id), size(bytes))?,
        (false, None) => writeln!(std::io::stdout(), "{} has a snapshot already", short(id))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(repo: &Repository, json: bool) -> Result<ExitCode, CliError> {
    let mut out = std::io::stdout().lock();
    for held in snapshots(repo)? {
        let (id, when) = (repo.entry(held.commit).id, time(held.time));
        if json {
            let line = json!({ "commit": id.to_hex(), "time": when, "bytes": held.bytes, "base_of": held.base_of });
            writeln!(out, "{line}")?;
            continue;
        }
        let names: Vec<_> = held.base_of.iter().map(|name| printable(name)).collect();
        let base =
            if names.is_empty() { "no base of a name".to_owned() } else { format!("base of {}", names.join(", ")) };
        writeln!(out, "{} {when} {:>10}  {base}", short(id), size(held.bytes))?;
    }
    Ok(ExitCode::SUCCESS)
}
