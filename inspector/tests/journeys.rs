//! Journeys through the window, as people make them: by pointer, by keys alone, and by what a screen reader is told.

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use vecdelta_inspector::ask::Place;
use vecdelta_inspector::native::open::opener;

use super::support::{Window, demo, shown, window};

fn press(window: &mut Window, key: Key) {
    window.key_press(key);
    window.run();
}

#[test]
fn open_the_demo_find_a_commit_and_look_at_its_vectors() {
    let mut w = window([1280.0, 720.0], egui::Theme::Dark, None, "", opener);
    assert_eq!(shown(&w)["ready"], false);
    w.get_by_label("Demo history").click();
    w.run();
    assert_eq!(shown(&w)["commits"], 16);
    w.get_by_label_contains("Winter descriptions").click();
    w.run();
    let state = shown(&w);
    assert_eq!(state["path"]["length"], 12, "the path now leads to the other branch: {state}");
    w.get_by_label("Vectors").click();
    w.run();
    assert_eq!(shown(&w)["view"], "changes");
    w.get_all_by_label_contains("products/").next().expect("a vector is listed").click();
    w.run();
    assert!(shown(&w)["vector"].as_str().is_some_and(|v| v.starts_with("products/")));
    w.get_by_label("Sort by vector").click();
    w.run();
    w.get_by_label("Sort by vector").click();
    w.run();
}

#[test]
fn search_goes_from_match_to_match() {
    let mut w = demo("");
    press(&mut w, Key::Slash);
    w.get_by_label("Search commits").type_text("daily author:sync");
    w.run();
    assert_eq!(shown(&w)["search"]["found"], 8);
    assert_eq!(shown(&w)["search"]["text"], "daily author:sync");
    press(&mut w, Key::Enter);
    assert_eq!(shown(&w)["search"]["found"], 8);
    let first = shown(&w)["commit"].clone();
    press(&mut w, Key::Escape);
    w.get_by_label("Next match").click();
    w.run();
    assert_ne!(shown(&w)["commit"], first);
    w.get_by_label("Clear the search").click();
    w.run();
    assert_eq!(shown(&w)["search"]["found"], 0);
}

#[test]
fn the_replay_steps_and_plays_and_stops_at_the_end() {
    let mut w = demo("#c=main~x&b=main");
    assert_eq!(shown(&w)["path"]["place"], 13);
    w.get_by_label("Ten commits back").click();
    w.run();
    assert_eq!(shown(&w)["path"]["place"], 3);
    w.get_by_label("One commit on").click();
    w.run();
    assert_eq!(shown(&w)["path"]["place"], 4);
    w.get_by_label("Play").click();
    w.step();
    w.step();
    assert_eq!(shown(&w)["playing"], true);
    // Two commits a second, a tenth of a second at most in a frame: it ends within nine places.
    w.run_steps(400);
    let state = shown(&w);
    assert_eq!((&state["playing"], &state["path"]["place"]), (&false.into(), &13.into()));
}

#[test]
fn a_stretch_of_the_path_is_played_again_and_again() {
    let mut w = demo("#c=main&b=main");
    let bars = w.get_by_label("Place on the path").rect();
    let at = |share: f32| bars.left_top() + bars.size() * egui::vec2(share, 0.5);
    w.event(egui::Event::PointerMoved(at(0.3)));
    let button = |pos, pressed| egui::Event::PointerButton {
        pos,
        button: egui::PointerButton::Primary,
        pressed,
        modifiers: Modifiers::SHIFT,
    };
    w.event_modifiers(button(at(0.3), true), Modifiers::SHIFT);
    w.run();
    w.event_modifiers(egui::Event::PointerMoved(at(0.6)), Modifiers::SHIFT);
    w.run();
    w.event_modifiers(button(at(0.6), false), Modifiers::SHIFT);
    w.run();
    let state = shown(&w);
    assert_eq!((&state["range"], &state["loop"]), (&serde_json::json!([4, 8]), &true.into()));
    w.get_by_label_contains("loop 5 to 9").click();
    w.run();
    assert!(shown(&w)["range"].is_null());
    press(&mut w, Key::End);
    press(&mut w, Key::ArrowRight);
    for expected in [serde_json::json!([1, 13]), serde_json::json!([1, 2]), serde_json::Value::Null] {
        w.key_press_modifiers(Modifiers::SHIFT, Key::L);
        w.run();
        assert_eq!(shown(&w)["range"], expected);
        press(&mut w, Key::ArrowRight);
    }
}

#[test]
fn everything_is_reached_by_keys_alone() {
    let mut w = window([1280.0, 720.0], egui::Theme::Dark, None, "", opener);
    press(&mut w, Key::Colon);
    assert_eq!(shown(&w)["palette"], "");
    w.get_by_label("Command").type_text("demo");
    w.run();
    press(&mut w, Key::Enter);
    assert_eq!(shown(&w)["commits"], 16);
    let head = shown(&w)["commit"].clone();
    press(&mut w, Key::J);
    let below = shown(&w)["commit"].clone();
    assert_ne!(below, head);
    press(&mut w, Key::K);
    assert_eq!(shown(&w)["commit"], head);
    press(&mut w, Key::P);
    press(&mut w, Key::C);
    assert_eq!(shown(&w)["commit"], head, "the child of its parent");
    press(&mut w, Key::M);
    assert_eq!(shown(&w)["with"], head);
    press(&mut w, Key::CloseBracket);
    assert_ne!(shown(&w)["path"]["tip"], head, "another branch");
    press(&mut w, Key::End);
    press(&mut w, Key::V);
    assert_eq!(shown(&w)["view"], "changes");
    press(&mut w, Key::F);
    press(&mut w, Key::Minus);
    press(&mut w, Key::Num0);
    press(&mut w, Key::Num1);
    w.key_press_modifiers(Modifiers::SHIFT, Key::ArrowRight);
    w.run();
    assert_eq!(shown(&w)["path"]["place"], 10);
    press(&mut w, Key::T);
    press(&mut w, Key::Questionmark);
    assert_eq!(shown(&w)["help"], true);
    w.get_by_label("Signs in the graph");
    press(&mut w, Key::Escape);
    assert_eq!(shown(&w)["help"], false);
}

#[test]
fn a_link_restores_what_was_shown() {
    let mut w = demo("");
    press(&mut w, Key::End);
    press(&mut w, Key::V);
    press(&mut w, Key::M);
    press(&mut w, Key::J);
    press(&mut w, Key::Period);
    for _ in 0..2 {
        w.key_press_modifiers(Modifiers::SHIFT, Key::L);
        w.run();
        press(&mut w, Key::ArrowRight);
    }
    assert_eq!((&shown(&w)["range"], &shown(&w)["speed"]), (&serde_json::json!([0, 1]), &4.0.into()));
    let link = shown(&w)["link"].as_str().expect("a text").to_owned();
    let again = demo(Box::leak(format!("{link}&later=1").into_boxed_str()));
    let (mut a, mut b) = (shown(&w), shown(&again));
    assert_eq!(b["link"], format!("{link}&later=1"));
    (a["link"], b["link"]) = ("".into(), "".into());
    assert_eq!(a, b);
}

#[test]
fn a_place_without_a_repository_says_so_and_the_way_out() {
    let w = window([900.0, 600.0], egui::Theme::Light, Some(Place::Path("/nowhere/at.all".to_owned())), "", opener);
    assert!(shown(&w)["trouble"].as_str().is_some_and(|t| t.contains("/nowhere/at.all")));
    w.get_by_label("Choose a directory…");
    w.get_by_label_contains("vecdelta ingest");
}

#[test]
fn a_window_at_rest_asks_for_no_frame_and_draws_little() {
    let mut w = demo("#view=changes");
    w.run();
    for viewport in w.output().viewport_output.values() {
        assert!(viewport.repaint_delay.as_secs_f64() > 5.0, "it wants a frame in {:?}", viewport.repaint_delay);
    }
    let shapes = w.output().shapes.clone();
    let vertices: usize = w
        .ctx
        .tessellate(shapes, 1.0)
        .iter()
        .map(|p| if let egui::epaint::Primitive::Mesh(mesh) = &p.primitive { mesh.vertices.len() } else { 0 })
        .sum();
    assert!(vertices > 1_000 && vertices < 60_000, "{vertices} vertices");
}

#[test]
fn a_plain_key_with_ctrl_is_another_key() {
    let mut w = demo("#view=commit&c=main");
    // As a Mac tells of it: there Ctrl is not what commands are given with.
    w.key_press_modifiers(Modifiers::CTRL, Key::O);
    w.run();
    assert_eq!((&shown(&w)["view"], &shown(&w)["opening"]), (&"commit".into(), &false.into()));
    w.key_press_modifiers(Modifiers::CTRL | Modifiers::COMMAND, Key::O);
    w.run();
    assert_eq!((&shown(&w)["view"], &shown(&w)["opening"]), (&"commit".into(), &true.into()));
}
