//! Each kernel three ways: a table of special cases, every length and alignment against the
//! naive oracle, and laws on random rows. Bits are compared as bits.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod cases;
mod dots;
mod every;
mod fields;
mod hashes;
mod laws;
mod rans;

use crate::Element;

/// A small reproducible source of bits (splitmix64).
pub(super) struct Bits(pub u64);

impl Bits {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Returns the little-endian bytes of a component with the value nearest to `value`.
pub(super) fn encode(element: Element, value: f64) -> Vec<u8> {
    match element {
        Element::F32 => (value as f32).to_le_bytes().to_vec(),
        Element::F64 => value.to_le_bytes().to_vec(),
        Element::F16 => half::f16::from_f64(value).to_le_bytes().to_vec(),
        Element::Bf16 => half::bf16::from_f64(value).to_le_bytes().to_vec(),
        Element::I8 => (value as i8).to_le_bytes().to_vec(),
        Element::U8 => (value as u8).to_le_bytes().to_vec(),
    }
}

/// Returns the sign bit, exponent mask and fraction width of a float type.
fn layout(element: Element) -> Option<(u64, u64, u32)> {
    match element {
        Element::F32 => Some((1 << 31, 0xff << 23, 23)),
        Element::F64 => Some((1 << 63, 0x7ff << 52, 52)),
        Element::F16 => Some((1 << 15, 0x1f << 10, 10)),
        Element::Bf16 => Some((1 << 15, 0xff << 7, 7)),
        Element::I8 | Element::U8 => None,
    }
}

/// Returns finite bit patterns at the edges of a type: zeros of both signs, the smallest and
/// largest subnormals and normals.
pub(super) fn finite_specials(element: Element) -> Vec<u64> {
    let Some((sign, infinity, fraction)) = layout(element) else {
        return vec![0, 1, 0x7f, 0x80, 0xff];
    };
    let least_normal = 1 << fraction;
    let positive = [0, 1, least_normal - 1, least_normal, infinity - 1];
    positive.into_iter().flat_map(|p| [p, p | sign]).collect()
}

/// Returns infinities and NaNs, quiet and signalling, with payloads, of both signs.
pub(super) fn wild_specials(element: Element) -> Vec<u64> {
    let Some((sign, infinity, fraction)) = layout(element) else {
        return Vec::new();
    };
    let quiet = 1 << (fraction - 1);
    let positive = [infinity, infinity | 1, infinity | quiet, infinity | quiet | 3];
    positive.into_iter().flat_map(|p| [p, p | sign]).collect()
}

/// What a row is made of.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Ordinary numbers of full precision, so that every rounding of a sum shows.
    Plain,
    /// Finite specials among them.
    Edges,
    /// Infinities and NaNs as well.
    Wild,
}

/// Returns a row pair of `dims` components in which about `changed` of 256 components differ.
pub(super) fn pair(element: Element, dims: usize, changed: u64, kind: Kind, bits: &mut Bits) -> (Vec<u8>, Vec<u8>) {
    let mut specials = finite_specials(element);
    if kind == Kind::Wild {
        specials.extend(wild_specials(element));
    }
    let cell = |bits: &mut Bits| {
        let random = bits.next();
        if kind != Kind::Plain && random.is_multiple_of(8) {
            let special = specials[(random >> 8) as usize % specials.len()];
            special.to_le_bytes()[..element.size()].to_vec()
        } else {
            encode(element, (random >> 11) as f64 / (1u64 << 46) as f64 - 64.0)
        }
    };
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for _ in 0..dims {
        let before = cell(bits);
        let change = bits.next() % 256 < changed;
        let after = if change { cell(bits) } else { before.clone() };
        old.extend(before);
        new.extend(after);
    }
    (old, new)
}
