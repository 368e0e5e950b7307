//! Pictures of the window, in both themes, drawn by our own rasteriser.
//!
//! The same program draws the same pixels everywhere; a pixel may differ by egui's own measure of 0.6, and ten may differ
//! more, so that a newer compiler may round otherwise. `UPDATE_SNAPSHOTS=1 cargo test -p vecdelta-inspector` makes them
//! anew: look at them before they are committed.

use egui::{Key, Theme};
use egui_kittest::kittest::Queryable;
use egui_kittest::{SnapshotOptions, SnapshotResults};
use vecdelta_inspector::ask::Place;
use vecdelta_inspector::native::open::opener;

use super::support::{Window, window};

fn check(name: &str, place: Option<Place>, link: &'static str) {
    check_after(name, place, link, |_| {});
}

/// Looks at what is shown once somebody did something.
fn check_after(name: &str, place: Option<Place>, link: &'static str, act: fn(&mut Window)) {
    let mut results = SnapshotResults::new();
    for (theme, suffix) in [(Theme::Dark, "dark"), (Theme::Light, "light")] {
        let mut w = window([960.0, 560.0], theme, place.clone(), link, opener);
        act(&mut w);
        w.remove_cursor();
        w.run();
        let options = SnapshotOptions::new().threshold(0.6).max_failed_pixels(10_usize);
        results.add(w.try_snapshot_options(format!("{name}-{suffix}"), &options));
    }
}

#[test]
fn the_start_page() {
    check("start", None, "");
}

#[test]
fn the_graph_and_a_commit() {
    check("commit", Some(Place::Demo), "#c=v1");
}

#[test]
fn the_vectors_of_a_commit() {
    check("changes", Some(Place::Demo), "#view=changes&q=daily");
}

#[test]
fn a_vector_through_its_history() {
    check("vector", Some(Place::Demo), "#view=vector&vec=products/shelf-003&c=main");
}

#[test]
fn all_vectors_on_two_axes() {
    check("projection", Some(Place::Demo), "#view=projection&c=tuned&vec=products/lamp-000");
}

#[test]
fn a_pipeline_as_it_was_recorded() {
    check("pipeline", Some(Place::Demo), "#view=pipeline&pipe=tests/stages.jsonl");
}

#[test]
fn the_drift_beside_the_graph() {
    check("drift", Some(Place::Demo), "#view=drift&c=main");
}

#[test]
fn a_check_of_the_whole_history() {
    check_after("integrity", Some(Place::Demo), "#view=integrity", |w| {
        w.get_by_label("Check the history").click();
        w.run();
    });
}

#[test]
fn vectors_that_are_to_be_written() {
    check_after("export", Some(Place::Demo), "#view=changes&c=main", |w| {
        w.key_press(Key::E);
        w.run();
    });
}

#[test]
fn what_the_answers_cost() {
    check("cost", Some(Place::Demo), "#view=cost&c=main");
}

#[test]
fn a_merge_before_it_is_made() {
    check("compare", Some(Place::Demo), "#view=compare&ours=main&theirs=seasonal");
}
