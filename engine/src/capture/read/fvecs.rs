//! `.fvecs` and `.bvecs`: each row is its width as `i32`, then that many `f32` or `u8`.

use std::ops::Range;

use bytes::Bytes;

use super::columns::check_dims;
use super::error::Fault;
use super::numbered::Matrix;
use crate::delta::Element;

/// Finds the rows in a mapped file.
pub(super) fn open(file: Bytes, element: Element) -> Result<Matrix, Fault> {
    let first = width(&file, 0).ok_or_else(|| cut(0, file.len(), 4))?;
    let dims = u64::try_from(first).map_err(|_| Fault::row(0, format!("the vector cannot be {first} wide")))?;
    let dims = check_dims(dims)?;
    let stride = 4 + dims as usize * element.size();
    let (rows, rest) = (file.len() / stride, file.len() % stride);
    if rest != 0 {
        // A row of another width shifts all that follow; it is found before the end that does not fit.
        check_widths(&file, stride, dims, 0..rows)?;
        return Err(cut(rows, rest, stride));
    }
    let read = move |range: Range<u64>| {
        let range = range.start as usize..range.end as usize;
        check_widths(&file, stride, dims, range.clone())?;
        let mut out = Vec::with_capacity(range.len() * (stride - 4));
        file[range.start * stride..range.end * stride]
            .chunks_exact(stride)
            .for_each(|row| out.extend_from_slice(&row[4..]));
        Ok(out.into())
    };
    Ok(Matrix { element, rows: rows as u64, dims, place: (0, stride as u64), read: Box::new(read) })
}

fn width(file: &[u8], at: usize) -> Option<i32> {
    file.get(at..)?.first_chunk().map(|bytes| i32::from_le_bytes(*bytes))
}

fn check_widths(file: &[u8], stride: usize, dims: u32, rows: Range<usize>) -> Result<(), Fault> {
    for row in rows {
        let found = width(file, row * stride).unwrap_or(-1);
        if i64::from(found) != i64::from(dims) {
            let message = format!("the vector is {found} wide, the ones before are {dims} wide");
            return Err(Fault::row(row as u64, message).help("one table holds vectors of one width"));
        }
    }
    Ok(())
}

fn cut(row: usize, found: usize, wanted: usize) -> Fault {
    Fault::row(row as u64, format!("the file ends {found} bytes into this row of {wanted} bytes"))
        .help("fetch or write the file again")
}
