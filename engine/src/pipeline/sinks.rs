//! Sinks: what a run leaves for other tools, written from the history once it is durable.
//!
//! A sink never sees a delta that was not committed, and writing it again gives the same files: what was cut short by a
//! crash is made whole by the next run.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::PipelineError;
use super::config::{Pipeline, Sink, SinkContent, SinkKind};
use super::lines::Lines;
use super::run::router;
use crate::delta::{DeltaBatch, DeltaRow, Keys, Table};
use crate::export::{DeltaWriter, ExportError, MANIFEST, TableFormat, TableWriter, write_manifest};
use crate::route::Router;
use crate::version::{CommitIndex, Difference, Differences, Repository, deltas, read_table, tables, way};

/// Writes every sink of a pipeline from the head of its branch; returns the paths that were written.
///
/// # Errors
/// When the history is damaged or a file cannot be written.
pub fn write_sinks(pipeline: &Pipeline, repo: &mut Repository) -> Result<Vec<PathBuf>, PipelineError> {
    let mut written = Vec::new();
    let Some(head) = repo.head(&pipeline.version.branch) else {
        return Ok(written);
    };
    let router = router(pipeline)?;
    for sink in &pipeline.sinks {
        let routes: Vec<usize> =
            (0..pipeline.routes.len()).filter(|&r| pipeline.routes[r].to.contains(&sink.name)).collect();
        // Lines name their collection, so several may share a file.
        let mut files: BTreeMap<PathBuf, Vec<Arc<Table>>> = BTreeMap::new();
        let own = |table: &Table| pipeline.sources.iter().any(|source| source.collection == table.collection);
        for table in tables(repo, head)?.into_iter().filter(own) {
            let path = place(sink, &pipeline.version.branch, &table.collection);
            files.entry(path).or_default().push(Arc::new(table));
        }
        for (path, tables) in files {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|e| cannot(sink, &path, e))?;
            }
            write_sink(sink, repo, head, &tables, &path, &router, &routes)?;
            written.push(path);
        }
    }
    Ok(written)
}

fn place(sink: &Sink, branch: &str, collection: &str) -> PathBuf {
    PathBuf::from(sink.path.replace("{branch}", branch).replace("{collection}", collection))
}

/// Makes the error of a file that a sink cannot write.
pub fn cannot(sink: &Sink, path: &Path, source: io::Error) -> PipelineError {
    PipelineError::Sink { sink: sink.name.clone(), error: ExportError::Io { path: path.to_owned(), source } }
}

fn write_sink(
    sink: &Sink,
    repo: &Repository,
    head: CommitIndex,
    tables: &[Arc<Table>],
    path: &Path,
    router: &Router,
    routes: &[usize],
) -> Result<(), PipelineError> {
    let format = match sink.kind {
        SinkKind::Parquet => TableFormat::Parquet,
        SinkKind::Arrow => TableFormat::Arrow,
        SinkKind::Npy => TableFormat::Npy,
        SinkKind::Jsonl => return Lines { sink, repo, head, router, routes }.write(tables, path),
    };
    // The configuration leads one collection to each file of these formats.
    for table in tables {
        if sink.what == SinkContent::Deltas {
            let takes = |collection: &str, key: &str, delta: &DeltaRow| takes(router, routes, collection, key, delta);
            let write = |part: &Path| export_deltas(repo, None, head, table.clone(), part, &takes);
            replace_directory(sink, path, write)?;
            continue;
        }
        let fail = |error| PipelineError::Sink { sink: sink.name.clone(), error };
        let mut writer = TableWriter::create(path, format, table).map_err(fail)?;
        read_table(repo, head, table, &mut |keys, rows| writer.write(keys, rows).map_err(fail))?;
        writer.finish().map_err(fail)?;
    }
    Ok(())
}

/// Writes a directory beside `path` and gives it that name when it is whole, instead of what an earlier run left there.
fn replace_directory(
    sink: &Sink,
    path: &Path,
    write: impl FnOnce(&Path) -> Result<u64, PipelineError>,
) -> Result<(), PipelineError> {
    let beside = |ending: &str| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(ending);
        path.with_file_name(name)
    };
    let fail = |error| cannot(sink, path, error);
    let ours = !path.exists() || path.join(MANIFEST).is_file() || is_empty(path);
    if !ours {
        let error = io::Error::new(io::ErrorKind::AlreadyExists, "the directory holds other files, without a manifest");
        return Err(fail(error));
    }
    // What a killed run left; the lock of the repository keeps others out.
    let (part, old) = (beside(".part"), beside(".old"));
    remove(&part).and_then(|()| remove(&old)).map_err(fail)?;
    write(&part)?;
    if path.exists() {
        fs::rename(path, &old).map_err(fail)?;
    }
    fs::rename(&part, path).map_err(fail)?;
    remove(&old).map_err(fail)
}

fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

fn remove(path: &Path) -> io::Result<()> {
    if path.exists() { fs::remove_dir_all(path) } else { Ok(()) }
}

fn takes(router: &Router, routes: &[usize], collection: &str, key: &str, delta: &DeltaRow) -> bool {
    let decision = router.route(collection, key, delta);
    decision.is_some_and(|d| d.routes.iter().any(|r| routes.contains(r)))
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
    deltas(repo, &way, Some((&collection, None)), &mut |commit, part| {
        let entry = repo.entry(commit);
        let batch = batch_of(&table, &part, &|key, delta| takes(&collection, key, delta));
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

/// Writes differences of one commit as a batch, leaving out what is not taken.
fn batch_of(table: &Arc<Table>, part: &Differences, takes: &dyn Fn(&str, &DeltaRow) -> bool) -> DeltaBatch {
    let size = table.row_bytes();
    let absent = vec![0; size];
    let mut keys = Vec::new();
    let mut batch = DeltaBatch {
        table: table.clone(),
        keys: Keys::default(),
        deltas: Vec::new(),
        old: Vec::new(),
        new: Vec::new(),
    };
    for d in &part.sources {
        let delta = row_of(d, table);
        if !takes(&d.key, &delta) {
            continue;
        }
        keys.push(d.key.as_str());
        batch.deltas.push(delta);
        batch.old.extend_from_slice(if d.old.is_empty() { &absent } else { &d.old });
        batch.new.extend_from_slice(if d.new.is_empty() { &absent } else { &d.new });
    }
    batch.keys = Keys::from_texts(keys);
    batch
}

/// Describes a difference as the stages do.
pub fn row_of(d: &Difference, table: &Table) -> DeltaRow {
    match &d.measures {
        Some(measures) => DeltaRow::update(0, measures),
        None => DeltaRow::whole(0, d.change, table, d.l2, 0.0),
    }
}
