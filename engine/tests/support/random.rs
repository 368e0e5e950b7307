//! Random rows from a seed: usual values, values on a grid, and the bit patterns that arithmetic would lose.

use half::{bf16, f16};
use vecdelta::delta::Element;

/// A small generator (splitmix64): the same seed gives the same numbers on every machine.
#[derive(Clone)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Returns a number in -1..1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// Rounds a number to an element, without a way through another type.
pub fn round(element: Element, value: f64) -> Vec<u8> {
    match element {
        Element::F32 => (value as f32).to_le_bytes().to_vec(),
        Element::F64 => value.to_le_bytes().to_vec(),
        Element::F16 => f16::from_f64(value).to_le_bytes().to_vec(),
        Element::Bf16 => bf16::from_f64(value).to_le_bytes().to_vec(),
        Element::I8 => ((value * 127.0) as i8).to_le_bytes().to_vec(),
        Element::U8 => ((value.abs() * 255.0) as u8).to_le_bytes().to_vec(),
    }
}

/// Returns a bit pattern that float arithmetic would lose: NaN payloads, -0.0, infinities, subnormals, or any bits.
fn special(rng: &mut Rng, element: Element) -> Vec<u8> {
    let any = rng.next();
    let which = rng.below(6);
    let of = |patterns: [u64; 5]| if which < 5 { patterns[which] } else { any };
    match element {
        Element::F32 => (of([0x7FC0_1234, 0xFF80_0001, 0x8000_0000, 0x7F80_0000, 1]) as u32).to_le_bytes().to_vec(),
        Element::F64 => {
            of([0x7FF8_0000_0000_BEEF, 0xFFF0_0000_0000_0001, 1 << 63, 0x7FF0 << 48, 1]).to_le_bytes().to_vec()
        }
        Element::F16 => (of([0x7E01, 0xFC01, 0x8000, 0x7C00, 1]) as u16).to_le_bytes().to_vec(),
        Element::Bf16 => (of([0x7FC1, 0xFF81, 0x8000, 0x7F80, 1]) as u16).to_le_bytes().to_vec(),
        Element::I8 | Element::U8 => vec![any as u8],
    }
}

/// Returns a new row: most often smooth, sometimes on a grid, constant or full of special patterns.
pub fn row(rng: &mut Rng, element: Element, dims: u32) -> Vec<u8> {
    let kind = rng.below(10);
    let constant = rng.unit();
    let component = |rng: &mut Rng| match kind {
        0 => round(element, 0.0),
        1 => round(element, constant),
        2 => round(element, (rng.unit() * 8.0).round() / 8.0),
        3 => special(rng, element),
        _ if rng.chance(2) => special(rng, element),
        _ => round(element, rng.unit()),
    };
    (0..dims).flat_map(|_| component(rng)).collect()
}

/// Returns a row that is related to an old one: a few components, all of them a little, or nothing of it.
///
/// The new number is made in f64 from a number beside the old one and then rounded, as a new training run would.
pub fn changed(rng: &mut Rng, element: Element, old: &[u8]) -> Vec<u8> {
    let size = element.size();
    let dims = old.len() / size;
    let mut new = old.to_vec();
    match rng.below(4) {
        0 => {
            let at = rng.below(dims) * size;
            new[at..at + size].copy_from_slice(&round(element, rng.unit()));
        }
        1 => {
            let at = rng.below(dims) * size;
            new[at..at + size].copy_from_slice(&special(rng, element));
        }
        2 => new = moved(rng, element, old),
        _ => new = row(rng, element, dims as u32),
    }
    new
}

/// Returns a row whose components all moved a little.
pub fn moved(rng: &mut Rng, element: Element, old: &[u8]) -> Vec<u8> {
    let near = |cell: &[u8]| match element {
        Element::I8 | Element::U8 => vec![cell[0].wrapping_add(1 + rng.below(2) as u8)],
        _ => round(element, element.to_f64(cell) + rng.unit() * 1e-3),
    };
    old.chunks_exact(element.size()).flat_map(near).collect()
}

/// Changes a few bytes: flips, extremes, lost, doubled and moved pieces, a cut.
pub fn mutate(rng: &mut Rng, data: &[u8]) -> Vec<u8> {
    let mut out = data.to_vec();
    for _ in 0..=rng.below(3) {
        let at = rng.below(out.len());
        match rng.below(8) {
            _ if out.is_empty() => out.push(rng.next() as u8),
            0 => out[at] ^= 1 << rng.below(8),
            1 => out[at] = *rng.pick(&[0, 1, 0x7F, 0x80, 0xFE, 0xFF]),
            2 => out.truncate(at),
            3 => drop(out.drain(at..(at + 1 + rng.below(8)).min(out.len()))),
            4 => {
                let piece = out[at..(at + 1 + rng.below(16)).min(out.len())].to_vec();
                let to = rng.below(out.len() + 1);
                out.splice(to..to, piece);
            }
            5 => out[at..].iter_mut().take(8).for_each(|b| *b = 0xFF),
            6 => drop(
                out.splice(at..(at + 1).min(data.len().max(at + 1)).min(out.len()), [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]),
            ),
            _ => out[at] = rng.next() as u8,
        }
    }
    out
}
