//! NumPy's array files: one 2-D array of numbers.
//!
//! ```text
//! "\x93NUMPY"  version: u8 u8  header length: u16, from version 2.0 on u32
//! header: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
//! rows, or columns when fortran_order is True
//! ```

use std::ops::Range;

use bytes::Bytes;

use super::error::Fault;
use super::numbered::Matrix;
use crate::delta::Element;

const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest header that is looked at; those of plain arrays are 118 bytes long.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// Returns whether a file begins like one of these.
pub(super) fn is(file: &[u8]) -> bool {
    file.starts_with(MAGIC)
}

/// Finds the array in a mapped file.
pub(super) fn open(file: Bytes) -> Result<Matrix, Fault> {
    matrix(file, false)
}

/// Finds the array in a mapped file; one of a single dimension is a single row.
pub(super) fn open_any(file: Bytes) -> Result<Matrix, Fault> {
    matrix(file, true)
}

fn matrix(file: Bytes, single: bool) -> Result<Matrix, Fault> {
    let (text, start) = header(&file)?;
    let header = parse(text).ok_or_else(|| {
        Fault::offset(10, "the header is not one that NumPy writes").help("save the array again with numpy.save")
    })?;
    let (element, big_endian) = element(header.descr)?;
    let (rows, dims) = match header.shape[..] {
        [rows, dims] => (rows, dims),
        [dims] if single => (1, dims),
        _ => {
            return Err(Fault::data(format!("the array has {} dimensions, a table has 2", header.shape.len()))
                .help("reshape it to (rows, width)"));
        }
    };
    let data = file.slice(start..);
    let (row_bytes, dims) = Matrix::check_shape(rows, dims, element, data.len() as u64)?;
    let fortran = header.fortran_order;
    let read = move |range: Range<u64>| {
        let piece = match fortran {
            false => data.slice((range.start * row_bytes) as usize..(range.end * row_bytes) as usize),
            true => transpose(&data, rows as usize, element.size(), range),
        };
        Ok(if big_endian { swapped(&piece, element.size()) } else { piece })
    };
    Ok(Matrix {
        element,
        rows,
        dims,
        place: if fortran { (0, 0) } else { (start as u64, row_bytes) },
        read: Box::new(read),
    })
}

/// Returns the header's text, and where the array begins.
fn header(file: &[u8]) -> Result<(&str, usize), Fault> {
    if !is(file) {
        return Err(Fault::offset(0, "this is not a NumPy file: it does not begin with `\\x93NUMPY`"));
    }
    let cut = || Fault::offset(file.len() as u64, "the file ends within its header").help("fetch or write it again");
    let version = *file.get(6).ok_or_else(cut)?;
    let (length, start) = match version {
        1 => (file.get(8..10).map(|b| u32::from(u16::from_le_bytes([b[0], b[1]]))), 10),
        2 | 3 => (file.get(8..12).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])), 12),
        _ => {
            return Err(Fault::offset(6, format!("version {version} of the format is not known")));
        }
    };
    let length = length.ok_or_else(cut)? as usize;
    if length > HEADER_BYTES_MAX {
        return Err(Fault::offset(8, format!("the header cannot be {length} bytes long")));
    }
    let text = file.get(start..start + length).ok_or_else(cut)?;
    let text = std::str::from_utf8(text).map_err(|_| Fault::offset(start as u64, "the header is not text"))?;
    Ok((text, start + length))
}

struct Header<'a> {
    descr: &'a str,
    fortran_order: bool,
    shape: Vec<u64>,
}

/// Parses the header, a Python dictionary of three entries, in any order and spacing.
fn parse(text: &str) -> Option<Header<'_>> {
    let text = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let descr = value_of(text, "descr")?;
    let quote = descr.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let descr = match quote {
        Some(quote) => descr[1..].split(quote).next()?,
        // A list of named fields.
        None => descr.split_once(']')?.0,
    };
    let order = value_of(text, "fortran_order")?;
    let fortran_order = order.starts_with("True");
    if !fortran_order && !order.starts_with("False") {
        return None;
    }
    let shape = value_of(text, "shape")?.strip_prefix('(')?.split_once(')')?.0;
    let numbers = shape.split(',').map(str::trim).filter(|number| !number.is_empty());
    let shape = numbers.map(|number| number.trim_end_matches('L').parse().ok()).collect::<Option<_>>()?;
    Some(Header { descr, fortran_order, shape })
}

/// Returns what follows `'key':`.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let rest = quoted.iter().find_map(|quoted| text.split_once(quoted.as_str()))?.1;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

/// Returns the element type, and whether its bytes are the other way round.
fn element(descr: &str) -> Result<(Element, bool), Fault> {
    let known =
        [("f4", Element::F32), ("f8", Element::F64), ("f2", Element::F16), ("i1", Element::I8), ("u1", Element::U8)];
    let plain = descr.trim_start_matches(['<', '>', '=', '|']);
    match known.iter().find(|(name, _)| *name == plain) {
        Some((_, element)) => Ok((*element, descr.starts_with('>'))),
        None => Err(Fault::data(format!("the array holds `{descr}`; a vector is of f32, f64, f16, i8 or u8"))
            .help("convert it with astype, or save bf16 as .safetensors")),
    }
}

/// Gathers rows of an array that is stored column after column.
fn transpose(data: &[u8], rows: usize, size: usize, range: Range<u64>) -> Bytes {
    let range = range.start as usize..range.end as usize;
    let columns = data.chunks_exact(rows * size);
    let row_bytes = columns.len() * size;
    let mut out = vec![0; range.len() * row_bytes];
    for (at, column) in columns.enumerate() {
        let cells = column[range.start * size..range.end * size].chunks_exact(size);
        for (row, cell) in out.chunks_exact_mut(row_bytes).zip(cells) {
            row[at * size..][..size].copy_from_slice(cell);
        }
    }
    out.into()
}

fn swapped(data: &[u8], size: usize) -> Bytes {
    let mut out = data.to_vec();
    out.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    out.into()
}
