//! The exact change of one vector.

use vecdelta_kernels::{Composer, Element, compose_sparse};

use super::wire::{Shape, check_rows};
use super::{Payload, VectorError};

/// The change of one vector, bit for bit.
///
/// It is a function on rows. An *XOR* flips the bits that differ: it needs its base and is its own inverse. A *whole*
/// row overwrites whatever is there: inserts are whole. Functions compose, in any grouping. A change of the same shape
/// and effect has the same payload and the same bytes.
///
/// A vector that is absent counts as a row of zeros, so a delete is the XOR that turns the last row into zeros. It
/// carries what is lost, and a delete can be undone exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaVector {
    shape: Shape,
    payload: Payload,
}

impl DeltaVector {
    /// Compares two rows; `None` is a vector that is absent.
    ///
    /// ```
    /// use vecdelta::delta::{DeltaVector, Element};
    ///
    /// let bytes = |row: [f32; 3]| row.map(f32::to_le_bytes).concat();
    /// let (old, new) = (bytes([0.0, 3.0, 1.0]), bytes([-0.0, 3.0, f32::NAN]));
    /// let change = DeltaVector::between(Element::F32, 3, Some(&old), Some(&new))?;
    /// assert_eq!(change.changed_dims(), 2);
    ///
    /// let mut row = old.clone();
    /// change.apply(&mut row)?;
    /// assert_eq!(row, new);
    /// change.invert()?.apply(&mut row)?;
    /// assert_eq!(row, old);
    /// # Ok::<(), vecdelta::delta::VectorError>(())
    /// ```
    ///
    /// # Errors
    /// If `dims` is 0, a row has another size, or both are absent.
    pub fn between(element: Element, dims: u32, old: Option<&[u8]>, new: Option<&[u8]>) -> Result<Self, VectorError> {
        let shape = Shape { element, dims };
        check_rows(shape, [old, new])?;
        let payload = match (old, new) {
            (None, None) => return Err(VectorError::NoRow),
            (None, Some(new)) => Payload::Whole(new.to_vec()),
            (Some(old), None) => Payload::from_dense(shape, old.to_vec()),
            (Some(old), Some(new)) => Payload::between(shape, old, new),
        };
        Ok(Self { shape, payload })
    }

    /// Changes a row; an XOR has to find the row it was made from, which only its owner can know.
    ///
    /// # Errors
    /// If the row has another size; then nothing is written.
    pub fn apply(&self, row: &mut [u8]) -> Result<(), VectorError> {
        check_rows(self.shape, [Some(row), None])?;
        self.payload.write_into(self.shape.element, row);
        Ok(())
    }

    /// Returns the change that takes this one back.
    ///
    /// # Errors
    /// [`VectorError::NotInvertible`] for a whole row.
    pub fn invert(&self) -> Result<Self, VectorError> {
        match self.payload {
            Payload::Whole(_) => Err(VectorError::NotInvertible),
            _ => Ok(self.clone()),
        }
    }

    /// Returns the one change that does both: first this, `then` that. Bits that are changed back vanish.
    ///
    /// # Errors
    /// If the two are of rows of different shapes.
    pub fn compose(&self, then: &Self) -> Result<Self, VectorError> {
        self.check_shape(then)?;
        let (shape, element) = (self.shape, self.shape.element);
        let payload = match (&self.payload, &then.payload) {
            (_, Payload::Whole(_)) => then.payload.clone(),
            (Payload::Whole(row), other) => Payload::Whole(changed(row, other, element)),
            (Payload::Dense(row), other) | (other, Payload::Dense(row)) => {
                Payload::from_dense(shape, changed(row, other, element))
            }
            (a, b) => {
                let ((a, a_bits), (b, b_bits)) = (a.to_sparse(element), b.to_sparse(element));
                let (mut indices, mut bits) = (Vec::new(), Vec::new());
                compose_sparse(element, (&a, &a_bits), (&b, &b_bits), &mut indices, &mut bits)
                    .expect("every delta holds ascending indices and bits for each");
                Payload::from_sparse(shape, indices, bits)
            }
        };
        Ok(Self { shape, payload })
    }

    /// Returns the one change that does all, in this order; `None` for none. Faster than composing pair by pair.
    ///
    /// # Errors
    /// If two are of rows of different shapes.
    pub fn compose_all(deltas: &[Self]) -> Result<Option<Self>, VectorError> {
        let Some(first) = deltas.first() else { return Ok(None) };
        deltas.iter().try_for_each(|delta| first.check_shape(delta))?;
        // What stands before the last whole row is overwritten.
        let last_whole = deltas.iter().rposition(Self::is_whole);
        Self::compose_tree(&deltas[last_whole.unwrap_or(0)..]).map(Some)
    }

    /// Composes at least one change: in a row of scratch if that is not much larger than the changes, else by halves.
    fn compose_tree(deltas: &[Self]) -> Result<Self, VectorError> {
        let [first, rest @ ..] = deltas else { return Err(VectorError::NoRow) };
        if rest.is_empty() {
            return Ok(first.clone());
        }
        let (shape, element) = (first.shape, first.shape.element);
        let payload_bytes: u64 = deltas.iter().map(|delta| delta.payload.bits().len() as u64).sum();
        if let Payload::Whole(row) = &first.payload {
            let mut row = row.clone();
            rest.iter().for_each(|delta| delta.payload.write_into(element, &mut row));
            return Ok(Self { shape, payload: Payload::Whole(row) });
        }
        // A message of a few bytes may claim any width; it gets no row of that width.
        if shape.row_bytes() > payload_bytes.saturating_mul(64) {
            let (left, right) = deltas.split_at(deltas.len() / 2);
            return Self::compose_tree(left)?.compose(&Self::compose_tree(right)?);
        }
        let mut composer = Composer::new(element, shape.dims as usize);
        for delta in deltas {
            match &delta.payload {
                Payload::Dense(bits) => composer.add_dense(bits),
                other => composer.add_sparse(&other.to_sparse(element).0, other.bits()),
            }
            .expect("every delta holds indices within the row and bits for each");
        }
        let (mut indices, mut bits) = (Vec::new(), Vec::new());
        composer.finish(&mut indices, &mut bits);
        Ok(Self { shape, payload: Payload::from_sparse(shape, indices, bits) })
    }

    /// Returns the type of each component.
    pub fn element(&self) -> Element {
        self.shape.element
    }

    /// Returns the number of components of the vector.
    pub fn dims(&self) -> u32 {
        self.shape.dims
    }

    /// Returns the changed bits.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Returns whether the change is a whole row, which needs no base.
    pub fn is_whole(&self) -> bool {
        matches!(self.payload, Payload::Whole(_))
    }

    /// Returns the size of the row that a whole row needs to be applied to; 0 for an XOR.
    pub(super) fn whole_bytes(&self) -> usize {
        match &self.payload {
            Payload::Whole(row) => row.len(),
            _ => 0,
        }
    }

    /// Returns how many components change; all of them for a whole row.
    pub fn changed_dims(&self) -> u32 {
        match &self.payload {
            Payload::Sparse { indices, .. } => indices.len() as u32,
            Payload::Runs { runs, .. } => runs.iter().map(|run| run.1).sum(),
            Payload::Dense(_) => self.payload.to_sparse(self.shape.element).0.len() as u32,
            Payload::Whole(_) => self.shape.dims,
        }
    }

    /// Returns the bytes which `docs/delta.md` draws: at most a header of 8 bytes more than a row.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.payload.encode(self.shape)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) returns, and no other bytes for the same change.
    ///
    /// # Errors
    /// If the bytes are damaged or not canonical. Nothing larger than a few times the input is allocated.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VectorError> {
        let (shape, payload) = Payload::decode(bytes)?;
        Ok(Self { shape, payload })
    }

    fn check_shape(&self, then: &Self) -> Result<(), VectorError> {
        let pair = |shape: Shape| (shape.element, shape.dims);
        match self.shape == then.shape {
            true => Ok(()),
            false => Err(VectorError::Shape { expected: pair(self.shape), found: pair(then.shape) }),
        }
    }
}

fn changed(row: &[u8], by: &Payload, element: Element) -> Vec<u8> {
    let mut row = row.to_vec();
    by.write_into(element, &mut row);
    row
}
