//! The oracle of merges: sets of ancestors, and every component by itself.

use std::collections::{BTreeMap, BTreeSet};

use vecdelta::delta::Element;

use super::oracle::{Collection, Tables};

/// Returns a commit and all its ancestors.
pub fn ancestors(parents: &[Vec<usize>], commit: usize) -> BTreeSet<usize> {
    let mut all = BTreeSet::from([commit]);
    for p in &parents[commit] {
        all.extend(ancestors(parents, *p));
    }
    all
}

/// Returns the common ancestors that are ancestors of no other one.
pub fn bases(parents: &[Vec<usize>], a: usize, b: usize) -> BTreeSet<usize> {
    let common: BTreeSet<usize> = ancestors(parents, a).intersection(&ancestors(parents, b)).copied().collect();
    let below: BTreeSet<usize> =
        common.iter().flat_map(|&c| parents[c].iter().flat_map(|&p| ancestors(parents, p))).collect();
    common.difference(&below).copied().collect()
}

/// Merges tables; `theirs_is_newer` tells by collection and key. Returns the table and the sources in conflict, each with
/// whether it was resolved.
pub fn merge(
    [base, ours, theirs]: [&Tables; 3],
    strategy: &str,
    theirs_is_newer: impl Fn(&str, &str) -> bool,
) -> (Tables, BTreeMap<(String, String), bool>) {
    let (mut out, mut conflicts) = (Tables::new(), BTreeMap::new());
    let names: BTreeSet<&String> = [base, ours, theirs].into_iter().flat_map(|t| t.keys()).collect();
    for name in names {
        let shape = [ours, theirs, base].into_iter().find_map(|t| t.get(name)).unwrap();
        let rows = |t: &Tables, key: &str| t.get(name).and_then(|c| c.rows.get(key)).cloned();
        let keys: BTreeSet<&String> =
            [base, ours, theirs].into_iter().filter_map(|t| t.get(name)).flat_map(|c| c.rows.keys()).collect();
        let mut merged = BTreeMap::new();
        for key in keys {
            let (b, o, t) = (rows(base, key), rows(ours, key), rows(theirs, key));
            let newer = || theirs_is_newer(name, key);
            let (row, conflict) = merge_row(shape.element, b, o.clone(), t, strategy, newer);
            if let Some(resolved) = conflict {
                conflicts.insert((name.clone(), key.clone()), resolved);
            }
            if let Some(row) = row {
                merged.insert(key.clone(), row);
            }
        }
        if !merged.is_empty() {
            out.insert(name.clone(), Collection { element: shape.element, dims: shape.dims, rows: merged });
        }
    }
    (out, conflicts)
}

type Row = Option<Vec<u8>>;

fn merge_row(
    element: Element,
    base: Row,
    ours: Row,
    theirs: Row,
    strategy: &str,
    newer: impl Fn() -> bool,
) -> (Row, Option<bool>) {
    let take_theirs = match strategy {
        "ours" => Some(false),
        "theirs" => Some(true),
        "newest" => Some(newer()),
        "oldest" => Some(!newer()),
        _ => None,
    };
    if ours == theirs || theirs == base {
        return (ours, None);
    }
    if ours == base {
        return (theirs, None);
    }
    let (Some(a), Some(b)) = (&ours, &theirs) else {
        let row = if take_theirs == Some(true) { theirs } else { ours };
        return (row, Some(take_theirs.is_some()));
    };
    let size = element.size();
    let (mut row, mut conflict, mut resolved) = (Vec::new(), false, true);
    for at in (0..a.len()).step_by(size) {
        let (o, t) = (&a[at..at + size], &b[at..at + size]);
        let was = base.as_ref().map(|r| &r[at..at + size]);
        if o == t || was == Some(t) {
            row.extend(o);
        } else if was == Some(o) {
            row.extend(t);
        } else {
            conflict = true;
            let numbers = [was.map_or(0.0, |w| element.to_f64(w)), element.to_f64(o), element.to_f64(t)];
            match (strategy, take_theirs) {
                ("average", _) => row.extend(round(element, (numbers[1] + numbers[2]) / 2.0)),
                ("sum", _) => {
                    row.extend(round(element, numbers[0] + (numbers[1] - numbers[0]) + (numbers[2] - numbers[0])))
                }
                (_, Some(theirs)) => row.extend(if theirs { t } else { o }),
                (_, None) => {
                    resolved = false;
                    row.extend(o);
                }
            }
        }
    }
    (if resolved { Some(row) } else { ours }, conflict.then_some(resolved))
}

/// Finds the representable value that is nearest by trying all of a small type, else by the processor.
fn round(element: Element, value: f64) -> Vec<u8> {
    let value = if value.is_nan() { f64::NAN } else { value };
    match element {
        Element::F64 => value.to_le_bytes().to_vec(),
        Element::F32 => (value as f32).to_le_bytes().to_vec(),
        Element::F16 | Element::Bf16 => nearest(element, value),
        Element::I8 => vec![value.clamp(-128.0, 127.0).round_ties_even() as i8 as u8],
        Element::U8 => vec![value.clamp(0.0, 255.0).round_ties_even() as u8],
    }
}

/// Rounds to one of the 65,536 values of a type, ties to the even pattern, beyond the largest by half a step to infinity.
fn nearest(element: Element, value: f64) -> Vec<u8> {
    let sign = if value.is_sign_negative() { 0x8000u16 } else { 0 };
    let (infinity, quiet) = if element == Element::F16 { (0x7c00u16, 0x7e00u16) } else { (0x7f80, 0x7fc0) };
    if value.is_nan() {
        return quiet.to_le_bytes().to_vec();
    }
    let size = value.abs();
    let number = |bits: u16| element.to_f64(&bits.to_le_bytes());
    // Patterns of numbers that are not negative rise with them; the one behind the largest stands for infinity.
    let below = (0..infinity).collect::<Vec<_>>().partition_point(|&b| number(b) <= size) as u16 - 1;
    let next = if below + 1 == infinity { 2.0 * number(below) - number(below - 1) } else { number(below + 1) };
    let middle = (number(below) + next) / 2.0;
    let up = size > middle || (size == middle && below & 1 == 1);
    (sign | (below + u16::from(up && size != number(below)))).to_le_bytes().to_vec()
}
