//! Formats that hold a matrix and no ids: the ids are the row numbers, or the lines of a file beside it.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::batches::batch_rows;
use super::columns::check_dims;
use super::error::Fault;
use super::ids::KeyList;
use super::{Opened, ReadOptions, Rows};
use crate::delta::{Element, Keys, RowBatch};
use crate::store::map::map_file;

/// A matrix that was found in a file, all of its lengths checked.
pub(super) struct Matrix {
    pub element: Element,
    pub rows: u64,
    pub dims: u32,
    /// The byte at which row 0 begins, and the distance from row to row; zeros where rows are not stored in order.
    pub place: (u64, u64),
    /// Returns the bytes of some rows.
    pub read: Box<dyn FnMut(std::ops::Range<u64>) -> Result<Bytes, Fault> + Send>,
}

impl Matrix {
    /// Checks a shape against the bytes that are there for it.
    ///
    /// Returns the bytes of one row, and the width.
    pub fn check_shape(rows: u64, dims: u64, element: Element, bytes: u64) -> Result<(u64, u32), Fault> {
        // A table without rows need not have a width.
        let width = if rows == 0 && dims == 0 { 0 } else { check_dims(dims)? };
        let row_bytes = u64::from(width) * element.size() as u64;
        match row_bytes.checked_mul(rows) {
            Some(wanted) if wanted == bytes => Ok((row_bytes, width)),
            Some(wanted) if wanted < bytes => Err(Fault::data(format!(
                "{} bytes follow behind the {rows} rows of {dims} {}",
                bytes - wanted,
                element.name()
            ))
            .help("the header and the data do not belong together: write the file again")),
            _ => Err(Fault::data(format!(
                "{rows} rows of {dims} {} should follow, the file has {bytes} bytes for them",
                element.name()
            ))
            .help("the file is cut short or damaged: fetch or write it again")),
        }
    }
}

/// Adds ids to a matrix read from the file at `path`.
pub(super) fn open(path: &Path, matrix: Matrix, options: &ReadOptions) -> Result<Opened, Fault> {
    if let Some(id) = &options.id {
        return Err(Fault::data(format!("this format has no columns, so there is no column `{id}`"))
            .help("leave --id out: the ids are the row numbers, or the lines of FILE.ids.txt"));
    }
    let ids = match find_beside(path) {
        Some(beside) => Some(Lines::open(&beside, matrix.rows)?),
        None => None,
    };
    Ok(Opened {
        element: matrix.element,
        rows_hint: Some(matrix.rows),
        rows: Box::new(NumberedRows { matrix, next_row: 0, ids }),
    })
}

/// Returns `FILE.ids.txt` where it is there: after the whole name, or in place of the extension.
fn find_beside(path: &Path) -> Option<PathBuf> {
    let mut whole = OsString::from(path);
    whole.push(".ids.txt");
    [PathBuf::from(whole), path.with_extension("ids.txt")].into_iter().find(|beside| beside.is_file())
}

struct NumberedRows {
    matrix: Matrix,
    next_row: u64,
    ids: Option<Lines>,
}

impl Rows for NumberedRows {
    fn dims(&self) -> Option<u32> {
        Some(self.matrix.dims)
    }

    fn passed(&self) -> u64 {
        let (start, stride) = self.matrix.place;
        start + stride * self.next_row
    }

    fn next(&mut self) -> Result<Option<RowBatch>, Fault> {
        let first_row = self.next_row;
        let left = self.matrix.rows - first_row;
        if left == 0 {
            return match &self.ids {
                Some(ids) => ids.check_end(self.matrix.rows).map(|()| None),
                None => Ok(None),
            };
        }
        let count = left.min(batch_rows(self.matrix.dims as usize * self.matrix.element.size()) as u64);
        let keys = match &mut self.ids {
            Some(ids) => ids.take(first_row, count)?,
            None => numbers(first_row, count)?,
        };
        let rows = (self.matrix.read)(first_row..first_row + count)?;
        self.next_row += count;
        Ok(Some(RowBatch { keys, rows, first_row, notes: crate::delta::Notes::default() }))
    }
}

fn numbers(first_row: u64, count: u64) -> Result<Keys, Fault> {
    let mut list = KeyList::new(first_row, count as usize);
    (first_row..first_row + count).try_for_each(|row| list.push(row.to_string().as_bytes()))?;
    list.finish()
}

/// A text file with one id a line.
struct Lines {
    path: PathBuf,
    text: Bytes,
    at: usize,
}

impl Lines {
    fn open(path: &Path, rows: u64) -> Result<Self, Fault> {
        let text = File::open(path)
            .and_then(|file| map_file(&file))
            .map_err(|error| Fault::io(&error).help(format!("the ids are read from {}", path.display())))?;
        let lines = Self { path: path.to_owned(), text, at: 0 };
        // A line has at least two bytes, an id and the break; only the last may have no break.
        match (lines.text.len() as u64).div_ceil(2) < rows {
            true => Err(lines.wrong_count(format!("has fewer than {rows} lines"))),
            false => Ok(lines),
        }
    }

    /// Returns the ids of the next `count` rows.
    fn take(&mut self, first_row: u64, count: u64) -> Result<Keys, Fault> {
        let mut list = KeyList::new(first_row, count as usize);
        for row in first_row..first_row + count {
            let rest = &self.text[self.at..];
            if rest.is_empty() {
                return Err(self.wrong_count(format!("has only {row} lines")));
            }
            let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
            let line = &rest[..end];
            list.push(line.strip_suffix(b"\r").unwrap_or(line))?;
            self.at += (end + 1).min(rest.len());
        }
        list.finish()
    }

    fn check_end(&self, rows: u64) -> Result<(), Fault> {
        match self.at == self.text.len() {
            true => Ok(()),
            false => Err(self.wrong_count(format!("has more than {rows} lines"))),
        }
    }

    fn wrong_count(&self, what: String) -> Fault {
        Fault::data(format!("the file of ids {} {what}", self.path.display()))
            .help("it holds one id a line, as many as there are rows; take it away to use row numbers")
    }
}
