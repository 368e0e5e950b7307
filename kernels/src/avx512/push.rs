//! Two times sixteen rANS states at once, what their symbols need looked up in registers.

use std::arch::x86_64::*;

use crate::push::{LaneSteps, RansSteps, push_last};

/// How many states are pushed in vectors.
pub(super) const STATES: usize = crate::RANS_LANES;
/// States of a vector.
const LANES: usize = 16;
const VECTORS: usize = STATES / LANES;

/// Words are put in order after so many groups, as long as they are at hand.
const GROUPS: usize = 32;

/// See [`push_symbols`](crate::push_symbols).
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,popcnt")]
pub(super) fn push_symbols(
    symbols: &[u8],
    states: &mut [u32; STATES],
    steps: &RansSteps,
    lanes: &LaneSteps,
    words: &mut [[u8; 2]],
) -> usize {
    let (groups, last) = symbols.as_chunks::<STATES>();
    push_last(last, states, steps);
    let table = Table::load(lanes);
    // The last state comes first, as its word does: what is written is the reverse of what is wanted, as a whole.
    states.reverse();
    // SAFETY: each is sixteen states; the load needs no alignment.
    let mut xs: [__m512i; VECTORS] =
        std::array::from_fn(|v| unsafe { _mm512_loadu_si512(states[LANES * v..][..LANES].as_ptr().cast()) });
    let mut at = words.len();
    for groups in groups.rchunks(GROUPS) {
        let mut written = [[0; 2]; (GROUPS + 1) * STATES];
        let mut len = 0;
        for group in groups.iter().rev() {
            for (v, x) in xs.iter_mut().enumerate() {
                // SAFETY: the group has sixteen symbols from there on.
                let symbols = unsafe { _mm_loadu_si128(group[STATES - LANES * (v + 1)..][..LANES].as_ptr().cast()) };
                let (next, spilled, count) = table.push(*x, symbols);
                *x = next;
                // SAFETY: room for a group more than can be written.
                unsafe { _mm256_storeu_si256(written[len..][..LANES].as_mut_ptr().cast(), spilled) };
                len += count as usize;
            }
        }
        at -= len;
        for (to, from) in words[at..][..len].iter_mut().zip(written[..len].iter().rev()) {
            *to = *from;
        }
    }
    for (states, x) in states.as_chunks_mut::<LANES>().0.iter_mut().zip(xs) {
        // SAFETY: sixteen states.
        unsafe { _mm512_storeu_si512(states.as_mut_ptr().cast(), x) };
    }
    states.reverse();
    at
}

/// The steps of 64 symbols, four registers each.
#[derive(Clone, Copy)]
struct Table {
    reciprocals: [__m512i; 4],
    rest: [__m512i; 4],
}

impl Table {
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn load(lanes: &LaneSteps) -> Self {
        // SAFETY: each load is a quarter of 64 numbers.
        let registers = |all: &[u32; LaneSteps::SYMBOLS]| unsafe {
            std::array::from_fn(|i| _mm512_loadu_si512(all[LANES * i..][..LANES].as_ptr().cast()))
        };
        Self { reciprocals: registers(&lanes.reciprocals), rest: registers(&lanes.rest) }
    }

    /// Pushes sixteen symbols, the last one onto the first state; returns the states, the words that had to go first, and how
    /// many these are.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,popcnt")]
    #[inline]
    fn push(self, x: __m512i, symbols: __m128i) -> (__m512i, __m256i, u32) {
        let reverse = _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
        let symbols = _mm512_cvtepu8_epi32(_mm_shuffle_epi8(symbols, reverse));
        let reciprocal = look_up(self.reciprocals, symbols);
        let rest = look_up(self.rest, symbols);

        let limit = _mm512_and_si512(rest, _mm512_set1_epi32(0xfff0_0000_u32 as i32));
        let spill = _mm512_cmpge_epu32_mask(x, limit);
        let words = _mm256_maskz_compress_epi16(spill, _mm512_cvtepi32_epi16(x));
        let x = _mm512_mask_srli_epi32::<16>(x, spill, x);

        let even = _mm512_srli_epi64::<32>(_mm512_mul_epu32(x, reciprocal));
        let odd = _mm512_mul_epu32(_mm512_srli_epi64::<32>(x), _mm512_srli_epi64::<32>(reciprocal));
        let product = _mm512_mask_blend_epi32(0xaaaa, even, odd);
        let shift = _mm512_and_si512(_mm512_srli_epi32::<16>(rest), _mm512_set1_epi32(15));
        let quotient = _mm512_srlv_epi32(product, shift);
        let bias = _mm512_and_si512(rest, _mm512_set1_epi32(0xffff));
        let others = _mm512_sub_epi32(_mm512_set1_epi32(4096), _mm512_srli_epi32::<20>(rest));
        let next = _mm512_add_epi32(_mm512_add_epi32(x, bias), _mm512_mullo_epi32(quotient, others));
        (next, words, spill.count_ones())
    }
}

/// Returns the entries of a table of 64 words.
#[target_feature(enable = "avx512f")]
#[inline]
fn look_up(table: [__m512i; 4], at: __m512i) -> __m512i {
    let [a, b, c, d] = table;
    let upper = _mm512_test_epi32_mask(at, _mm512_set1_epi32(32));
    let (low, high) = (_mm512_permutex2var_epi32(a, at, b), _mm512_permutex2var_epi32(c, at, d));
    _mm512_mask_blend_epi32(upper, low, high)
}
