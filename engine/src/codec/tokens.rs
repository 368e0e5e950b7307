//! Hybrid integers: a number as a small token, which is entropy coded, and low bits, which are stored as they are.
//!
//! Numbers below 32 are their own token. Above, four tokens share an octave: the token tells the bit length and the two
//! bits after the leading one, the rest are low bits. Numbers of 61 bits and more share one token with 64 low bits.
//! Source: the hybrid integers of JPEG XL (ISO/IEC 18181-1), with fixed parameters.

/// Numbers below this are their own token.
pub(super) const EXACT: u64 = 32;
/// The token of numbers of 2^60 and more.
pub(super) const HUGE: u8 = 252;
/// How many tokens there are.
pub(super) const TOKENS: usize = HUGE as usize + 1;

/// For each token the number of low bits; 0 for what is no token.
pub(super) const LOW_BITS: [u8; 256] = low_bits_table();
/// For each token the smallest number it stands for (0 for the last, whose low bits are the number).
pub(super) const FIRST: [u64; 256] = first_table();

/// Returns the token of a number.
#[inline(always)]
pub(super) fn token(number: u64) -> u8 {
    if number < EXACT {
        return number as u8;
    }
    let octave = 63 - number.leading_zeros();
    if octave >= 60 {
        return HUGE;
    }
    let top = (number >> (octave - 2)) as u32 & 3;
    (EXACT as u32 + 4 * (octave - 5) + top) as u8
}

/// Returns the low bits that belong to a number and its token.
#[inline(always)]
pub(super) fn low(number: u64, token: u8) -> u64 {
    number - FIRST[usize::from(token)]
}

const fn low_bits_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut token = EXACT as usize;
    while token < HUGE as usize {
        table[token] = (3 + (token - EXACT as usize) / 4) as u8;
        token += 1;
    }
    table[HUGE as usize] = 64;
    table
}

const fn first_table() -> [u64; 256] {
    let mut table = [0; 256];
    let mut token = 0;
    while token < HUGE as usize {
        table[token] = if token < EXACT as usize {
            token as u64
        } else {
            let from_exact = token as u64 - EXACT;
            (4 + from_exact % 4) << (3 + from_exact / 4)
        };
        token += 1;
    }
    table
}

/// Folds a signed number so that small magnitudes become small: 0, -1, 1, -2, 2, ...
#[inline(always)]
pub(super) fn fold(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// Undoes [`fold`].
#[inline(always)]
pub(super) fn unfold(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back() {
        let edges = (0..64).flat_map(|b| (0..16).map(move |k| (1u64 << b).wrapping_sub(8).wrapping_add(k)));
        for number in edges.chain(0..5000).chain([u64::MAX]) {
            let t = token(number);
            let l = low(number, t);
            assert!(usize::from(t) < TOKENS);
            assert!(LOW_BITS[usize::from(t)] == 64 || l >> LOW_BITS[usize::from(t)] == 0);
            assert_eq!(FIRST[usize::from(t)] + l, number);
            assert_eq!(fold(unfold(number)), number);
        }
    }
}
