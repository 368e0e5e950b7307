//! The few kernels that gain much from AVX-512: registers of sixteen words, rotations, tables that are looked up in a register.
//!
//! Only machines count that have its later parts too: on older ones a few such instructions slow down everything else.
#![allow(unsafe_code)] // std::arch: calls that need AVX-512, and loads and stores through pointers

use crate::avx2::Avx2;
use crate::{BitPen, Message, RansSteps, Widest};

mod hashes;
mod pen;
mod push;

/// Proof that this machine has AVX-512 with the instructions for bytes, and those for packing words, besides AVX2.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(Avx2);

impl Avx512 {
    /// Returns the proof if the machine has all of them.
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512cd")
            && is_x86_feature_detected!("avx512vbmi2");
        if all { Avx2::detect().map(Self) } else { None }
    }

    pub(crate) fn keyed_hashes(self, key: &[u8; 32], messages: &[Message<'_>], hashes: &mut Vec<[u8; 32]>) {
        let (groups, rest) = messages.as_chunks();
        for group in groups {
            // SAFETY: `self` proves the features.
            unsafe { hashes::keyed_hashes(key, group, hashes) }
        }
        self.0.keyed_hashes(key, rest, hashes);
    }

    pub(crate) fn put_fields(self, words: &[u32], counts: &[u8], most: u8, pen: &mut BitPen<'_>) -> usize {
        // SAFETY: `self` proves the features.
        unsafe { pen::put_fields(words, counts, most, pen) }
    }

    pub(crate) fn push_symbols<const L: usize>(
        self,
        symbols: &[u8],
        states: &mut [u32; L],
        steps: &RansSteps,
        words: &mut [[u8; 2]],
    ) -> usize {
        match (<&mut [u32; push::STATES]>::try_from(&mut states[..]), steps.lanes()) {
            // SAFETY: `self` proves the features.
            (Ok(states), Some(lanes)) => unsafe { push::push_symbols(symbols, states, steps, lanes, words) },
            _ => self.0.push_symbols(symbols, states, steps, words),
        }
    }

    #[inline]
    pub(crate) fn widest<L: Widest>(self, work: L) -> L::Output {
        // SAFETY: `self` proves the features.
        unsafe { widest(work) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx512vbmi2,avx2,popcnt,lzcnt,bmi1,bmi2")]
fn widest<L: Widest>(work: L) -> L::Output {
    work.run()
}
