//! `vecdelta diff`: which sources differ between two revisions.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::error::CliError;
use super::open::reader;
use super::output::{count, printable};
use crate::delta::{Change, Source};
use crate::version::{Differences, diff, resolve};
use vecdelta_kernels::RowChange;

/// List the sources that differ between two revisions, and by how much.
#[derive(clap::Args)]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// The earlier revision.
    a: String,
    /// The later revision.
    b: String,
    /// Only this source.
    #[arg(long, value_name = "COLLECTION/KEY")]
    source: Option<String>,
    /// Exit with 1 when something differs.
    #[arg(long)]
    exit_code: bool,
    /// Print one JSON document a line.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let repo = reader(&args.repo)?;
    let (a, b) = (resolve(&repo, &args.a)?, resolve(&repo, &args.b)?);
    let source = args.source.as_deref().map(Source::parse);
    let source = source.transpose().map_err(|e| CliError::new(2, e.to_string()))?;
    let only = source.as_ref().map(|s| (s.collection.as_str(), Some(s.key.as_str())));
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut counts = [0u64; 3];
    diff::<CliError>(&repo, Some(a), Some(b), only, &mut |part| {
        for d in &part.sources {
            counts[d.change as usize] += 1;
        }
        print(&mut out, &part, args.json)
    })?;
    let differ = counts.iter().sum::<u64>() > 0;
    if !args.json {
        let [inserted, updated, deleted] = counts.map(count);
        writeln!(out, "{inserted} inserted, {updated} updated, {deleted} deleted")?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(args.exit_code && differ)))
}

fn print(out: &mut impl Write, part: &Differences, json: bool) -> Result<(), CliError> {
    for d in &part.sources {
        let source = format!("{}/{}", part.table.collection, d.key);
        let cosine = d.measures.as_ref().and_then(RowChange::cosine);
        let max_abs = d.measures.as_ref().map(|m| m.max_abs);
        if json {
            let line = json!({
                "source": source,
                "change": d.change.name(),
                "changed_dims": d.changed_dims,
                "l2": d.l2,
                "cosine": cosine,
                "max_abs": max_abs,
            });
            writeln!(out, "{line}")?;
            continue;
        }
        let sign = match d.change {
            Change::Insert => '+',
            Change::Update => '~',
            Change::Delete => '-',
        };
        write!(out, "{sign} {}", printable(&source))?;
        if let Some(m) = &d.measures {
            let dims = part.table.dims;
            write!(out, "  {} of {dims} dims, L2 {:.6}, largest {:.6}", m.changed, m.l2(), m.max_abs)?;
            if let Some(cosine) = cosine {
                write!(out, ", cosine {cosine:.6}")?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}
