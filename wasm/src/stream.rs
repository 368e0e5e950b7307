//! A stream: deltas of one source that follow each other.

use vecdelta::delta::Delta;
use wasm_bindgen::prelude::*;

use crate::delta::{WasmDelta, compose};
use crate::error::{Failure, Result};

/// Deltas of one source, each after the one before.
#[wasm_bindgen]
#[derive(Default)]
pub struct WasmDeltaStream {
    deltas: Vec<WasmDelta>,
}

#[wasm_bindgen]
impl WasmDeltaStream {
    /// Makes an empty stream.
    #[wasm_bindgen(constructor)]
    pub fn new() -> WasmDeltaStream {
        Self::default()
    }

    /// Adds a delta and returns its place. It becomes the child of the last one: its parent is set, and its time is moved on
    /// if it is not later.
    pub fn append(&mut self, delta: &WasmDelta) -> Result<u32> {
        let place = u32::try_from(self.deltas.len()).ok().filter(|n| *n < u32::MAX);
        let place = place.ok_or_else(|| Failure::new("too-large", "a stream holds less than 2^32 - 1 deltas"))?;
        let last = self.deltas.last().map(WasmDelta::inner);
        let mut time = delta.inner().time();
        if let Some(last) = last.filter(|last| time <= last.time()) {
            time = last.time().tick(0).map_err(|e| Failure::argument(e.to_string()))?;
        }
        let delta = delta.after(last.map(Delta::id), time)?;
        delta.inner().verify_chain(last)?;
        self.deltas.push(delta);
        Ok(place)
    }

    /// Returns how many deltas there are.
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> u32 {
        self.deltas.len() as u32
    }

    /// Returns the delta at a place.
    pub fn at(&self, place: u32) -> Option<WasmDelta> {
        self.deltas.get(place as usize).cloned()
    }

    /// Applies all deltas to a vector of f32.
    #[wasm_bindgen(js_name = applyAll)]
    pub fn apply_all(&self, vector: &mut [f32]) -> Result<()> {
        self.apply_from(0, vector)
    }

    /// Applies the deltas from a place on. The vector has to be the state that the first of them begins at; if not, nothing
    /// is written.
    #[wasm_bindgen(js_name = applyFrom)]
    pub fn apply_from(&self, start: u32, vector: &mut [f32]) -> Result<()> {
        let Some(deltas) = self.deltas.get(start as usize..).filter(|d| !d.is_empty()) else {
            return match start as usize == self.deltas.len() {
                true => Ok(()),
                false => Err(Failure::argument(format!("there is no delta {start}: the stream has {}", self.length()))),
            };
        };
        let first = deltas[0].inner();
        let row = crate::rows::bytes_of(vector);
        if first.base().is_some() && !deltas[0].is_base(&row) {
            return Err(Failure::new("conflict", "the vector is not the state that the first delta begins at"));
        }
        let all: Vec<&Delta> = deltas.iter().map(WasmDelta::inner).collect();
        compose(&all)?.apply(vector)
    }

    /// Makes one delta of all and keeps it in their place; a copy of it is returned.
    pub fn compact(&mut self) -> Result<WasmDelta> {
        let all: Vec<&Delta> = self.deltas.iter().map(WasmDelta::inner).collect();
        let one = compose(&all)?;
        self.deltas = vec![one.clone()];
        Ok(one)
    }

    /// Checks every delta, and that each follows the one before. The first may follow one that is not here.
    #[wasm_bindgen(js_name = verifyChain)]
    pub fn verify_chain(&self) -> Result<()> {
        let deltas = || self.deltas.iter().map(WasmDelta::inner);
        if let Some(first) = deltas().next() {
            first.verify()?;
        }
        for (parent, child) in deltas().zip(deltas().skip(1)) {
            child.verify_chain(Some(parent))?;
        }
        Ok(())
    }

    /// Returns the bytes of all: a count, then a length and the bytes of each.
    #[wasm_bindgen(js_name = toBytes)]
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut out = self.length().to_le_bytes().to_vec();
        for delta in &self.deltas {
            let bytes = delta.to_bytes();
            let len = u32::try_from(bytes.len()).map_err(|_| Failure::new("too-large", "a delta has 4 GiB"))?;
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(&bytes);
        }
        Ok(out)
    }

    /// Reads what `toBytes` returns, and checks every delta and the chain.
    #[wasm_bindgen(js_name = fromBytes)]
    pub fn from_bytes(bytes: &[u8]) -> Result<WasmDeltaStream> {
        let mut rest = bytes;
        let count = number(&mut rest)?;
        let mut stream = Self::default();
        for _ in 0..count {
            let len = number(&mut rest)? as usize;
            let (own, behind) = rest.split_at_checked(len).ok_or_else(cut)?;
            stream.deltas.push(WasmDelta::from_bytes(own)?);
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(Failure::new("damaged", "bytes follow the last delta of the stream"));
        }
        stream.verify_chain()?;
        Ok(stream)
    }
}

fn number(rest: &mut &[u8]) -> Result<u32> {
    let (own, behind) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
    *rest = behind;
    Ok(u32::from_le_bytes(*own))
}

fn cut() -> Failure {
    Failure::new("damaged", "the stream ends too early")
}
