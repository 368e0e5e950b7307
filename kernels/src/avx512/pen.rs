//! Sixteen bit fields at once: neighbours are joined as long as they fit into a word, so that fewer have to be appended.

use std::arch::x86_64::*;

use crate::BitPen;
use crate::pen::put_pairs;

/// How many fields are joined.
const FIELDS: usize = 16;
/// Words of 64 bits in a register.
const WORDS: usize = 8;

/// See [`put_fields`](crate::put_fields).
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt,bmi1,bmi2")]
pub(super) fn put_fields(words: &[u32], counts: &[u8], most: u8, pen: &mut BitPen<'_>) -> usize {
    let mut done = 0;
    let mut own = pen.copy();
    for (words, counts) in words.as_chunks().0.iter().zip(counts.as_chunks().0) {
        if !put_group(words, counts, most, &mut own) {
            break;
        }
        done += FIELDS;
    }
    let end = own.state();
    pen.go_on(end);
    done + put_pairs(&words[done..], &counts[done..], most, pen)
}

/// Appends sixteen fields, if none of them is too long.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
#[inline]
fn put_group(words: &[u32; FIELDS], counts: &[u8; FIELDS], most: u8, pen: &mut BitPen<'_>) -> bool {
    // SAFETY: sixteen counts and as many words.
    let (counts, words) =
        unsafe { (_mm_loadu_si128(counts.as_ptr().cast()), _mm512_loadu_si512(words.as_ptr().cast())) };
    if _mm_cmpgt_epu8_mask(counts, _mm_set1_epi8(most as i8)) != 0 {
        return false;
    }
    let counts = _mm512_cvtepu8_epi32(counts);
    let fields = _mm512_andnot_si512(_mm512_sllv_epi32(_mm512_set1_epi32(-1), counts), words);
    let low = _mm512_set1_epi64(0xffff_ffff);
    let (first, second) = (_mm512_and_si512(fields, low), _mm512_srli_epi64::<32>(fields));
    let (first_count, second_count) = (_mm512_and_si512(counts, low), _mm512_srli_epi64::<32>(counts));
    let pairs = _mm512_or_si512(first, _mm512_sllv_epi64(second, first_count));
    let pair_counts = _mm512_add_epi64(first_count, second_count);

    // From here on only every second word counts, then every fourth.
    let fours = _mm512_or_si512(pairs, _mm512_sllv_epi64(_mm512_unpackhi_epi64(pairs, pairs), pair_counts));
    let four_counts = _mm512_add_epi64(pair_counts, _mm512_unpackhi_epi64(pair_counts, pair_counts));
    if _mm512_mask_cmpgt_epu64_mask(0x55, four_counts, _mm512_set1_epi64(64)) != 0 {
        put_every::<1>(pairs, pair_counts, pen);
        return true;
    }
    let eights = _mm512_or_si512(fours, _mm512_sllv_epi64(_mm512_permutex_epi64::<2>(fours), four_counts));
    let eight_counts = _mm512_add_epi64(four_counts, _mm512_permutex_epi64::<2>(four_counts));
    if _mm512_mask_cmpgt_epu64_mask(0x11, eight_counts, _mm512_set1_epi64(64)) != 0 {
        put_every::<2>(fours, four_counts, pen);
    } else {
        put_every::<4>(eights, eight_counts, pen);
    }
    true
}

/// Appends every `STEP`th word.
#[target_feature(enable = "avx512f,bmi1,bmi2")]
#[inline]
fn put_every<const STEP: usize>(words: __m512i, counts: __m512i, pen: &mut BitPen<'_>) {
    let (mut fields, mut lens) = ([0u64; WORDS], [0u64; WORDS]);
    // SAFETY: each is a register long.
    unsafe {
        _mm512_storeu_si512(fields.as_mut_ptr().cast(), words);
        _mm512_storeu_si512(lens.as_mut_ptr().cast(), counts);
    }
    for at in (0..WORDS).step_by(STEP) {
        pen.put(fields[at], lens[at] as u32);
    }
}
