//! Dot products of widened rows: the bits that [`measure`](crate::measure()) finds for the rows themselves.

use super::{Bits, Kind, pair};
use crate::{Element, dots, measure, portable, widen};

fn wide(element: Element, row: &[u8]) -> Vec<u8> {
    let mut out = vec![1; 3];
    widen(element, row, &mut out);
    out
}

#[test]
fn four_dot_products_are_those_of_measure() {
    let mut bits = Bits(11);
    for element in Element::ALL {
        for dims in (0..70).chain([383, 384, 1100]) {
            for kind in [Kind::Plain, Kind::Edges, Kind::Wild] {
                let (row, a) = pair(element, dims, 256, kind, &mut bits);
                let (b, c) = pair(element, dims, 128, kind, &mut bits);
                let (d, _) = pair(element, dims, 0, kind, &mut bits);
                let others = [&a, &b, &c, &d].map(|o| wide(element, o));
                let expected = [&a, &b, &c, &d].map(|o| measure(element, &row, o).dot.to_bits());
                let row = wide(element, &row);
                let others: [&[u8]; 4] = others.each_ref().map(Vec::as_slice);
                assert_eq!(dots(&row, others).map(f64::to_bits), expected, "{element:?} {dims}");
                assert_eq!(portable::dots(&row, others).map(f64::to_bits), expected, "{element:?} {dims}");
            }
        }
    }
}

#[test]
fn a_widened_row_holds_every_value_and_measures_the_same() {
    let mut bits = Bits(12);
    for element in Element::ALL {
        for kind in [Kind::Plain, Kind::Edges, Kind::Wild] {
            let (old, new) = pair(element, 77, 200, kind, &mut bits);
            let (a, b) = (wide(element, &old), wide(element, &new));
            for (cell, value) in old.chunks(element.size()).zip(a.chunks(8)) {
                let (expected, found) = (element.to_f64(cell), Element::F64.to_f64(value));
                assert!(found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan()));
            }
            let (plain, widened) = (measure(element, &old, &new), measure(Element::F64, &a, &b));
            let sums =
                |m: crate::RowChange| [m.l2_squared, m.max_abs, m.dot, m.old_squared, m.new_squared].map(f64::to_bits);
            assert_eq!(sums(plain), sums(widened), "{element:?}");
        }
    }
}
