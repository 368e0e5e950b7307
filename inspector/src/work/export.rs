//! Writing rows out, a piece at a time. The worker makes the bytes; whoever asked puts them into a file.

use std::sync::Arc;

use vecdelta::delta::{Keys, Table, csv_head, csv_row};
use vecdelta::version::{Picked, Repository, VersionError, table};

use crate::ask::{Export, ExportPiece, Format};

/// How many bytes of rows one piece is made of, about.
const PIECE: usize = 2 << 20;

/// An export that is under way.
pub struct Exporting {
    what: Export,
    turn: u32,
    at: usize,
    rows: u64,
    table: Arc<Table>,
    writer: Writer,
}

impl Exporting {
    /// Makes the next piece; `turn` counts up from 0, where an export begins.
    pub fn piece(
        kept: &mut Option<Self>,
        repo: &Repository,
        what: &Export,
        turn: u32,
    ) -> Result<ExportPiece, VersionError> {
        let mut own = match kept.take() {
            Some(own) if own.what == *what && own.turn == turn => own,
            _ if turn == 0 => Self::begin(repo, what)?,
            _ => return Err(VersionError::Refused("the export was given up for another one".to_owned())),
        };
        let made = own.make(repo);
        match &made {
            Ok(piece) if !piece.done => *kept = Some(own),
            // Bytes that are missing come, and the same is asked again.
            Err(error) if super::trouble::waits(error) => *kept = Some(own),
            _ => {}
        }
        made
    }

    fn begin(repo: &Repository, what: &Export) -> Result<Self, VersionError> {
        let table = Arc::new(table(repo, what.commit as usize, Some(&what.collection))?);
        let writer = Writer::begin(what.format, &table)?;
        Ok(Self { what: what.clone(), turn: 0, at: 0, rows: 0, table, writer })
    }

    fn make(&mut self, repo: &Repository) -> Result<ExportPiece, VersionError> {
        let since = self.what.since.map(|c| c as usize);
        let picked = Picked::new(repo, self.what.commit as usize, self.table.clone(), &self.what.keys, since)?;
        let end = picked.len().min(self.at + (PIECE / self.table.row_bytes().max(1)).max(16));
        let (keys, rows) = picked.read(self.at, end)?;
        self.rows += keys.len() as u64;
        let done = end == picked.len();
        let bytes = self.writer.write(&self.table, &keys, rows, done)?;
        (self.at, self.turn) = (end, self.turn + 1);
        let percent = (end * 100).checked_div(picked.len()).unwrap_or(100) as u8;
        Ok(ExportPiece { bytes, rows: self.rows, percent, done })
    }
}

/// What makes bytes of rows.
enum Writer {
    Csv {
        begun: bool,
    },
    #[cfg(not(target_arch = "wasm32"))]
    Parquet(Option<Box<vecdelta::export::TableWriter>>),
}

impl Writer {
    fn begin(format: Format, table: &Table) -> Result<Self, VersionError> {
        match format {
            Format::Csv => Ok(Writer::Csv { begun: false }),
            #[cfg(not(target_arch = "wasm32"))]
            Format::Parquet => {
                let writer = vecdelta::export::TableWriter::in_pieces(vecdelta::export::TableFormat::Parquet, table);
                writer.map(|w| Writer::Parquet(Some(Box::new(w)))).map_err(|e| VersionError::Refused(e.to_string()))
            }
            #[cfg(target_arch = "wasm32")]
            Format::Parquet => {
                let _ = table;
                Err(VersionError::Refused("a browser writes CSV only".to_owned()))
            }
        }
    }

    fn write(&mut self, table: &Table, keys: &Keys, rows: Vec<u8>, last: bool) -> Result<Vec<u8>, VersionError> {
        match self {
            Writer::Csv { begun } => {
                let mut out = Vec::with_capacity(rows.len() * 3);
                if !std::mem::replace(begun, true) {
                    csv_head(table, &mut out);
                }
                for (key, row) in keys.iter().zip(rows.chunks_exact(table.row_bytes().max(1))) {
                    csv_row(table.element, key, row, &mut out);
                }
                let _ = last;
                Ok(out)
            }
            #[cfg(not(target_arch = "wasm32"))]
            Writer::Parquet(writer) => {
                let refused = |e: vecdelta::export::ExportError| VersionError::Refused(e.to_string());
                let Some(open) = writer else { return Ok(Vec::new()) };
                open.write(keys, rows.into()).map_err(refused)?;
                let mut out = Vec::new();
                open.pour(&mut out).map_err(|e| VersionError::Refused(e.to_string()))?;
                if let Some(open) = writer.take_if(|_| last) {
                    out.extend(open.last_piece().map_err(refused)?);
                }
                Ok(out)
            }
        }
    }
}
