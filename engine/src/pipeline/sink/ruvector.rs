//! An index of ruvector-core, kept in step: a file that its `VectorDB` opens.
//!
//! What `VectorDB` keeps on the disk are the vectors; the graph is built when it is opened. So vectors are written here
//! through its storage, which puts a row in place of an older one of its id, and no graph is held beside the pipeline. (Its
//! own `insert` of a known id leaves the older vector in the graph, and a search finds both.)
//!
//! Rows and cursor are transactions of their own: after a crash between them rows are written again, to the same end. The
//! file is only held while something is written; others may open it in between.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use ruvector_core::storage::VectorStorage;
use ruvector_core::types::{DbOptions, HnswConfig};
use ruvector_core::{DistanceMetric, RuvectorError, VectorEntry};

use super::{Delivered, Resume, Sink, SinkError};
use crate::delta::Element;
use crate::pipeline::config::IndexMetric;
use crate::route::Cursor;

/// What is gathered for one flush at most, in bytes of vectors.
const GATHERED_BYTES: usize = 16 << 20;

/// Under which name the index keeps how far it is.
const CURSOR: &str = "vecdelta_cursor";

/// An index that is kept in step.
pub struct RuVector {
    path: PathBuf,
    metric: DistanceMetric,
    dims: Option<usize>,
    kept: Option<Cursor>,
    /// The newest state of each id that waits for the next flush.
    rows: BTreeMap<String, Option<VectorEntry>>,
    bytes: usize,
}

impl RuVector {
    /// Makes the sink of a file.
    pub fn new(path: PathBuf, metric: IndexMetric) -> Self {
        let metric = match metric {
            IndexMetric::Cosine => DistanceMetric::Cosine,
            IndexMetric::Euclidean => DistanceMetric::Euclidean,
            IndexMetric::Dot => DistanceMetric::DotProduct,
        };
        // Relative paths with `..` are refused there, wherever they lead.
        let path = std::path::absolute(&path).unwrap_or(path);
        Self { path, metric, dims: None, kept: None, rows: BTreeMap::new(), bytes: 0 }
    }

    /// Opens the file for vectors of a width; makes it where there is none.
    fn open(&self, dims: usize) -> Result<VectorStorage, SinkError> {
        if !self.path.exists() {
            // Under another name first: a file whose making was cut short cannot be opened any more.
            let mut name = self.path.clone().into_os_string();
            name.push(".new");
            let new = PathBuf::from(name);
            if new.exists() {
                std::fs::remove_file(&new).map_err(|e| super::cannot_write(&new, e))?;
            }
            let storage = VectorStorage::new(&new, dims).map_err(|e| failed(&new, &e))?;
            self.begin(&storage, dims)?;
            drop(storage);
            std::fs::rename(&new, &self.path).map_err(|e| super::cannot_write(&self.path, e))?;
        }
        let storage = VectorStorage::new(&self.path, dims).map_err(|e| failed(&self.path, &e))?;
        if storage.load_config().map_err(|e| failed(&self.path, &e))?.is_none() {
            self.begin(&storage, dims)?;
        }
        Ok(storage)
    }

    /// Says in a file what it holds, and that nothing is in it yet.
    fn begin(&self, storage: &VectorStorage, dims: usize) -> Result<(), SinkError> {
        let options = DbOptions {
            dimensions: dims,
            distance_metric: self.metric,
            storage_path: self.path.to_string_lossy().into_owned(),
            hnsw_config: Some(HnswConfig::default()),
            quantization: None,
        };
        // Before the first row: a file with rows and without a cursor is somebody else's.
        let cursor = Cursor::default().to_text();
        storage.save_config_value(CURSOR, &cursor).map_err(|e| failed(&self.path, &e))?;
        storage.save_config(&options).map_err(|e| failed(&self.path, &e))
    }

    fn entry(delta: &Delivered, element: Element, row: &[u8]) -> Result<VectorEntry, &'static str> {
        let wide: Vec<f64> = row.chunks_exact(element.size()).map(|bits| element.to_f64(bits)).collect();
        if wide.iter().any(|x| !x.is_finite()) {
            return Err("an index holds no NaN and no infinity: they have no distance");
        }
        if wide.iter().any(|&x| f64::from(x as f32) != x) {
            return Err("the index would round it: it holds f32");
        }
        let note = delta.note();
        let metadata: HashMap<String, serde_json::Value> =
            note.values().map(|(name, value)| (name.to_owned(), value.into())).collect();
        Ok(VectorEntry {
            id: Some(delta.key().to_owned()),
            vector: wide.into_iter().map(|x| x as f32).collect(),
            metadata: Some(metadata),
        })
    }

    fn put(&mut self, cursor: &Cursor) -> Result<(), SinkError> {
        let Some(dims) = self.dims else {
            // Nothing was ever written, and what is gone was never there.
            return Ok(());
        };
        let fail = |e: RuvectorError| failed(&self.path, &e);
        let storage = self.open(dims)?;
        let gone = self.rows.iter().filter(|(_, entry)| entry.is_none());
        for (id, _) in gone {
            storage.delete(id).map_err(fail)?;
        }
        let entries: Vec<VectorEntry> = self.rows.values().flatten().cloned().collect();
        if !entries.is_empty() {
            storage.insert_batch(&entries).map_err(fail)?;
        }
        storage.save_config_value(CURSOR, &cursor.to_text()).map_err(fail)
    }
}

/// Says what went wrong; a file that somebody else has open is free again later.
fn failed(path: &Path, error: &RuvectorError) -> SinkError {
    let text = error.to_string();
    let message = format!("{}: {text}", path.display());
    match text.contains("already open") {
        true => SinkError::unavailable(message),
        false => SinkError::fatal(message),
    }
}

impl Sink for RuVector {
    fn resume(&mut self) -> Result<Resume, SinkError> {
        if let Some(parent) = self.path.parent() {
            std::fs::create_dir_all(parent).map_err(|e| super::cannot_create(&self.path, e))?;
        }
        if !self.path.exists() {
            return Ok(Resume::Kept(None));
        }
        let fail = |e: RuvectorError| failed(&self.path, &e);
        // The width is not looked at before something is written.
        let storage = VectorStorage::new(&self.path, 1).map_err(fail)?;
        let options = storage.load_config().map_err(fail)?;
        let cursor = storage.load_config_value(CURSOR).map_err(fail)?;
        let known = cursor.as_deref().and_then(Cursor::from_text);
        if known.is_none() && !storage.is_empty().map_err(fail)? {
            let text = format!("{} holds vectors, but not how far they are: remove it", self.path.display());
            return Err(SinkError::fatal(text + ", and it is written anew"));
        }
        if let Some(options) = options {
            if options.distance_metric != self.metric {
                let (path, was) = (self.path.display(), options.distance_metric);
                return Err(SinkError::fatal(format!(
                    "{path} was made for the metric {was:?}: set `metric`, or remove the file"
                )));
            }
            self.dims = Some(options.dimensions);
        }
        self.kept = known;
        Ok(Resume::Kept(self.kept.clone()))
    }

    fn restart(&mut self) -> Result<(), SinkError> {
        std::fs::remove_file(&self.path).map_err(|e| super::cannot_write(&self.path, e))?;
        (self.dims, self.kept, self.bytes) = (None, None, 0);
        self.rows.clear();
        Ok(())
    }

    fn write(&mut self, deltas: &[Delivered]) -> Result<(), SinkError> {
        let (mut refused, mut why) = (Vec::new(), "");
        for (number, delta) in deltas.iter().enumerate() {
            let table = delta.table();
            let Some(row) = delta.new_bits() else {
                self.rows.insert(delta.key().to_owned(), None);
                continue;
            };
            let dims = *self.dims.get_or_insert(table.dims as usize);
            if dims != table.dims as usize {
                return Err(SinkError::fatal(format!(
                    "{} holds vectors of {dims} components, `{}` has {}: remove it, and it is written anew",
                    self.path.display(),
                    table.collection,
                    table.dims
                )));
            }
            match Self::entry(delta, table.element, row) {
                Ok(entry) => {
                    self.bytes += row.len();
                    self.rows.insert(delta.key().to_owned(), Some(entry));
                }
                Err(message) => {
                    refused.push(number);
                    why = message;
                }
            }
        }
        if refused.is_empty() { Ok(()) } else { Err(SinkError::refused(refused, why)) }
    }

    fn is_full(&self) -> bool {
        self.bytes >= GATHERED_BYTES
    }

    fn flush(&mut self, cursor: &Cursor) -> Result<bool, SinkError> {
        if self.rows.is_empty() && self.kept.as_ref() == Some(cursor) {
            return Ok(true);
        }
        self.put(cursor)?;
        self.rows.clear();
        self.bytes = 0;
        self.kept = Some(cursor.clone());
        Ok(true)
    }

    fn close(&mut self, cursor: &Cursor) -> Result<Vec<PathBuf>, SinkError> {
        self.flush(cursor)?;
        Ok(self.path.exists().then(|| self.path.clone()).into_iter().collect())
    }
}
