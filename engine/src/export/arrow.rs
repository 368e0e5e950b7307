//! Tables as Arrow IPC files.

use std::io::{self, Write};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_ipc::writer::FileWriter;
use arrow_schema::ArrowError;
use bytes::Bytes;

use super::ExportError;
use super::arrays::{table_schema, texts, vectors};
use super::pending::Out;
use crate::delta::{Keys, Table};

/// One record batch a write; the vectors go from the caller's bytes to the file without a copy.
pub(super) struct ArrowSink {
    writer: FileWriter<Out>,
    table: Table,
}

impl ArrowSink {
    pub fn create(out: Out, table: &Table) -> Result<Self, ExportError> {
        let path = out.path().to_owned();
        // Unbuffered: all but a few hundred bytes of a batch are written in large pieces.
        let writer = FileWriter::try_new(out, &table_schema(table)).map_err(|error| failed(&path, error))?;
        Ok(Self { writer, table: table.clone() })
    }

    pub fn write(&mut self, keys: &Keys, rows: Bytes) -> Result<(), ExportError> {
        let schema = self.writer.schema().clone();
        let written = vectors(schema.field(1), &self.table, rows, None)
            .and_then(|vectors| RecordBatch::try_new(schema, vec![texts(keys), vectors]))
            .and_then(|batch| self.writer.write(&batch));
        written.map_err(|error| failed(self.writer.get_ref().path(), error))
    }

    pub fn pour(&mut self, to: &mut dyn Write) -> io::Result<()> {
        self.writer.get_mut().pour(to)
    }

    pub fn finish(self) -> Result<Vec<u8>, ExportError> {
        close(self.writer)
    }
}

/// Writes the footer, makes the file durable and gives it its name; returns what nobody has taken yet.
pub(super) fn close(mut writer: FileWriter<Out>) -> Result<Vec<u8>, ExportError> {
    let finished = writer.finish();
    finished.map_err(|error| failed(writer.get_ref().path(), error))?;
    let path = writer.get_ref().path().to_owned();
    writer.into_inner().map_err(|error| failed(&path, error))?.finish()
}

pub(super) fn failed(path: &Path, error: ArrowError) -> ExportError {
    let source = match error {
        ArrowError::IoError(_, source) => source,
        other => io::Error::other(other),
    };
    ExportError::io(path, source)
}
