//! BLAKE3 of sixteen messages, a word of each in one register.

use std::arch::x86_64::*;

use crate::hashes::{AHEAD, BLOCK, Words, keyed_hashes_in};
use crate::{HASH_LANES, Message};

/// See [`keyed_hashes`](crate::keyed_hashes).
#[target_feature(enable = "avx512f")]
pub(super) fn keyed_hashes(key: &[u8; 32], messages: &[Message<'_>; HASH_LANES], hashes: &mut Vec<[u8; 32]>) {
    keyed_hashes_in::<Register, HASH_LANES>(key, messages, hashes)
}

/// Sixteen words. It is used in [`keyed_hashes`] only, so all that follows is inlined into a function with AVX-512.
#[derive(Clone, Copy)]
struct Register(__m512i);

impl Words<HASH_LANES> for Register {
    #[inline(always)]
    fn all(word: u32) -> Self {
        // SAFETY: see the type.
        unsafe { Self(_mm512_set1_epi32(word as i32)) }
    }

    #[inline(always)]
    fn of(words: [u32; HASH_LANES]) -> Self {
        // SAFETY: see the type; 64 bytes are read, which lie anywhere.
        unsafe { Self(_mm512_loadu_si512(words.as_ptr().cast())) }
    }

    #[inline(always)]
    fn words(self) -> [u32; HASH_LANES] {
        let mut out = [0; HASH_LANES];
        // SAFETY: see the type; 64 bytes are written, which lie anywhere.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), self.0) }
        out
    }

    /// Transposes words within quarters of a register, then quarters. Without closures, which would not be inlined.
    #[inline(always)]
    fn columns(blocks: [&[u8; BLOCK]; HASH_LANES]) -> [Self; 16] {
        // SAFETY: see the type; 64 bytes of each block are read, which lie anywhere.
        unsafe {
            for block in blocks {
                _mm_prefetch::<_MM_HINT_T0>(block.as_ptr().wrapping_add(AHEAD).cast());
            }
            let mut fours = [[_mm512_setzero_si512(); 4]; 4];
            for (columns, rows) in fours.iter_mut().zip(blocks.as_chunks::<4>().0) {
                let (a, b) = (_mm512_loadu_si512(rows[0].as_ptr().cast()), _mm512_loadu_si512(rows[1].as_ptr().cast()));
                let (c, d) = (_mm512_loadu_si512(rows[2].as_ptr().cast()), _mm512_loadu_si512(rows[3].as_ptr().cast()));
                let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
                let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
                columns[0] = _mm512_unpacklo_epi64(ab_low, cd_low);
                columns[1] = _mm512_unpackhi_epi64(ab_low, cd_low);
                columns[2] = _mm512_unpacklo_epi64(ab_high, cd_high);
                columns[3] = _mm512_unpackhi_epi64(ab_high, cd_high);
            }
            let mut out = [Self(_mm512_setzero_si512()); 16];
            for column in 0..4 {
                let (a, b, c, d) = (fours[0][column], fours[1][column], fours[2][column], fours[3][column]);
                let even = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0x88>(c, d));
                let odd = (_mm512_shuffle_i32x4::<0xdd>(a, b), _mm512_shuffle_i32x4::<0xdd>(c, d));
                out[column] = Self(_mm512_shuffle_i32x4::<0x88>(even.0, even.1));
                out[4 + column] = Self(_mm512_shuffle_i32x4::<0x88>(odd.0, odd.1));
                out[8 + column] = Self(_mm512_shuffle_i32x4::<0xdd>(even.0, even.1));
                out[12 + column] = Self(_mm512_shuffle_i32x4::<0xdd>(odd.0, odd.1));
            }
            out
        }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        // SAFETY: see the type.
        unsafe { Self(_mm512_add_epi32(self.0, other.0)) }
    }

    #[inline(always)]
    fn xor_rotated<const BITS: u32>(self, other: Self) -> Self {
        // SAFETY: see the type.
        unsafe {
            let word = _mm512_xor_si512(self.0, other.0);
            Self(match BITS {
                0 => word,
                16 => _mm512_ror_epi32::<16>(word),
                12 => _mm512_ror_epi32::<12>(word),
                8 => _mm512_ror_epi32::<8>(word),
                7 => _mm512_ror_epi32::<7>(word),
                _ => unreachable!("BLAKE3 rotates by no other number of bits"),
            })
        }
    }
}
