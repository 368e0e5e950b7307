//! A pipeline that is watched: from a record, from a server, and from what is neither.

use std::io::{Read, Write};
use std::net::TcpListener;

use egui::Theme;
use egui_kittest::kittest::Queryable;
use vecdelta_inspector::ask::Place;
use vecdelta_inspector::native::open::opener;

use super::support::{Window, demo, shown, window};

fn leaked(link: String) -> &'static str {
    Box::leak(link.into_boxed_str())
}

#[test]
fn a_record_is_shown() {
    let mut w = demo("#view=pipeline&pipe=tests/stages.jsonl");
    assert!(w.query_by_label_contains("catalogue, running for 1 min 36 s").is_some());
    assert!(w.query_by_label_contains("apply: ").is_some_and(|n| n.rect().width() > 80.0));
    assert!(w.query_by_label_contains("10 dead letters: 10 invalid").is_some());
    // How far a source lies behind is not cut off.
    let lag = w.query_all_by_label_contains("4.6 s").last().expect("how far the source lies behind");
    assert!(lag.rect().right() < 1270.0, "{:?}", lag.rect());
    w.get_by_label("time").focus();
    w.run();
    for _ in 0..20 {
        w.key_press(egui::Key::ArrowLeft);
        w.run();
    }
    w.get_by_label("Newest").click();
    w.run();
    assert!(shown(&w)["link"].as_str().expect("a link").contains("pipe=tests/stages.jsonl"));
}

#[test]
fn a_server_is_asked_and_one_that_is_gone_is_said_to_be() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("an address");
    let line = std::fs::read_to_string("tests/stages.jsonl").expect("the record");
    let line =
        line.lines().next().expect("a line").replace("\"problem\":null", "\"problem\":\"row 8112 is no number\"");
    let answers = std::thread::spawn(move || {
        let (mut client, _) = server.accept().expect("somebody comes");
        let mut asked = [0; 1024];
        let n = client.read(&mut asked).expect("a question");
        assert!(asked[..n].starts_with(b"GET /v1/stages HTTP/1.1\r\n"));
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", line.len());
        client.write_all(format!("{head}{line}").as_bytes()).expect("an answer");
    });
    let w = demo(leaked(format!("#view=pipeline&pipe=http://{address}")));
    answers.join().expect("it answered");
    assert!(w.query_by_label_contains("catalogue, running for ").is_some());
    assert!(w.query_by_label_contains("row 8112 is no number").is_some());
}

#[test]
fn a_pipeline_is_watched_without_any_history() {
    let alone = |w: &Window| {
        assert_eq!((&shown(w)["watching"], &shown(w)["ready"]), (&true.into(), &false.into()));
        assert!(w.query_by_label_contains("catalogue, running for 1 min 36 s").is_some());
    };
    // By the name of a record, as by argument, dialog or drop.
    let record = Place::Path("tests/stages.jsonl".to_owned());
    let mut w = window([1280.0, 720.0], Theme::Dark, Some(record), "", opener);
    alone(&w);
    let link = shown(&w)["link"].as_str().expect("a link").to_owned();
    w.get_by_label("Back to the start page").click();
    w.run();
    assert_eq!(shown(&w)["watching"], false);
    w.get_by_label("Watch a pipeline").click();
    w.run();
    w.get_by_label("Watch").click();
    w.run();
    assert!(w.query_all_by_label_contains("127.0.0.1:7879").next().is_some(), "there it is looked for");
    // By a link alone.
    alone(&window([1280.0, 720.0], Theme::Dark, None, leaked(link), opener));
}

#[test]
fn how_to_watch_one_is_said_in_full_however_narrow_it_is() {
    for size in [[960.0, 560.0], [1280.0, 720.0]] {
        let w = window(size, Theme::Dark, Some(Place::Demo), "#view=pipeline", opener);
        let says = w.get_by_label_contains("Write the address of a run").rect();
        assert!(says.right() <= size[0], "{says:?} in {size:?}");
    }
}

#[test]
fn what_is_no_pipeline_is_a_trouble() {
    let w = demo("#view=pipeline&pipe=tests/nothing.jsonl");
    assert!(w.query_all_by_label_contains("tests/nothing.jsonl: No such file").next().is_some());
    let w = demo("#view=pipeline&pipe=http://127.0.0.1:1");
    assert!(w.query_all_by_label_contains("cannot reach").next().is_some());
    let w = demo("#view=pipeline&pipe=tests/main.rs");
    assert!(shown(&w)["trouble"].is_null());
    assert!(w.query_by_label_contains("Asking the pipeline").is_none(), "a file of something else says so");
}
