//! The loop that takes symbols off rANS states: 12-bit probabilities, states of 32 bits, words of 16.
//!
//! ```text
//! slot = table[x % 4096]; x = frequency * (x / 4096) + distance; if x < 2^16 { x = x * 2^16 + next word }
//! ```
//!
//! Symbol `i` belongs to state `i % L`. States of one group do not wait for each other, so with 32 of them the loop is
//! vector code: each vector takes the next few words and deals them out to those lanes that need one.
//! Sources: Duda, "Asymmetric numeral systems" (2013); Giesen, "Interleaved entropy coders" (2014).

use crate::dispatch::dispatch;

/// Probabilities are multiples of 1 / 4096.
pub const RANS_SLOTS: usize = 4096;
/// How many states are popped in vectors; other numbers of them one by one.
pub const RANS_LANES: usize = 32;
/// Below this a state takes a word.
const LOWER: u32 = 1 << 16;

/// For each slot: symbol (8 bits), frequency of the symbol (12), distance from the symbol's first slot (12).
pub type RansTable = [u32; RANS_SLOTS];

/// Fills whole groups of `L` symbols; returns how many words that took.
///
/// Where there are no more words, zeros stand for them, and are counted. Less symbols than a group are left as they are.
pub fn pop_symbols<const L: usize>(
    symbols: &mut [u8],
    states: &mut [u32; L],
    table: &RansTable,
    words: &[[u8; 2]],
) -> usize {
    dispatch!(pop_symbols(symbols, states, table, words))
}

/// See [`pop_symbols`]; the first of the words is number `at`.
#[inline(always)]
pub(crate) fn pop_plain<const L: usize>(
    symbols: &mut [u8],
    states: &mut [u32; L],
    table: &RansTable,
    words: &[[u8; 2]],
    mut at: usize,
) -> usize {
    let mut xs = *states;
    for group in symbols.as_chunks_mut::<L>().0 {
        for (symbol, x) in group.iter_mut().zip(&mut xs) {
            *symbol = pop_symbol(x, table);
            let word = words.get(at).map_or(0, |word| u32::from(u16::from_le_bytes(*word)));
            let hungry = *x < LOWER;
            let fed = *x << 16 | word;
            *x = if hungry { fed } else { *x };
            at += usize::from(hungry);
        }
    }
    *states = xs;
    at
}

/// Takes one symbol off a state, which may need a word then.
#[inline(always)]
pub fn pop_symbol(x: &mut u32, table: &RansTable) -> u8 {
    let slot = table[*x as usize % RANS_SLOTS];
    // Wraps for states that no encoder made.
    *x = (slot >> 8 & 0xfff).wrapping_mul(*x >> 12).wrapping_add(slot >> 20);
    slot as u8
}
