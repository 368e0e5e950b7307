//! What predicts values better, the old ones or nothing: tried on some of them.

use super::cell_block::Cells;
use super::integers::entropy;
use super::level::Level;
use super::precision::Narrow;
use super::word::{Format, Word};

/// How many values are looked at.
const SAMPLE: usize = 2048;
/// Into how many pieces the sample is cut, spread over the block.
const PIECES: usize = 8;

/// Returns whether the new values cost less as changes of the old ones than on their own.
pub(super) fn old_predicts_better<W: Word>(format: Format, old: &[W], new: &[W]) -> bool {
    let (old, new) = (sample(old), sample(new));
    let zeros = vec![W::default(); new.len()];
    let (change, alone) = (
        Level::of(format, &old, &new),
        Level::of(format, &zeros, &new),
    );
    change.is_far_below(alone) || bits(format, &old, &new, true) < bits(format, &zeros, &new, false)
}

fn sample<W: Word>(words: &[W]) -> Vec<W> {
    let piece = (SAMPLE / PIECES).min(words.len().div_ceil(PIECES));
    let mut sample = Vec::with_capacity(SAMPLE);
    for i in 0..PIECES {
        let start = i * (words.len() / PIECES);
        sample.extend_from_slice(&words[start..words.len().min(start + piece)]);
    }
    sample
}

/// Returns the size of coded values in bits, tables apart.
fn bits<W: Word>(format: Format, predicted: &[W], new: &[W], from_old: bool) -> f64 {
    let ends = &[new.len() as u32];
    let coded = Cells {
        format,
        narrow: Narrow::None,
        predicted,
        new,
        ends,
        from_old,
    }
    .code();
    entropy(&coded.tokens) + 8.0 * coded.low.bytes().len() as f64
}
