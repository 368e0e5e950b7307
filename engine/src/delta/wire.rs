//! Reads and writes the parts of a payload; `docs/delta.md` draws them.

use vecdelta_kernels::Element;

use super::{Payload, VectorError};

/// The version of the layout that is written and read.
pub const VERSION: u8 = 1;
/// Version, form, element, zero, dims.
const HEADER_BYTES: u64 = 8;

/// The type and number of a vector's components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub element: Element,
    pub dims: u32,
}

impl Shape {
    /// Returns the size of a row in bytes, in 64 bits on every machine.
    pub fn row_bytes(self) -> u64 {
        u64::from(self.dims) * self.element.size() as u64
    }
}

/// The layout of the changed bits, by its code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Sparse = 0,
    Runs = 1,
    Dense = 2,
    Whole = 3,
}

/// Returns how many bytes a number takes.
pub fn varint_bytes(number: u32) -> u64 {
    u64::from((32 - (number | 1).leading_zeros()).div_ceil(7))
}

/// Appends a number: 7 bits a byte, low bits first, the top bit set on all bytes but the last.
pub fn put_varint(mut number: u32, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Bytes from outside, and how far they are read.
pub struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    /// Begins to read.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Reads version, form and shape.
    pub fn header(&mut self) -> Result<(Form, Shape), VectorError> {
        let head = self.take(HEADER_BYTES, "header")?;
        let form = match (head[0], head[1]) {
            (VERSION, 0) => Form::Sparse,
            (VERSION, 1) => Form::Runs,
            (VERSION, 2) => Form::Dense,
            (VERSION, 3) => Form::Whole,
            (VERSION, code) => return Err(VectorError::Form(code)),
            (version, _) => return Err(VectorError::Version(version)),
        };
        let element = Element::from_code(head[2]).ok_or(VectorError::Element(head[2]))?;
        let dims = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        match (head[3], dims) {
            (0, 0) => Err(VectorError::NoDims),
            (0, _) => Ok((form, Shape { element, dims })),
            _ => Err(VectorError::NotCanonical("the byte after the element is not zero")),
        }
    }

    /// Reads components here and there.
    pub fn sparse(&mut self, shape: Shape) -> Result<Payload, VectorError> {
        let size = shape.element.size() as u64;
        let count = self.count(1 + size, "changed components")?;
        let mut indices = Vec::with_capacity(count as usize);
        let mut next = 0;
        for _ in 0..count {
            let index = self.position(next, shape.dims)?;
            indices.push(index);
            next = u64::from(index) + 1;
        }
        let bits = self.take(u64::from(count) * size, "bits of the components")?.to_vec();
        Ok(Payload::Sparse { indices, bits })
    }

    /// Reads components side by side.
    pub fn runs(&mut self, shape: Shape) -> Result<Payload, VectorError> {
        let size = shape.element.size() as u64;
        let count = self.count(2 + size, "runs")?;
        let mut runs = Vec::with_capacity(count as usize);
        let (mut next, mut components) = (0, 0);
        for _ in 0..count {
            let start = self.position(next, shape.dims)?;
            let last = self.position(u64::from(start), shape.dims)?;
            runs.push((start, last - start + 1));
            components += u64::from(last - start) + 1;
            next = u64::from(last) + 2;
        }
        let bits = self.take(components * size, "bits of the runs")?.to_vec();
        Ok(Payload::Runs { runs, bits })
    }

    /// Reads the bits of all components.
    pub fn row(&mut self, shape: Shape) -> Result<Vec<u8>, VectorError> {
        Ok(self.take(shape.row_bytes(), "bits of all components")?.to_vec())
    }

    /// Checks that nothing follows.
    pub fn end(&self) -> Result<(), VectorError> {
        match self.at == self.bytes.len() {
            true => Ok(()),
            false => Err(self.corrupt("bytes behind the end")),
        }
    }

    /// Reads how many things of at least `bytes_min` follow; not more than the input has room for.
    fn count(&mut self, bytes_min: u64, what: &'static str) -> Result<u32, VectorError> {
        let count = self.varint()?;
        match u64::from(count) * bytes_min <= (self.bytes.len() - self.at) as u64 {
            true => Ok(count),
            false => Err(VectorError::Truncated { what, at: self.at }),
        }
    }

    /// Reads the number of a component as its distance from `base`.
    fn position(&mut self, base: u64, dims: u32) -> Result<u32, VectorError> {
        match base + u64::from(self.varint()?) {
            index if index < u64::from(dims) => Ok(index as u32),
            index => Err(VectorError::Index { index, dims }),
        }
    }

    fn varint(&mut self) -> Result<u32, VectorError> {
        let mut number = 0u64;
        for place in 0..5 {
            let byte = self.take(1, "number")?[0];
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                let shortest = byte > 0 || place == 0;
                let number = u32::try_from(number).ok().filter(|_| shortest);
                return number.ok_or_else(|| self.corrupt("a number is too large, or longer than it need be"));
            }
        }
        Err(self.corrupt("a number is too large, or longer than it need be"))
    }

    fn take(&mut self, len: u64, what: &'static str) -> Result<&'a [u8], VectorError> {
        let rest = &self.bytes[self.at..];
        let len = usize::try_from(len).ok().filter(|len| *len <= rest.len());
        let len = len.ok_or(VectorError::Truncated { what, at: self.at })?;
        self.at += len;
        Ok(&rest[..len])
    }

    fn corrupt(&self, what: &'static str) -> VectorError {
        VectorError::Corrupt { what, at: self.at }
    }
}

/// Checks that there are components, and that rows have the shape's size.
pub fn check_rows(shape: Shape, rows: [Option<&[u8]>; 2]) -> Result<(), VectorError> {
    if shape.dims == 0 {
        return Err(VectorError::NoDims);
    }
    let (expected, mut lengths) = (shape.row_bytes(), rows.into_iter().flatten().map(|row| row.len() as u64));
    match lengths.find(|found| *found != expected) {
        Some(found) => Err(VectorError::Row { expected, found }),
        None => Ok(()),
    }
}
