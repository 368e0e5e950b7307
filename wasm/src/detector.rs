//! A detector: which states of a vector differ enough from the last one that was taken.

use vecdelta::delta::{Delta, DeltaId, DeltaInfo, Element, Source, Table};
use vecdelta_kernels::measure;
use wasm_bindgen::prelude::*;

use crate::delta::WasmDelta;
use crate::error::{Failure, Result};
use crate::rows::{bytes_of, dims_of, floats_of, time_of};

/// Compares each state of a vector with the one that its deltas lead to, so that slow drift adds up until it is seen.
#[wasm_bindgen]
pub struct WasmDeltaDetector {
    source: Source,
    threshold: f64,
    min_component_diff: f64,
    /// The state that the deltas lead to; nothing before the first one.
    state: Option<Vec<f32>>,
    last: Option<DeltaId>,
}

#[wasm_bindgen]
impl WasmDeltaDetector {
    /// Makes a detector for a source, `collection/key`: components that differ by no more than `minComponentDiff` keep their
    /// bits, and a change shorter than `threshold` is no change. At 0 and 0 every changed bit counts.
    #[wasm_bindgen(constructor)]
    pub fn new(source: &str, threshold: f64, min_component_diff: f64) -> Result<WasmDeltaDetector> {
        let source = Source::parse(source).map_err(|e| Failure::argument(e.to_string()))?;
        for limit in [threshold, min_component_diff] {
            if limit.is_nan() || limit < 0.0 {
                return Err(Failure::argument("a limit is a number from 0 on"));
            }
        }
        Ok(Self { source, threshold, min_component_diff, state: None, last: None })
    }

    /// Compares a state with the last one that was taken; the first state is an insert. What cannot be measured, a NaN that
    /// comes or goes, always counts.
    pub fn detect(&mut self, state: &[f32], millis: f64) -> Result<Option<WasmDelta>> {
        let time = time_of(millis)?;
        let table = Table { collection: self.source.collection.clone(), element: Element::F32, dims: dims_of(state)? };
        let old = self.state.as_deref().map(bytes_of);
        let new = match &self.state {
            Some(old) if old.len() != state.len() => {
                let text = format!("the vector has {} components, before it had {}", state.len(), old.len());
                return Err(Failure::new("length", text));
            }
            Some(old) => self.taken(old, state),
            None => bytes_of(state),
        };
        if let Some(old) = &old {
            let change = measure(Element::F32, old, &new);
            if change.changed == 0 || change.l2() < self.threshold {
                return Ok(None);
            }
        }
        let info = DeltaInfo { time, parent: self.last, ..DeltaInfo::default() };
        let delta = Delta::new(&table, &self.source.key, old.as_deref(), Some(&new), info)?;
        self.state = Some(floats_of(&new).collect());
        self.last = Some(delta.id());
        Ok(Some(WasmDelta::of(delta)))
    }

    /// Returns the state that the deltas lead to.
    pub fn state(&self) -> Option<Vec<f32>> {
        self.state.clone()
    }

    /// Forgets the state: the next one is an insert.
    pub fn reset(&mut self) {
        self.state = None;
        self.last = None;
    }
}

impl WasmDeltaDetector {
    /// Returns the row with the components that differ enough.
    fn taken(&self, old: &[f32], new: &[f32]) -> Vec<u8> {
        let differs = |a: f32, b: f32| {
            let diff = (f64::from(b) - f64::from(a)).abs();
            self.min_component_diff == 0.0 || diff.is_nan() || diff > self.min_component_diff
        };
        let row: Vec<f32> = old.iter().zip(new).map(|(&a, &b)| if differs(a, b) { b } else { a }).collect();
        bytes_of(&row)
    }
}
