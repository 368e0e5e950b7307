//! A set of dimensions, for locks and masks.

use std::fmt;
use std::ops::Range;

/// Some of a vector's dimensions, as ranges that are sorted and do not touch.
///
/// A lock is compared range by range, so it costs what the locked bytes cost, however many deltas' indices there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dims(Vec<Range<u32>>);

impl Dims {
    /// Joins ranges, each from its first dimension to before its last, in any order; those that overlap or touch become one.
    pub fn new(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let ranges = ranges.into_iter().map(|(start, end)| start..end);
        let mut ranges: Vec<Range<u32>> = ranges.filter(|range| !range.is_empty()).collect();
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup_by(|next, last| {
            let joins = next.start <= last.end;
            if joins {
                last.end = last.end.max(next.end);
            }
            joins
        });
        Self(ranges)
    }

    /// Returns the ranges within a row of so many components, as ranges of bytes.
    pub(super) fn bytes(&self, row_bytes: usize, element_bytes: usize) -> impl Iterator<Item = Range<usize>> {
        let at = move |dim: u32| (dim as usize).saturating_mul(element_bytes).min(row_bytes);
        self.0.iter().map(move |range| at(range.start)..at(range.end))
    }
}

/// Writes the ranges as a pipeline file does: `0..8, 100..104`.
impl fmt::Display for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges: Vec<String> = self.0.iter().map(|range| format!("{}..{}", range.start, range.end)).collect();
        f.write_str(&ranges.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_sorted_and_joined() {
        let dims = Dims::new([(8, 10), (0, 3), (2, 5), (5, 6), (7, 7)]);
        assert_eq!(dims.to_string(), "0..6, 8..10");
        assert_eq!(dims.bytes(18, 2).collect::<Vec<_>>(), [0..12, 16..18], "what is behind the row is left out");
        assert_eq!(Dims::new([(0, 9), (1, 2)]).to_string(), "0..9");
    }
}
