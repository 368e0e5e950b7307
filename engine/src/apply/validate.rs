//! Validators: what a vector must be to be taken into the table.

use vecdelta_kernels::{all_finite, differs, max_abs, norm_squared};

use crate::delta::{Change, DeltaBatch};

/// One check of the row after a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validator {
    /// No component is NaN or infinite.
    Finite,
    /// No component is further than this from 0.
    MaxAbs(f64),
    /// The Euclidean length is at most this.
    MaxL2(f64),
    /// Components from `start` to before `end` do not change once the source is there.
    LockDims {
        /// The first of them.
        start: u32,
        /// The first one behind them.
        end: u32,
    },
}

/// A delta that was refused, and with it its whole window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The source's key.
    pub key: String,
    /// Why.
    pub reason: String,
}

/// Checks every delta of a batch; deletes always pass.
///
/// # Errors
/// The first delta that does not pass.
pub fn validate(validators: &[Validator], batch: &DeltaBatch) -> Result<(), Rejection> {
    if validators.is_empty() {
        return Ok(());
    }
    for (i, delta) in batch.deltas.iter().enumerate() {
        let (old, new) = batch.rows(i);
        if delta.change == Change::Delete {
            continue;
        }
        let old = (delta.change == Change::Update).then_some(old);
        for validator in validators {
            validator
                .check(batch, old, new)
                .map_err(|reason| Rejection { key: batch.keys.get(i).to_owned(), reason })?;
        }
    }
    Ok(())
}

impl Validator {
    fn check(&self, batch: &DeltaBatch, old: Option<&[u8]>, new: &[u8]) -> Result<(), String> {
        let element = batch.table.element;
        match *self {
            Validator::Finite if !all_finite(element, new) => Err("it holds a NaN or an infinity".to_owned()),
            Validator::MaxAbs(max) => at_most("a component", max_abs(element, new), max),
            Validator::MaxL2(max) => at_most("its length", norm_squared(element, new).sqrt(), max),
            Validator::LockDims { start, end } => {
                let size = element.size();
                let (from, to) = (start as usize * size, (end as usize * size).min(new.len()));
                match old {
                    Some(old) if from < to && differs(&old[from..to], &new[from..to]) => {
                        Err(format!("it changes a locked dimension of {start}..{end}"))
                    }
                    _ => Ok(()),
                }
            }
            Validator::Finite => Ok(()),
        }
    }
}

/// NaN is above every limit.
fn at_most(what: &str, value: f64, max: f64) -> Result<(), String> {
    if value <= max { Ok(()) } else { Err(format!("{what} is {value}, more than the {max} allowed")) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::delta::{DeltaRow, Element, Keys, Table};

    fn update(old: [f32; 3], new: [f32; 3]) -> DeltaBatch {
        let table = Arc::new(Table { collection: "c".into(), element: Element::F32, dims: 3 });
        let bytes = |row: [f32; 3]| row.into_iter().flat_map(f32::to_le_bytes).collect();
        DeltaBatch {
            deltas: vec![DeltaRow { change: Change::Update, ..DeltaRow::whole(0, Change::Update, &table, 1.0, 1.0) }],
            keys: Keys::from_texts(["k"]),
            old: bytes(old),
            new: bytes(new),
            table,
        }
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_its_bits() {
        let ok = |v: Validator, new: [f32; 3]| validate(&[v], &update([1.0, 0.0, 3.0], new)).is_ok();
        assert!(ok(Validator::Finite, [1.0, 2.0, 3.0]) && !ok(Validator::Finite, [1.0, f32::NAN, 3.0]));
        assert!(!ok(Validator::Finite, [f32::NEG_INFINITY, 2.0, 3.0]));
        assert!(ok(Validator::MaxAbs(3.0), [0.0, -3.0, 0.0]) && !ok(Validator::MaxAbs(3.0), [0.0, -3.1, 0.0]));
        assert!(!ok(Validator::MaxAbs(3.0), [f32::NAN, 0.0, 0.0]), "NaN passes no limit");
        assert!(ok(Validator::MaxL2(5.0), [3.0, 4.0, 0.0]) && !ok(Validator::MaxL2(4.9), [3.0, 4.0, 0.0]));
        let lock = Validator::LockDims { start: 1, end: 2 };
        assert!(ok(lock, [9.0, 0.0, 9.0]) && !ok(lock, [1.0, -0.0, 3.0]), "-0.0 is another bit pattern");
    }
}
