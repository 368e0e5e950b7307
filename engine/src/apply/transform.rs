//! Transformers: what is done to a vector before it is taken into the table.

use std::fmt;

use rayon::prelude::*;

use super::{Dims, Rejection};
use crate::delta::{Element, RowBatch, round_to};

/// How many rows one task transforms.
const TASK_ROWS: usize = 128;

/// One step from the vector that came to the vector that is kept. It looks at nothing but the vector itself, so the same
/// input gives the same bits whenever and wherever it comes.
#[derive(Clone, Debug, PartialEq)]
pub enum Transformer {
    /// Divides by the Euclidean length. A vector without a direction (zeros, NaN, an infinity) is refused.
    Renormalise,
    /// Multiplies every component.
    Scale(f64),
    /// Moves every component into `-max..=max`; NaN stays.
    Clip(f64),
    /// Rounds every component to the precision of a smaller type, to nearest, ties to even; the type of the table stays.
    Round(Element),
    /// Sets components to 0.
    Mask(Dims),
}

/// Applies transformers to a row, in order.
///
/// All steps are computed in f64, and the outcome is rounded once to the element type. A component that comes out with
/// the value it had keeps its bits, and a NaN keeps its payload.
///
/// # Errors
/// When the row has no direction, or a finite component becomes too large for its type; the row is then as before.
pub fn transform(transformers: &[Transformer], element: Element, row: &mut [u8]) -> Result<(), String> {
    let size = element.size();
    let before: Vec<f64> = row.chunks_exact(size).map(|bits| element.to_f64(bits)).collect();
    let mut values = before.clone();
    for transformer in transformers {
        transformer.step(&mut values)?;
    }
    let mut after = row.to_vec();
    for (dim, (bits, (old, new))) in after.chunks_exact_mut(size).zip(before.iter().zip(&values)).enumerate() {
        if new.to_bits() == old.to_bits() || (new.is_nan() && old.is_nan()) {
            continue;
        }
        let overflows = old.is_finite() && !new.is_finite();
        if overflows || !round_to(element, *new, bits) {
            return Err(format!("component {dim} becomes {new:e}, too large for {}", element.name()));
        }
    }
    row.copy_from_slice(&after);
    Ok(())
}

/// Applies transformers to every row of a batch; without any, the bytes stay shared.
///
/// # Errors
/// The first row that cannot be transformed.
pub fn transform_rows(transformers: &[Transformer], element: Element, batch: RowBatch) -> Result<RowBatch, Rejection> {
    let (batch, mut refused) = transform_each(transformers, element, batch);
    match refused.is_empty() {
        true => Ok(batch),
        false => Err(refused.swap_remove(0).1),
    }
}

/// Applies transformers to every row of a batch that can be transformed; the others stay as they are and are returned by
/// their numbers, in order.
pub fn transform_each(
    transformers: &[Transformer],
    element: Element,
    batch: RowBatch,
) -> (RowBatch, Vec<(usize, Rejection)>) {
    if transformers.is_empty() || batch.keys.is_empty() || batch.rows.is_empty() {
        return (batch, Vec::new());
    }
    let size = batch.rows.len() / batch.keys.len();
    let mut rows = batch.rows.to_vec();
    let task = |(task, rows): (usize, &mut [u8])| {
        let mut refused = Vec::new();
        for (i, row) in rows.chunks_exact_mut(size).enumerate() {
            if let Err(reason) = transform(transformers, element, row) {
                let row = task * TASK_ROWS + i;
                refused.push((row, Rejection { key: batch.keys.get(row).to_owned(), reason }));
            }
        }
        refused
    };
    // In the order of the rows, so that the same one is named whatever the number of threads.
    let refused: Vec<Vec<_>> = rows.par_chunks_mut(TASK_ROWS * size).enumerate().map(task).collect();
    (RowBatch { rows: rows.into(), ..batch }, refused.concat())
}

impl Transformer {
    fn step(&self, values: &mut [f64]) -> Result<(), String> {
        match self {
            Transformer::Renormalise => return renormalise(values),
            Transformer::Scale(factor) => values.iter_mut().for_each(|value| *value *= factor),
            Transformer::Clip(max) => values.iter_mut().for_each(|value| *value = value.clamp(-max, *max)),
            Transformer::Round(to) => {
                for (dim, value) in values.iter_mut().enumerate() {
                    let mut bits = [0; 8];
                    let bits = &mut bits[..to.size()];
                    if !round_to(*to, *value, bits) {
                        return Err(format!("component {dim} is {value:e}, too large for {}", to.name()));
                    }
                    if !value.is_nan() {
                        *value = to.to_f64(bits);
                    }
                }
            }
            Transformer::Mask(dims) => dims.bytes(values.len(), 1).for_each(|range| values[range].fill(0.0)),
        }
        Ok(())
    }
}

/// Divides by the length, whose squares are summed in the order of the components.
fn renormalise(values: &mut [f64]) -> Result<(), String> {
    let largest = values.iter().fold(0.0f64, |max, value| max.max(value.abs()));
    let direction = values.iter().all(|value| value.is_finite()) && largest > 0.0;
    if !direction {
        return Err("it has no direction (all components are 0, or one is not finite), so no unit length".to_owned());
    }
    // A power of two keeps squares from overflowing and vanishing, and changes no digit.
    let unit = 2f64.powi(-exponent(largest));
    values.iter_mut().for_each(|value| *value *= unit);
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    values.iter_mut().for_each(|value| *value /= length);
    Ok(())
}

/// Returns the exponent of a positive number, within what `powi` can turn round.
fn exponent(value: f64) -> i32 {
    ((value.to_bits() >> 52) as i32 - 1023).clamp(-1000, 1000)
}

/// Names the step as the metadata of commits does.
impl fmt::Display for Transformer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Transformer::Renormalise => f.write_str("renormalise"),
            Transformer::Scale(factor) => write!(f, "scale {factor}"),
            Transformer::Clip(max) => write!(f, "clip {max}"),
            Transformer::Round(element) => write!(f, "round {}", element.name()),
            Transformer::Mask(dims) => write!(f, "mask {dims}"),
        }
    }
}
