//! Detectors: which differences count as a change.

use vecdelta_kernels::RowChange;

/// One limit from which on a difference counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// The Euclidean length of the difference.
    L2(f64),
    /// One minus the cosine between the rows.
    Cosine(f64),
    /// The largest difference of a component.
    MaxAbs(f64),
}

/// Decides whether an update is taken.
///
/// Rows are always compared with the mirror, the state which the deltas rebuild: what was passed over is still there
/// to be seen the next time, so slow drift cannot go unnoticed for ever.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Detector {
    /// Every changed bit counts.
    #[default]
    AnyBit,
    /// A difference counts when it reaches any of the limits. A difference that is not a number always counts.
    Any(Vec<Threshold>),
}

impl Detector {
    /// Returns whether an update with these measures is taken.
    pub fn takes(&self, change: &RowChange) -> bool {
        match self {
            Detector::AnyBit => true,
            Detector::Any(limits) => limits.iter().any(|limit| {
                let (value, min) = match *limit {
                    Threshold::L2(min) => (change.l2(), min),
                    Threshold::MaxAbs(min) => (change.max_abs, min),
                    Threshold::Cosine(min) => (change.cosine().map_or(f64::NAN, |c| 1.0 - c), min),
                };
                // A change that cannot be measured is never dropped.
                value.is_nan() || value >= min
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use vecdelta_kernels::{Element, measure};

    use super::*;

    #[test]
    fn a_limit_counts_from_its_very_value_on_and_nothing_unmeasured_is_dropped() {
        let row = |values: [f32; 2]| values.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
        let takes = |limit, new| Detector::Any(vec![limit]).takes(&measure(Element::F32, &row([3.0, 0.0]), &row(new)));
        assert!(takes(Threshold::L2(5.0), [0.0, 4.0]) && !takes(Threshold::L2(5.1), [0.0, 4.0]));
        assert!(takes(Threshold::MaxAbs(4.0), [0.0, 4.0]) && !takes(Threshold::MaxAbs(4.1), [0.0, 4.0]));
        assert!(takes(Threshold::Cosine(1.0), [0.0, 4.0]) && !takes(Threshold::Cosine(1.1), [0.0, 4.0]));
        assert!(takes(Threshold::L2(1e9), [f32::NAN, 0.0]) && takes(Threshold::Cosine(2.0), [0.0, 0.0]));
        assert!(takes(Threshold::L2(0.0), [3.0, -0.0]), "at 0 every changed bit counts");
    }
}
