//! `vecdelta find`: the deltas of a history that fit some conditions.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::arguments::millis;
use super::delta::line;
use super::error::CliError;
use super::open::reader;
use crate::answer::{delta_json, entry};
use crate::delta::{DeltaId, RowHash, Source, check_collection};
use crate::version::{Lookup, find, resolve};

/// Find deltas by source, time, state, parent, metadata and text; newest first.
///
/// A delta is what one commit did to one source. It has an id, which `show` takes. Conditions can be joined; a delta is
/// listed when it fits all of them. `get --json` tells the hash of a state.
#[derive(clap::Args)]
#[command(after_help = "Where do these bits come from?   vecdelta find REPO --result HASH\n\
                        What became of them?             vecdelta find REPO --base HASH\n\
                        What else did that run change?   vecdelta find REPO --metadata run=17")]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// Only deltas that led to this commit: a branch, tag, hash, REV~N or @TIME. All branches unless given.
    #[arg(value_name = "REV")]
    revision: Option<String>,
    /// Only deltas of this source.
    #[arg(long, value_name = "COLLECTION/KEY")]
    source: Option<String>,
    /// Only deltas of this collection.
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// Only deltas made at this time or later, such as 2026-03-01T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = millis)]
    since: Option<u64>,
    /// Only deltas made at this time or earlier.
    #[arg(long, value_name = "TIME", value_parser = millis)]
    until: Option<u64>,
    /// Only deltas that led to the state with this hash.
    #[arg(long, value_name = "HASH", value_parser = state)]
    result: Option<RowHash>,
    /// Only deltas that began at the state with this hash.
    #[arg(long, value_name = "HASH", value_parser = state)]
    base: Option<RowHash>,
    /// Only deltas that come right after this one.
    #[arg(long, value_name = "DELTA", value_parser = delta)]
    parent: Option<DeltaId>,
    /// Only deltas whose commit has this entry in its metadata, of this value if one is given; may be repeated.
    #[arg(long, value_name = "KEY[=VALUE]")]
    metadata: Vec<String>,
    /// Only deltas in whose commit's author, message or metadata all these words stand.
    #[arg(long, value_name = "WORDS", default_value = "", hide_default_value = true)]
    text: String,
    /// At most so many.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print one JSON document a line, vectors included.
    #[arg(long)]
    json: bool,
}

fn state(text: &str) -> Result<RowHash, String> {
    RowHash::from_hex(text).ok_or_else(|| "a hash has 64 hex digits".to_owned())
}

fn delta(text: &str) -> Result<DeltaId, String> {
    DeltaId::from_hex(text).ok_or_else(|| "the id of a delta has 64 hex digits".to_owned())
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let repo = reader(&args.repo)?;
    let usage = |e: crate::delta::SourceError| CliError::new(2, e.to_string());
    args.collection.as_deref().map_or(Ok(()), check_collection).map_err(usage)?;
    let lookup = Lookup {
        source: args.source.as_deref().map(Source::parse).transpose().map_err(usage)?,
        collection: args.collection,
        since: args.since,
        until: args.until,
        base: args.base,
        result: args.result,
        parent: args.parent,
        metadata: args.metadata.iter().map(|text| entry(text)).collect(),
        text: args.text,
        at: args.revision.as_deref().map(|r| resolve(&repo, r)).transpose()?,
    };
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut out = io::BufWriter::new(io::stdout().lock());
    if left > 0 {
        find::<CliError>(&repo, &lookup, &mut |delta| {
            match args.json {
                true => writeln!(out, "{}", delta_json(&repo, &delta)?)?,
                false => line(&mut out, &repo, &delta)?,
            }
            left -= 1;
            Ok(left > 0)
        })?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
