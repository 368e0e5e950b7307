//! Tables as NumPy array files, with the ids beside them.

use std::io::{BufWriter, Write};
use std::path::Path;

use bytes::Bytes;

use super::ExportError;
use super::pending::Pending;
use crate::delta::{Element, Keys, Table};

/// The header is written twice, the second time with the number of rows: it keeps room for any.
const HEADER_BYTES: usize = 128;

/// `PATH` and `PATH.ids.txt`, one id a line.
pub(super) struct NpySink {
    rows: Pending,
    ids: BufWriter<Pending>,
    table: Table,
}

impl NpySink {
    pub fn create(path: &Path, table: &Table) -> Result<Self, ExportError> {
        if table.element == Element::Bf16 {
            return Err(ExportError::Unsupported {
                path: path.to_owned(),
                message: "NumPy has no bf16".to_owned(),
                help: "export to .arrow or .parquet",
            });
        }
        let mut rows = Pending::create(path)?;
        rows.write_all(&header(table, 0)).map_err(|error| ExportError::io(path, error))?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(".ids.txt");
        Ok(Self {
            rows,
            ids: BufWriter::with_capacity(1 << 18, Pending::create(Path::new(&beside))?),
            table: table.clone(),
        })
    }

    pub fn write(&mut self, keys: &Keys, rows: Bytes) -> Result<(), ExportError> {
        if let Some(key) = keys.iter().find(|key| key.contains(['\n', '\r'])) {
            return Err(ExportError::Unsupported {
                path: self.ids.get_ref().path().to_owned(),
                message: format!("the id {key:?} has a line break, and the file has one id a line"),
                help: "export to .arrow or .parquet",
            });
        }
        let mut lines = keys.iter().map(|key| writeln!(self.ids, "{key}"));
        lines.try_for_each(|line| line).map_err(|error| ExportError::io(self.ids.get_ref().path(), error))?;
        self.rows.write_all(&rows).map_err(|error| ExportError::io(self.rows.path(), error))
    }

    /// Gives both files their names, the ids first: an array is never without them.
    pub fn finish(mut self, rows: u64) -> Result<(), ExportError> {
        let path = self.ids.get_ref().path().to_owned();
        let ids = self.ids.into_inner().map_err(|error| ExportError::io(&path, error.into_error()))?;
        let rewritten = self.rows.rewrite_start(&header(&self.table, rows));
        rewritten.map_err(|error| ExportError::io(self.rows.path(), error))?;
        ids.finish()?;
        self.rows.finish()
    }
}

/// Returns the header, version 1.0: magic, version, length of the rest, a Python literal padded with spaces.
fn header(table: &Table, rows: u64) -> [u8; HEADER_BYTES] {
    let kind = match table.element {
        Element::F64 => "<f8",
        Element::F16 => "<f2",
        Element::I8 => "|i1",
        Element::U8 => "|u1",
        Element::F32 | Element::Bf16 => "<f4",
    };
    let shape = format!("({rows}, {})", table.dims);
    let text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    let mut header = [b' '; HEADER_BYTES];
    header[..8].copy_from_slice(b"\x93NUMPY\x01\x00");
    header[8..10].copy_from_slice(&(HEADER_BYTES as u16 - 10).to_le_bytes());
    header[10..10 + text.len()].copy_from_slice(text.as_bytes());
    header[HEADER_BYTES - 1] = b'\n';
    header
}
