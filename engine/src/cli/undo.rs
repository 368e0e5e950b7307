//! `vecdelta undo` and `vecdelta operations`: what was done to branches and tags, and taking the last of it back.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::arguments::millis;
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
    /// Only what moved, made, renamed or deleted this branch or tag, or was done on it.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only what was done by somebody whose name holds this text, in any case of letters.
    #[arg(long, value_name = "TEXT")]
    author: Option<String>,
    /// Only operations of this kind.
    #[arg(long, value_name = "KIND", value_enum)]
    kind: Option<Kind>,
    /// Only what was done at this time or later, such as 2026-03-01T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = millis)]
    since: Option<u64>,
    /// Only what was done at this time or earlier.
    #[arg(long, value_name = "TIME", value_parser = millis)]
    until: Option<u64>,
    /// At most so many.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print one JSON document a line.
    #[arg(long)]
    json: bool,
}

/// What an operation did.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Commits, merges and roll-backs among them.
    Commit,
    /// Branches made, moved, renamed and deleted.
    Branch,
    /// Tags made, renamed and deleted.
    Tag,
    /// Snapshots taken and removed.
    Snapshot,
    /// Compactions made and taken back.
    Compact,
    /// Merges parked, resolved and given up.
    Merge,
}

impl Kind {
    fn of(done: &Done) -> Self {
        match &done.action {
            _ if done.commit.is_some() => Self::Commit,
            Action::Branch { .. } | Action::Rename { tag: false, .. } => Self::Branch,
            Action::Tag { .. } | Action::Rename { tag: true, .. } => Self::Tag,
            Action::Snapshot { .. } | Action::Unsnapshot { .. } => Self::Snapshot,
            Action::Compact { .. } | Action::Uncompact { .. } => Self::Compact,
            Action::Park { .. } | Action::Resolve { .. } | Action::Abandon { .. } => Self::Merge,
        }
    }
}

/// Returns the names of branches and tags that an operation is about.
fn names(action: &Action) -> Vec<&str> {
    match action {
        Action::Branch { name, .. } | Action::Tag { name, .. } => vec![name],
        Action::Rename { name, new, .. } => vec![name, new],
        Action::Park { branch, .. } | Action::Resolve { branch, .. } | Action::Abandon { branch } => vec![branch],
        _ => Vec::new(),
    }
}

impl OperationsArgs {
    fn fits(&self, repo: &Repository, done: &Done) -> Result<bool, CliError> {
        let time = done.time.physical_millis;
        let fits = self.name.as_ref().is_none_or(|name| names(&done.action).contains(&name.as_str()))
            && self.kind.is_none_or(|kind| kind == Kind::of(done))
            && self.since.is_none_or(|t| t <= time)
            && self.until.is_none_or(|t| time <= t);
        match &self.author {
            Some(part) if fits => Ok(author(repo, done)?.to_lowercase().contains(&part.to_lowercase())),
            _ => Ok(fits),
        }
    }
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
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut left = args.limit.unwrap_or(usize::MAX);
    for done in history(&repo) {
        if left == 0 {
            break;
        }
        if !args.fits(&repo, &done)? {
            continue;
        }
        left -= 1;
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
    out.flush()?;
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
        (_, Action::Rename { tag, name, new, at }) => {
            let what = if *tag { "tag" } else { "branch" };
            format!("{what} {name} renamed to {new}, at {}", short(at))
        }
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
        Action::Rename { tag: false, name, new, at } => json!({ "branch": new, "was": name, "to": at.to_hex() }),
        Action::Rename { tag: true, name, new, at } => json!({ "tag": new, "was": name, "to": at.to_hex() }),
        _ => Value::Null,
    }
}
