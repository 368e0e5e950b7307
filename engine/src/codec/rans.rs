//! The entropy coder: order-0 rANS over bytes, 12-bit probabilities, 32-bit states, 16-bit words.
//!
//! With `F` the frequency of a symbol (all add up to 4096) and `S` the sum of those before it:
//!
//! ```text
//! decode one symbol:  slot = x % 4096; symbol = the one with S <= slot < S+F; x = F * (x / 4096) + slot - S
//! after it:           if x < 2^16 { x = x * 2^16 + next word }
//! ```
//!
//! `L` states take turns: symbol `i` belongs to state `i % L`. The symbols after the last whole group of `L` take no words. All states
//! start (in the encoder, which runs backwards) and so must end (in the decoder) at 2^16.
//! One word is enough because 2^16 = 2^4 * 4096.
//!
//! Source: Duda, "Asymmetric numeral systems" (2013); Giesen's ryg_rans for interleaving and division by reciprocals.

use super::error::CodecError;
use super::frequencies::{Frequencies, SCALE, SCALE_BITS};
use super::reader::Reader;
use super::spare::SpareVec;
use vecdelta_kernels::{RANS_SLOTS, Widest, pop_symbol, pop_symbols, widest};

/// The smallest normalised state.
const LOWER: u32 = 1 << 16;
/// The bound of a state, for each of its symbol's frequency, above which a word must go first.
const SPILL_SHIFT: u32 = 32 - SCALE_BITS;

/// What encoding one symbol needs.
#[derive(Clone, Copy, Default)]
struct Step {
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
    fn push(&self, x: u32) -> u32 {
        let quotient = ((u128::from(x) * u128::from(self.reciprocal)) >> 64) as u32;
        x + self.bias + quotient * u32::from(self.rest)
    }
}

/// Appends the final states and then the words of `data`; every byte of it must have a frequency.
pub(super) fn encode<const LANES: usize>(data: &[u8], frequencies: &Frequencies, out: &mut Vec<u8>) {
    let steps = steps(frequencies);
    let mut states = [LOWER; LANES];
    // Backwards, so the last word written is the first one read; none is written before the first symbol of all.
    let len = 2 * (data.len() + 1);
    let mut held = SpareVec::with_room(len);
    if held.len() < len {
        held.resize(len, 0);
    }
    let words = held[..len].as_chunks_mut().0;
    let at = widest(EncodeGroups { data, states: &mut states, steps: &steps, words });
    states.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
    out.extend_from_slice(words[at..].as_flattened());
}

/// The arguments of [`encode_groups`].
struct EncodeGroups<'a, const LANES: usize> {
    data: &'a [u8],
    states: &'a mut [u32; LANES],
    steps: &'a [Step; 256],
    words: &'a mut [[u8; 2]],
}

impl<const LANES: usize> Widest for EncodeGroups<'_, LANES> {
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        encode_groups(self.data, self.states, self.steps, self.words)
    }
}

/// Fills `words` from the end; returns where they begin.
#[inline(always)]
fn encode_groups<const LANES: usize>(
    data: &[u8],
    home: &mut [u32; LANES],
    steps: &[Step; 256],
    words: &mut [[u8; 2]],
) -> usize {
    let mut states = *home;
    let mut at = words.len();
    let (groups, last) = data.as_chunks::<LANES>();
    for (x, &symbol) in states.iter_mut().zip(last).rev() {
        *x = steps[usize::from(symbol)].push(*x);
    }
    for group in groups.iter().rev() {
        for (x, &symbol) in states.iter_mut().zip(group).rev() {
            let step = &steps[usize::from(symbol)];
            let spill = *x >= u32::from(step.frequency) << SPILL_SHIFT;
            words[at - 1] = (*x as u16).to_le_bytes();
            at -= usize::from(spill);
            // A shift by nothing instead of a branch that no predictor could learn.
            *x = step.push(*x >> (u32::from(spill) * u16::BITS));
        }
    }
    *home = states;
    at
}

fn steps(frequencies: &Frequencies) -> [Step; 256] {
    let mut steps = [Step::default(); 256];
    let mut start = 0;
    for (step, &frequency) in steps.iter_mut().zip(frequencies) {
        if frequency > 0 {
            *step = Step::new(frequency, start);
            start += u32::from(frequency);
        }
    }
    steps
}

/// Decodes `len` bytes from the states and words in `input`, all of which must be used up.
pub(super) fn decode<const LANES: usize>(
    input: &mut Reader,
    frequencies: &Frequencies,
    len: usize,
    coded_len: usize,
) -> Result<Vec<u8>, CodecError> {
    let table = table(frequencies);
    let table = table.first_chunk().expect("it has all slots");
    let mut states = [0; LANES];
    let start = input.at();
    for state in &mut states {
        let bytes = input.take(4, "rANS state")?;
        *state = bytes.iter().rev().fold(0, |x, &b| x << 8 | u32::from(b));
    }
    let Some(words_len) = coded_len.checked_sub(input.at() - start) else {
        return input.corrupt("rANS states do not fit the stream");
    };
    let (words, []) = input.take(words_len, "rANS words")?.as_chunks() else {
        return input.corrupt("rANS stream is not whole words");
    };
    let mut data = vec![0; len];
    let used = pop_symbols(&mut data, &mut states, table, words);
    let last = data.as_chunks_mut::<LANES>().1;
    for (symbol, x) in last.iter_mut().zip(&mut states) {
        *symbol = pop_symbol(x, table);
    }
    if used != words.len() || states != [LOWER; LANES] {
        return input.corrupt("rANS stream does not end where it began");
    }
    Ok(data)
}

/// Returns a table of the slots, in memory that stays with the thread.
fn table(frequencies: &Frequencies) -> SpareVec<u32> {
    let mut table = SpareVec::with_room(RANS_SLOTS);
    table.resize(RANS_SLOTS, 0);
    widest(FillTable { table: &mut table, frequencies });
    table
}

/// Says for each of the 4096 slots its symbol, the frequency of that, and how far it is from the symbol's first slot.
struct FillTable<'t> {
    table: &'t mut [u32],
    /// They add up to the number of slots, so that each is written.
    frequencies: &'t Frequencies,
}

impl Widest for FillTable<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let mut at = 0;
        for (symbol, &frequency) in self.frequencies.iter().enumerate() {
            let own = &mut self.table[at..at + usize::from(frequency)];
            let first = symbol as u32 | u32::from(frequency) << 8;
            own.iter_mut().zip(0u32..).for_each(|(slot, distance)| *slot = first | distance << 20);
            at += own.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::frequencies::{count, normalise};
    use proptest::prelude::*;

    /// Compares states that were coded in the best instructions and in those of every machine, and decodes them.
    fn check<const L: usize>(data: &[u8]) {
        let frequencies = normalise(&count(data));
        let steps = steps(&frequencies);
        let coded = |best: bool| {
            let (mut states, mut words) = ([LOWER; L], vec![[0; 2]; data.len() + 1]);
            let groups = EncodeGroups { data, states: &mut states, steps: &steps, words: &mut words };
            let at = if best { widest(groups) } else { groups.run() };
            (states, words[at..].to_vec())
        };
        assert_eq!(coded(false), coded(true));
        let mut out = Vec::new();
        encode::<L>(data, &frequencies, &mut out);
        let mut input = Reader::new(&out);
        let decoded = decode::<L>(&mut input, &frequencies, data.len(), out.len()).expect("what was encoded");
        assert_eq!((decoded.as_slice(), input.rest()), (data, &[][..]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn both_forms_do_the_same(data in prop::collection::vec(0u8..20, 2..3000), large in any::<u8>()) {
            prop_assume!(data.iter().any(|&b| b != data[0]));
            // One symbol that nearly always comes, and many that hardly do.
            let skewed: Vec<u8> = data.iter().map(|&b| if b < 18 { 7 } else { large.wrapping_mul(b) }).collect();
            for data in [&data, &skewed] {
                if data.iter().any(|&b| b != data[0]) {
                    check::<32>(data);
                    check::<4>(data);
                    check::<1>(data);
                }
            }
        }
    }

    #[test]
    fn dividing_by_the_reciprocal_is_dividing() {
        for frequency in 1..SCALE as u16 {
            let f = u32::from(frequency);
            let start = SCALE - f;
            let step = Step::new(frequency, start);
            // States that a frequency can meet, at and around its multiples.
            let most = f << SPILL_SHIFT;
            for x in [1 << 16, most / 2 / f * f, most - f, most - 1].into_iter().flat_map(|x| [x - 1, x]) {
                if (LOWER / SCALE..most).contains(&x) {
                    assert_eq!(step.push(x), (x / f) * SCALE + x % f + start, "{x} / {f}");
                }
            }
        }
    }
}
