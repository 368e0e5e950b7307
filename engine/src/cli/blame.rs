//! `vecdelta blame`: which commit last touched each dimension of a source.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::error::{CliError, NOT_FOUND};
use super::open::{commit, reader};
use super::output::{plural, print_json, printable, short, time};
use crate::delta::Source;
use crate::version::{CommitIndex, blame};

/// How many runs of dimensions are printed of one commit.
const RUNS_SHOWN: usize = 12;

/// Show which commit last touched each dimension of a source.
///
/// A dimension belongs to the newest commit, along first parents, that changed its bits or brought the source.
#[derive(clap::Args)]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// The vector: collection/key.
    #[arg(value_name = "SOURCE")]
    source: String,
    /// When: a branch, tag, hash, REV~N or @TIME.
    #[arg(long, value_name = "REV")]
    at: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let repo = reader(&args.repo)?;
    let source = Source::parse(&args.source).map_err(|e| CliError::new(2, e.to_string()))?;
    let at = commit(&repo, args.at.as_deref())?;
    let at = at.ok_or_else(|| CliError::new(NOT_FOUND, "the repository has no commit yet"))?;
    let dims = blame(&repo, at, &source)?.dims;
    let mut by: BTreeMap<CommitIndex, Vec<usize>> = BTreeMap::new();
    dims.iter().enumerate().for_each(|(dim, &commit)| by.entry(commit).or_default().push(dim));
    let mut commits = Vec::new();
    // The newest first: a child has a higher number than its parents.
    for (&commit, dims) in by.iter().rev() {
        commits.push((repo.entry(commit), repo.commit(commit)?.body, dims));
    }
    if args.json {
        print_json(&json!({
            "source": source.to_string(),
            "at": repo.entry(at).id.to_hex(),
            "dims": dims.len(),
            "blame": dims.iter().map(|&c| repo.entry(c).id.to_hex()).collect::<Vec<_>>(),
            "touched_by": commits.iter().map(|(entry, body, dims)| json!({
                "commit": entry.id.to_hex(),
                "time": time(entry.time),
                "author": body.author,
                "message": body.message,
                "dims": dims.len(),
                "runs": runs(dims),
            })).collect::<Vec<_>>(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = io::stdout().lock();
    let (width, number) = (plural(dims.len() as u64, "dimension"), plural(commits.len() as u64, "commit"));
    writeln!(out, "{}  {width}, last touched by {number}", printable(&args.source))?;
    for (entry, body, dims) in commits {
        let (id, when, message) = (short(entry.id), time(entry.time), printable(&body.message));
        writeln!(out, "{id} {when} {message}  by {}", printable(&body.author))?;
        writeln!(out, "             {}: {}", plural(dims.len() as u64, "dimension"), listed(dims))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Joins neighbours: first and last dimension of each run.
fn runs(dims: &[usize]) -> Vec<[usize; 2]> {
    dims.chunk_by(|a, b| a + 1 == *b).map(|run| [run[0], run[run.len() - 1]]).collect()
}

fn listed(dims: &[usize]) -> String {
    let runs = runs(dims);
    let text = |[first, last]: &[usize; 2]| if first == last { first.to_string() } else { format!("{first}-{last}") };
    let shown: Vec<String> = runs.iter().take(RUNS_SHOWN).map(text).collect();
    let more = runs.len().saturating_sub(RUNS_SHOWN);
    let rest =
        if more > 0 { format!(" and {} (all with --json)", plural(more as u64, "more run")) } else { String::new() };
    shown.join(", ") + &rest
}
