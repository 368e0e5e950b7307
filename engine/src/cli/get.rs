//! `vecdelta get`: one vector as it was.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::error::CliError;
use super::open::{commit, reader};
use super::output::{component, print_json, printable, short};
use crate::answer::vector_json;
use crate::delta::Source;
use crate::version::value;

/// Print one vector as it was.
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
    let at = at.ok_or_else(|| CliError::new(super::error::NOT_FOUND, "the repository has no commit yet"))?;
    let found = value(&repo, at, &source)?;
    let (element, id) = (found.table.element, repo.entry(found.commit).id);
    if args.json {
        print_json(&vector_json(&repo, &source, &found))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = io::stdout().lock();
    let dims = found.table.dims;
    writeln!(out, "{}  {dims} x {}  last changed by {}", printable(&args.source), element.name(), short(id))?;
    let values: Vec<String> = found.row.chunks_exact(element.size()).map(|bits| component(element, bits)).collect();
    let width = values.iter().map(String::len).max().unwrap_or(0);
    for line in values.chunks((80 / (width + 1)).max(1)) {
        let cells: Vec<String> = line.iter().map(|value| format!("{value:>width$}")).collect();
        writeln!(out, "{}", cells.join(" "))?;
    }
    Ok(ExitCode::SUCCESS)
}
