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
use super::frequencies::Frequencies;
use super::reader::Reader;
use super::spare::SpareVec;
use vecdelta_kernels::{RANS_SLOTS, RansSteps, Widest, pop_symbol, pop_symbols, push_symbols, widest};

/// The smallest normalised state.
const LOWER: u32 = 1 << 16;

/// Appends the final states and then the words of `data`; every byte of it must have a frequency.
pub(super) fn encode<const LANES: usize>(data: &[u8], frequencies: &Frequencies, out: &mut Vec<u8>) {
    let mut states = [LOWER; LANES];
    // Backwards, so the last word written is the first one read; none is written before the first symbol of all.
    let len = 2 * (data.len() + 1);
    let mut held = SpareVec::with_room(len);
    if held.len() < len {
        held.resize(len, 0);
    }
    let words = held[..len].as_chunks_mut().0;
    let at = push_symbols(data, &mut states, &RansSteps::new(frequencies), words);
    states.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
    out.extend_from_slice(words[at..].as_flattened());
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

    fn check<const L: usize>(data: &[u8]) {
        let frequencies = normalise(&count(data));
        let mut out = Vec::new();
        encode::<L>(data, &frequencies, &mut out);
        let mut input = Reader::new(&out);
        let decoded = decode::<L>(&mut input, &frequencies, data.len(), out.len()).expect("what was encoded");
        assert_eq!((decoded.as_slice(), input.rest()), (data, &[][..]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_is_encoded_comes_back(data in prop::collection::vec(0u8..20, 2..3000), large in any::<u8>()) {
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
}
