//! Loops of other crates, compiled three times.

use crate::dispatch::dispatch_512;

/// A loop whose plain code becomes better code where the machine has AVX2, or AVX-512.
///
/// [`run`](Self::run) and all that it calls has to be `#[inline(always)]`: what is not inlined is compiled once, for
/// every machine. Floating-point operations keep their order and rounding, so all forms return the same bits.
pub trait Widest {
    /// What the loop returns.
    type Output;

    /// Runs the loop.
    fn run(self) -> Self::Output;
}

/// Runs a loop in the best instructions this machine has.
#[inline]
pub fn widest<L: Widest>(work: L) -> L::Output {
    dispatch_512!(widest(work))
}
