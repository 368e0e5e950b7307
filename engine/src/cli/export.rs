//! `vecdelta export`: a table as it was, or the stream of deltas.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::error::{CliError, note};
use super::open::{commit, reader};
use super::output::{plural, print_json};
use crate::delta::{Element, Table};
use crate::export::{ExportError, TableWriter, format_of, write_manifest};
use crate::version::{Picked, Repository, read_table, resolve, table};

/// How many bytes of rows are looked at together when only some are wanted.
const PIECE_BYTES: usize = 16 << 20;

/// Write a whole table as it was, or the stream of deltas.
///
/// The format follows the extension: .parquet, .arrow, .npy (with the ids in FILE.ids.txt), .csv (numbers read back to the
/// same bits). With --deltas, DIR gets Parquet files and a manifest with the BLAKE3 sum of each.
#[derive(clap::Args)]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// When: a branch, tag, hash, REV~N or @TIME.
    #[arg(long, value_name = "REV", conflicts_with = "deltas")]
    at: Option<String>,
    /// Write what changed from commit to commit instead of a table.
    #[arg(long)]
    deltas: bool,
    /// The commit behind which the stream begins.
    #[arg(long, value_name = "REV", requires = "deltas")]
    from: Option<String>,
    /// The commit with which the stream ends.
    #[arg(long, value_name = "REV", requires = "deltas")]
    to: Option<String>,
    /// Only this source's row; may be given several times.
    #[arg(long, value_name = "KEY", conflicts_with = "deltas")]
    only: Vec<String>,
    /// Only rows that came or changed after this revision.
    #[arg(long, value_name = "REV", conflicts_with = "deltas")]
    changed_since: Option<String>,
    /// The collection, when there are several.
    #[arg(long)]
    collection: Option<String>,
    /// The file, or the directory for --deltas.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let repo = reader(&args.repo)?;
    let rows = if args.deltas { export_deltas(&repo, &args)? } else { export_table(&repo, &args)? };
    let what = if args.deltas { "delta" } else { "row" };
    if args.json {
        print_json(&json!({ format!("{what}s"): rows, "output": args.output.display().to_string() }))?;
    } else {
        note(format_args!("{} in {}", plural(rows, what), args.output.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn export_table(repo: &Repository, args: &Args) -> Result<u64, CliError> {
    let format = format_of(&args.output)?;
    let Some(at) = commit(repo, args.at.as_deref())? else {
        let empty = Table { collection: args.collection.clone().unwrap_or_default(), element: Element::F32, dims: 0 };
        return Ok(TableWriter::create(&args.output, format, &empty)?.finish()?);
    };
    let table = Arc::new(table(repo, at, args.collection.as_deref())?);
    let since = args.changed_since.as_deref().map(|r| resolve(repo, r)).transpose()?;
    let picked = (since.is_some() || !args.only.is_empty())
        .then(|| Picked::new(repo, at, table.clone(), &args.only, since))
        .transpose()?;
    let mut writer = TableWriter::create(&args.output, format, &table)?;
    if let Some(picked) = picked {
        let piece = (PIECE_BYTES / table.row_bytes().max(1)).max(16);
        for from in (0..picked.len()).step_by(piece) {
            let (keys, rows) = picked.read(from, from + piece)?;
            writer.write(&keys, rows.into())?;
        }
        return Ok(writer.finish()?);
    }
    read_table::<CliError>(repo, at, &table, &mut |keys, rows| Ok(writer.write(keys, rows)?))?;
    Ok(writer.finish()?)
}

fn export_deltas(repo: &Repository, args: &Args) -> Result<u64, CliError> {
    let from = args.from.as_deref().map(|r| resolve(repo, r)).transpose()?;
    let Some(to) = commit(repo, args.to.as_deref())? else {
        std::fs::create_dir_all(&args.output)
            .map_err(|source| ExportError::Create { path: args.output.clone(), source })?;
        write_manifest(&args.output, &[], serde_json::Map::new())?;
        return Ok(0);
    };
    let table = table(repo, to, args.collection.as_deref())?;
    Ok(write_deltas(repo, from, to, table, &args.output)?)
}

fn write_deltas(
    repo: &Repository,
    from: Option<usize>,
    to: usize,
    table: Table,
    output: &Path,
) -> Result<u64, crate::pipeline::PipelineError> {
    crate::pipeline::export_deltas(repo, from, to, Arc::new(table), output, &|_, _, _| true)
}
