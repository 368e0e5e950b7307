//! Paths through the graph, the replay's clock, search and links.

use proptest::prelude::*;
use vecdelta_inspector::ask::{NONE, Record, RecordSlice};
use vecdelta_inspector::model::history::History;
use vecdelta_inspector::model::link::Link;
use vecdelta_inspector::model::path::{path, tip_after};
use vecdelta_inspector::model::playback::{Playback, SPEEDS, TICK_MAX};
use vecdelta_inspector::model::search::Search;
use vecdelta_inspector::model::selection::{Selection, unique_id};

use super::support::{any_parents, history};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_path_goes_from_child_to_parent_and_through_what_is_asked(parents in any_parents(200), picks in any::<[prop::sample::Index; 2]>()) {
        let history = history(&parents, &vec![0; parents.len()], &[("main", parents.len() as u32 - 1)]);
        let [tip, via] = picks.map(|i| i.index(parents.len()) as u32);
        let way = path(&history, tip, Some(via));
        prop_assert_eq!(way.last(), Some(&tip));
        prop_assert_eq!(history.parents(way[0]), [NONE; 2]);
        for pair in way.windows(2) {
            prop_assert!(history.parents(pair[1]).contains(&pair[0]));
        }
        prop_assert_eq!(way.contains(&via), is_ancestor(&history, via, tip));
        let end = tip_after(&history, via);
        prop_assert!(path(&history, end, Some(via)).contains(&via));
    }

    #[test]
    fn the_clock_stays_on_the_path_and_does_not_depend_on_frames(
        len in 0_usize..200, speed in prop::sample::select(&SPEEDS[..]), looping: bool,
        range in prop::option::of((0_usize..220, 0_usize..220)), ticks in prop::collection::vec(0.0..TICK_MAX, 0..40),
    ) {
        let start = || {
            let mut p = Playback::new(speed, looping, range);
            p.playing = true;
            p
        };
        let (mut whole, mut halves) = (start(), start());
        for dt in &ticks {
            whole.tick(*dt, len);
            halves.tick(dt / 2.0, len);
            halves.tick(dt / 2.0, len);
            prop_assert!(whole.place() < len.max(1));
            let at = |p: &Playback| p.place() as f64 + p.between();
            let apart = (at(&whole) - at(&halves)).abs();
            // At the seam of a loop a rounding may fall on either side.
            prop_assert!(apart < 1e-6 || looping, "{} and {}", at(&whole), at(&halves));
        }
        whole.tick(f64::NAN, len);
        whole.tick(-1.0, len);
        whole.tick(1e9, len);
        prop_assert!(whole.place() < len.max(1));
    }

    #[test]
    fn a_link_leads_back(parents in any_parents(60), picks in any::<[prop::sample::Index; 3]>(), vector in prop::option::of(any::<String>()), query in any::<String>()) {
        let n = parents.len();
        let history = history(&parents, &vec![0; n], &[("main", n as u32 - 1), ("a&b=#", 0)]);
        let [commit, with, tip] = picks.map(|i| Some(i.index(n) as u32));
        let selection = Selection { commit, with, vector, view: "changes".to_owned(), tip, rest: vec![("later".to_owned(), "1".to_owned())] };
        let link = selection.link(&history, &query).to_text();
        let parsed = Link::parse(&link);
        prop_assert_eq!(parsed.query.clone().unwrap_or_default(), query);
        prop_assert_eq!(Selection::of(&parsed, &history, "commit"), selection);
    }
}

fn is_ancestor(history: &History, older: u32, newer: u32) -> bool {
    let mut open = vec![newer];
    while let Some(commit) = open.pop() {
        if commit == older {
            return true;
        }
        open.extend(history.parents(commit).into_iter().filter(|&p| p != NONE && p >= older));
    }
    false
}

#[test]
fn what_a_link_names_and_is_not_there_is_said() {
    let history = history(&[[NONE; 2], [0, NONE]], &[0, 0], &[("main", 1)]);
    let says = |link: &str| Selection::unknown(&Link::parse(link), &history, &[("commit", "Commit"), ("cost", "Cost")]);
    for known in ["", "#", "#view=cost&c=main&b=main", "#c=&b=&later=1"] {
        assert_eq!(says(known), [] as [String; 0], "{known}");
    }
    assert_eq!(
        says("#view=nonsense&c=main"),
        ["The link names the view “nonsense”, which is not known here: Commit is shown instead."]
    );
    assert_eq!(
        says("#view=Cost&c=v9&b=gone&with=x"),
        [
            "The link names the view “Cost”, which is not known here: Commit is shown instead.",
            "The link names the commit “v9”, which is not known here: the newest commit is shown instead.",
            "The link names the branch “gone”, which is not known here: the replay goes through the selected commit.",
            "The link names the marked commit “x”, which is not known here: none is marked.",
        ]
    );
    assert_eq!(
        says("#c=v9&b=main"),
        ["The link names the commit “v9”, which is not known here: the head of main is shown instead."]
    );
}

#[test]
fn play_begins_again_at_the_end_and_holds_the_last_place_of_a_loop() {
    let mut p = Playback::new(1.0, false, None);
    p.seek(4);
    p.toggle(5);
    assert_eq!((p.playing, p.place()), (true, 0));
    for _ in 0..100 {
        p.tick(0.1, 5);
    }
    assert_eq!((p.playing, p.place()), (false, 4));
    p.looping = true;
    p.range = Some((3, 1));
    p.toggle(5);
    let mut seen = Vec::new();
    for _ in 0..80 {
        p.tick(0.1, 5);
        if seen.last() != Some(&p.place()) {
            seen.push(p.place());
        }
    }
    assert_eq!(seen[..5], [1, 2, 3, 1, 2]);
    p.step(-9, 5);
    assert_eq!((p.playing, p.place()), (false, 0));
    p.toggle(1);
    assert!(!p.playing, "one commit is no path");
}

#[test]
fn search_finds_by_words_and_conditions() {
    let parents: Vec<[u32; 2]> = (0..100_u32).map(|i| [i.checked_sub(1).unwrap_or(NONE), NONE]).collect();
    let mut history = history(&parents, &[3; 100], &[("main", 99)]);
    let record = |i: u64| Record {
        author: if i.is_multiple_of(2) { "Ana" } else { "ben" }.to_owned(),
        message: format!("Größe {i}"),
        changed: [0, i, 0],
        l2_max: (i as f64 / 10.0).to_bits(),
        ..Record::default()
    };
    history.take_records(RecordSlice { from: 0, records: (0..100).map(record).collect() });
    let find = |text: &str| {
        let mut search = Search::new(text);
        while search.step(&history, 7) {}
        search.found().to_vec()
    };
    assert_eq!(find("GRÖSSE 42"), [] as [u32; 0], "ß is not SS");
    assert_eq!(find("größe"), (0..100).rev().collect::<Vec<_>>());
    assert_eq!(find("author:ana sources>=96"), [98, 96]);
    assert_eq!(find("mag<0.25 mag>0.05"), [2, 1]);
    assert_eq!(find("branch:3 sources<=1"), [1, 0]);
    assert_eq!(find("main"), [99]);
    assert_eq!(find(&unique_id(&history, 17)), [17]);
    assert_eq!(find("after:1970-01-02"), [] as [u32; 0]);
    assert_eq!(find("   "), [] as [u32; 0]);
    let mut search = Search::new("größe");
    while search.step(&history, 1000) {}
    assert_eq!(search.next_from(Some(50), true), Some(49));
    assert_eq!(search.next_from(Some(50), false), Some(51));
    assert_eq!(search.next_from(Some(0), true), Some(99), "it begins again");
    assert!(search.contains(7) && !search.contains(100));
}
