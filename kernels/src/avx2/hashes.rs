//! BLAKE3 of eight messages, a word of each in one register.

use std::arch::x86_64::*;

use crate::Message;
use crate::hashes::{AHEAD, BLOCK, Words, keyed_hashes_in};

/// How many words there are in a register.
pub(crate) const LANES: usize = 8;

/// See [`keyed_hashes`](crate::keyed_hashes).
#[target_feature(enable = "avx2")]
pub(super) fn keyed_hashes(key: &[u8; 32], messages: &[Message<'_>], hashes: &mut Vec<[u8; 32]>) {
    keyed_hashes_in::<Register, LANES>(key, messages, hashes)
}

/// Eight words. It is used in [`keyed_hashes`] only, so all that follows is inlined into a function with AVX2.
#[derive(Clone, Copy)]
struct Register(__m256i);

impl Words<LANES> for Register {
    #[inline(always)]
    fn all(word: u32) -> Self {
        // SAFETY: see the type.
        unsafe { Self(_mm256_set1_epi32(word as i32)) }
    }

    #[inline(always)]
    fn of(words: [u32; LANES]) -> Self {
        // SAFETY: see the type; 32 bytes are read, which lie anywhere.
        unsafe { Self(_mm256_loadu_si256(words.as_ptr().cast())) }
    }

    #[inline(always)]
    fn words(self) -> [u32; LANES] {
        let mut out = [0; LANES];
        // SAFETY: see the type; 32 bytes are written, which lie anywhere.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), self.0) }
        out
    }

    #[inline(always)]
    fn columns(blocks: [&[u8; BLOCK]; LANES]) -> [Self; 16] {
        for block in blocks {
            // SAFETY: nothing is read.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(block.as_ptr().wrapping_add(AHEAD).cast()) }
        }
        let first = Self::half(blocks.map(|block| block.first_chunk().expect("half of it")));
        let second = Self::half(blocks.map(|block| block.last_chunk().expect("half of it")));
        std::array::from_fn(|i| if i < 8 { first[i] } else { second[i - 8] })
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        // SAFETY: see the type.
        unsafe { Self(_mm256_add_epi32(self.0, other.0)) }
    }

    #[inline(always)]
    fn xor_rotated<const BITS: u32>(self, other: Self) -> Self {
        // SAFETY: see the type.
        unsafe {
            let word = _mm256_xor_si256(self.0, other.0);
            let bytes = |order: [i8; 4]| {
                let four = i32::from_le_bytes(order.map(|b| b as u8));
                let lane = |i: i32| four.wrapping_add(0x0404_0404 * i);
                let half = _mm_setr_epi32(lane(0), lane(1), lane(2), lane(3));
                _mm256_shuffle_epi8(word, _mm256_broadcastsi128_si256(half))
            };
            Self(match BITS {
                0 => word,
                16 => bytes([2, 3, 0, 1]),
                8 => bytes([1, 2, 3, 0]),
                12 => _mm256_or_si256(_mm256_srli_epi32::<12>(word), _mm256_slli_epi32::<20>(word)),
                7 => _mm256_or_si256(_mm256_srli_epi32::<7>(word), _mm256_slli_epi32::<25>(word)),
                _ => unreachable!("BLAKE3 rotates by no other number of bits"),
            })
        }
    }
}

impl Register {
    /// The eight little-endian words of 32 bytes of each lane.
    #[inline(always)]
    fn half(rows: [&[u8; 32]; LANES]) -> [Self; 8] {
        // SAFETY: see the type; 32 bytes of each row are read, which lie anywhere.
        unsafe {
            let [a, b, c, d, e, f, g, h] = rows.map(|row| _mm256_loadu_si256(row.as_ptr().cast()));
            let pairs = |a, b| (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
            let ((ab_low, ab_high), (cd_low, cd_high)) = (pairs(a, b), pairs(c, d));
            let ((ef_low, ef_high), (gh_low, gh_high)) = (pairs(e, f), pairs(g, h));
            let fours = |a, b| (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
            let ((ad0, ad1), (ad2, ad3)) = (fours(ab_low, cd_low), fours(ab_high, cd_high));
            let ((eh0, eh1), (eh2, eh3)) = (fours(ef_low, gh_low), fours(ef_high, gh_high));
            let low = |a, b| Self(_mm256_permute2x128_si256::<0x20>(a, b));
            let high = |a, b| Self(_mm256_permute2x128_si256::<0x31>(a, b));
            [
                low(ad0, eh0),
                low(ad1, eh1),
                low(ad2, eh2),
                low(ad3, eh3),
                high(ad0, eh0),
                high(ad1, eh1),
                high(ad2, eh2),
                high(ad3, eh3),
            ]
        }
    }
}
