//! Detectors: which differences count as a change.

use vecdelta_kernels::RowChange;

/// One limit above which a difference counts.
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
    /// A difference counts when it passes any of the limits. A difference that is not a number always counts.
    Any(Vec<Threshold>),
}

impl Detector {
    /// Returns whether an update with these measures is taken.
    pub fn takes(&self, change: &RowChange) -> bool {
        match self {
            Detector::AnyBit => true,
            Detector::Any(limits) => limits.iter().any(|limit| {
                let (value, max) = match *limit {
                    Threshold::L2(max) => (change.l2(), max),
                    Threshold::MaxAbs(max) => (change.max_abs, max),
                    Threshold::Cosine(max) => (change.cosine().map_or(f64::NAN, |c| 1.0 - c), max),
                };
                // NaN is above every limit: a change that cannot be measured is never dropped.
                value.is_nan() || value > max
            }),
        }
    }
}
