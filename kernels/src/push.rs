//! The loop that puts symbols onto rANS states: the reverse of [`pop_symbols`](crate::pop_symbols).
//!
//! ```text
//! if x >= 2^20 * F { next word = x % 2^16; x = x / 2^16 }; x = x / F * 4096 + x % F + S
//! ```
//!
//! `F` is the frequency of the symbol and `S` the sum of those before it. It runs from the last symbol to the first, so the last
//! word that it writes is the first one read.
//! Source: Giesen's ryg_rans for the division by reciprocals.

use crate::RANS_SLOTS;
use crate::dispatch::dispatch_512;

/// The bound of a state, for each of its symbol's frequency, from which on a word must go first.
const SPILL_SHIFT: u32 = 32 - SCALE.ilog2();
const SCALE: u32 = RANS_SLOTS as u32;

/// What pushing one symbol needs.
#[derive(Clone, Copy, Default)]
pub(crate) struct Step {
    /// 2^64 / frequency, rounded up: right for every state, which is less than 2^32.
    reciprocal: u64,
    bias: u32,
    frequency: u16,
    /// 4096 - frequency.
    rest: u16,
}

impl Step {
    fn new(frequency: u16, start: u32) -> Self {
        let rest = SCALE as u16 - frequency;
        if frequency < 2 {
            // The reciprocal of 1 does not fit: take x - 1 for x / 1 and put the difference into the bias.
            return Self { reciprocal: u64::MAX, bias: start + SCALE - 1, frequency, rest };
        }
        let divisor = u64::from(frequency);
        let reciprocal = u64::MAX / divisor + 1;
        Self { reciprocal, bias: start, frequency, rest }
    }

    /// Pushes the symbol onto a state.
    #[inline(always)]
    pub(crate) fn push(&self, x: u32) -> u32 {
        let quotient = ((u128::from(x) * u128::from(self.reciprocal)) >> 64) as u32;
        x + self.bias + quotient * u32::from(self.rest)
    }
}

/// What pushing each symbol needs, made of their frequencies.
pub struct RansSteps {
    steps: [Step; 256],
    #[cfg(target_arch = "x86_64")]
    lanes: Option<LaneSteps>,
}

/// The steps of symbols below 64, packed to be looked up in registers.
#[cfg(target_arch = "x86_64")]
pub(crate) struct LaneSteps {
    /// 2^(32 + shift) / frequency, rounded up; 2^32 - 1 for a frequency of 1.
    pub(crate) reciprocals: [u32; LaneSteps::SYMBOLS],
    /// Frequency (12 bits), shift (4), bias (16), from the top.
    pub(crate) rest: [u32; LaneSteps::SYMBOLS],
}

#[cfg(target_arch = "x86_64")]
impl LaneSteps {
    /// How many symbols fit.
    pub(crate) const SYMBOLS: usize = 64;
    /// From there on a reciprocal of 32 bits may be wrong in the last place: a state is below 2^20 * F, what rounding adds to
    /// the product below that times F, and F * F at most 2^(11 + bits of F).
    const FREQUENCY_MAX: u16 = 1 << 11;

    fn new(steps: &[Step; 256]) -> Option<Self> {
        let (near, far) = steps.split_at(Self::SYMBOLS);
        if far.iter().any(|step| step.frequency > 0) || near.iter().any(|step| step.frequency > Self::FREQUENCY_MAX) {
            return None;
        }
        let mut all = Self { reciprocals: [0; Self::SYMBOLS], rest: [0; Self::SYMBOLS] };
        for (i, step) in near.iter().enumerate().filter(|(_, step)| step.frequency > 0) {
            let shift = (u32::from(step.frequency) - 1).checked_ilog2().unwrap_or(0);
            let divisor = u64::from(step.frequency);
            all.reciprocals[i] = if divisor < 2 { u32::MAX } else { (1_u64 << (32 + shift)).div_ceil(divisor) as u32 };
            all.rest[i] = u32::from(step.frequency) << SPILL_SHIFT | shift << 16 | step.bias;
        }
        Some(all)
    }
}

impl RansSteps {
    /// Prepares symbols of these frequencies, which add up to 4096; none of them has all.
    pub fn new(frequencies: &[u16; 256]) -> Self {
        let mut steps = [Step::default(); 256];
        let mut start = 0;
        for (step, &frequency) in steps.iter_mut().zip(frequencies) {
            if frequency > 0 {
                *step = Step::new(frequency, start);
                start += u32::from(frequency);
            }
        }
        Self {
            #[cfg(target_arch = "x86_64")]
            lanes: LaneSteps::new(&steps),
            steps,
        }
    }

    /// Returns the steps for lookups in registers, if the symbols are such.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn lanes(&self) -> Option<&LaneSteps> {
        self.lanes.as_ref()
    }

    /// Returns what pushing a symbol needs.
    #[inline(always)]
    pub(crate) fn of(&self, symbol: u8) -> &Step {
        &self.steps[usize::from(symbol)]
    }
}

/// Pushes symbols, each of which has a frequency, and fills `words` from the end; returns where they begin.
///
/// Symbol `i` belongs to state `i % L`. Those behind the last whole group of `L` give no words: the states must still be small.
/// There must be room for one word more than there are symbols.
pub fn push_symbols<const L: usize>(
    symbols: &[u8],
    states: &mut [u32; L],
    steps: &RansSteps,
    words: &mut [[u8; 2]],
) -> usize {
    dispatch_512!(push_symbols(symbols, states, steps, words))
}

/// See [`push_symbols`].
#[inline(always)]
pub(crate) fn push_plain<const L: usize>(
    symbols: &[u8],
    states: &mut [u32; L],
    steps: &RansSteps,
    words: &mut [[u8; 2]],
) -> usize {
    let (groups, last) = symbols.as_chunks::<L>();
    push_last(last, states, steps);
    let mut xs = *states;
    let mut at = words.len();
    for group in groups.iter().rev() {
        for (x, &symbol) in xs.iter_mut().zip(group).rev() {
            let step = steps.of(symbol);
            let spill = *x >= u32::from(step.frequency) << SPILL_SHIFT;
            words[at - 1] = (*x as u16).to_le_bytes();
            at -= usize::from(spill);
            // A shift by nothing instead of a branch that no predictor could learn.
            *x = step.push(*x >> (u32::from(spill) * u16::BITS));
        }
    }
    *states = xs;
    at
}

/// Pushes what is less than a group.
#[inline(always)]
pub(crate) fn push_last(symbols: &[u8], states: &mut [u32], steps: &RansSteps) {
    for (x, &symbol) in states.iter_mut().zip(symbols) {
        *x = steps.of(symbol).push(*x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOWER: u32 = 1 << 16;

    /// Returns states that a frequency can meet, at and around its multiples.
    fn states(f: u32) -> impl Iterator<Item = u32> {
        let most = f << SPILL_SHIFT;
        let near = [1 << 16, most / 2 / f * f, most - f, most - 1].into_iter().flat_map(|x| [x - 1, x]);
        near.filter(move |x| (LOWER / SCALE..most).contains(x))
    }

    #[test]
    fn dividing_by_the_reciprocal_is_dividing() {
        for f in 1..SCALE {
            let step = Step::new(f as u16, SCALE - f);
            for x in states(f) {
                assert_eq!(step.push(x), (x / f) * SCALE + x % f + (SCALE - f), "{x} / {f}");
            }
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn dividing_in_a_lane_is_dividing() {
        for f in 1..SCALE {
            let mut steps = [Step::default(); 256];
            steps[9] = Step::new(f as u16, SCALE - f);
            let lanes = LaneSteps::new(&steps);
            assert_eq!(lanes.is_some(), f <= u32::from(LaneSteps::FREQUENCY_MAX));
            let Some(lanes) = lanes else { continue };
            for x in states(f) {
                let (reciprocal, rest) = (lanes.reciprocals[9], lanes.rest[9]);
                let quotient = ((u64::from(x) * u64::from(reciprocal)) >> 32) as u32 >> (rest >> 16 & 15);
                assert_eq!(x + (rest & 0xffff) + quotient * (SCALE - f), steps[9].push(x), "{x} / {f}");
            }
        }
    }
}
