//! Fields of bits for eight words at once.
//!
//! ```text
//! counts * 01010101...   where each field begins, from the first one on: eight sums in one multiplication
//! field                  its double word of the 32 bytes, and the next one, shifted together
//! ```

use crate::fields::{AHEAD, GROUP};
use std::arch::x86_64::*;

/// A product with this holds in byte `i` the sum of the factor's bytes up to `i`.
const SUMS: u64 = 0x0101_0101_0101_0101;

/// See [`or_fields`](crate::or_fields).
#[target_feature(enable = "avx2")]
pub(super) fn or_fields(words: &mut [u32], counts: &[u8], most: u8, bits: &[u8], mut at: usize) -> (usize, usize) {
    let mut done = 0;
    let groups = words.as_chunks_mut::<GROUP>().0.iter_mut().zip(counts.as_chunks::<GROUP>().0);
    let too_many = _mm_set1_epi8(most as i8);
    for (words, counts) in groups {
        let counts = u64::from_le_bytes(*counts);
        let bytes = _mm_cvtsi64_si128(counts as i64);
        let above = _mm_subs_epu8(bytes, too_many);
        let Some(ahead) = bits.get(at / 8..).and_then(|bits| bits.first_chunk::<AHEAD>()) else { break };
        if _mm_testz_si128(above, above) == 0 {
            break;
        }
        let ends = counts.wrapping_mul(SUMS);
        or_group(words, ahead, (at % 8) as i32, bytes, _mm_cvtsi64_si128((ends << 8) as i64));
        at += (ends >> 56) as usize;
        done += GROUP;
    }
    (done, at)
}

/// Ors the fields of a group, whose counts and starts are bytes; the first one begins in the first byte.
#[target_feature(enable = "avx2")]
#[inline]
fn or_group(words: &mut [u32; GROUP], bits: &[u8; AHEAD], first: i32, counts: __m128i, starts: __m128i) {
    // SAFETY: both are 32 bytes; loads and stores need no alignment.
    let (bits, old) = unsafe { (_mm256_loadu_si256(bits.as_ptr().cast()), _mm256_loadu_si256(words.as_ptr().cast())) };
    let starts = _mm256_add_epi32(_mm256_cvtepu8_epi32(starts), _mm256_set1_epi32(first));
    let at = _mm256_srli_epi32::<5>(starts);
    let next = _mm256_add_epi32(at, _mm256_set1_epi32(1));
    let down = _mm256_and_si256(starts, _mm256_set1_epi32(31));
    // A shift by 32 leaves nothing.
    let up = _mm256_sub_epi32(_mm256_set1_epi32(32), down);
    let low = _mm256_srlv_epi32(_mm256_permutevar8x32_epi32(bits, at), down);
    let high = _mm256_sllv_epi32(_mm256_permutevar8x32_epi32(bits, next), up);
    let beyond = _mm256_sllv_epi32(_mm256_set1_epi32(-1), _mm256_cvtepu8_epi32(counts));
    let fields = _mm256_andnot_si256(beyond, _mm256_or_si256(low, high));
    // SAFETY: as above.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), _mm256_or_si256(old, fields)) };
}
