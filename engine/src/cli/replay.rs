//! `vecdelta replay`: the deltas in the order of their commits.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;
use vecdelta_kernels::RowChange;

use super::error::CliError;
use super::events::Events;
use super::open::{commit, reader};
use super::output::{hex, numbers, printable, short, time};
use crate::delta::{DeltaId, Source};
use crate::event::Event;
use crate::version::{CommitIndex, deltas, resolve, way_through};

/// Go through the deltas of a history in order.
#[derive(clap::Args)]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// The commit behind which to begin; the beginning of the history unless given.
    #[arg(long, value_name = "REV")]
    from: Option<String>,
    /// The commit to end with; the head unless given.
    #[arg(long, value_name = "REV")]
    to: Option<String>,
    /// Go through these commits, one after another: a way through the graph, such as that of a merged branch.
    #[arg(long, value_name = "REV", num_args = 1..)]
    through: Vec<String>,
    /// Only this source, with its vector after each change.
    #[arg(long, value_name = "COLLECTION/KEY")]
    source: Option<String>,
    #[command(flatten)]
    events: Events,
    /// Print one JSON document a line, vectors included.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let repo = reader(&args.repo)?;
    let from = args.from.as_deref().map(|r| resolve(&repo, r)).transpose()?;
    let Some(to) = commit(&repo, args.to.as_deref())? else {
        return Ok(ExitCode::SUCCESS);
    };
    let source = args.source.as_deref().map(Source::parse);
    let source = source.transpose().map_err(|e| CliError::new(2, e.to_string()))?;
    let only = source.as_ref().map(|s| (s.collection.as_str(), Some(s.key.as_str())));
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut stops = args.through.iter().map(|r| resolve(&repo, r)).collect::<Result<Vec<_>, _>>()?;
    stops.push(to);
    let way = way_through(&repo, from, &stops)?;
    let (events, begun, mut count) = (args.events.open()?, Instant::now(), 0);
    let name = |commit: CommitIndex| repo.entry(commit).id.to_hex();
    events.tell(&Event::ReplayStarted { from: from.map(name), to: name(to) });
    deltas::<CliError>(&repo, &way, only, &mut |commit, part| {
        count += part.sources.len() as u64;
        let entry = repo.entry(commit);
        let element = part.table.element;
        for d in &part.sources {
            let source = Source { collection: part.table.collection.clone(), key: d.key.clone() };
            let id = DeltaId::in_commit(&entry.id, &source).to_hex();
            let source = source.to_string();
            if args.json {
                let vector = (!d.new.is_empty()).then(|| numbers(element, &d.new));
                let line = json!({
                    "commit": entry.id.to_hex(),
                    "time": time(entry.time),
                    "delta": id,
                    "source": source,
                    "change": d.change.name(),
                    "changed_dims": d.changed_dims,
                    "l2": d.l2,
                    "cosine": d.measures.as_ref().and_then(RowChange::cosine),
                    "vector": vector,
                    "bits": (!d.new.is_empty()).then(|| hex(&d.new)),
                });
                writeln!(out, "{line}")?;
            } else {
                let (id, when, change) = (short(entry.id), time(entry.time), d.change.name());
                writeln!(out, "{id} {when} {change} {} {} dims, L2 {:.6}", printable(&source), d.changed_dims, d.l2)?;
            }
        }
        Ok(())
    })?;
    out.flush()?;
    let millis = begun.elapsed().as_millis() as u64;
    events.tell(&Event::ReplayCompleted { to: name(to), deltas: count, millis });
    events.close()?;
    Ok(ExitCode::SUCCESS)
}
