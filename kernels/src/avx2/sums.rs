//! The statistics of a change in two registers per sum.
//!
//! Written out, because the compiler does not keep ten running sums in registers by itself: 35
//! against 8 GB/s from cache.

use crate::Element;
use crate::cell::Cell;
use crate::measure::{LANES, RowChange, blocks, finish, fold};
use std::arch::x86_64::*;

/// Eight lanes of `f64`.
type Lanes = [__m256d; 2];

/// The running sums of one pass.
struct Sums {
    changed: u32,
    l2: Lanes,
    max: Lanes,
    dot: Lanes,
    old: Lanes,
    new: Lanes,
}

/// See [`measure`](crate::measure()).
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(super) fn measure<T: Cell>(old: &[u8], new: &[u8]) -> RowChange {
    assert_eq!(old.len(), new.len(), "rows of one table have one length");
    let (old_blocks, old_last) = blocks::<T>(old);
    let (new_blocks, new_last) = blocks::<T>(new);
    let zero = [_mm256_setzero_pd(); 2];
    let mut sums = Sums { changed: 0, l2: zero, max: zero, dot: zero, old: zero, new: zero };
    for (old, new) in old_blocks.iter().zip(new_blocks) {
        add::<T>(&mut sums, old, new);
    }
    add::<T>(&mut sums, &old_last, &new_last);
    finish(sums.changed, array(sums.l2), array(sums.max), array(sums.dot), array(sums.old), array(sums.new))
}

/// See [`norm_squared`](crate::norm_squared).
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn norm_squared<T: Cell>(row: &[u8]) -> f64 {
    let (blocks, last) = blocks::<T>(row);
    let mut sum = [_mm256_setzero_pd(); 2];
    for block in blocks.iter().chain([&last]) {
        let values = load::<T>(block);
        for i in 0..2 {
            sum[i] = add_product::<T>(values[i], values[i], sum[i]);
        }
    }
    fold(array(sum))
}

#[target_feature(enable = "avx2,fma,f16c,popcnt")]
#[inline]
fn add<T: Cell>(sums: &mut Sums, old: &[T::Bits; LANES], new: &[T::Bits; LANES]) {
    sums.changed += LANES as u32 - equal::<T>(old, new).count_ones();
    let (a, b) = (load::<T>(old), load::<T>(new));
    let sign = _mm256_set1_pd(-0.0);
    for i in 0..2 {
        let difference = _mm256_sub_pd(b[i], a[i]);
        let square = _mm256_mul_pd(difference, difference);
        sums.l2[i] = _mm256_add_pd(sums.l2[i], square);
        // In this order of operands a difference that is NaN leaves the maximum as it was.
        sums.max[i] = _mm256_max_pd(_mm256_andnot_pd(sign, difference), sums.max[i]);
        sums.dot[i] = add_product::<T>(a[i], b[i], sums.dot[i]);
        sums.old[i] = add_product::<T>(a[i], a[i], sums.old[i]);
        sums.new[i] = add_product::<T>(b[i], b[i], sums.new[i]);
    }
}

/// Returns `a * b + sum`, fused only where that cannot change a bit.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn add_product<T: Cell>(a: __m256d, b: __m256d, sum: __m256d) -> __m256d {
    if T::PRODUCTS_EXACT { _mm256_fmadd_pd(a, b, sum) } else { _mm256_add_pd(_mm256_mul_pd(a, b), sum) }
}

/// Returns the values of eight components.
#[target_feature(enable = "avx2,f16c")]
#[inline]
pub(super) fn load<T: Cell>(block: &[T::Bits; LANES]) -> Lanes {
    let bytes = block.as_ptr().cast::<u8>();
    // SAFETY: a block is eight components of the size of `T::ELEMENT`, so 64, 32, 16 or 8 bytes,
    // all of which the loads of each arm read and no more. They need no alignment.
    unsafe {
        match T::ELEMENT {
            Element::F64 => [_mm256_loadu_pd(bytes.cast()), _mm256_loadu_pd(bytes.add(32).cast())],
            Element::F32 => {
                [_mm256_cvtps_pd(_mm_loadu_ps(bytes.cast())), _mm256_cvtps_pd(_mm_loadu_ps(bytes.add(16).cast()))]
            }
            Element::F16 => from_f32(_mm256_cvtph_ps(_mm_loadu_si128(bytes.cast()))),
            Element::Bf16 => {
                let upper = _mm256_cvtepu16_epi32(_mm_loadu_si128(bytes.cast()));
                from_f32(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(upper)))
            }
            Element::I8 => from_i32(_mm256_cvtepi8_epi32(_mm_loadl_epi64(bytes.cast()))),
            Element::U8 => from_i32(_mm256_cvtepu8_epi32(_mm_loadl_epi64(bytes.cast()))),
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn from_f32(values: __m256) -> Lanes {
    [_mm256_cvtps_pd(_mm256_castps256_ps128(values)), _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(values))]
}

#[target_feature(enable = "avx2")]
#[inline]
fn from_i32(values: __m256i) -> Lanes {
    [_mm256_cvtepi32_pd(_mm256_castsi256_si128(values)), _mm256_cvtepi32_pd(_mm256_extracti128_si256::<1>(values))]
}

/// Returns one bit for each of eight components that is the same in both blocks.
#[target_feature(enable = "avx2")]
#[inline]
fn equal<T: Cell>(old: &[T::Bits; LANES], new: &[T::Bits; LANES]) -> u8 {
    let (old, new) = (old.as_ptr().cast::<u8>(), new.as_ptr().cast::<u8>());
    // SAFETY: as in `load`, each arm reads the bytes of eight components and no more.
    unsafe {
        match T::ELEMENT {
            Element::F64 => {
                let half = |at| {
                    let (old, new) = (old.add(at).cast(), new.add(at).cast());
                    _mm256_cmpeq_epi64(_mm256_loadu_si256(old), _mm256_loadu_si256(new))
                };
                let low = _mm256_movemask_pd(_mm256_castsi256_pd(half(0)));
                let high = _mm256_movemask_pd(_mm256_castsi256_pd(half(32)));
                (low | high << 4) as u8
            }
            Element::F32 => {
                let (old, new) = (_mm256_loadu_si256(old.cast()), _mm256_loadu_si256(new.cast()));
                _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(old, new))) as u8
            }
            Element::F16 | Element::Bf16 => {
                let (old, new) = (_mm_loadu_si128(old.cast()), _mm_loadu_si128(new.cast()));
                let same = _mm_cmpeq_epi16(old, new);
                _mm_movemask_epi8(_mm_packs_epi16(same, same)) as u8
            }
            Element::I8 | Element::U8 => {
                let (old, new) = (_mm_loadl_epi64(old.cast()), _mm_loadl_epi64(new.cast()));
                _mm_movemask_epi8(_mm_cmpeq_epi8(old, new)) as u8
            }
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn array(lanes: Lanes) -> [f64; LANES] {
    let mut array = [0.0; LANES];
    let [low, high] = array.as_chunks_mut::<4>().0 else { unreachable!("eight lanes are twice four") };
    // SAFETY: both halves have room for four `f64`; the stores need no alignment.
    unsafe {
        _mm256_storeu_pd(low.as_mut_ptr(), lanes[0]);
        _mm256_storeu_pd(high.as_mut_ptr(), lanes[1]);
    }
    array
}
