//! Whole tables for other tools: written from the head of the branch at the end of a run.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::line::row_line;
use super::place;
use crate::delta::{CommitId, DeltaRow, Notes, Table};
use crate::export::{DeltaWriter, ExportError, TableFormat, TableWriter, write_manifest};
use crate::pipeline::PipelineError;
use crate::pipeline::config::{Pipeline, Sink, SinkContent, SinkKind};
use crate::pipeline::deliver::{batch_of, row_of};
use crate::version::{CommitIndex, Repository, deltas, read_table, tables, way};

/// Writes every sink of whole tables from the head of the branch; returns sink and path of each.
///
/// # Errors
/// When the history is damaged or a file cannot be written.
pub fn write_tables(pipeline: &Pipeline, repo: &Repository) -> Result<Vec<(String, PathBuf)>, PipelineError> {
    let mut written = Vec::new();
    let Some(head) = repo.head(&pipeline.version.branch) else {
        return Ok(written);
    };
    let own = |table: &Table| pipeline.sources.iter().any(|source| source.collection == table.collection);
    let tables: Vec<Arc<Table>> = tables(repo, head)?.into_iter().filter(own).map(Arc::new).collect();
    for sink in pipeline.sinks.iter().filter(|sink| sink.what == SinkContent::Table) {
        let mut paths: Vec<PathBuf> =
            tables.iter().map(|t| place(sink, &pipeline.version.branch, &t.collection)).collect();
        paths.dedup();
        for path in paths {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|e| cannot(sink, &path, e))?;
            }
            // Lines name their collection, so several may share a file.
            let into = |t: &&Arc<Table>| place(sink, &pipeline.version.branch, &t.collection) == path;
            let tables: Vec<&Arc<Table>> = tables.iter().filter(into).collect();
            write_table(sink, repo, head, &tables, &path)?;
            written.push((sink.name.clone(), path));
        }
    }
    Ok(written)
}

fn cannot(sink: &Sink, path: &Path, source: io::Error) -> PipelineError {
    PipelineError::Sink { sink: sink.name.clone(), error: ExportError::Io { path: path.to_owned(), source } }
}

fn write_table(
    sink: &Sink,
    repo: &Repository,
    head: CommitIndex,
    tables: &[&Arc<Table>],
    path: &Path,
) -> Result<(), PipelineError> {
    let format = match sink.kind {
        SinkKind::Parquet => TableFormat::Parquet,
        SinkKind::Arrow => TableFormat::Arrow,
        SinkKind::Npy => TableFormat::Npy,
        _ => return write_lines(sink, repo, head, tables, path),
    };
    let fail = |error| PipelineError::Sink { sink: sink.name.clone(), error };
    // The configuration leads one collection to each file of these formats.
    for table in tables {
        let mut writer = TableWriter::create(path, format, table).map_err(fail)?;
        read_table(repo, head, table, &mut |keys, rows| writer.write(keys, rows).map_err(fail))?;
        writer.finish().map_err(fail)?;
    }
    Ok(())
}

/// Writes a file of lines, beside its place first.
fn write_lines(
    sink: &Sink,
    repo: &Repository,
    head: CommitIndex,
    tables: &[&Arc<Table>],
    path: &Path,
) -> Result<(), PipelineError> {
    let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
    let fail = |error: io::Error| cannot(sink, path, error);
    let mut out = BufWriter::new(fs::File::create(&temporary).map_err(fail)?);
    let entry = repo.entry(head);
    let (id, millis): (CommitId, u64) = (entry.id, entry.time.physical_millis);
    for table in tables {
        read_table(repo, head, table, &mut |keys, rows| {
            let rows = rows.chunks_exact(table.row_bytes());
            keys.iter().zip(rows).try_for_each(|(key, row)| {
                writeln!(out, "{}", row_line(&sink.fields, &id, millis, table, key, row)).map_err(fail)
            })
        })?;
    }
    let file = out.into_inner().map_err(|e| fail(e.into_error()))?;
    file.sync_all().map_err(fail)?;
    fs::rename(&temporary, path).map_err(fail)
}

/// Writes the stream of deltas between two commits as Parquet files with a manifest; returns how many there are.
///
/// # Errors
/// When the history is damaged, `from` is no ancestor of `to`, or a file cannot be written.
pub fn export_deltas(
    repo: &Repository,
    from: Option<CommitIndex>,
    to: CommitIndex,
    table: Arc<Table>,
    output: &Path,
    takes: &dyn Fn(&str, &str, &DeltaRow) -> bool,
) -> Result<u64, PipelineError> {
    let fail = |error| PipelineError::Sink { sink: output.display().to_string(), error };
    let way = way(repo, from, to)?;
    let collection = table.collection.clone();
    let mut writer = DeltaWriter::create(output, table.clone(), DeltaWriter::PART_BYTES).map_err(fail)?;
    deltas(repo, &way, Some((&collection, None)), &mut |commit, mut part| {
        let entry = repo.entry(commit);
        part.sources.retain(|d| takes(&collection, &d.key, &row_of(d, &table)));
        let batch = batch_of(&table, &part.sources, Notes::default());
        writer.write(entry.id, entry.time.physical_millis, &batch).map_err(fail)
    })?;
    let parts = writer.finish().map_err(fail)?;
    let extra = json!({
        "collection": collection,
        "from": from.map(|c| repo.entry(c).id.to_hex()),
        "to": repo.entry(to).id.to_hex(),
        "commits": way.len(),
    });
    let Value::Object(extra) = extra else { unreachable!("it was written as one") };
    let files: Vec<PathBuf> = parts.iter().map(|p| p.path.clone()).collect();
    write_manifest(output, &files, extra).map_err(fail)?;
    Ok(parts.iter().map(|p| p.deltas).sum())
}
