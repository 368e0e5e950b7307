//! The kernels in AVX2, chosen at run time.
//!
//! Plain loops, which the compiler vectorises by itself, are inlined into functions compiled for
//! AVX2. Statistics ([`sums`]) and extraction ([`pack`]) are written out.
#![allow(unsafe_code)] // std::arch: calls that need AVX2, and loads and stores through pointers

use crate::cell::{Cell, by_cell, by_size};
use crate::{BitPen, Element, Message, RansSteps, RansTable, RowChange, Widest, apply, magnitude, pen, push};

mod dots;
mod fields;
mod hashes;
mod pack;
mod rans;
mod sums;

/// Proof that this machine has AVX2, FMA, F16C, POPCNT, LZCNT and both BMI.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Returns the proof if the machine has all of them.
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        all.then_some(Avx2(()))
    }

    pub(crate) fn measure(self, element: Element, old: &[u8], new: &[u8]) -> RowChange {
        // SAFETY: `self` proves the features.
        unsafe { by_cell!(element, sums::measure(old, new)) }
    }

    pub(crate) fn norm_squared(self, element: Element, row: &[u8]) -> f64 {
        // SAFETY: `self` proves the features.
        unsafe { by_cell!(element, sums::norm_squared(row)) }
    }

    pub(crate) fn dots(self, row: &[u8], others: [&[u8]; 4]) -> [f64; 4] {
        // SAFETY: `self` proves the features.
        unsafe { dots::dots(row, others) }
    }

    pub(crate) fn all_finite(self, element: Element, row: &[u8]) -> bool {
        // SAFETY: `self` proves the features.
        unsafe { by_cell!(element, all_finite(row)) }
    }

    pub(crate) fn max_abs(self, element: Element, row: &[u8]) -> f64 {
        // SAFETY: `self` proves the features.
        unsafe { by_cell!(element, max_abs(row)) }
    }

    pub(crate) fn extract(self, element: Element, old: &[u8], new: &[u8], indices: &mut Vec<u32>, bits: &mut Vec<u8>) {
        // SAFETY: `self` proves the features.
        unsafe { by_size!(element, pack::extract(old, new, indices, bits)) }
    }

    pub(crate) fn or_fields(
        self,
        words: &mut [u32],
        counts: &[u8],
        most: u8,
        bits: &[u8],
        at: usize,
    ) -> (usize, usize) {
        // SAFETY: `self` proves the features.
        unsafe { fields::or_fields(words, counts, most, bits, at) }
    }

    pub(crate) fn keyed_hashes(self, key: &[u8; 32], messages: &[Message<'_>], hashes: &mut Vec<[u8; 32]>) {
        // SAFETY: `self` proves the features.
        unsafe { hashes::keyed_hashes(key, messages, hashes) }
    }

    pub(crate) fn put_fields(self, words: &[u32], counts: &[u8], most: u8, pen: &mut BitPen<'_>) -> usize {
        // SAFETY: `self` proves the features.
        unsafe { put_fields(words, counts, most, pen) }
    }

    pub(crate) fn push_symbols<const L: usize>(
        self,
        symbols: &[u8],
        states: &mut [u32; L],
        steps: &RansSteps,
        words: &mut [[u8; 2]],
    ) -> usize {
        // SAFETY: `self` proves the features.
        unsafe { push_symbols(symbols, states, steps, words) }
    }

    pub(crate) fn pop_symbols<const L: usize>(
        self,
        symbols: &mut [u8],
        states: &mut [u32; L],
        table: &RansTable,
        words: &[[u8; 2]],
    ) -> usize {
        // SAFETY: `self` proves the features.
        unsafe { rans::pop_symbols(symbols, states, table, words) }
    }

    #[inline]
    pub(crate) fn widest<L: Widest>(self, work: L) -> L::Output {
        // SAFETY: `self` proves the features.
        unsafe { widest(work) }
    }

    pub(crate) fn xor_into(self, target: &mut [u8], delta: &[u8]) {
        // SAFETY: `self` proves the features.
        unsafe { xor_into(target, delta) }
    }
}

#[target_feature(enable = "avx2")]
fn all_finite<T: Cell>(row: &[u8]) -> bool {
    magnitude::finite_cells::<T>(row)
}

#[target_feature(enable = "avx2")]
fn max_abs<T: Cell>(row: &[u8]) -> f64 {
    magnitude::max_abs_cells::<T>(row)
}

#[target_feature(enable = "avx2")]
fn xor_into(target: &mut [u8], delta: &[u8]) {
    apply::xor_bytes(target, delta)
}

#[target_feature(enable = "avx2,popcnt,lzcnt,bmi1,bmi2")]
fn put_fields(words: &[u32], counts: &[u8], most: u8, pen: &mut BitPen<'_>) -> usize {
    pen::put_pairs(words, counts, most, pen)
}

#[target_feature(enable = "avx2,popcnt,lzcnt,bmi1,bmi2")]
fn push_symbols<const L: usize>(
    symbols: &[u8],
    states: &mut [u32; L],
    steps: &RansSteps,
    words: &mut [[u8; 2]],
) -> usize {
    push::push_plain(symbols, states, steps, words)
}

#[target_feature(enable = "avx2,popcnt,lzcnt,bmi1,bmi2")]
fn widest<L: Widest>(work: L) -> L::Output {
    work.run()
}
