//! A directory of part files and a manifest: a part is written beside its place, named when it is whole, and counts from the
//! moment that the manifest, with the cursor in it, names it.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{Delivered, Resume, Sink, SinkError, cannot_create, cannot_write};
use crate::export::{DeltaWriter, Listed, MANIFEST, PartFormat, write_manifest_of};
use crate::route::Cursor;

/// A directory of parts.
pub struct Rolling {
    directory: PathBuf,
    format: PartFormat,
    roll_bytes: u64,
    /// The files that the manifest names.
    listed: Vec<Listed>,
    /// How many deltas and commits they hold.
    counts: (u64, u64),
    writer: Option<DeltaWriter>,
    last_commit: Option<crate::delta::CommitId>,
    collection: String,
    kept: Option<Cursor>,
}

impl Rolling {
    /// Makes the sink of a directory; a part is closed when it has about `roll_bytes`.
    pub fn new(directory: PathBuf, format: PartFormat, roll_bytes: Option<u64>) -> Self {
        let roll_bytes = roll_bytes.unwrap_or(DeltaWriter::PART_BYTES);
        Self {
            directory,
            format,
            roll_bytes,
            listed: Vec::new(),
            counts: (0, 0),
            writer: None,
            last_commit: None,
            collection: String::new(),
            kept: None,
        }
    }

    /// Reads the manifest: which parts count, and how far they lead.
    fn read_manifest(&self) -> Option<(Vec<Listed>, Cursor, Map<String, Value>)> {
        let text = fs::read_to_string(self.directory.join(MANIFEST)).ok()?;
        let Value::Object(manifest) = serde_json::from_str(&text).ok()? else { return None };
        let listed = manifest["files"].as_array()?.iter().map(Listed::from_json).collect::<Option<Vec<_>>>()?;
        let whole = |file: &Listed| fs::metadata(self.directory.join(&file.path)).is_ok_and(|m| m.len() == file.bytes);
        let cursor = Cursor::from_text(manifest.get("cursor")?.as_str()?)?;
        listed.iter().all(whole).then_some((listed, cursor, manifest))
    }

    /// Removes parts that no manifest names: a crash left them.
    fn remove_others(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let listed = self.listed.iter().any(|file| file.path == name);
            if !listed && (is_part(&name, self.format) || name.contains(".tmp-")) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn refuse_others(&self) -> Result<(), SinkError> {
        let ours = |name: &str| is_part(name, self.format) || name.contains(".tmp-") || name == MANIFEST;
        let names = fs::read_dir(&self.directory).map_err(|e| cannot_create(&self.directory, e))?;
        let strange = names.filter_map(Result::ok).any(|entry| !ours(&entry.file_name().to_string_lossy()));
        if strange && !self.directory.join(MANIFEST).is_file() {
            let error =
                io::Error::new(io::ErrorKind::AlreadyExists, "the directory holds other files, without a manifest");
            return Err(cannot_create(&self.directory, error));
        }
        Ok(())
    }

    /// Ends the part and names it in the manifest, with the cursor.
    fn commit(&mut self, cursor: &Cursor) -> Result<(), SinkError> {
        if let Some(writer) = self.writer.take() {
            for part in writer.finish()? {
                self.counts.0 += part.deltas;
                self.listed.push(Listed::of(&self.directory, &part.path)?);
            }
        }
        let extra = json!({
            "collection": self.collection,
            "deltas": self.counts.0,
            "commits": self.counts.1,
            "to": cursor.after.map(crate::delta::CommitId::to_hex),
            "cursor": cursor.to_text(),
        });
        let Value::Object(extra) = extra else { unreachable!("it was written as one") };
        write_manifest_of(&self.directory, &self.listed, extra)?;
        self.kept = Some(cursor.clone());
        Ok(())
    }
}

impl Sink for Rolling {
    fn resume(&mut self) -> Result<Resume, SinkError> {
        fs::create_dir_all(&self.directory).map_err(|e| cannot_create(&self.directory, e))?;
        self.refuse_others()?;
        if let Some((listed, cursor, manifest)) = self.read_manifest() {
            let count = |name: &str| manifest.get(name).and_then(Value::as_u64).unwrap_or(0);
            self.counts = (count("deltas"), count("commits"));
            self.collection = manifest.get("collection").and_then(Value::as_str).unwrap_or_default().to_owned();
            (self.listed, self.kept) = (listed, Some(cursor));
        }
        self.remove_others().map_err(|e| cannot_write(&self.directory, e))?;
        Ok(Resume::Kept(self.kept.clone()))
    }

    fn restart(&mut self) -> Result<(), SinkError> {
        let remove = || {
            // Without a manifest nothing counts, so it goes first.
            fs::remove_file(self.directory.join(MANIFEST))?;
            self.listed.iter().try_for_each(|file| fs::remove_file(self.directory.join(&file.path)))
        };
        remove().map_err(|e| cannot_write(&self.directory, e))?;
        (self.listed, self.counts, self.kept, self.writer) = (Vec::new(), (0, 0), None, None);
        Ok(())
    }

    fn write(&mut self, deltas: &[Delivered]) -> Result<(), SinkError> {
        for group in deltas.chunk_by(|a, b| a.commit() == b.commit() && a.table() == b.table()) {
            let first = &group[0];
            if self.writer.as_ref().is_some_and(|writer| !writer.fits(first.table())) {
                // A new generation has another width: its parts follow those of the old one.
                let writer = self.writer.take();
                for part in writer.map_or(Ok(Vec::new()), DeltaWriter::finish)? {
                    self.counts.0 += part.deltas;
                    self.listed.push(Listed::of(&self.directory, &part.path)?);
                }
            }
            if self.writer.is_none() {
                self.collection.clone_from(&first.table().collection);
                let parts = self.listed.len();
                let writer = DeltaWriter::create_from(&self.directory, first.table().clone(), self.format, parts)?;
                self.writer = Some(writer);
            }
            if self.last_commit != Some(first.commit()) {
                self.counts.1 += 1;
                self.last_commit = Some(first.commit());
            }
            let writer = self.writer.as_mut().ok_or_else(|| SinkError::fatal("no part is open"))?;
            writer.write(first.commit(), first.millis(), &batch_of(group))?;
        }
        Ok(())
    }

    fn flush(&mut self, cursor: &Cursor) -> Result<bool, SinkError> {
        let full = self.writer.as_ref().is_some_and(|writer| writer.bytes() >= self.roll_bytes);
        if full {
            self.commit(cursor)?;
        }
        Ok(full)
    }

    fn close(&mut self, cursor: &Cursor) -> Result<Vec<PathBuf>, SinkError> {
        if self.writer.is_some() || self.kept.as_ref() != Some(cursor) {
            self.commit(cursor)?;
        }
        Ok(vec![self.directory.clone()])
    }
}

fn is_part(name: &str, format: PartFormat) -> bool {
    let stem = name.strip_suffix(format.extension()).and_then(|name| name.strip_suffix('.'));
    let digits = stem.and_then(|stem| stem.rsplit_once('-')).map(|(_, digits)| digits);
    digits.is_some_and(|digits| digits.len() >= 5 && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// Gathers deltas of one commit to a batch, without copying when they are all of one.
fn batch_of(group: &[Delivered]) -> crate::delta::DeltaBatch {
    let table = group[0].table().clone();
    let mut rows = Vec::with_capacity(group.len() * table.row_bytes());
    group.iter().for_each(|d| rows.extend_from_slice(d.rows().1));
    crate::delta::DeltaBatch {
        keys: crate::delta::Keys::from_texts(group.iter().map(Delivered::key)),
        deltas: group.iter().map(|d| *d.delta()).collect(),
        old: bytes::Bytes::new(),
        new: rows.into(),
        notes: crate::delta::Notes::default(),
        table,
    }
}
