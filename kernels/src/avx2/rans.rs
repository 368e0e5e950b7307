//! Four times eight rANS states at once.

use crate::rans::{RANS_LANES, RansTable, pop_plain};
use std::arch::x86_64::*;

/// States of a vector.
const LANES: usize = 8;
const VECTORS: usize = RANS_LANES / LANES;

/// For every set of hungry lanes: which of the next words is for each.
static DEAL: [[u32; LANES]; 256] = {
    let mut table = [[0; LANES]; 256];
    let mut hungry = 0;
    while hungry < 256 {
        let (mut lane, mut dealt) = (0, 0);
        while lane < LANES {
            if hungry >> lane & 1 == 1 {
                table[hungry][lane] = dealt;
                dealt += 1;
            }
            lane += 1;
        }
        hungry += 1;
    }
    table
};

/// See [`pop_symbols`](crate::pop_symbols).
#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
pub(super) fn pop_symbols<const L: usize>(
    symbols: &mut [u8],
    states: &mut [u32; L],
    table: &RansTable,
    words: &[[u8; 2]],
) -> usize {
    match <&mut [u32; RANS_LANES]>::try_from(&mut states[..]) {
        Ok(all) => {
            let (done, at) = pop_groups(symbols, all, table, words);
            pop_plain(&mut symbols[done..], states, table, words, at)
        }
        Err(_) => pop_plain(symbols, states, table, words, 0),
    }
}

/// Takes groups of symbols as long as no word can be missing; returns how many symbols, and how many words that took.
#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
fn pop_groups(
    symbols: &mut [u8],
    states: &mut [u32; RANS_LANES],
    table: &RansTable,
    words: &[[u8; 2]],
) -> (usize, usize) {
    let (mut done, mut at) = (0, 0);
    // SAFETY: each is eight states; the load needs no alignment.
    let mut xs: [__m256i; VECTORS] =
        std::array::from_fn(|v| unsafe { _mm256_loadu_si256(states[LANES * v..][..LANES].as_ptr().cast()) });
    for group in symbols.as_chunks_mut::<RANS_LANES>().0 {
        if words.len() < at + RANS_LANES {
            break;
        }
        let mut slots = [_mm256_setzero_si256(); VECTORS];
        for (x, slot) in xs.iter_mut().zip(&mut slots) {
            // SAFETY: at least 32 words were there before the group, and a vector takes at most eight.
            let next = unsafe { _mm_loadu_si128(words.as_ptr().add(at).cast()) };
            let hungry;
            (*x, *slot, hungry) = pop(*x, table, next);
            at += hungry as usize;
        }
        // SAFETY: a group is 32 bytes.
        unsafe { _mm256_storeu_si256(group.as_mut_ptr().cast(), low_bytes(slots)) };
        done += RANS_LANES;
    }
    for (states, x) in states.as_chunks_mut::<LANES>().0.iter_mut().zip(xs) {
        // SAFETY: eight states.
        unsafe { _mm256_storeu_si256(states.as_mut_ptr().cast(), x) };
    }
    (done, at)
}

/// Takes a symbol off eight states; returns the states, the slots, and how many of the next words went.
#[target_feature(enable = "avx2,popcnt")]
#[inline]
fn pop(x: __m256i, table: &RansTable, next: __m128i) -> (__m256i, __m256i, u32) {
    let twelve = _mm256_set1_epi32(0xfff);
    // SAFETY: twelve bits are the number of a slot.
    let slot = unsafe { _mm256_i32gather_epi32::<4>(table.as_ptr().cast(), _mm256_and_si256(x, twelve)) };
    let frequency = _mm256_and_si256(_mm256_srli_epi32::<8>(slot), twelve);
    let scaled = _mm256_mullo_epi32(frequency, _mm256_srli_epi32::<12>(x));
    let x = _mm256_add_epi32(scaled, _mm256_srli_epi32::<20>(slot));
    let hungry = _mm256_cmpeq_epi32(_mm256_srli_epi32::<16>(x), _mm256_setzero_si256());
    let set = _mm256_movemask_ps(_mm256_castsi256_ps(hungry)) as usize;
    // SAFETY: eight numbers of 32 bits.
    let order = unsafe { _mm256_loadu_si256(DEAL[set].as_ptr().cast()) };
    let dealt = _mm256_permutevar8x32_epi32(_mm256_cvtepu16_epi32(next), order);
    let fed = _mm256_or_si256(_mm256_slli_epi32::<16>(x), dealt);
    (_mm256_blendv_epi8(x, fed, hungry), slot, set.count_ones())
}

/// Returns the lowest byte of each number, in order.
#[target_feature(enable = "avx2")]
#[inline]
fn low_bytes(numbers: [__m256i; VECTORS]) -> __m256i {
    let [a, b, c, d] = numbers.map(|n| _mm256_and_si256(n, _mm256_set1_epi32(0xff)));
    // Packing works within halves of a vector; the last step puts the quarters in order.
    let bytes = _mm256_packus_epi16(_mm256_packus_epi32(a, b), _mm256_packus_epi32(c, d));
    _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
}
