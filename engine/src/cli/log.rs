//! `vecdelta log`: the commits, newest first.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::error::CliError;
use super::open::{commit, reader};
use super::output::{commit_json, count, delta_bytes, printable, short, size, time};
use crate::delta::Source;
use crate::version::{CommitIndex, Repository, touches};

/// List commits, newest first.
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
    let source = args.source.as_deref().map(Source::parse);
    let source = source.transpose().map_err(|e| CliError::new(2, e.to_string()))?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let Some(start) = commit(&repo, args.revision.as_deref())? else {
        return Ok(ExitCode::SUCCESS);
    };
    let mut left = args.limit.unwrap_or(usize::MAX);
    for commit in ancestors(&repo, start) {
        if left == 0 {
            break;
        }
        if let Some(source) = &source
            && !touches(&repo, commit, source)?
        {
            continue;
        }
        left -= 1;
        if args.json {
            writeln!(out, "{}", commit_json(&repo, commit)?)?;
        } else {
            line(&mut out, &repo, commit)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Returns a commit and all it builds on, newest first: a child comes before its parents.
fn ancestors(repo: &Repository, start: CommitIndex) -> impl Iterator<Item = CommitIndex> {
    // Parents have lower numbers, so the highest open number is always next.
    let mut open = std::collections::BTreeSet::from([start]);
    std::iter::from_fn(move || {
        let next = open.pop_last()?;
        open.extend(repo.entry(next).parents.iter().copied());
        Some(next)
    })
}

fn line(out: &mut impl Write, repo: &Repository, commit: CommitIndex) -> Result<(), CliError> {
    let record = repo.commit(commit)?;
    let counts = &record.body.counts;
    let names: Vec<&str> =
        repo.branches().iter().chain(repo.tags()).filter(|(_, c)| **c == commit).map(|(n, _)| n.as_str()).collect();
    let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    writeln!(
        out,
        "{} {} {}{}\n             +{} ~{} -{} in {}  by {}",
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
