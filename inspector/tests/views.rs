//! The worker's answers for the views, against what the engine says in another way.

use std::collections::BTreeSet;
use std::sync::Arc;

use egui::{Key, Theme};
use egui_kittest::kittest::Queryable;
use vecdelta::delta::Source;
use vecdelta::store::MemoryDisk;
use vecdelta::version::{DriftOptions, Repository, VersionError, blame, diff, drift, percentile, value};
use vecdelta_inspector::ask::{Answer, Ask, Place};
use vecdelta_inspector::model::drift::Drift;
use vecdelta_inspector::model::integrity::Integrity;
use vecdelta_inspector::model::versions::Versions;
use vecdelta_inspector::native::open::opener;
use vecdelta_inspector::ui::view::VIEWS;
use vecdelta_inspector::work::{Opener, answer};

use super::support::{demo as shop, shown, window};

fn demo() -> (Arc<MemoryDisk>, Repository) {
    let disk = Arc::new(MemoryDisk::default());
    vecdelta::demo::tell(disk.clone()).expect("the demo is told");
    let repo = Repository::open(disk.clone()).expect("it opens");
    (disk, repo)
}

fn versions(repo: &Repository, tip: usize, source: &str) -> Versions {
    let mut versions = Versions::default();
    while let Some(from) = versions.next() {
        let ask = Ask::Versions { tip: tip as u32, source: source.to_owned(), from };
        let Ok(Answer::Versions(slice)) = answer(repo, &ask) else { panic!("no versions of {source}") };
        versions.take(&slice);
    }
    versions
}

#[test]
fn versions_and_blame_are_those_of_the_engine() {
    let (_, repo) = demo();
    let mut touched = 0;
    for tip in (0..repo.len()).filter(|&c| repo.stands_for(c).is_none()) {
        let lamps = (0..24).map(|i| format!("lamp-{i:03}"));
        for key in lamps.chain(["shelf-003", "rug-001", "mirror-002"].map(str::to_owned)) {
            let name = format!("products/{key}");
            let source = Source::parse(&name).expect("a source");
            let versions = versions(&repo, tip, &name);
            let now = versions.at(tip as u32);
            let Ok(value) = value(&repo, tip, &source) else {
                assert!(now.is_none_or(|i| versions.bits(i, 0).is_none()), "{name} at {tip}");
                continue;
            };
            let now = now.expect("it has a version");
            let bits: Vec<u8> =
                (0..value.table.dims).flat_map(|d| versions.bits(now, d).expect("bits").to_vec()).collect();
            assert_eq!(bits, value.row, "{name} at {tip}");
            let by: Vec<usize> = versions
                .blame(now)
                .into_iter()
                .map(|i| versions.version(i).expect("it is there").commit as usize)
                .collect();
            let expected = blame(&repo, tip, &source).expect("blame").dims;
            assert_eq!(by, expected, "{name} at {tip}");
            touched += usize::from(by.iter().any(|&c| c != by[0]));
        }
    }
    assert!(touched > 5, "only {touched} vectors owe their dimensions to several commits");
}

#[test]
fn what_a_commit_changed_is_what_its_tables_differ_in() {
    let (_, repo) = demo();
    for commit in (0..repo.len()).filter(|&c| repo.stands_for(c).is_none()) {
        let parent = repo.entry(commit).parents.first().copied();
        if parent.is_some_and(|p| repo.stands_for(p).is_some()) {
            continue; // The table before is gone.
        }
        let Ok(Answer::Changes(changes)) = answer(&repo, &Ask::Changes { commit: commit as u32 }) else {
            panic!("no changes of {commit}")
        };
        let mut expected = BTreeSet::new();
        diff(&repo, parent, Some(commit), None, &mut |part| {
            expected.extend(part.sources.into_iter().map(|d| (d.key, d.l2.to_bits(), d.changed_dims)));
            Ok::<_, VersionError>(())
        })
        .expect("it is whole");
        let mut begin = 0;
        let mut key = |&end: &u32| {
            let key = changes.keys[begin..end as usize].to_owned();
            begin = end as usize;
            key
        };
        let found: Vec<String> = changes.ends.iter().map(&mut key).collect();
        let found: BTreeSet<_> =
            found.into_iter().zip(changes.l2).zip(changes.dims).map(|((k, l), d)| (k, l, d)).collect();
        assert_eq!(found, expected, "{commit}");
        assert!(changes.complete && (parent.is_some() || found.len() == 120));
    }
}

#[test]
fn drift_in_pieces_is_the_engines_drift() {
    let (_, repo) = demo();
    let held: Vec<usize> = (0..repo.len()).filter(|&c| repo.stands_for(c).is_none()).collect();
    let options = DriftOptions { neighbours: None, sample: 0, seed: 0, top: 5 };
    for &before in &held {
        for &after in &held {
            let mut pieces = Drift::default();
            while let Some(from) = pieces.next() {
                let (before, after) = (before as u32, after as u32);
                let ask = Ask::Drift { before, after, collection: "products".to_owned(), from };
                let Ok(Answer::Drift(slice)) = answer(&repo, &ask) else { panic!("no drift") };
                pieces.take(from, &slice);
            }
            let whole = drift(&repo, (before, after), "products", options, &mut |_| {}).expect("drift");
            assert_eq!(pieces.counts, [whole.inserted, whole.changed, whole.deleted], "{before}..{after}");
            assert_eq!(pieces.rows, [whole.before.rows, whole.after.rows]);
            let moves = whole.moves.expect("one shape");
            for percent in [0, 1, 10, 50, 90, 99, 100] {
                assert_eq!(pieces.l2(percent), percentile(&moves.l2, percent), "{before}..{after} at {percent}");
                assert_eq!(pieces.cosine(percent), percentile(&moves.cosine, percent));
            }
            let farthest = |l2: Option<f64>| l2.map(f64::to_bits);
            assert_eq!(farthest(pieces.farthest.first().map(|f| f.1)), farthest(moves.sources.first().map(|s| s.l2)));
            match (pieces.centroid_shift(), whole.centroid_shift) {
                (Some(a), Some(b)) => assert!((a - b).abs() <= 1e-12 * b.max(1.0), "{a} {b}"),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_merge_is_previewed_and_nothing_is_written() {
    let (disk, repo) = demo();
    let before = disk.files();
    let ask = |strategy: &str, rows: Vec<(String, String)>| {
        let ask = Ask::Merge { ours: "main".into(), theirs: "seasonal".into(), strategy: strategy.into(), rows };
        match answer(&repo, &ask) {
            Ok(Answer::Merge(preview)) => preview,
            other => panic!("{other:?}"),
        }
    };
    let open = ask("reject", Vec::new());
    assert!(open.conflicts > 0 && open.open == open.conflicts, "{open:?}");
    assert_eq!(open.rows.len() as u64, open.conflicts);
    let newest = ask("newest", Vec::new());
    assert_eq!((newest.open, newest.conflicts), (0, open.conflicts));
    let first = open.rows[0].source.clone();
    let one = ask("reject", vec![(first.clone(), "theirs".to_owned())]);
    assert_eq!(one.open, open.open - 1);
    for (strategy, side) in [("ours", 1), ("theirs", 2)] {
        let ask = Ask::Conflict {
            ours: "main".into(),
            theirs: "seasonal".into(),
            strategy: strategy.into(),
            source: first.clone(),
        };
        let Ok(Answer::Conflict(rows)) = answer(&repo, &ask) else { panic!("no conflict") };
        assert!(rows.resolved && !rows.dims.is_empty());
        let cell = |row: usize, dim: u32| rows.rows[row].as_ref().map(|r| r[dim as usize * 4..][..4].to_vec());
        for &dim in &rows.dims {
            assert_eq!(cell(3, dim), cell(side, dim), "{strategy} at {dim}");
            assert_ne!(cell(1, dim), cell(2, dim));
        }
    }
    assert!(disk.files() == before, "a preview wrote something");
    let nobody = Ask::Merge { ours: "main".into(), theirs: "nobody".into(), strategy: "ours".into(), rows: vec![] };
    assert!(answer(&repo, &nobody).is_err());
}

#[test]
fn a_flipped_byte_is_found_and_its_commit_is_named() {
    let (disk, repo) = demo();
    let check = || {
        let mut check = Integrity::default();
        check.begin();
        while let Some(from) = check.next() {
            let Ok(Answer::Rehash(slice)) = answer(&repo, &Ask::Rehash { from }) else { panic!("no answer") };
            check.take(from, slice);
        }
        check
    };
    let sound = check();
    assert!(sound.done && sound.found == 0 && sound.records == sound.total, "{sound:?}");
    let place = repo.entry(3).place;
    let path = format!("log/{:08}.vdlog", place.segment);
    let mut bytes = disk.files()[&path].clone();
    bytes[place.offset as usize + 60] ^= 1;
    disk.put(&path, bytes);
    let broken = check();
    assert!(broken.done && broken.first_broken() == Some(3), "{broken:?}");
}

/// The demo history with one byte of commit 3 flipped.
fn damaged() -> Opener {
    Box::new(|_| {
        let (disk, repo) = demo();
        let place = repo.entry(3).place;
        let path = format!("log/{:08}.vdlog", place.segment);
        let mut bytes = disk.files()[&path].clone();
        bytes[place.offset as usize + 60] ^= 1;
        // The index stays as it was, so that the history opens and only the check reads every byte.
        disk.put(&path, bytes);
        Ok((disk, true))
    })
}

#[test]
fn the_heatmap_shows_bits_and_switches_to_changes() {
    let mut w = shop("#view=vector&vec=products/lamp-000&c=main");
    assert!(w.query_by_label_contains("Heatmap of").is_some());
    assert!(w.query_by_label_contains("Who touched its dimensions last").is_some());
    w.key_press(Key::X);
    w.run();
    let link = shown(&w)["link"].as_str().expect("a link").to_owned();
    assert!(link.contains("heat=change"), "{link}");
    let target = w.get_by_label_contains("Heatmap of").rect();
    w.hover_at(target.min + egui::vec2(120.0, 6.0));
    w.run();
    assert!(w.query_by_label_contains("f32 0x").is_some(), "the bits under the pointer are shown");
}

#[test]
fn the_drift_of_a_commit_is_measured() {
    let mut w = shop("#view=drift&c=tuned");
    w.run();
    assert!(w.query_by_label_contains("against its parent").is_some());
    assert!(w.query_by_label_contains("120 changed").is_some());
}

#[test]
fn branches_are_compared_and_a_conflict_is_resolved_by_itself() {
    let mut w = shop("#view=compare&ours=main&theirs=seasonal");
    assert!(w.query_by_label_contains("open.").is_some());
    // A row has a strategy of its own whatever that for all is.
    let mut bulk = shop("#view=compare&ours=main&theirs=seasonal&strategy=newest");
    assert!(bulk.query_by_label_contains(" 0 open").is_some());
    let row = bulk.get_all_by_label_contains("Strategy for products/").next().expect("a conflict");
    row.click();
    bulk.run();
    bulk.get_by_label("oldest").click();
    bulk.run();
    assert!(bulk.query_by_label_contains(" 0 open").is_some());
    w.key_press(Key::S);
    w.run();
    assert!(shown(&w)["link"].as_str().expect("a link").contains("ours=seasonal"));
}

#[test]
fn a_sound_history_is_checked_and_a_damaged_one_is_shown_where_it_broke() {
    let mut w = shop("#view=integrity");
    w.get_by_label("Check the history").click();
    w.run();
    assert_eq!(shown(&w)["integrity"]["found"], 0);
    assert_eq!(shown(&w)["integrity"]["done"], true);
    w.get_by_label("Every byte is as it was written.");
    let mut w = window([1280.0, 720.0], Theme::Light, Some(Place::Demo), "#view=integrity", damaged);
    w.get_by_label("Check the history").click();
    w.run();
    let state = shown(&w);
    assert!(state["integrity"]["first_broken"].is_string(), "{state}");
}

#[test]
fn every_view_is_drawn_at_every_size_and_survives_any_link() {
    for size in [[640.0, 420.0], [1280.0, 720.0], [2560.0, 1440.0]] {
        for link in ["", "#vec=products/lamp-000&heat=change&contrast=64", "#vec=nothing&strategy=none&ours=x&theirs=y"]
        {
            let mut w = window(size, Theme::Light, Some(Place::Demo), link, opener);
            for _ in VIEWS {
                w.key_press(Key::V);
                w.run();
            }
            assert!(shown(&w)["trouble"].is_null());
        }
    }
}

#[test]
fn an_unknown_view_of_a_link_is_said_and_another_one_shown() {
    let mut w = shop("#view=nonsense&c=main");
    assert!(w.query_by_label_contains("the view “nonsense”, which is not known here: Commit").is_some());
    assert_eq!(shown(&w)["view"], "commit");
    assert!(!shown(&w)["link"].as_str().expect("a link").contains("nonsense"));
    w.run_steps(400);
    assert!(w.query_by_label_contains("nonsense").is_none(), "it does not stay for ever");
    assert!(shop("#view=cost&c=main").query_by_label_contains("not known here").is_none());
}

#[test]
fn what_stands_below_few_versions_and_few_commits_follows_at_once() {
    for size in [[1280.0, 720.0], [2560.0, 1440.0]] {
        let look = |link| window(size, Theme::Dark, Some(Place::Demo), link, opener);
        let w = look("#view=vector&vec=products/shelf-003&c=main");
        let map = w.get_by_label_contains("Heatmap of ").rect();
        let hint = w.get_by_label_contains("Point at a cell for its bits").rect();
        assert!((0.0..12.0).contains(&(hint.top() - map.bottom())), "{map:?} {hint:?}");
        assert!(map.height() < 24.0 * 10.0, "no taller than its rows and the axis: {map:?}");
        let w = look("#view=drift&c=main");
        let charts = w.get_by_label("Charts of each commit beside its row").rect();
        let rows = 16.0 * 26.0 + 28.0;
        assert!(charts.height() <= rows, "{charts:?}");
        assert!(w.get_by_label("moved farthest").rect().top() - charts.bottom() < 120.0);
    }
}

#[test]
fn a_narrow_window_cuts_nothing_off_at_its_right() {
    let look = |link| window([960.0, 560.0], Theme::Light, Some(Place::Demo), link, opener);
    let w = look("#view=vector&vec=products/shelf-003&c=main");
    for part in ["Heatmap of ", "Point at a cell for its bits", "contrast"] {
        for found in w.query_all_by_label_contains(part) {
            assert!(found.rect().right() <= 952.0, "{part}: {:?}", found.rect());
        }
    }
    let w = look("#view=drift&c=main");
    let farthest = w.query_all_by_label_contains("lamp-").map(|n| n.rect().right()).fold(0.0, f32::max);
    assert!(farthest > 0.0 && farthest <= 940.0, "{farthest}");
}
