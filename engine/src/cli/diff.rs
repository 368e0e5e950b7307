//! `vecdelta diff`: which sources differ between two revisions.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::error::CliError;
use super::open::reader;
use super::output::{count, printable};
use crate::answer::write_change;
use crate::delta::{Change, Measure, Source, Table};
use crate::export::ChangeWriter;
use crate::version::{compare, resolve};

/// List the sources that differ between two revisions, and by how much.
///
/// With --output the list goes into a table with the columns source, change, changed_dims, l2, cosine and max_abs: much the
/// fastest way when millions of sources differ.
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
    /// Write the list into a .parquet, .arrow or .csv file instead of printing it.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON document a line; with --output, one that counts.
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
    let mut file = args.output.as_deref().map(ChangeWriter::create).transpose()?;
    let mut counts = [0u64; 3];
    compare::<CliError>(&repo, a, b, only, &mut |table, measure| {
        counts[measure.change as usize] += 1;
        match &mut file {
            Some(file) => Ok(file.write(&table.collection, measure)?),
            None => print(&mut out, table, measure, args.json),
        }
    })?;
    let written = file.map(ChangeWriter::finish).transpose()?;
    let differ = counts.iter().sum::<u64>() > 0;
    if !args.json {
        let [inserted, updated, deleted] = counts.map(count);
        writeln!(out, "{inserted} inserted, {updated} updated, {deleted} deleted")?;
    } else if let Some(path) = args.output {
        writeln!(out, "{}", json!({ "output": path.display().to_string(), "sources": written }))?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(args.exit_code && differ)))
}

fn print(out: &mut impl Write, table: &Table, m: &Measure<'_>, json: bool) -> Result<(), CliError> {
    if json {
        return Ok(write_change(out, table, m)?);
    }
    let source = format!("{}/{}", table.collection, m.key);
    let update = m.change == Change::Update;
    let sign = match m.change {
        Change::Insert => '+',
        Change::Update => '~',
        Change::Delete => '-',
    };
    write!(out, "{sign} {}", printable(&source))?;
    if update && m.l2.is_nan() {
        write!(out, "  another shape")?;
    } else if update {
        write!(out, "  {} of {} dims, L2 {:.6}, largest {:.6}", m.changed_dims, table.dims, m.l2, m.max_abs)?;
    }
    if let Some(cosine) = m.cosine.filter(|_| update) {
        write!(out, ", cosine {cosine:.6}")?;
    }
    Ok(writeln!(out)?)
}
