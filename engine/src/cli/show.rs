//! `vecdelta show`: one commit, or one delta of it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::delta::{Named, named, show as show_delta};
use super::error::CliError;
use super::open::reader;
use super::output::{commit_json, count, delta_bytes, print_json, printable, size, time};
use crate::answer::delta_json;
use crate::delta::Element;
use crate::store::CollectionState;

/// Show one commit: parents, counts, magnitudes, bytes, hash; or what it did to one source.
#[derive(clap::Args)]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// A branch, tag, hash, REV~N or @TIME; REV:COLLECTION/KEY or the id of a delta shows that delta.
    #[arg(value_name = "REV|DELTA")]
    revision: String,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let repo = reader(&args.repo)?;
    let commit = match named(&repo, &args.revision)? {
        Named::Commit(commit) => commit,
        Named::Delta(delta) if args.json => {
            print_json(&delta_json(&repo, &delta)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        Named::Delta(delta) => {
            show_delta(&mut io::stdout().lock(), &repo, &delta)?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    if args.json {
        print_json(&commit_json(&repo, commit)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let record = repo.commit(commit)?;
    let body = &record.body;
    let mut out = io::stdout().lock();
    writeln!(out, "commit      {}", repo.entry(commit).id)?;
    for parent in &body.parents {
        writeln!(out, "parent      {parent}")?;
    }
    writeln!(out, "branch      {}", printable(&body.branch))?;
    writeln!(out, "time        {}", time(body.time))?;
    writeln!(out, "author      {}", printable(&body.author))?;
    writeln!(out, "message     {}", printable(&body.message))?;
    for (key, value) in &body.metadata {
        writeln!(out, "{:<11} {}", printable(key), printable(value))?;
    }
    let c = &body.counts;
    writeln!(
        out,
        "sources     {} inserted, {} updated, {} deleted, {} unchanged",
        count(c.inserted),
        count(c.updated),
        count(c.deleted),
        count(c.unchanged)
    )?;
    if f64::from_bits(record.l2_max) > 0.0 {
        writeln!(out, "largest     an update of L2 {:.6}", f64::from_bits(record.l2_max))?;
    }
    writeln!(out, "bytes       {} of vectors read, {} stored", size(c.raw_bytes), size(delta_bytes(&record)))?;
    for state in &body.collections {
        let element = Element::from_code(state.element).map_or("unknown", Element::name);
        writeln!(out, "collection  {}: {} x {} {element}", state.name, count(state.rows), state.dims)?;
        generation(&mut out, state)?;
    }
    writeln!(out, "state root  {}", body.state_root)?;
    if let Some(taken) = repo.snapshot_operation(commit) {
        let (when, who) = (time(taken.time), printable(&taken.author));
        writeln!(out, "snapshot    written {when} by {who}, operation {}", taken.sequence)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells what makes the vectors of a collection, and which rows stem from something else.
fn generation(out: &mut impl Write, state: &CollectionState) -> io::Result<()> {
    if !state.generation.is_empty() {
        let made_by: Vec<String> = state.made_by.iter().map(|(word, text)| format!("{word} {text}")).collect();
        let made_by = if made_by.is_empty() { String::new() } else { format!(" ({})", made_by.join(", ")) };
        writeln!(out, "generation  {}{}", printable(&state.generation), printable(&made_by))?;
    }
    for older in &state.older {
        let name = if older.generation.is_empty() { "an unknown generation" } else { &older.generation };
        writeln!(out, "mixed       {} of {} rows are from {}", count(older.rows), count(state.rows), printable(name))?;
    }
    Ok(())
}
