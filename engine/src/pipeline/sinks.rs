//! Sinks: what a run leaves for other tools, written from the history once it is durable.
//!
//! A sink never sees a delta that was not committed, and writing it again gives the same files: what was cut short by a
//! crash is made whole by the next run.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use vecdelta_kernels::RowChange;

use super::PipelineError;
use super::config::{Pipeline, Sink, SinkContent, SinkField, SinkKind};
use super::run::router;
use crate::delta::{Change, DeltaBatch, DeltaRow, Keys, Table, row_hash};
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
        for table in tables(repo, head)? {
            let path = place(sink, &pipeline.version.branch, &table.collection);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|e| cannot(sink, &path, e))?;
            }
            write_sink(sink, repo, head, table, &path, &router, &routes)?;
            written.push(path);
        }
    }
    Ok(written)
}

fn place(sink: &Sink, branch: &str, collection: &str) -> PathBuf {
    PathBuf::from(sink.path.replace("{branch}", branch).replace("{collection}", collection))
}

fn cannot(sink: &Sink, path: &Path, source: io::Error) -> PipelineError {
    PipelineError::Sink { sink: sink.name.clone(), error: ExportError::Io { path: path.to_owned(), source } }
}

fn write_sink(
    sink: &Sink,
    repo: &Repository,
    head: CommitIndex,
    table: Table,
    path: &Path,
    router: &Router,
    routes: &[usize],
) -> Result<(), PipelineError> {
    let table = Arc::new(table);
    let format = match sink.kind {
        SinkKind::Parquet => TableFormat::Parquet,
        SinkKind::Arrow => TableFormat::Arrow,
        SinkKind::Npy => TableFormat::Npy,
        SinkKind::Jsonl => return write_lines(sink, repo, head, &table, path, router, routes),
    };
    if sink.what == SinkContent::Deltas {
        let takes = |collection: &str, key: &str, delta: &DeltaRow| takes(router, routes, collection, key, delta);
        return replace_directory(sink, path, |part| export_deltas(repo, None, head, table, part, &takes));
    }
    let fail = |error| PipelineError::Sink { sink: sink.name.clone(), error };
    let mut writer = TableWriter::create(path, format, &table).map_err(fail)?;
    read_table(repo, head, &table, &mut |keys, rows| writer.write(keys, rows).map_err(fail))?;
    writer.finish().map_err(fail)?;
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

fn row_of(d: &Difference, table: &Table) -> DeltaRow {
    match &d.measures {
        Some(measures) => DeltaRow::update(0, measures),
        None => DeltaRow::whole(0, d.change, table, d.l2, 0.0),
    }
}

/// Writes the deltas as JSON lines, to a temporary file first.
fn write_lines(
    sink: &Sink,
    repo: &Repository,
    head: CommitIndex,
    table: &Arc<Table>,
    path: &Path,
    router: &Router,
    routes: &[usize],
) -> Result<(), PipelineError> {
    let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
    let fail = |error: io::Error| cannot(sink, path, error);
    let mut out = BufWriter::new(fs::File::create(&temporary).map_err(fail)?);
    let way = way(repo, None, head)?;
    deltas(repo, &way, Some((&table.collection, None)), &mut |commit, part| {
        for d in &part.sources {
            let delta = row_of(d, table);
            let decision = router.route(&table.collection, &d.key, &delta);
            let route = decision.and_then(|x| x.routes.into_iter().find(|r| routes.contains(r)));
            let Some(route) = route else { continue };
            let line = line(sink, repo, commit, table, d, &router.routes()[route].name);
            writeln!(out, "{}", Value::Object(line)).map_err(fail)?;
        }
        Ok::<_, PipelineError>(())
    })?;
    let file = out.into_inner().map_err(|e| fail(e.into_error()))?;
    file.sync_all().map_err(fail)?;
    fs::rename(&temporary, path).map_err(fail)
}

const DEFAULT_FIELDS: [SinkField; 5] =
    [SinkField::Source, SinkField::Change, SinkField::ChangedDims, SinkField::L2, SinkField::Commit];

fn line(
    sink: &Sink,
    repo: &Repository,
    commit: CommitIndex,
    table: &Table,
    d: &Difference,
    route: &str,
) -> Map<String, Value> {
    let fields = if sink.fields.is_empty() { &DEFAULT_FIELDS[..] } else { &sink.fields };
    let entry = repo.entry(commit);
    let hash = |row: &[u8]| (!row.is_empty()).then(|| row_hash(&d.key, table.element, row).to_hex());
    let vector = || -> Vec<Value> {
        d.new.chunks_exact(table.element.size()).map(|bits| json!(table.element.to_f64(bits))).collect()
    };
    let present = d.change != Change::Delete;
    let value = |field: &SinkField| match field {
        SinkField::Source => ("source", json!(format!("{}/{}", table.collection, d.key))),
        SinkField::Collection => ("collection", json!(table.collection)),
        SinkField::Id => ("id", json!(d.key)),
        SinkField::Change => ("change", json!(d.change.name())),
        SinkField::ChangedDims => ("changed_dims", json!(d.changed_dims)),
        SinkField::L2 => ("l2", json!(d.l2)),
        SinkField::Cosine => ("cosine", json!(d.measures.as_ref().and_then(RowChange::cosine).map(|c| 1.0 - c))),
        SinkField::MaxAbs => ("max_abs", json!(d.measures.as_ref().map(|m| m.max_abs))),
        SinkField::Route => ("route", json!(route)),
        SinkField::Commit => ("commit", json!(entry.id.to_hex())),
        SinkField::Time => ("time", json!(entry.time.physical_millis)),
        SinkField::Base => ("base", json!(hash(&d.old))),
        SinkField::Result => ("result", json!(hash(&d.new))),
        SinkField::Vector => ("vector", json!(present.then(vector))),
        SinkField::Bits => ("bits", json!(present.then(|| crate::delta::hex(&d.new)))),
    };
    fields.iter().map(value).map(|(name, value)| (name.to_owned(), value)).collect()
}
