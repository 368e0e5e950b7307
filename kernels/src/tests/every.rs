//! Every length from 0 to 1,100 components at 16 byte offsets, on both paths, against the
//! oracle.
//!
//! A vector loop goes wrong at its edges: where a block ends, where the tail begins, where a
//! load assumes alignment. So all edges are visited, for every element type.

use super::{Bits, Kind, pair};
use crate::{Element, RowChange, naive, portable};

const DIMS_MAX: usize = 1100;
const OFFSETS: usize = 16;
/// How many of 256 components change, in turn: none, few, 5 %, half, nearly all, all.
const DENSITIES: [u64; 6] = [0, 2, 13, 128, 250, 256];

/// What rows are made of, in turn.
const KINDS: [Kind; 4] = [Kind::Plain, Kind::Edges, Kind::Plain, Kind::Wild];

/// One row pair and where it lies.
struct Case<'a> {
    element: Element,
    old: &'a [u8],
    new: &'a [u8],
    /// Offset of the old row from an alignment of 16; the new row's differs from it.
    offset: usize,
}

/// Copies the row to an offset from an alignment of 16 bytes.
fn place<'a>(row: &[u8], offset: usize, space: &'a mut [u8]) -> &'a mut [u8] {
    let start = space.as_ptr().align_offset(16) + offset;
    let placed = &mut space[start..start + row.len()];
    placed.copy_from_slice(row);
    placed
}

/// Runs the check on every length at every offset. The pattern (density and kind) turns
/// with both, so that each length meets each of them.
fn every(element: Element, check: impl Fn(&Case)) {
    let mut bits = Bits(element.code().into());
    let mut space = [0, 1].map(|_| vec![0; DIMS_MAX * element.size() + 64]);
    for dims in 0..=DIMS_MAX {
        for pattern in 0..OFFSETS {
            let density = DENSITIES[(dims + pattern) % DENSITIES.len()];
            let (old, new) = pair(element, dims, density, KINDS[pattern % 4], &mut bits);
            let [old_space, new_space] = &mut space;
            let offset = (pattern + dims) % OFFSETS;
            check(&Case {
                element,
                old: place(&old, offset, old_space),
                new: place(&new, (7 * offset + 3) % OFFSETS, new_space),
                offset,
            });
        }
    }
}

fn bits_of(change: RowChange) -> [u64; 6] {
    [
        change.changed.into(),
        change.l2_squared.to_bits(),
        change.max_abs.to_bits(),
        change.dot.to_bits(),
        change.old_squared.to_bits(),
        change.new_squared.to_bits(),
    ]
}

fn statistics(case: &Case) {
    let &Case { element, old, new, .. } = case;
    let expected = naive::measure(element, old, new);
    let fast = crate::measure(element, old, new);
    let portable = portable::measure(element, old, new);
    let dims = old.len() / element.size();
    assert_eq!(bits_of(fast), bits_of(expected), "{element:?} {dims}: {fast:?} {expected:?}");
    assert_eq!(bits_of(portable), bits_of(expected), "{element:?} {dims}: {portable:?}");
    for norm in [crate::norm_squared, portable::norm_squared] {
        assert_eq!(norm(element, old).to_bits(), expected.old_squared.to_bits());
    }
    for max_abs in [crate::max_abs, portable::max_abs] {
        let expected = naive::max_abs(element, new);
        assert_eq!(max_abs(element, new).to_bits(), expected.to_bits());
    }
    for all_finite in [crate::all_finite, portable::all_finite] {
        assert_eq!(all_finite(element, new), naive::all_finite(element, new));
    }
}

fn sums(case: &Case) {
    let &Case { element, old, new, .. } = case;
    for row in [old, new] {
        let values: Vec<f64> = row.chunks(element.size()).map(|bits| element.to_f64(bits)).collect();
        let start: Vec<f64> = (0..values.len()).map(|i| 1.0 / (i + 1) as f64).collect();
        let finite = naive::all_finite(element, row);
        let sums = start.iter().zip(&values).map(|(sum, value)| sum + value);
        let expected = if finite { sums.collect() } else { start.clone() };
        let (mut fast, mut portable) = (start.clone(), start);
        assert_eq!(crate::add_finite(element, row, &mut fast), finite);
        assert_eq!(portable::add_finite(element, row, &mut portable), finite);
        assert_eq!([&fast, &portable], [&expected; 2], "{element:?}");
    }
}

fn changes(case: &Case) {
    let &Case { element, old, new, offset } = case;
    let expected = naive::extract(element, old, new);
    assert_eq!(crate::differs(old, new), !expected.0.is_empty());
    for extract in [crate::extract, portable::extract] {
        // Behind what is there already, which moves the ends of the vectors too.
        let (mut indices, mut bits) = (vec![9; offset], vec![9; offset]);
        extract(element, old, new, &mut indices, &mut bits);
        assert_eq!(indices[offset..], expected.0, "{element:?} {}", old.len());
        assert_eq!(bits[offset..], expected.1);
        assert_eq!(indices[..offset], vec![9; offset]);
    }
    let mut space = vec![0; old.len() + 64];
    let row = place(old, (offset * 5 + 1) % OFFSETS, &mut space);
    crate::scatter_xor(element, row, &expected.0, &expected.1).unwrap();
    assert_eq!(row, new);

    let delta: Vec<u8> = old.iter().zip(new).map(|(o, n)| o ^ n).collect();
    for xor_into in [crate::xor_into, portable::xor_into] {
        let row = place(old, offset, &mut space);
        xor_into(row, &delta);
        assert_eq!(row, new);
    }
}

macro_rules! every_element {
    ($($name:ident: $element:ident),*) => {$(
        mod $name {
            #[test]
            fn statistics() {
                super::every(crate::Element::$element, super::statistics);
            }

            #[test]
            fn sums() {
                super::every(crate::Element::$element, super::sums);
            }

            #[test]
            fn changes() {
                super::every(crate::Element::$element, super::changes);
            }
        }
    )*};
}

every_element!(f32: F32, f64: F64, f16: F16, bf16: Bf16, i8: I8, u8: U8);

#[cfg(target_arch = "x86_64")]
#[test]
fn this_machine_runs_both_paths_or_says_so() {
    if crate::avx2::Avx2::detect().is_none() {
        println!("no AVX2 here: only the portable path was tested");
    } else if crate::avx512::Avx512::detect().is_none() {
        println!("no AVX-512 here: the kernels that have a form in it were tested without");
    }
}
