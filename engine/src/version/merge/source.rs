//! The three-way merge of one source: component by component, inserts and deletes included.

use super::policy::Strategy;
use crate::delta::{Element, round_to};

/// The three states of a source; `None` where it is not there.
#[derive(Clone, Copy, Debug)]
pub struct States<'a> {
    /// At the common ancestor.
    pub base: Option<&'a [u8]>,
    /// On the branch that is merged into.
    pub ours: Option<&'a [u8]>,
    /// In what is merged.
    pub theirs: Option<&'a [u8]>,
}

/// What a merge makes of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedSource {
    /// The dimensions that both sides changed in different ways; all of them when one side deleted the source.
    pub conflicts: Vec<u32>,
    /// The merged row, `Some(None)` when the source goes; `None` while a conflict is not resolved.
    pub result: Option<Option<Vec<u8>>>,
}

/// Merges one source; `strategies` has one for each dimension, `whole` is for what one side deleted.
///
/// `theirs_is_newer` tells whose change came last. Where there is no base, `sum` takes zeros for it.
pub fn merge_source(
    element: Element,
    states: States<'_>,
    strategies: &[Strategy],
    whole: Strategy,
    theirs_is_newer: impl Fn() -> bool,
) -> MergedSource {
    let States { base, ours, theirs } = states;
    let owned = |row: Option<&[u8]>| row.map(<[u8]>::to_vec);
    if ours == theirs || theirs == base {
        return MergedSource { conflicts: Vec::new(), result: Some(owned(ours)) };
    }
    if ours == base {
        return MergedSource { conflicts: Vec::new(), result: Some(owned(theirs)) };
    }
    let (Some(a), Some(b)) = (ours, theirs) else {
        let kept = ours.or(theirs).map_or(0, <[u8]>::len) / element.size();
        let result = match side(whole, &theirs_is_newer) {
            Some(true) => Some(owned(theirs)),
            Some(false) => Some(owned(ours)),
            None => None,
        };
        return MergedSource { conflicts: (0..kept as u32).collect(), result };
    };
    let size = element.size();
    let (mut conflicts, mut open, mut row) = (Vec::new(), false, Vec::with_capacity(a.len()));
    let base_at = |at: usize| base.map(|row| &row[at..at + size]);
    for (dim, (ours, theirs)) in a.chunks_exact(size).zip(b.chunks_exact(size)).enumerate() {
        let base = base_at(dim * size);
        if ours == theirs || base == Some(theirs) {
            row.extend_from_slice(ours);
        } else if base == Some(ours) {
            row.extend_from_slice(theirs);
        } else {
            conflicts.push(dim as u32);
            match strategies[dim] {
                Strategy::Average => {
                    let mean = (element.to_f64(ours) + element.to_f64(theirs)) / 2.0;
                    row.extend_from_slice(&rounded(element, mean)[..size]);
                }
                Strategy::Sum => {
                    let base = base.map_or(0.0, |b| element.to_f64(b));
                    let sum = base + (element.to_f64(ours) - base) + (element.to_f64(theirs) - base);
                    row.extend_from_slice(&rounded(element, sum)[..size]);
                }
                strategy => match side(strategy, &theirs_is_newer) {
                    Some(take_theirs) => row.extend_from_slice(if take_theirs { theirs } else { ours }),
                    None => {
                        open = true;
                        row.extend_from_slice(ours);
                    }
                },
            }
        }
    }
    MergedSource { conflicts, result: (!open).then_some(Some(row)) }
}

/// Returns whether a strategy takes their side; `None` when it takes neither.
fn side(strategy: Strategy, theirs_is_newer: &impl Fn() -> bool) -> Option<bool> {
    match strategy {
        Strategy::Ours => Some(false),
        Strategy::Theirs => Some(true),
        Strategy::Newest => Some(theirs_is_newer()),
        Strategy::Oldest => Some(!theirs_is_newer()),
        Strategy::Reject | Strategy::Average | Strategy::Sum => None,
    }
}

/// Rounds to the element type, to nearest, ties to even. What is too large becomes infinity, in integers the limit; no
/// number becomes one fixed NaN, in integers 0, so that the order of the sides leaves no trace.
pub fn rounded(element: Element, value: f64) -> [u8; 8] {
    let mut out = [0; 8];
    let bits = &mut out[..element.size()];
    let value = match element {
        Element::I8 | Element::U8 if value.is_nan() => 0.0,
        Element::I8 => value.clamp(-128.0, 127.0),
        Element::U8 => value.clamp(0.0, 255.0),
        _ => value,
    };
    if !round_to(element, value, bits) {
        round_to(element, f64::INFINITY.copysign(value), bits);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::version::merge::policy::Strategy;

    fn bits(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn merge(
        base: Option<&[f32]>,
        ours: Option<&[f32]>,
        theirs: Option<&[f32]>,
        s: Strategy,
        newer: bool,
    ) -> MergedSource {
        let (b, o, t) = (base.map(bits), ours.map(bits), theirs.map(bits));
        let states = States { base: b.as_deref(), ours: o.as_deref(), theirs: t.as_deref() };
        let dims = ours.or(theirs).or(base).map_or(0, <[f32]>::len);
        merge_source(Element::F32, states, &vec![s; dims], s, || newer)
    }

    #[test]
    fn every_case_of_three_states() {
        use Strategy::{Average, Newest, Oldest, Ours, Reject, Sum, Theirs};
        let done = |row: &[f32]| MergedSource { conflicts: vec![], result: Some(Some(bits(row))) };
        let gone = MergedSource { conflicts: vec![], result: Some(None) };
        let (b, x, y) = ([1.0, 2.0, -0.0], [1.5, 2.0, -0.0], [1.0, 7.0, 0.0]);
        assert_eq!(merge(Some(&b), Some(&x), Some(&y), Reject, false), done(&[1.5, 7.0, 0.0]), "other dimensions");
        assert_eq!(merge(Some(&b), Some(&b), Some(&y), Reject, false), done(&y), "theirs alone");
        assert_eq!(merge(Some(&b), Some(&x), Some(&b), Reject, false), done(&x), "ours alone");
        assert_eq!(merge(Some(&b), Some(&x), Some(&x), Reject, false), done(&x), "the same on both sides");
        assert_eq!(merge(Some(&b), None, None, Reject, false), gone, "deleted on both sides");
        assert_eq!(merge(Some(&b), Some(&b), None, Reject, false), gone, "they deleted it");
        assert_eq!(merge(None, None, Some(&x), Reject, false), done(&x), "they inserted it");
        assert_eq!(merge(None, Some(&x), Some(&x), Reject, false), done(&x), "both inserted the same");
        let both = |s, newer| merge(Some(&[1.0]), Some(&[3.0]), Some(&[6.0]), s, newer);
        let one = |v: f32| MergedSource { conflicts: vec![0], result: Some(Some(bits(&[v]))) };
        assert_eq!(both(Reject, false), MergedSource { conflicts: vec![0], result: None });
        assert_eq!((both(Ours, false), both(Theirs, false)), (one(3.0), one(6.0)));
        assert_eq!((both(Newest, true), both(Newest, false)), (one(6.0), one(3.0)));
        assert_eq!((both(Oldest, true), both(Oldest, false)), (one(3.0), one(6.0)));
        assert_eq!((both(Average, false), both(Sum, false)), (one(4.5), one(8.0)));
        let deleted = |s, newer| merge(Some(&b), Some(&x), None, s, newer);
        let all = vec![0, 1, 2];
        for s in [Reject, Average, Sum] {
            assert_eq!(deleted(s, true), MergedSource { conflicts: all.clone(), result: None });
        }
        assert_eq!(deleted(Theirs, false), MergedSource { conflicts: all.clone(), result: Some(None) });
        assert_eq!(deleted(Newest, true), MergedSource { conflicts: all.clone(), result: Some(None) });
        assert_eq!(deleted(Ours, true), MergedSource { conflicts: all, result: Some(Some(bits(&x))) });
    }

    #[test]
    fn a_value_is_rounded_once() {
        // Between two f16 values, and so close to the middle that f32 rounds it there.
        let above = 1.0 + f64::powi(2.0, -11) + f64::powi(2.0, -40);
        assert_eq!(
            half::f16::from_le_bytes([rounded(Element::F16, above)[0], rounded(Element::F16, above)[1]]).to_f64(),
            1.0 + f64::powi(2.0, -10)
        );
        assert_eq!(rounded(Element::I8, -0.5)[0], 0);
        assert_eq!(rounded(Element::I8, 1.5)[0] as i8, 2);
        assert_eq!(rounded(Element::I8, 1e9)[0] as i8, 127);
        assert_eq!(rounded(Element::U8, -3.0)[0], 0);
        assert_eq!(rounded(Element::F32, -f64::NAN), rounded(Element::F32, f64::NAN));
    }

    proptest! {
        /// Symmetric strategies give the same bits whichever side comes first, and one-sided changes are kept exactly.
        #[test]
        fn the_order_of_sides_leaves_no_trace(rows in proptest::collection::vec((any::<u32>(), any::<u32>(), any::<u32>(), 0..4u8), 1..40)) {
            let side = |f: fn(&(u32, u32, u32, u8)) -> u32| rows.iter().flat_map(|r| f(r).to_le_bytes()).collect::<Vec<u8>>();
            let base = side(|r| r.0);
            let ours = side(|r| if r.3 & 1 == 0 { r.0 } else { r.1 });
            let theirs = side(|r| if r.3 & 2 == 0 { r.0 } else { r.2 });
            let strategies = vec![Strategy::Average; rows.len()];
            let merge = |a: &[u8], b: &[u8]| {
                let states = States { base: Some(&base), ours: Some(a), theirs: Some(b) };
                merge_source(Element::F32, states, &strategies, Strategy::Reject, || false)
            };
            let (there, back) = (merge(&ours, &theirs), merge(&theirs, &ours));
            prop_assert_eq!(&there, &back);
            let merged = there.result.unwrap().unwrap();
            for (i, r) in rows.iter().enumerate() {
                let got = u32::from_le_bytes(merged[i * 4..][..4].try_into().unwrap());
                let (o, t) = (if r.3 & 1 == 0 { r.0 } else { r.1 }, if r.3 & 2 == 0 { r.0 } else { r.2 });
                let want = if o == r.0 { t } else if t == r.0 || o == t { o } else {
                    let mean = (f64::from(f32::from_bits(o)) + f64::from(f32::from_bits(t))) / 2.0;
                    if mean.is_nan() { f32::NAN.to_bits() } else { (mean as f32).to_bits() }
                };
                prop_assert_eq!(got, want, "component {}", i);
            }
        }
    }
}
