//! The entropy coder: order-0 rANS over bytes, 12-bit probabilities, 64-bit states, 32-bit words.
//!
//! With `F` the frequency of a symbol (all add up to 4096) and `S` the sum of those before it:
//!
//! ```text
//! decode one symbol:  slot = x % 4096; symbol = the one with S <= slot < S+F; x = F * (x / 4096) + slot - S
//! after two symbols of a state:  if x < 2^31 { x = x * 2^32 + next word }
//! ```
//!
//! `L` states take turns: symbol `i` belongs to state `i % L`; after every whole group of `2 L` symbols the states take
//! words in order 0..L. The symbols after the last whole group take none. All states start (in the encoder, which runs
//! backwards) and so must end (in the decoder) at 2^31.
//! One word for two symbols is enough because 2^31 = 2^7 * 4096 * 4096.
//!
//! Source: Duda, "Asymmetric numeral systems" (2013); Giesen's ryg_rans for interleaving and division by reciprocals.

use super::error::CodecError;
use super::reader::Reader;
use super::spare::SpareVec;
use vecdelta_kernels::{Widest, widest};

/// Probabilities are multiples of 1 / 4096.
const SCALE_BITS: u32 = 12;
const SCALE: u32 = 1 << SCALE_BITS;
/// The smallest normalised state.
const LOWER: u64 = 1 << 31;
/// The bound of a state, per square of frequency, above which a word must go before two symbols are encoded.
const SPILL: u64 = (LOWER >> (2 * SCALE_BITS)) << 32;

/// How often each byte occurs.
pub(super) type Counts = [u32; 256];
/// Frequencies that add up to 4096.
pub(super) type Frequencies = [u16; 256];

/// Counts the bytes; four tables, because equal neighbours would wait for each other's increment.
pub(super) fn count(data: &[u8]) -> Counts {
    let mut tables = [[0u32; 256]; 4];
    let (quads, tail) = data.as_chunks::<4>();
    for quad in quads {
        for (table, &byte) in tables.iter_mut().zip(quad) {
            table[usize::from(byte)] += 1;
        }
    }
    let mut counts = tables[0];
    for table in &tables[1..] {
        for (sum, &more) in counts.iter_mut().zip(table) {
            *sum += more;
        }
    }
    for &byte in tail {
        counts[usize::from(byte)] += 1;
    }
    counts
}

/// Scales counts to frequencies: every byte that occurs gets at least 1, and none gets all.
///
/// At least two bytes must occur.
pub(super) fn normalise(counts: &Counts) -> Frequencies {
    let total: u64 = counts.iter().map(|&c| u64::from(c)).sum();
    let mut frequencies = [0u16; 256];
    let mut sum = 0i64;
    for (frequency, &count) in frequencies.iter_mut().zip(counts) {
        if count > 0 {
            let scaled = (u64::from(count) * u64::from(SCALE) + total / 2) / total;
            *frequency = scaled.clamp(1, u64::from(SCALE) - 1) as u16;
            sum += i64::from(*frequency);
        }
    }
    settle(&mut frequencies, i64::from(SCALE) - sum);
    frequencies
}

/// Gives or takes what rounding left over, from the largest down, where one unit matters least.
fn settle(frequencies: &mut Frequencies, mut missing: i64) {
    while missing != 0 {
        let Some(largest) = frequencies.iter_mut().max_by_key(|f| **f) else {
            return;
        };
        let share = (i64::from(*largest) / 64).max(1);
        let step = missing.clamp(-share, share);
        *largest = (i64::from(*largest) + step) as u16;
        missing -= step;
    }
}

/// Fractions of a bit in which costs are counted; whole numbers, so that every machine decides alike.
pub(super) const COST_PARTS: u64 = 1 << 12;

/// Returns the size of data with these counts under these frequencies, tables apart, in 4096ths of a bit.
pub(super) fn cost(counts: &Counts, frequencies: &Frequencies) -> u64 {
    let used = counts.iter().zip(frequencies).filter(|(count, _)| **count > 0);
    used.map(|(&count, &frequency)| u64::from(count) * symbol_cost(frequency)).sum()
}

/// Returns -log2(frequency / 4096), by squaring: each square tells one more bit of the logarithm.
fn symbol_cost(frequency: u16) -> u64 {
    let whole = u64::from(frequency.ilog2());
    let mut mantissa = u64::from(frequency) << (30 - whole);
    let mut log2 = whole;
    for _ in 0..COST_PARTS.ilog2() {
        mantissa = (mantissa * mantissa) >> 30;
        let carry = mantissa >> 31;
        mantissa >>= carry;
        log2 = log2 << 1 | carry;
    }
    u64::from(SCALE_BITS) * COST_PARTS - log2
}

/// Appends a table: first and last byte that occur, then a varint each; 0 is followed by how many more zeros there are.
pub(super) fn write_table(frequencies: &Frequencies, out: &mut Vec<u8>) {
    let used = |f: &u16| *f > 0;
    let first = frequencies.iter().position(used).unwrap_or(0);
    let last = frequencies.iter().rposition(used).unwrap_or(0);
    out.extend([first as u8, last as u8]);
    let mut i = first;
    while i <= last {
        let frequency = frequencies[i];
        i += 1;
        if frequency == 0 {
            let more = frequencies[i..].iter().take_while(|f| !used(f)).count();
            out.extend([0, more as u8]);
            i += more;
        } else {
            super::numbers::put_varint(u64::from(frequency), out);
        }
    }
}

/// Reads what [`write_table`] wrote.
pub(super) fn read_table(input: &mut Reader) -> Result<Frequencies, CodecError> {
    let first = usize::from(input.byte("rANS table")?);
    let last = usize::from(input.byte("rANS table")?);
    let mut frequencies = [0u16; 256];
    let mut sum = 0u32;
    let mut i = first;
    while i <= last {
        let frequency = input.varint("rANS table")?;
        if frequency == 0 {
            i += usize::from(input.byte("rANS table")?);
        } else if frequency < u64::from(SCALE) {
            frequencies[i] = frequency as u16;
            sum += frequency as u32;
        } else {
            return input.corrupt("rANS frequency is 4096 or more");
        }
        i += 1;
    }
    if i != last.max(first) + 1 || sum != SCALE {
        return input.corrupt("rANS frequencies do not add up to 4096");
    }
    Ok(frequencies)
}

/// What encoding one symbol needs.
#[derive(Clone, Copy, Default)]
struct Step {
    /// 2^(63 + shift) / frequency, rounded up.
    reciprocal: u64,
    bias: u32,
    frequency: u16,
    /// 4096 - frequency.
    rest: u16,
    shift: u8,
}

impl Step {
    fn new(frequency: u16, start: u32) -> Self {
        let rest = SCALE as u16 - frequency;
        if frequency < 2 {
            // The reciprocal of 1 does not fit: take x - 1 for x / 1 and put the difference into the bias.
            return Self { reciprocal: u64::MAX, bias: start + SCALE - 1, frequency, rest, shift: 0 };
        }
        let shift = u16::BITS - (frequency - 1).leading_zeros();
        // Long division by halves: 2^(63 + shift) does not fit 64 bits.
        let (divisor, top) = (u64::from(frequency), 1u64 << (shift + 31));
        let rest_of_top = (top % divisor) << 32;
        let reciprocal = ((top / divisor) << 32) + rest_of_top.div_ceil(divisor);
        Self { reciprocal, bias: start, frequency, rest, shift: shift as u8 - 1 }
    }

    /// Pushes the symbol onto a state.
    #[inline(always)]
    fn push(&self, x: u64) -> u64 {
        let quotient = ((u128::from(x) * u128::from(self.reciprocal)) >> 64) as u64 >> self.shift;
        x + u64::from(self.bias) + quotient * u64::from(self.rest)
    }
}

/// Appends the final states and then the words of `data`; every byte of it must have a frequency.
pub(super) fn encode<const LANES: usize>(data: &[u8], frequencies: &Frequencies, out: &mut Vec<u8>) {
    let steps = steps(frequencies);
    let mut states = [LOWER; LANES];
    // Backwards, so the last word written is the first one read.
    let len = data.len() / 2 + LANES;
    let mut held = SpareVec::with_room(len);
    if held.len() < len {
        held.resize(len, 0);
    }
    let words = &mut held[..len];
    let at = widest(EncodeGroups { data, states: &mut states, steps: &steps, words });
    states.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
    out.reserve(4 * (words.len() - at));
    words[at..].iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}

/// The arguments of [`encode_groups`].
struct EncodeGroups<'a, const LANES: usize> {
    data: &'a [u8],
    states: &'a mut [u64; LANES],
    steps: &'a [Step; 256],
    words: &'a mut [u32],
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
    home: &mut [u64; LANES],
    steps: &[Step; 256],
    words: &mut [u32],
) -> usize {
    let mut states = *home;
    let mut at = words.len();
    let tail = data.len() % (2 * LANES);
    let (groups, last) = data.split_at(data.len() - tail);
    for (i, &symbol) in last.iter().enumerate().rev() {
        states[i % LANES] = steps[usize::from(symbol)].push(states[i % LANES]);
    }
    for group in groups.chunks_exact(2 * LANES).rev() {
        for lane in (0..LANES).rev() {
            let first = &steps[usize::from(group[lane])];
            let second = &steps[usize::from(group[LANES + lane])];
            let x = states[lane];
            let spill = x >= SPILL * u64::from(first.frequency) * u64::from(second.frequency);
            words[at - 1] = x as u32;
            at -= usize::from(spill);
            // A shift by nothing instead of a branch that no predictor could learn.
            let x = x >> (u32::from(spill) * 32);
            states[lane] = first.push(second.push(x));
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
    let slots = slots(frequencies);
    let mut states = [0; LANES];
    let start = input.at();
    for state in &mut states {
        let bytes = input.take(8, "rANS state")?;
        *state = bytes.iter().rev().fold(0, |x, &b| x << 8 | u64::from(b));
    }
    let Some(words_len) = coded_len.checked_sub(input.at() - start) else {
        return input.corrupt("rANS states do not fit the stream");
    };
    let (words, []) = input.take(words_len, "rANS words")?.as_chunks() else {
        return input.corrupt("rANS stream is not whole words");
    };
    let mut data = vec![0; len];
    let used = widest(DecodeGroups { data: &mut data, states: &mut states, slots: &slots, words });
    if used != words.len() || states != [LOWER; LANES] {
        return input.corrupt("rANS stream does not end where it began");
    }
    Ok(data)
}

/// The arguments of [`decode_groups`].
struct DecodeGroups<'a, const LANES: usize> {
    data: &'a mut [u8],
    states: &'a mut [u64; LANES],
    slots: &'a [u32; SCALE as usize],
    words: &'a [[u8; 4]],
}

impl<const LANES: usize> Widest for DecodeGroups<'_, LANES> {
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        decode_groups(self.data, self.states, self.slots, self.words)
    }
}

/// Fills `data`; returns how many `words` it took (zeros stand for missing ones).
#[inline(always)]
fn decode_groups<const LANES: usize>(
    data: &mut [u8],
    states: &mut [u64; LANES],
    slots: &[u32; SCALE as usize],
    words: &[[u8; 4]],
) -> usize {
    let mut at = 0;
    let mut xs = *states;
    let mut groups = data.chunks_exact_mut(2 * LANES);
    for group in &mut groups {
        for lane in 0..LANES {
            group[lane] = pop(&mut xs[lane], slots);
        }
        for lane in 0..LANES {
            group[LANES + lane] = pop(&mut xs[lane], slots);
        }
        for x in &mut xs {
            let word = words.get(at).map_or(0, |word| u32::from_le_bytes(*word));
            let hungry = *x < LOWER;
            let fed = *x << 32 | u64::from(word);
            *x = if hungry { fed } else { *x };
            at += usize::from(hungry);
        }
    }
    for (i, symbol) in groups.into_remainder().iter_mut().enumerate() {
        *symbol = pop(&mut xs[i % LANES], slots);
    }
    *states = xs;
    at
}

/// Takes one symbol off a state.
#[inline(always)]
fn pop(x: &mut u64, slots: &[u32; SCALE as usize]) -> u8 {
    let slot = slots[(*x % u64::from(SCALE)) as usize];
    *x = u64::from(slot >> 8 & 0xfff) * (*x >> SCALE_BITS) + u64::from(slot >> 20);
    slot as u8
}

/// For each of the 4096 slots: symbol (8 bits), frequency (12), distance from the symbol's first slot (12).
fn slots(frequencies: &Frequencies) -> Box<[u32; SCALE as usize]> {
    let mut slots = Box::new([0; SCALE as usize]);
    let mut at = 0;
    for (symbol, &frequency) in frequencies.iter().enumerate() {
        let own = &mut slots[at..at + usize::from(frequency)];
        for (slot, distance) in own.iter_mut().zip(0u32..) {
            *slot = symbol as u32 | u32::from(frequency) << 8 | distance << 20;
        }
        at += own.len();
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// What is compiled for every machine and for this one.
        #[test]
        fn both_forms_do_the_same(data in prop::collection::vec(0u8..20, 2..3000), forged in any::<u32>()) {
            prop_assume!(data.iter().any(|&b| b != data[0]));
            let frequencies = normalise(&count(&data));
            let (steps, slots) = (steps(&frequencies), slots(&frequencies));
            let coded = |best: bool| {
                let (mut states, mut words) = ([LOWER; 4], vec![0; data.len()]);
                let groups = EncodeGroups { data: &data, states: &mut states, steps: &steps, words: &mut words };
                let at = if best { widest(groups) } else { groups.run() };
                (states, words[at..].to_vec())
            };
            let (states, mut words) = coded(false);
            prop_assert_eq!(&(states, words.clone()), &coded(true));
            let decoded = |words: &[u32], best: bool| {
                let words: Vec<[u8; 4]> = words.iter().map(|w| w.to_le_bytes()).collect();
                let (mut states, mut out) = (states, vec![0; data.len()]);
                let groups = DecodeGroups { data: &mut out, states: &mut states, slots: &slots, words: &words };
                let used = if best { widest(groups) } else { groups.run() };
                (used, states, out)
            };
            prop_assert_eq!(decoded(&words, true), (words.len(), [LOWER; 4], data.clone()));
            prop_assert_eq!(decoded(&words, false), decoded(&words, true));
            words.iter_mut().step_by(3).for_each(|word| *word ^= forged);
            prop_assert_eq!(decoded(&words, false), decoded(&words, true));
        }
    }
}
