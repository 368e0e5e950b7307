//! The layout against a plain one, and what must hold of any: every line leads to its commit.

use proptest::prelude::*;
use vecdelta_inspector::ask::NONE;
use vecdelta_inspector::model::history::History;
use vecdelta_inspector::model::lanes::{Lanes, STRIDE};
use vecdelta_inspector::model::rows::{FOLD_MIN, Item, Rows};

use super::support::{any_parents, history};

/// The rules as they are written down, without any haste: the lane of each commit, newest first.
fn plain_lanes(history: &History) -> Vec<u16> {
    let mut lanes: Vec<Option<u32>> = vec![history.head()];
    let mut out = Vec::new();
    for commit in (0..history.len()).rev() {
        let free = |lanes: &Vec<Option<u32>>, from: usize| {
            (from..).find(|&l| lanes.get(l).copied().flatten().is_none()).expect("there is always one further right")
        };
        let own = lanes.iter().position(|l| *l == Some(commit)).unwrap_or_else(|| free(&lanes, 0));
        lanes.iter_mut().filter(|l| **l == Some(commit)).for_each(|l| *l = None);
        let [first, second] = history.parents(commit);
        let mut put = |at: usize, parent: u32| {
            lanes.resize(lanes.len().max(at + 1), None);
            lanes[at] = Some(parent);
        };
        if first != NONE {
            put(own, first);
        }
        if second != NONE && !lanes.contains(&Some(second)) {
            let at = free(&lanes, own + 1);
            lanes.resize(lanes.len().max(at + 1), None);
            lanes[at] = Some(second);
        }
        out.push(own as u16);
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn lanes_are_those_of_the_rules(parents in any_parents(700), head in any::<prop::sample::Index>()) {
        let branches = vec![0; parents.len()];
        let history = history(&parents, &branches, &[("main", head.index(parents.len()) as u32)]);
        let lanes = Lanes::of(&history);
        let plain = plain_lanes(&history);
        prop_assert_eq!((0..lanes.len()).map(|r| lanes.lane(r)).collect::<Vec<_>>(), plain);
        let whole = lanes.rows(&history, 0..lanes.len());
        prop_assert_eq!(whole.len() as u32, history.len());
        for pair in whole.windows(2) {
            prop_assert_eq!(&pair[0].below, &pair[1].above);
        }
        for (row, r) in whole.iter().enumerate() {
            let row = row as u32;
            prop_assert_eq!(r.commit, history.len() - 1 - row);
            prop_assert_eq!(r.lane, lanes.lane(row));
            // Lines that end here are gone below; all others go on in their lane.
            for (lane, line) in &r.above {
                let goes_on = r.below.iter().any(|(l, b)| l == lane && b.target == line.target);
                prop_assert_eq!(goes_on, line.target != r.commit);
                prop_assert!(line.target <= r.commit, "a line has run past its commit");
            }
            let reached: Vec<u32> = r.to_parents.iter().map(|lane| r.below.iter().find(|(l, _)| l == lane).expect("a line leaves").1.target).collect();
            let parents: Vec<u32> = history.parents(r.commit).into_iter().filter(|&p| p != NONE).collect();
            prop_assert_eq!(reached, parents);
            prop_assert!(lanes.width(row..row + 1) > r.lane);
        }
        for from in [0, 1, STRIDE - 1, STRIDE, STRIDE + 1, history.len() / 2] {
            let to = (from + 50).min(history.len());
            let part = lanes.rows(&history, from.min(to)..to);
            prop_assert_eq!(&part[..], &whole[from.min(to) as usize..to as usize]);
        }
    }

    #[test]
    fn folded_rows_hold_every_commit_once(parents in any_parents(400), names in prop::collection::vec(any::<prop::sample::Index>(), 0..4), open in prop::collection::btree_set(0..400_u32, 0..4)) {
        let branches: Vec<u16> = (0..parents.len()).map(|i| (i / 90) as u16).collect();
        let heads: Vec<(&str, u32)> = names.iter().map(|i| ("x", i.index(parents.len()) as u32)).collect();
        let history = history(&parents, &branches, &heads);
        for rows in [Rows::folded(&history, &open), Rows::all(history.len())] {
            let mut next = history.len();
            for row in 0..rows.len() {
                let item = rows.item(row).expect("a row has something in it");
                prop_assert_eq!(item.newest() + 1, next);
                next = item.oldest();
                for commit in item.oldest()..=item.newest() {
                    prop_assert_eq!(rows.row_of(commit), Some(row));
                }
                if let Item::Folded(newest, oldest) = item {
                    prop_assert!(newest - oldest + 1 >= FOLD_MIN);
                    prop_assert!((oldest..=newest).all(|c| history.labels(c).is_empty() && !open.contains(&c)));
                    prop_assert!((oldest..=newest).all(|c| history.parent(c) == Some(c - 1)));
                }
            }
            prop_assert_eq!(next, 0);
            prop_assert_eq!(rows.item(rows.len()), None);
            prop_assert_eq!(rows.commits(0..rows.len()), 0..history.len());
        }
    }
}

#[test]
fn a_line_of_commits_is_one_row_when_folded() {
    let parents: Vec<[u32; 2]> = (0..1000_u32).map(|i| [i.checked_sub(1).unwrap_or(NONE), NONE]).collect();
    let history = history(&parents, &[0; 1000], &[("main", 999)]);
    let rows = Rows::folded(&history, &Default::default());
    let items: Vec<Item> = (0..rows.len()).filter_map(|r| rows.item(r)).collect();
    assert_eq!(items, [Item::Commit(999), Item::Folded(998, 1), Item::Commit(0)]);
    let opened = Rows::folded(&history, &[500].into());
    assert_eq!(opened.len(), 1000);
}

#[test]
fn main_keeps_the_leftmost_lane() {
    // 0 - 1 - 3 main, 1 - 2 - 4 another, which is newer.
    let parents = [[NONE, NONE], [0, NONE], [1, NONE], [1, NONE], [2, NONE]];
    let history = history(&parents, &[0, 0, 1, 0, 1], &[("main", 3), ("other", 4)]);
    let lanes = Lanes::of(&history);
    assert_eq!((0..5).map(|r| lanes.lane(r)).collect::<Vec<_>>(), [1, 0, 1, 0, 0]);
    let rows = lanes.rows(&history, 0..5);
    assert!(rows[0].above.is_empty() && rows[0].below.len() == 1, "the lane kept for main is not drawn");
}

#[test]
fn rows_are_exact_in_long_histories() {
    let rows = Rows::all(10_000_000);
    for row in [0, 1, 9_999_998, 9_999_999, 5_000_000, 1 << 23, (1 << 23) + 1] {
        let commit = 9_999_999 - row;
        assert_eq!(rows.item(row), Some(Item::Commit(commit)));
        assert_eq!(rows.row_of(commit), Some(row));
    }
    assert_eq!(rows.item(10_000_000), None);
}
