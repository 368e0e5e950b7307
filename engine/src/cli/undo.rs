//! `vecdelta undo` and `vecdelta operations`: what was done to branches and tags, and taking the last of it back.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::error::CliError;
use super::open::{actor, reader, writer};
use super::output::{count, plural, print_json, printable, time};
use crate::delta::CommitId;
use crate::store::Action;
use crate::version::{Done, Repository, history, undo};

/// Take back the last operation: a commit, a merge, a moved name, a snapshot or a compaction.
///
/// It is taken back by another operation, so nothing is lost: a commit stays in the history, without a branch that points
/// at it. Again takes back the one before.
#[derive(clap::Args)]
pub struct UndoArgs {
    /// The repository.
    repo: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// List what was done, newest first: which branch or tag moved from where to where, when, and who did it.
#[derive(clap::Args)]
pub struct OperationsArgs {
    /// The repository.
    repo: PathBuf,
    /// At most so many.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print one JSON document a line.
    #[arg(long)]
    json: bool,
}

/// Runs `vecdelta undo`.
pub fn run_undo(args: UndoArgs) -> Result<ExitCode, CliError> {
    let mut repo = writer(&args.repo)?;
    let text = undo(&mut repo, &actor())?;
    match args.json {
        true => print_json(&json!({ "undone": text }))?,
        false => writeln!(io::stdout(), "{}", printable(&text))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `vecdelta operations`.
pub fn run_operations(args: OperationsArgs) -> Result<ExitCode, CliError> {
    let repo = reader(&args.repo)?;
    let mut out = io::stdout().lock();
    for done in history(&repo).take(args.limit.unwrap_or(usize::MAX)) {
        let text = describe(&done);
        if args.json {
            let line = json!({
                "operation": done.sequence,
                "time": time(done.time),
                "author": author(&repo, &done)?,
                "undoes": (done.undoes != 0).then_some(done.undoes),
                "what": text,
                "moved": moved(&done),
            });
            writeln!(out, "{line}")?;
        } else {
            let undoes = if done.undoes == 0 { String::new() } else { format!(" (takes back {})", done.undoes) };
            let author = printable(&author(&repo, &done)?);
            writeln!(out, "{:>6}  {}  {author}  {}{undoes}", done.sequence, time(done.time), printable(&text))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Who did it: of a commit its record tells.
fn author(repo: &Repository, done: &Done) -> Result<String, CliError> {
    match done.commit {
        Some(commit) => Ok(repo.commit(commit)?.body.author),
        None => Ok(done.author.clone()),
    }
}

fn short(id: &CommitId) -> String {
    id.to_hex()[..12].to_owned()
}

fn describe(done: &Done) -> String {
    let move_of = |what: &str, name: &str, from: &Option<CommitId>, to: &Option<CommitId>| match (from, to) {
        (None, Some(to)) => format!("new {what} {name} at {}", short(to)),
        (Some(from), Some(to)) => format!("{what} {name} from {} to {}", short(from), short(to)),
        (from, None) => format!("{what} {name} deleted, was at {}", from.as_ref().map_or_else(String::new, short)),
    };
    match (&done.commit, &done.action) {
        (Some(_), Action::Branch { name, from: Some(from), to: Some(to) }) => {
            format!("commit {} on {name}, after {}", short(to), short(from))
        }
        (Some(_), Action::Branch { name, to: Some(to), .. }) => format!("commit {} on {name}", short(to)),
        (_, Action::Branch { name, from, to }) => move_of("branch", name, from, to),
        (_, Action::Tag { name, from, to }) => move_of("tag", name, from, to),
        (_, Action::Snapshot { commit, .. }) => format!("snapshot of {}", short(commit)),
        (_, Action::Unsnapshot { commits }) => format!("{} removed", plural(commits.len() as u64, "snapshot")),
        (_, Action::Compact { spans, .. }) => {
            let left: usize = spans.iter().map(|s| s.stands_for.len()).sum();
            let (ways, left) = (plural(spans.len() as u64, "commit"), count(left as u64));
            format!("compacted: {ways} now stand for {left} more")
        }
        (_, Action::Uncompact { sequence }) => format!("compaction {sequence} taken back"),
        (_, Action::Park { branch, theirs, .. }) => format!("merge of {} into {branch} parked", short(theirs)),
        (_, Action::Resolve { branch, sources, .. }) => {
            format!("{} of the merge into {branch} resolved", plural(sources.len() as u64, "conflict"))
        }
        (_, Action::Abandon { branch }) => format!("merge into {branch} given up"),
    }
}

fn moved(done: &Done) -> Value {
    let hex = |id: &Option<CommitId>| id.map(CommitId::to_hex);
    match &done.action {
        Action::Branch { name, from, to } => json!({ "branch": name, "from": hex(from), "to": hex(to) }),
        Action::Tag { name, from, to } => json!({ "tag": name, "from": hex(from), "to": hex(to) }),
        _ => Value::Null,
    }
}
