//! The capture policy: what counts as a change, and what is done about it.

use super::Detector;

/// What becomes of sources that an epoch does not mention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// They stay as they are.
    #[default]
    Keep,
    /// They are deleted.
    Delete,
}

/// Rules for capturing from one source.
#[derive(Clone, Debug, Default)]
pub struct CapturePolicy {
    /// Which updates are taken.
    pub detector: Detector,
    /// Components that moved by no more than this keep their old bits; 0 keeps every bit.
    pub epsilon: f64,
    /// What becomes of sources that an epoch does not mention.
    pub missing: Missing,
}

impl CapturePolicy {
    /// Returns whether what is captured can differ from the input.
    pub fn is_lossy(&self) -> bool {
        self.epsilon > 0.0 || self.detector != Detector::AnyBit
    }
}
