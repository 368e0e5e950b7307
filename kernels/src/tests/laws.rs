//! Laws of composition on random chains of rows.

use super::{Bits, Kind, pair};
use crate::{Composer, Element, compose_sparse, extract, naive, scatter_xor};
use proptest::prelude::*;

type Sparse = (Vec<u32>, Vec<u8>);

fn element() -> impl Strategy<Value = Element> {
    prop::sample::select(Element::ALL.to_vec())
}

/// A row, and versions of it of which each changes some components of the one before; now and
/// then one goes back to the first.
fn chain(element: Element, dims: usize, versions: usize, density: u64, seed: u64) -> Vec<Vec<u8>> {
    let mut bits = Bits(seed);
    let mut rows = vec![pair(element, dims, 0, Kind::Wild, &mut bits).0];
    for version in 1..versions {
        let (other, _) = pair(element, dims, 0, Kind::Wild, &mut bits);
        let source = if bits.next().is_multiple_of(4) { &rows[0] } else { &other };
        let mut row = rows[version - 1].clone();
        let cells = row.chunks_mut(element.size()).zip(source.chunks(element.size()));
        for (cell, source) in cells {
            if bits.next() % 256 < density {
                cell.copy_from_slice(source);
            }
        }
        rows.push(row);
    }
    rows
}

fn sparse(element: Element, old: &[u8], new: &[u8]) -> Sparse {
    let (mut indices, mut bits) = (Vec::new(), Vec::new());
    extract(element, old, new, &mut indices, &mut bits);
    (indices, bits)
}

fn merged(element: Element, a: &Sparse, b: &Sparse) -> Sparse {
    let (mut indices, mut bits) = (Vec::new(), Vec::new());
    compose_sparse(element, (&a.0, &a.1), (&b.0, &b.1), &mut indices, &mut bits).unwrap();
    (indices, bits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Two changes in a row are the change from the first to the last, and the order in which
    /// they are given does not matter.
    #[test]
    fn a_merge_is_the_change_from_end_to_end(
        element in element(), dims in 0..600usize, density in 0..=256u64, seed: u64,
    ) {
        let rows = chain(element, dims, 3, density, seed);
        let (a, b) = (sparse(element, &rows[0], &rows[1]), sparse(element, &rows[1], &rows[2]));
        let whole = naive::extract(element, &rows[0], &rows[2]);
        prop_assert_eq!(&merged(element, &a, &b), &whole);
        prop_assert_eq!(&merged(element, &b, &a), &whole);
    }

    /// A composer gives the same as the change from end to end, for sparse and dense changes in
    /// any mix, and starts anew after each row.
    #[test]
    fn a_composer_is_the_change_from_end_to_end(
        element in element(), dims in 0..600usize, versions in 1..12usize,
        density in 0..=256u64, seed: u64,
    ) {
        let mut composer = Composer::new(element, dims);
        for round in 0..2 {
            let rows = chain(element, dims, versions, density, seed ^ round);
            for (i, step) in rows.windows(2).enumerate() {
                let (indices, bits) = sparse(element, &step[0], &step[1]);
                if (seed >> (i % 64)) & 1 == 1 {
                    composer.add_dense(&naive::expand(element, dims, &indices, &bits)).unwrap();
                } else {
                    composer.add_sparse(&indices, &bits).unwrap();
                }
            }
            let (mut indices, mut bits) = (Vec::new(), Vec::new());
            composer.finish(&mut indices, &mut bits);
            prop_assert_eq!((indices, bits), naive::extract(element, &rows[0], &rows[versions - 1]));
        }
    }

    /// A change applied twice is no change.
    #[test]
    fn a_scatter_undoes_itself(
        element in element(), dims in 0..600usize, density in 0..=256u64, seed: u64,
    ) {
        let rows = chain(element, dims, 2, density, seed);
        let (indices, bits) = sparse(element, &rows[0], &rows[1]);
        let mut row = rows[0].clone();
        scatter_xor(element, &mut row, &indices, &bits).unwrap();
        prop_assert_eq!(&row, &rows[1]);
        scatter_xor(element, &mut row, &indices, &bits).unwrap();
        prop_assert_eq!(&row, &rows[0]);
    }
}
