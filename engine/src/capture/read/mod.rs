//! Readers of table files: every format becomes the same batches of ids and rows.
//!
//! ```text
//! open(path) --> format.rs   which format, by content first and by name second
//!                  |
//!                  +-- parquet.rs, arrow.rs --> columns.rs, ids.rs, vectors.rs --> batches.rs --+
//!                  +-- npy.rs, fvecs.rs, safetensors.rs --> numbered.rs -----------------------+--> Reader --> RowBatch
//!                  +-- jsonl.rs --> json_row.rs ------------------------------------------------+
//! ```
//!
//! Files are mapped, and rows are slices of the mapping wherever the file has them one after another. A file that is
//! rewritten in place while it is read gives undefined rows, one that is cut ends the process: replace input files by
//! renaming, as all tools that write tables do.

mod arrow;
mod arrow_live;
mod arrow_messages;
mod batches;
mod behind;
mod columns;
mod error;
mod fence;
mod format;
mod fvecs;
mod ids;
mod json_row;
mod json_some;
mod jsonl;
mod meta;
mod npy;
mod numbered;
mod numbers;
mod pages;
mod parquet;
mod refused;
mod safetensors;
#[cfg(test)]
mod tests;
mod thrift;
mod vector;
mod vectors;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};

use crate::delta::{Element, RowBatch};
use crate::store::map::Mapping;

use behind::Behind;
pub(crate) use columns::ELEMENT_METADATA;
use error::Fault;
pub use error::{Place, ReadError, ReadErrorKind};
use format::Format;
pub(crate) use json_some::some_fields;
pub use refused::{RefusedRow, Refuser, RowForm};
pub use vector::read_vector;

/// The widest vector that is read, in components.
pub const DIMS_MAX: u32 = 1 << 20;

/// What a caller knows of a table beforehand; everything else is found in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The name of the format that the file must have: parquet, arrow, npy, fvecs, safetensors or jsonl.
    pub format: Option<&'static str>,
    /// The id column.
    pub id: Option<String>,
    /// The vector column, or the tensor.
    pub vector: Option<String>,
    /// The width that the table must have.
    pub dims: Option<u32>,
    /// The columns whose values are notes of the rows.
    pub meta: std::sync::Arc<[String]>,
    /// The field that says that an id is gone; only for JSON lines.
    pub deleted: Option<String>,
    /// The element type that the table must have; JSON numbers, which have none, become it (`f32` unless named).
    pub element: Option<Element>,
}

/// The rows of one table file, read in order.
pub struct Reader {
    path: PathBuf,
    element: Element,
    /// 0 for a table without rows whose type names no width.
    dims: u32,
    rows_hint: Option<u64>,
    rows: Box<dyn Rows>,
    /// A batch that had to be read to learn the width.
    ahead: Option<RowBatch>,
    behind: Option<Behind>,
    failed: bool,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({}, {} x {})", self.path.display(), self.dims, self.element.name())
    }
}

/// What the reader of a format hands over.
struct Opened {
    element: Element,
    rows_hint: Option<u64>,
    rows: Box<dyn Rows>,
}

/// Batches of rows of one file.
trait Rows: Send {
    /// Returns the width, as soon as it is known.
    fn dims(&self) -> Option<u32>;

    /// Returns the next rows, at least one; nothing at the end.
    fn next(&mut self) -> Result<Option<RowBatch>, Fault>;

    /// Returns about how many bytes of the file lie behind the rows that were handed on; 0 if that is not known.
    fn passed(&self) -> u64;

    /// Returns the ids that are said to be gone since the last call.
    fn take_gone(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// Opens a table file, in the format that its first bytes show, or else its name.
///
/// # Errors
/// When there is no such file, it cannot be read, or it is not a table with one id and one vector column.
pub fn open(path: &Path, options: &ReadOptions) -> Result<Reader, ReadError> {
    open_path(path, options)
        .and_then(|(opened, behind)| Ok((Reader::new(path, opened, options)?, behind)))
        .map(|(reader, behind)| Reader { behind, ..reader })
        .map_err(|fault| fault.at(path))
}

/// Reads JSON lines from a stream, such as standard input; errors call it `-`.
///
/// Rows are handed on as they come: a batch ends where the next row would have to be waited for.
///
/// # Errors
/// When the first line is not a row with one id and one vector, and nobody takes it as refused.
pub fn read_stream(
    input: impl Read + Send + 'static,
    options: &ReadOptions,
    refuser: Option<Refuser>,
) -> Result<Reader, ReadError> {
    let path = Path::new("-");
    jsonl::open(input, jsonl::Source::Stream, options, refuser)
        .and_then(|opened| Reader::new(path, opened, options))
        .map_err(|fault| fault.at(path))
}

/// Reads an Arrow IPC stream, such as from standard input; errors call it `-`. Rows are handed on batch by batch.
///
/// # Errors
/// When it does not begin with the schema of a table with one id and one vector column.
pub fn read_arrow_stream(
    input: impl Read + Send + 'static,
    options: &ReadOptions,
    refuser: Option<Refuser>,
) -> Result<Reader, ReadError> {
    let path = Path::new("-");
    arrow_live::open(input, options, refuser)
        .and_then(|opened| Reader::new(path, opened, options))
        .map_err(|fault| fault.at(path))
}

/// Reads a table that is in memory, such as the body of a request, in the format that its first bytes show or the options
/// name; errors call it `name`.
///
/// # Errors
/// When it is not a table with one id and one vector column.
pub fn read_bytes(name: &str, bytes: Bytes, options: &ReadOptions) -> Result<Reader, ReadError> {
    let path = Path::new(name);
    open_bytes(path, bytes, options)
        .and_then(|opened| Reader::new(path, opened, options))
        .map_err(|fault| fault.at(path))
}

/// Opens a table file for those of its rows that can be taken over: of JSON lines and Arrow streams the others go to
/// `refuser`, in other formats the first of them ends the reading.
///
/// # Errors
/// As [`open`].
pub fn open_sound(path: &Path, options: &ReadOptions, refuser: Refuser) -> Result<Reader, ReadError> {
    let map = || Mapping::of(&File::open(path)?);
    let mapping = map().map_err(|error| Fault::io(&error).at(path))?;
    sound(path, mapping.bytes(), options, refuser)
}

/// Does the same for a table that is in memory; errors call it `name`.
///
/// # Errors
/// When it is not a table with one id and one vector column.
pub fn read_sound(name: &str, bytes: Bytes, options: &ReadOptions, refuser: Refuser) -> Result<Reader, ReadError> {
    sound(Path::new(name), bytes, options, refuser)
}

fn sound(path: &Path, bytes: Bytes, options: &ReadOptions, refuser: Refuser) -> Result<Reader, ReadError> {
    let open = || match format::detect(path, &bytes)?.expect(options.format)? {
        Format::ArrowStream => arrow_live::open(bytes.reader(), options, Some(refuser)),
        Format::JsonLines => jsonl::open(bytes.reader(), jsonl::Source::File, options, Some(refuser)),
        _ => open_bytes(path, bytes, options),
    };
    open().and_then(|opened| Reader::new(path, opened, options)).map_err(|fault| fault.at(path))
}

fn open_path(path: &Path, options: &ReadOptions) -> Result<(Opened, Option<Behind>), Fault> {
    let file = File::open(path).map_err(|error| Fault::io(&error))?;
    let metadata = file.metadata().map_err(|error| Fault::io(&error))?;
    if metadata.is_dir() {
        return Err(Fault::data("this is a directory").help("name the files in it"));
    }
    if metadata.is_file() && metadata.len() == 0 {
        return Err(Fault::data("the file is empty").help("fetch or write the file again"));
    }
    if !metadata.is_file() {
        // A pipe or a device: what it holds next cannot be looked at, and only lines of text can be read from it.
        Format::JsonLines.expect(options.format)?;
        return Ok((jsonl::open(file, jsonl::Source::Stream, options, None)?, None));
    }
    let mapping = Mapping::of(&file).map_err(|error| Fault::io(&error))?;
    let opened = open_bytes(path, mapping.bytes(), options)?;
    Ok((opened, Some(Behind::new(mapping))))
}

fn open_bytes(path: &Path, bytes: Bytes, options: &ReadOptions) -> Result<Opened, Fault> {
    let format = format::detect(path, &bytes)?.expect(options.format)?;
    if let Some(field) = options.deleted.as_ref().filter(|_| format != Format::JsonLines) {
        let message = format!("no `{field}` is looked for here: only JSON lines say that an id is gone");
        return Err(Fault::data(message).help("leave such ids out of the epoch, and use `missing = \"delete\"`"));
    }
    match format {
        Format::Parquet => parquet::open(bytes, options),
        Format::ArrowFile => arrow::open_file(bytes, options),
        Format::ArrowStream => arrow::open_stream(bytes, options),
        Format::Npy => numbered::open(path, npy::open(bytes)?, options),
        Format::Fvecs => numbered::open(path, fvecs::open(bytes, Element::F32)?, options),
        Format::Bvecs => numbered::open(path, fvecs::open(bytes, Element::U8)?, options),
        Format::SafeTensors => numbered::open(path, safetensors::open(bytes, options)?, options),
        Format::JsonLines => jsonl::open(bytes.reader(), jsonl::Source::File, options, None),
    }
}

impl Reader {
    fn new(path: &Path, opened: Opened, options: &ReadOptions) -> Result<Self, Fault> {
        let mut reader = Self {
            path: path.to_owned(),
            element: opened.element,
            dims: 0,
            rows_hint: opened.rows_hint,
            rows: opened.rows,
            ahead: None,
            behind: None,
            failed: false,
        };
        if reader.rows.dims().is_none() {
            reader.ahead = reader.rows.next()?;
        }
        reader.dims = reader.rows.dims().unwrap_or(0);
        reader.check(options)?;
        Ok(reader)
    }

    fn check(&self, options: &ReadOptions) -> Result<(), Fault> {
        if let Some(dims) = options.dims.filter(|&dims| dims != self.dims && self.dims != 0) {
            return Err(Fault::row(0, format!("the vectors are {} wide, expected {dims}", self.dims)));
        }
        if let Some(element) = options.element.filter(|&element| element != self.element) {
            let message = format!("the vectors are {}, expected {}", self.element.name(), element.name());
            return Err(Fault::data(message).help("convert the file, or ingest it as another collection"));
        }
        Ok(())
    }

    /// Returns the type of each component.
    pub fn element(&self) -> Element {
        self.element
    }

    /// Returns the width; 0 only for a table without rows whose format does not name a width.
    pub fn dims(&self) -> u32 {
        self.dims
    }

    /// Returns how many rows there are, if the file says so.
    pub fn rows_hint(&self) -> Option<u64> {
        self.rows_hint
    }

    /// Returns the ids that are said to be gone, of those that were read since the last call.
    pub fn take_gone(&mut self) -> Vec<String> {
        self.rows.take_gone()
    }

    /// Returns the next rows, 1 to 4,096 of them; nothing at the end of the file.
    ///
    /// # Errors
    /// Names the file and the row at fault. A reader that failed once stays failed.
    #[expect(clippy::should_implement_trait, reason = "an iterator of results is awkward to stop at the first error")]
    pub fn next(&mut self) -> Result<Option<RowBatch>, ReadError> {
        if self.failed {
            return Err(Fault::data("reading went wrong before").help("open the file again").at(&self.path));
        }
        if let Some(batch) = self.ahead.take() {
            return Ok(Some(batch));
        }
        let batch = self.rows.next().map_err(|fault| {
            self.failed = true;
            fault.at(&self.path)
        })?;
        if let Some(behind) = &mut self.behind {
            behind.pass(self.rows.passed());
        }
        Ok(batch)
    }
}
