//! Tables as CSV; what a line is like is in [`csv_row`].

use std::io::{self, BufWriter, Write};

use bytes::Bytes;

use super::ExportError;
use super::pending::Out;
use crate::delta::{Keys, Table, csv_head, csv_row};

pub(super) struct CsvSink {
    out: BufWriter<Out>,
    table: Table,
    line: Vec<u8>,
}

impl CsvSink {
    pub fn create(out: Out, table: &Table) -> Result<Self, ExportError> {
        let mut sink = Self { out: BufWriter::with_capacity(1 << 18, out), table: table.clone(), line: Vec::new() };
        csv_head(table, &mut sink.line);
        sink.put()?;
        Ok(sink)
    }

    pub fn write(&mut self, keys: &Keys, rows: Bytes) -> Result<(), ExportError> {
        for (i, row) in rows.chunks_exact(self.table.row_bytes().max(1)).enumerate() {
            self.line.clear();
            csv_row(self.table.element, keys.get(i), row, &mut self.line);
            self.put()?;
        }
        Ok(())
    }

    fn put(&mut self) -> Result<(), ExportError> {
        self.out.write_all(&self.line).map_err(|error| ExportError::io(self.out.get_ref().path(), error))
    }

    pub fn pour(&mut self, to: &mut dyn Write) -> io::Result<()> {
        // What is still in the buffer comes with the next piece.
        self.out.get_mut().pour(to)
    }

    pub fn finish(self) -> Result<Vec<u8>, ExportError> {
        let path = self.out.get_ref().path().to_owned();
        self.out.into_inner().map_err(|error| ExportError::io(&path, error.into_error()))?.finish()
    }
}
