//! The rules of a target.

use super::{ConflictResolution, Transformer, Validator};

/// The rules by which deltas are applied to a target.
#[derive(Clone, Debug)]
pub struct ApplicationPolicy {
    /// What is done with a delta that does not continue the target's state.
    pub conflict_resolution: ConflictResolution,
    /// The checks of every row after a change, in order.
    pub validators: Vec<Validator>,
    /// What is done to every row before it is kept, in order.
    pub transformers: Vec<Transformer>,
    /// Whether a delta must name the last applied one as its parent, besides its state as the base.
    ///
    /// Without it a source that went on and came back to the very bits of the base cannot be told from one that never
    /// left.
    pub verify_chain: bool,
    /// How many applied deltas are held for roll-back and for conflicts; 0 holds none.
    pub history_limit: usize,
}

impl Default for ApplicationPolicy {
    fn default() -> Self {
        Self {
            conflict_resolution: ConflictResolution::Reject,
            validators: Vec::new(),
            transformers: Vec::new(),
            verify_chain: true,
            history_limit: 1000,
        }
    }
}
