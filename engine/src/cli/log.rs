//! `vecdelta log`: the commits, newest first.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::arguments::millis;
use super::error::CliError;
use super::open::{commit, reader};
use super::output::{commit_json, count, delta_bytes, printable, short, size, time};
use crate::answer::{LogQuestion, list_commits};
use crate::version::{CommitIndex, Repository};

/// List commits, newest first.
///
/// Filters can be joined; a commit is listed when it fits all of them. Texts fit in any case of letters.
#[derive(clap::Args)]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// Where to begin: a branch, tag, hash, REV~N or @TIME.
    #[arg(value_name = "REV")]
    revision: Option<String>,
    /// Only commits that changed this source.
    #[arg(long, value_name = "COLLECTION/KEY")]
    source: Option<String>,
    /// Only commits that changed this collection.
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// Only commits whose author's name holds this text.
    #[arg(long, value_name = "TEXT")]
    author: Option<String>,
    /// Only commits whose message or metadata hold this text.
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Only commits with this entry in their metadata, of this value if one is given; may be repeated.
    #[arg(long, value_name = "KEY[=VALUE]")]
    metadata: Vec<String>,
    /// Only commits made at this time or later, such as 2026-03-01T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = millis)]
    since: Option<u64>,
    /// Only commits made at this time or earlier.
    #[arg(long, value_name = "TIME", value_parser = millis)]
    until: Option<u64>,
    /// At most so many.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print one JSON document a line.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let repo = reader(&args.repo)?;
    let question = LogQuestion {
        source: args.source,
        collection: args.collection,
        author: args.author,
        text: args.grep,
        metadata: args.metadata,
        since: args.since,
        until: args.until,
        limit: args.limit,
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let Some(start) = commit(&repo, args.revision.as_deref())? else {
        return Ok(ExitCode::SUCCESS);
    };
    list_commits(&repo, start, &question, &mut |commit| {
        if args.json {
            return Ok(writeln!(out, "{}", commit_json(&repo, commit)?)?);
        }
        line(&mut out, &repo, commit)
    })?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn line(out: &mut impl Write, repo: &Repository, commit: CommitIndex) -> Result<(), CliError> {
    let record = repo.commit(commit)?;
    let counts = &record.body.counts;
    let names: Vec<&str> =
        repo.branches().iter().chain(repo.tags()).filter(|(_, c)| **c == commit).map(|(n, _)| n.as_str()).collect();
    let compacted = if repo.stands_for(commit).is_some() { " [compacted]" } else { "" };
    let snapshot = if repo.snapshot(commit).is_some() { " [snapshot]" } else { "" };
    let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    writeln!(
        out,
        "{} {} {}{}{compacted}{snapshot}\n             +{} ~{} -{} in {}  by {}",
        short(repo.entry(commit).id),
        time(record.body.time),
        printable(&record.body.message),
        names,
        count(counts.inserted),
        count(counts.updated),
        count(counts.deleted),
        size(delta_bytes(&record)),
        printable(&record.body.author)
    )?;
    Ok(())
}
