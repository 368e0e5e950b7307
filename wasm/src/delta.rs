//! One delta: the change of one vector, in the bytes that `docs/delta.md` draws.

use vecdelta::delta::{Delta, DeltaId, DeltaInfo, DeltaVector, Element, Payload, Source, Table, Timestamp, row_hash};
use vecdelta_kernels::measure;
use wasm_bindgen::prelude::*;

use crate::error::{Failure, Result};
use crate::rows::{bytes_of, dims_of, element_of, floats_of, time_of};

/// The change of one vector from one state to the next, under the hash of all that it says.
#[wasm_bindgen]
#[derive(Clone)]
pub struct WasmDelta(Delta);

impl WasmDelta {
    pub(crate) fn of(delta: Delta) -> Self {
        Self(delta)
    }

    pub(crate) fn inner(&self) -> &Delta {
        &self.0
    }

    /// Returns the same change after another delta and at another time.
    pub(crate) fn after(&self, parent: Option<DeltaId>, time: Timestamp) -> Result<Self> {
        let info = DeltaInfo { time, parent, metadata: self.0.metadata().clone() };
        let (base, result) = (self.0.base(), self.0.result());
        Ok(Self(Delta::from_parts(self.0.source().clone(), base, result, self.0.vector().clone(), info)?))
    }

    fn is_f32(&self) -> Result<()> {
        match self.0.vector().element() {
            Element::F32 => Ok(()),
            other => Err(Failure::new("shape", format!("the elements are {}: use bytes", other.name()))),
        }
    }
}

#[wasm_bindgen]
impl WasmDelta {
    /// Compares two states of a source, `collection/key`, whose elements are f32; `undefined` is a source that is absent.
    #[wasm_bindgen(constructor)]
    pub fn new(source: &str, old: Option<Vec<f32>>, new: Option<Vec<f32>>, millis: f64) -> Result<WasmDelta> {
        let dims = dims_of(old.as_ref().or(new.as_ref()).map_or(&[], Vec::as_slice))?;
        let bytes = |row: Option<Vec<f32>>| row.map(|row| bytes_of(&row));
        Self::between("f32", dims, source, bytes(old), bytes(new), millis)
    }

    /// Compares two states of a source as bytes of any element.
    pub fn between(
        element: &str,
        dims: u32,
        source: &str,
        old: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
        millis: f64,
    ) -> Result<WasmDelta> {
        let Source { collection, key } = Source::parse(source).map_err(|e| Failure::argument(e.to_string()))?;
        let table = Table { collection, element: element_of(element)?, dims };
        let info = DeltaInfo { time: time_of(millis)?, ..DeltaInfo::default() };
        Ok(Self(Delta::new(&table, &key, old.as_deref(), new.as_deref(), info)?))
    }

    /// Reads the bytes of a delta and checks that none of them was altered.
    #[wasm_bindgen(js_name = fromBytes)]
    pub fn from_bytes(bytes: &[u8]) -> Result<WasmDelta> {
        Ok(Self(Delta::from_bytes(bytes)?))
    }

    /// Returns the bytes that `fromBytes` reads; the same as the native program writes.
    #[wasm_bindgen(js_name = toBytes)]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// Returns the bytes of the change alone, without source, states and time.
    #[wasm_bindgen(js_name = vectorBytes)]
    pub fn vector_bytes(&self) -> Vec<u8> {
        self.0.vector().to_bytes()
    }

    /// Returns the hash of everything else, in hex.
    #[wasm_bindgen(js_name = idHex)]
    pub fn id_hex(&self) -> String {
        self.0.id().to_hex()
    }

    /// Returns the id of the delta before this one, in hex.
    #[wasm_bindgen(getter)]
    pub fn parent(&self) -> Option<String> {
        self.0.parent().map(|id| id.to_hex())
    }

    /// Says which delta came before; the id changes with it.
    #[wasm_bindgen(js_name = setParent)]
    pub fn set_parent(&mut self, parent: Option<WasmDeltaId>) -> Result<()> {
        *self = self.after(parent.map(|p| p.0), self.0.time())?;
        Ok(())
    }

    /// Returns the id, to be handed to `setParent`.
    #[wasm_bindgen(getter)]
    pub fn id(&self) -> WasmDeltaId {
        WasmDeltaId(self.0.id())
    }

    /// Returns the source, `collection/key`.
    #[wasm_bindgen(getter)]
    pub fn source(&self) -> String {
        self.0.source().to_string()
    }

    /// Returns `insert`, `update` or `delete`.
    #[wasm_bindgen(getter)]
    pub fn change(&self) -> String {
        self.0.change().name().to_owned()
    }

    /// Returns the element's name.
    #[wasm_bindgen(getter)]
    pub fn element(&self) -> String {
        self.0.vector().element().name().to_owned()
    }

    /// Returns the number of components of the vector.
    #[wasm_bindgen(getter)]
    pub fn dims(&self) -> u32 {
        self.0.vector().dims()
    }

    /// Returns how many components change.
    #[wasm_bindgen(getter, js_name = changedDims)]
    pub fn changed_dims(&self) -> u32 {
        self.0.vector().changed_dims()
    }

    /// Returns the milliseconds since 1970 of the change.
    #[wasm_bindgen(getter)]
    pub fn timestamp(&self) -> f64 {
        self.0.time().physical_millis as f64
    }

    /// Returns the numbers of the components that change, ascending.
    pub fn indices(&self) -> Result<Vec<u32>> {
        Ok(match self.0.vector().payload() {
            Payload::Sparse { indices, .. } => indices.clone(),
            Payload::Runs { runs, .. } => runs.iter().flat_map(|&(from, len)| from..from + len).collect(),
            Payload::Dense(bits) => {
                let size = self.0.vector().element().size();
                let differs = |(i, cell): (usize, &[u8])| cell.iter().any(|b| *b != 0).then_some(i as u32);
                bits.chunks_exact(size).enumerate().filter_map(differs).collect()
            }
            // A whole row.
            _ => (0..self.0.vector().dims()).collect(),
        })
    }

    /// Changes a vector of f32 in place, whatever it is: the state is not checked, `applyTo` does that.
    pub fn apply(&self, vector: &mut [f32]) -> Result<()> {
        self.is_f32()?;
        let mut row = bytes_of(vector);
        self.0.vector().apply(&mut row)?;
        vector.iter_mut().zip(floats_of(&row)).for_each(|(to, from)| *to = from);
        Ok(())
    }

    /// Changes the bytes of a row in place, whatever it is.
    #[wasm_bindgen(js_name = applyBytes)]
    pub fn apply_bytes(&self, row: &mut [u8]) -> Result<()> {
        Ok(self.0.vector().apply(row)?)
    }

    /// Returns the state after this delta from the state before, as bytes; `undefined` is a source that is absent. A delta
    /// that was applied already changes nothing; one of another state is refused with the code `conflict`.
    #[wasm_bindgen(js_name = applyTo)]
    pub fn apply_to(&self, row: Option<Vec<u8>>) -> Result<Option<Vec<u8>>> {
        let mut row = row;
        self.0.apply_to(&self.0.source().key, &mut row)?;
        Ok(row)
    }

    /// Returns the Euclidean length of the change of a vector of f32.
    pub fn magnitude(&self, base: &[f32]) -> Result<f64> {
        self.is_f32()?;
        let old = bytes_of(base);
        let mut new = old.clone();
        self.0.vector().apply(&mut new)?;
        Ok(measure(Element::F32, &old, &new).l2())
    }

    /// Returns the one delta that does both: this and `then`, which has to begin where this one ends.
    pub fn compose(&self, then: &WasmDelta) -> Result<WasmDelta> {
        compose(&[&self.0, &then.0])
    }

    /// Returns the delta that takes this one back, `millis` later; it follows this one.
    pub fn invert(&self, millis: f64) -> Result<WasmDelta> {
        let info = DeltaInfo { time: time_of(millis)?, parent: Some(self.0.id()), ..DeltaInfo::default() };
        let vector = match (self.0.base(), self.0.vector().payload()) {
            // What came is taken away again: the XOR that leads from its bits to nothing.
            (None, Payload::Whole(row)) => {
                DeltaVector::between(self.0.vector().element(), self.0.vector().dims(), Some(row), None)?
            }
            (_, _) if self.0.result().is_some() => self.0.vector().invert()?,
            // What went comes back as a whole row: a delete carries the bits that were lost.
            _ => {
                let dims = self.0.vector().dims();
                let mut row = vec![0; row_bytes(self.0.vector(), dims)?];
                self.0.vector().apply(&mut row)?;
                DeltaVector::between(self.0.vector().element(), dims, None, Some(&row))?
            }
        };
        let source = self.0.source().clone();
        Ok(Self(Delta::from_parts(source, self.0.result(), self.0.base(), vector, info)?))
    }

    /// Checks that nothing was altered since it was made.
    pub fn verify(&self) -> Result<()> {
        Ok(self.0.verify()?)
    }

    /// Checks that it follows a delta: named by it, of the same source, from its result, later.
    #[wasm_bindgen(js_name = verifyChain)]
    pub fn verify_chain(&self, parent: Option<WasmDelta>) -> Result<()> {
        Ok(self.0.verify_chain(parent.as_ref().map(|p| &p.0))?)
    }

    /// Returns whether a row is the state that this delta begins at.
    #[wasm_bindgen(js_name = isBase)]
    pub fn is_base(&self, row: &[u8]) -> bool {
        self.0.base() == Some(row_hash(&self.0.source().key, self.0.vector().element(), row))
    }

    /// Returns a copy.
    #[wasm_bindgen(js_name = clone)]
    pub fn copy(&self) -> WasmDelta {
        self.clone()
    }
}

/// A delete may name a width of which it has no bytes; no row of that width is made for it.
fn row_bytes(vector: &DeltaVector, dims: u32) -> Result<usize> {
    const ROW_MAX: u64 = 1 << 30;
    let bytes = u64::from(dims) * vector.element().size() as u64;
    if bytes > ROW_MAX {
        return Err(Failure::new("too-large", format!("a row of {bytes} bytes is beyond what fits here")));
    }
    Ok(bytes as usize)
}

/// The id of a delta.
#[wasm_bindgen]
#[derive(Clone, Copy)]
pub struct WasmDeltaId(DeltaId);

#[wasm_bindgen]
impl WasmDeltaId {
    /// Returns it in hex.
    #[wasm_bindgen(js_name = toString)]
    pub fn hex(&self) -> String {
        self.0.to_hex()
    }
}

/// Composes deltas that follow each other from state to state.
pub(crate) fn compose(deltas: &[&Delta]) -> Result<WasmDelta> {
    let (Some(first), Some(last)) = (deltas.first(), deltas.last()) else {
        return Err(Failure::argument("there is no delta to compose"));
    };
    for pair in deltas.windows(2) {
        if pair[0].source() != pair[1].source() {
            return Err(Failure::new("chain", "the deltas are of different sources"));
        }
        if pair[0].result() != pair[1].base() {
            return Err(Failure::new("chain", "a delta does not begin where the one before ends"));
        }
    }
    if first.base().is_none() && last.result().is_none() {
        return Err(Failure::new("nothing", "together they do nothing: the source is absent before and after"));
    }
    let vectors: Vec<DeltaVector> = deltas.iter().map(|d| d.vector().clone()).collect();
    let vector =
        DeltaVector::compose_all(&vectors)?.ok_or_else(|| Failure::argument("there is no delta to compose"))?;
    let info = DeltaInfo { time: last.time(), parent: first.parent(), metadata: last.metadata().clone() };
    Ok(WasmDelta(Delta::from_parts(first.source().clone(), first.base(), last.result(), vector, info)?))
}
