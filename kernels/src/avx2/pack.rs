//! Left-packing the components that changed.
//!
//! ```text
//! for each 128 bytes that differ, for each group of 8 components:
//!     mask  = one bit per component that differs
//!     lanes = COMPACT[mask]                     numbers of the set bits, in order
//!     store first + lanes                       8 indices, of which popcount(mask) count
//!     store the XOR, permuted by lanes          8 components, likewise
//! ```
//!
//! The table makes the cost of a group the same whatever changed in it; the skip of equal blocks
//! makes rows with few changes cheap.

use crate::extract::{GROUP, check_rows, extract_from};
use std::arch::x86_64::*;

/// Bytes that are compared before any group in them is looked at.
const BLOCK: usize = 128;

/// For every mask of eight bits the numbers of its set bits, ascending, as one byte each; what
/// follows them is stored too but never counted.
static COMPACT: [[u8; GROUP]; 256] = {
    let mut table = [[0; GROUP]; 256];
    let mut mask = 0;
    while mask < 256 {
        let (mut lane, mut found) = (0, 0);
        while lane < GROUP {
            if mask >> lane & 1 == 1 {
                table[mask][found] = lane as u8;
                found += 1;
            }
            lane += 1;
        }
        mask += 1;
    }
    table
};

/// See [`extract`](crate::extract()).
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn extract<const SIZE: usize>(old: &[u8], new: &[u8], indices: &mut Vec<u32>, bits: &mut Vec<u8>) {
    let dims = check_rows::<SIZE>(old, new);
    // Room for a change of every component, plus the part of the last store that does not count.
    indices.reserve(dims + GROUP);
    bits.reserve((dims + GROUP) * SIZE);
    let (old_blocks, new_blocks) = (old.as_chunks::<BLOCK>().0, new.as_chunks::<BLOCK>().0);
    let mut first = 0;
    for (old, new) in old_blocks.iter().zip(new_blocks) {
        if !equal(old, new) {
            for group in 0..BLOCK / (GROUP * SIZE) {
                let at = group * GROUP * SIZE;
                // SAFETY: a group is `GROUP * SIZE` bytes and lies within both blocks. Groups
                // append at most one change per component, `dims` in all, so at least
                // `GROUP` unused places are left in both vectors.
                unsafe {
                    let (old, new) = (old.as_ptr().add(at), new.as_ptr().add(at));
                    append_group::<SIZE>(old, new, (first + group * GROUP) as u32, indices, bits);
                }
            }
        }
        first += BLOCK / SIZE;
    }
    extract_from::<SIZE>(first, old, new, indices, bits);
}

#[target_feature(enable = "avx2")]
fn equal(old: &[u8; BLOCK], new: &[u8; BLOCK]) -> bool {
    let mut any = _mm256_setzero_si256();
    for (old, new) in old.as_chunks::<32>().0.iter().zip(new.as_chunks::<32>().0) {
        // SAFETY: both point to 32 bytes; the loads need no alignment.
        let (old, new) = unsafe { (_mm256_loadu_si256(old.as_ptr().cast()), _mm256_loadu_si256(new.as_ptr().cast())) };
        any = _mm256_or_si256(any, _mm256_xor_si256(old, new));
    }
    _mm256_testz_si256(any, any) == 1
}

/// Appends the changes of one group.
///
/// # Safety
/// `old` and `new` point to `GROUP * SIZE` bytes each; `indices` has `GROUP` and `bits`
/// `GROUP * SIZE` unused places.
#[target_feature(enable = "avx2,popcnt")]
#[inline]
unsafe fn append_group<const SIZE: usize>(
    old: *const u8,
    new: *const u8,
    first: u32,
    indices: &mut Vec<u32>,
    bits: &mut Vec<u8>,
) {
    // SAFETY: the caller's promise covers every load (`GROUP * SIZE` bytes) and every store
    // (`GROUP` indices, `GROUP * SIZE` bytes of bits, from the ends of the vectors on). The new
    // lengths count only places that were stored to.
    unsafe {
        let bits_end = bits.as_mut_ptr().add(bits.len());
        let mask = match SIZE {
            1 => pack_1(old, new, bits_end),
            2 => pack_2(old, new, bits_end),
            4 => pack_4(old, new, bits_end),
            _ => pack_8(old, new, bits_end),
        };
        let found = _mm256_add_epi32(lanes(mask), _mm256_set1_epi32(first as i32));
        let indices_end = indices.as_mut_ptr().add(indices.len());
        _mm256_storeu_si256(indices_end.cast(), found);
        let count = mask.count_ones() as usize;
        indices.set_len(indices.len() + count);
        bits.set_len(bits.len() + count * SIZE);
    }
}

/// Returns the numbers of the set bits as eight bytes.
#[target_feature(enable = "avx2")]
#[inline]
fn lane_bytes(mask: u8) -> __m128i {
    _mm_cvtsi64_si128(i64::from_le_bytes(COMPACT[usize::from(mask)]))
}

/// Returns the numbers of the set bits as eight 32-bit integers.
#[target_feature(enable = "avx2")]
#[inline]
fn lanes(mask: u8) -> __m256i {
    _mm256_cvtepu8_epi32(lane_bytes(mask))
}

/// Packs eight components of one byte; returns the mask of those that differ.
///
/// # Safety
/// The pointers hold for eight bytes each; so for the three functions below, times the size.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn pack_1(old: *const u8, new: *const u8, out: *mut u8) -> u8 {
    // SAFETY: loads and stores of eight bytes, without alignment.
    unsafe {
        let xor = _mm_xor_si128(_mm_loadl_epi64(old.cast()), _mm_loadl_epi64(new.cast()));
        let equal = _mm_cmpeq_epi8(xor, _mm_setzero_si128());
        let mask = !_mm_movemask_epi8(equal) as u8;
        _mm_storel_epi64(out.cast(), _mm_shuffle_epi8(xor, lane_bytes(mask)));
        mask
    }
}

/// # Safety
/// See [`pack_1`].
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn pack_2(old: *const u8, new: *const u8, out: *mut u8) -> u8 {
    // SAFETY: loads and stores of 16 bytes, without alignment.
    unsafe {
        let xor = _mm_xor_si128(_mm_loadu_si128(old.cast()), _mm_loadu_si128(new.cast()));
        let equal = _mm_cmpeq_epi16(xor, _mm_setzero_si128());
        let mask = !_mm_movemask_epi8(_mm_packs_epi16(equal, equal)) as u8;
        // Lane n is the bytes 2n and 2n + 1.
        let low = _mm_add_epi8(lane_bytes(mask), lane_bytes(mask));
        let high = _mm_add_epi8(low, _mm_set1_epi8(1));
        _mm_storeu_si128(out.cast(), _mm_shuffle_epi8(xor, _mm_unpacklo_epi8(low, high)));
        mask
    }
}

/// # Safety
/// See [`pack_1`].
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn pack_4(old: *const u8, new: *const u8, out: *mut u8) -> u8 {
    // SAFETY: loads and stores of 32 bytes, without alignment.
    unsafe {
        let xor = _mm256_xor_si256(_mm256_loadu_si256(old.cast()), _mm256_loadu_si256(new.cast()));
        let equal = _mm256_cmpeq_epi32(xor, _mm256_setzero_si256());
        let mask = !_mm256_movemask_ps(_mm256_castsi256_ps(equal)) as u8;
        _mm256_storeu_si256(out.cast(), _mm256_permutevar8x32_epi32(xor, lanes(mask)));
        mask
    }
}

/// # Safety
/// See [`pack_1`].
#[target_feature(enable = "avx2,popcnt")]
#[inline]
unsafe fn pack_8(old: *const u8, new: *const u8, out: *mut u8) -> u8 {
    let (mut mask, mut found) = (0, 0);
    for half in 0..2 {
        // SAFETY: loads of 32 bytes from byte 0 and 32; a store of 32 bytes from byte 0 and,
        // after at most four components, from byte 32 at most.
        unsafe {
            let xor = _mm256_xor_si256(
                _mm256_loadu_si256(old.add(half * 32).cast()),
                _mm256_loadu_si256(new.add(half * 32).cast()),
            );
            let equal = _mm256_cmpeq_epi64(xor, _mm256_setzero_si256());
            let half_mask = !_mm256_movemask_pd(_mm256_castsi256_pd(equal)) as u8 & 0xf;
            // Lane n is the 32-bit integers 2n and 2n + 1.
            let low = _mm_add_epi8(lane_bytes(half_mask), lane_bytes(half_mask));
            let high = _mm_add_epi8(low, _mm_set1_epi8(1));
            let order = _mm256_cvtepu8_epi32(_mm_unpacklo_epi8(low, high));
            let packed = _mm256_permutevar8x32_epi32(xor, order);
            _mm256_storeu_si256(out.add(found * 8).cast(), packed);
            found += half_mask.count_ones() as usize;
            mask |= half_mask << (4 * half);
        }
    }
    mask
}
