//! The bits of one delta in the smallest of four forms, and their bytes; `docs/delta.md` draws them.

use std::borrow::Cow;

use vecdelta_kernels::{Element, extract, scatter_xor, xor_into};

use super::VectorError;
use super::wire::{Form, Input, Shape, VERSION, put_varint, varint_bytes};

/// The changed bits of a vector: three forms of one XOR, and the new bits themselves.
///
/// Of the three the smallest is taken; of forms as small as each other the one that stands first here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payload {
    /// Components here and there.
    Sparse {
        /// The changed components, ascending.
        indices: Vec<u32>,
        /// The XOR of the bits of each.
        bits: Vec<u8>,
    },
    /// Components side by side.
    Runs {
        /// The first component and the length of each run; between runs at least one component did not change.
        runs: Vec<(u32, u32)>,
        /// The XOR of the bits of each component of the runs.
        bits: Vec<u8>,
    },
    /// The XOR of the bits of all components.
    Dense(Vec<u8>),
    /// The new bits of all components, whatever was there before.
    Whole(Vec<u8>),
}

impl Payload {
    /// Builds the smallest form from changed components, ascending and below `dims`, and their bits, none zero.
    pub(super) fn from_sparse(shape: Shape, indices: Vec<u32>, bits: Vec<u8>) -> Self {
        match smallest(shape, &indices) {
            Form::Sparse => Payload::Sparse { indices, bits },
            Form::Runs => Payload::Runs { runs: runs(&indices).collect(), bits },
            Form::Dense | Form::Whole => {
                // Smaller than what is in memory already, so it fits.
                let mut row = vec![0; shape.row_bytes() as usize];
                scatter_xor(shape.element, &mut row, &indices, &bits).expect("the indices were checked");
                Payload::Dense(row)
            }
        }
    }

    /// Builds the smallest form that turns one row into another of the same size.
    pub(super) fn between(shape: Shape, old: &[u8], new: &[u8]) -> Self {
        let (mut indices, mut bits) = (Vec::new(), Vec::new());
        extract(shape.element, old, new, &mut indices, &mut bits);
        Self::from_sparse(shape, indices, bits)
    }

    /// Builds the smallest form from the XOR of a whole row.
    pub(super) fn from_dense(shape: Shape, row: Vec<u8>) -> Self {
        let (indices, bits) = sparse_of(shape.element, &row);
        match smallest(shape, &indices) {
            Form::Dense => Payload::Dense(row),
            _ => Self::from_sparse(shape, indices, bits),
        }
    }

    /// Returns the changed components and their bits; a whole row counts as a change of zeros.
    pub(super) fn to_sparse(&self, element: Element) -> (Cow<'_, [u32]>, Cow<'_, [u8]>) {
        match self {
            Payload::Sparse { indices, bits } => (Cow::Borrowed(indices), Cow::Borrowed(bits)),
            Payload::Runs { runs, bits } => {
                let indices = runs.iter().flat_map(|&(start, len)| start..start + len).collect();
                (Cow::Owned(indices), Cow::Borrowed(bits))
            }
            Payload::Dense(row) | Payload::Whole(row) => {
                let (indices, bits) = sparse_of(element, row);
                (Cow::Owned(indices), Cow::Owned(bits))
            }
        }
    }

    /// Carries the change into a row whose length was checked.
    pub(super) fn write_into(&self, element: Element, row: &mut [u8]) {
        match self {
            Payload::Sparse { indices, bits } => {
                scatter_xor(element, row, indices, bits).expect("the indices were checked");
            }
            Payload::Runs { runs, bits } => {
                let size = element.size();
                let mut rest = bits.as_slice();
                for &(start, len) in runs {
                    let (run, after) = rest.split_at(len as usize * size);
                    xor_into(&mut row[start as usize * size..][..run.len()], run);
                    rest = after;
                }
            }
            Payload::Dense(bits) => xor_into(row, bits),
            Payload::Whole(bits) => row.copy_from_slice(bits),
        }
    }

    /// Returns the bits alone: of the changed components, or of all.
    pub(super) fn bits(&self) -> &[u8] {
        match self {
            Payload::Sparse { bits, .. } | Payload::Runs { bits, .. } => bits,
            Payload::Dense(bits) | Payload::Whole(bits) => bits,
        }
    }

    fn form(&self) -> Form {
        match self {
            Payload::Sparse { .. } => Form::Sparse,
            Payload::Runs { .. } => Form::Runs,
            Payload::Dense(_) => Form::Dense,
            Payload::Whole(_) => Form::Whole,
        }
    }

    /// Returns the bytes: header, positions, bits.
    pub(super) fn encode(&self, shape: Shape) -> Vec<u8> {
        let mut out = vec![VERSION, self.form() as u8, shape.element.code(), 0];
        out.extend_from_slice(&shape.dims.to_le_bytes());
        match self {
            Payload::Sparse { indices, .. } => {
                put_varint(indices.len() as u32, &mut out);
                gaps(indices).for_each(|gap| put_varint(gap, &mut out));
            }
            Payload::Runs { runs, .. } => {
                put_varint(runs.len() as u32, &mut out);
                run_numbers(runs.iter().copied()).flatten().for_each(|number| put_varint(number, &mut out));
            }
            Payload::Dense(_) | Payload::Whole(_) => {}
        }
        out.extend_from_slice(self.bits());
        out
    }

    /// Reads what [`encode`](Self::encode) writes, and nothing else.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Shape, Self), VectorError> {
        let mut input = Input::new(bytes);
        let (form, shape) = input.header()?;
        let payload = match form {
            Form::Sparse => input.sparse(shape)?,
            Form::Runs => input.runs(shape)?,
            Form::Dense => Payload::Dense(input.row(shape)?),
            Form::Whole => Payload::Whole(input.row(shape)?),
        };
        input.end()?;
        payload.check_canonical(shape)?;
        Ok((shape, payload))
    }

    fn check_canonical(&self, shape: Shape) -> Result<(), VectorError> {
        if let Payload::Sparse { bits, .. } | Payload::Runs { bits, .. } = self
            && bits.chunks_exact(shape.element.size()).any(|cell| cell.iter().all(|byte| *byte == 0))
        {
            return Err(VectorError::NotCanonical("a component is listed whose bits do not change"));
        }
        let form = self.form();
        if form != Form::Whole && smallest(shape, &self.to_sparse(shape.element).0) != form {
            return Err(VectorError::NotCanonical("another form of the same change is smaller"));
        }
        Ok(())
    }
}

fn sparse_of(element: Element, row: &[u8]) -> (Vec<u32>, Vec<u8>) {
    let (mut indices, mut bits) = (Vec::new(), Vec::new());
    extract(element, &vec![0; row.len()], row, &mut indices, &mut bits);
    (indices, bits)
}

/// Returns the form in which a change of these components takes the fewest bytes.
fn smallest(shape: Shape, indices: &[u32]) -> Form {
    let bits = indices.len() as u64 * shape.element.size() as u64;
    let sparse = bits + varint_bytes(indices.len() as u32) + gaps(indices).map(varint_bytes).sum::<u64>();
    let count = runs(indices).count() as u32;
    let numbers = run_numbers(runs(indices)).flatten();
    let runs = bits + varint_bytes(count) + numbers.map(varint_bytes).sum::<u64>();
    match shape.row_bytes() {
        dense if dense < sparse.min(runs) => Form::Dense,
        _ if runs < sparse => Form::Runs,
        _ => Form::Sparse,
    }
}

/// Returns how many components each index leaves out after the one before.
fn gaps(indices: &[u32]) -> impl Iterator<Item = u32> {
    indices.iter().scan(0, |next, &index| {
        let gap = index - *next;
        *next = index + 1; // an index is below dims, so this cannot overflow
        Some(gap)
    })
}

/// Joins ascending indices to runs of (first, length).
fn runs(indices: &[u32]) -> impl Iterator<Item = (u32, u32)> {
    indices.chunk_by(|a, b| a + 1 == *b).map(|run| (run[0], run.len() as u32))
}

/// Returns two numbers for each run: how many components it leaves out, the one certainly unchanged after the run
/// before not counted, and its length less one.
fn run_numbers(runs: impl Iterator<Item = (u32, u32)>) -> impl Iterator<Item = [u32; 2]> {
    runs.scan(0, |next, (start, len)| {
        let numbers = [(u64::from(start) - *next) as u32, len - 1];
        *next = u64::from(start) + u64::from(len) + 1;
        Some(numbers)
    })
}
