//! Validators: what a vector must be to be taken into the table.

use vecdelta_kernels::{Element, all_finite, differs, max_abs, measure, norm_squared};

use super::Dims;
use crate::delta::{Change, DeltaBatch};

/// One check of the row after a change. Whatever is compared is computed here, never taken from a sender.
#[derive(Clone, Debug, PartialEq)]
pub enum Validator {
    /// No component is NaN or infinite.
    Finite,
    /// No component is further than this from 0.
    MaxAbs(f64),
    /// The Euclidean length is at most this.
    MaxL2(f64),
    /// An update moves the vector by at most this Euclidean distance.
    MaxMagnitude(f64),
    /// These components do not change once the source is there.
    LockDims(Dims),
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
    refusals(validators, batch).next().map_or(Ok(()), |(_, rejection)| Err(rejection))
}

/// Goes over the deltas of a batch that do not pass, by their numbers.
pub fn refusals<'a>(
    validators: &'a [Validator],
    batch: &'a DeltaBatch,
) -> impl Iterator<Item = (usize, Rejection)> + 'a {
    let checked = if validators.is_empty() { 0 } else { batch.deltas.len() };
    (0..checked).filter_map(|i| {
        let (change, (old, new)) = (batch.deltas[i].change, batch.rows(i));
        let old = (change == Change::Update).then_some(old);
        let check = |validator: &Validator| validator.check(batch.table.element, old, new).err();
        let reason = validators.iter().filter(|_| change != Change::Delete).find_map(check)?;
        Some((i, Rejection { key: batch.keys.get(i).to_owned(), reason }))
    })
}

impl Validator {
    /// Checks the row after a change; `old` is the row before, none for an insert.
    ///
    /// # Errors
    /// Says what is wrong with the row.
    pub(super) fn check(&self, element: Element, old: Option<&[u8]>, new: &[u8]) -> Result<(), String> {
        match (self, old) {
            (Validator::Finite, _) if !all_finite(element, new) => Err("it holds a NaN or an infinity".to_owned()),
            (Validator::MaxAbs(max), _) => at_most("a component", max_abs(element, new), *max),
            (Validator::MaxL2(max), _) => at_most("its length", norm_squared(element, new).sqrt(), *max),
            (Validator::MaxMagnitude(max), Some(old)) => {
                at_most("the distance it moves", measure(element, old, new).l2(), *max)
            }
            (Validator::LockDims(dims), Some(old)) => {
                let mut ranges = dims.bytes(new.len(), element.size());
                match ranges.find(|range| differs(&old[range.clone()], &new[range.clone()])) {
                    Some(range) => {
                        let (start, end) = (range.start / element.size(), range.end / element.size());
                        Err(format!("it changes a locked dimension of {start}..{end}"))
                    }
                    None => Ok(()),
                }
            }
            (Validator::Finite | Validator::MaxMagnitude(_) | Validator::LockDims(_), _) => Ok(()),
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
    use crate::delta::{DeltaRow, Keys, Table};

    fn update(old: [f32; 3], new: [f32; 3]) -> DeltaBatch {
        let table = Arc::new(Table { collection: "c".into(), element: Element::F32, dims: 3 });
        let bytes = |row: [f32; 3]| row.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<_>>().into();
        DeltaBatch {
            // The measures are those of a liar: nothing may depend on them.
            deltas: vec![DeltaRow { change: Change::Update, ..DeltaRow::whole(0, Change::Update, &table, 0.0, 0.0) }],
            keys: Keys::from_texts(["k"]),
            old: bytes(old),
            new: bytes(new),
            notes: crate::delta::Notes::default(),
            table,
        }
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_its_bits() {
        let ok =
            |v: &Validator, new: [f32; 3]| validate(std::slice::from_ref(v), &update([1.0, 0.0, 3.0], new)).is_ok();
        assert!(ok(&Validator::Finite, [1.0, 2.0, 3.0]) && !ok(&Validator::Finite, [1.0, f32::NAN, 3.0]));
        assert!(!ok(&Validator::Finite, [f32::NEG_INFINITY, 2.0, 3.0]));
        let abs = Validator::MaxAbs(3.0);
        assert!(ok(&abs, [0.0, -3.0, 0.0]) && !ok(&abs, [0.0, -3.1, 0.0]));
        assert!(!ok(&abs, [f32::NAN, 0.0, 0.0]), "NaN passes no limit");
        let length = Validator::MaxL2(5.0);
        assert!(ok(&length, [3.0, 4.0, 0.0]) && !ok(&Validator::MaxL2(4.9), [3.0, 4.0, 0.0]));
        let distance = Validator::MaxMagnitude(5.0);
        assert!(ok(&distance, [4.0, 4.0, 3.0]) && !ok(&distance, [4.0, 4.1, 3.0]));
        assert!(!ok(&distance, [f32::NAN, 0.0, 3.0]) && !ok(&distance, [f32::INFINITY, 0.0, 3.0]));
        let lock = Validator::LockDims(Dims::new([(1, 2), (7, 9)]));
        assert!(ok(&lock, [9.0, 0.0, 9.0]) && !ok(&lock, [1.0, -0.0, 3.0]), "-0.0 is another bit pattern");
    }

    #[test]
    fn an_insert_moves_nothing_and_breaks_no_lock() {
        let new: Vec<u8> = [9f32; 3].into_iter().flat_map(f32::to_le_bytes).collect();
        for validator in [Validator::MaxMagnitude(0.1), Validator::LockDims(Dims::new([(0, 3)]))] {
            assert_eq!(validator.check(Element::F32, None, &new), Ok(()));
        }
    }
}
