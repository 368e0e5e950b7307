//! Loops of other crates, compiled twice.

use crate::dispatch::dispatch;

/// A loop whose plain code becomes better code where the machine has AVX2.
///
/// [`run`](Self::run) and all that it calls has to be `#[inline(always)]`: what is not inlined is compiled once, for
/// every machine. Floating-point operations keep their order and rounding, so both forms return the same bits.
pub trait Widest {
    /// What the loop returns.
    type Output;

    /// Runs the loop.
    fn run(self) -> Self::Output;
}

/// Runs a loop in the best instructions this machine has.
#[inline]
pub fn widest<L: Widest>(work: L) -> L::Output {
    dispatch!(widest(work))
}
