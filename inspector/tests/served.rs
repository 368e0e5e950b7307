//! Histories on a web server: opened by ranges, with few requests, and what goes wrong on the way.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use egui::{Key, Theme};
use egui_kittest::kittest::Queryable;
use vecdelta_inspector::ask::{Answer, Ask, Place, Request};
use vecdelta_inspector::native::open::opener;
use vecdelta_inspector::work::Worker;

use super::support::{demo_bundle, shown, window};

/// What a server was asked for.
#[derive(Default)]
struct Asked {
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// Serves one file by ranges on a port of its own, until the tests end.
fn serve(file: Vec<u8>) -> (String, Arc<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::<Asked>::default();
    let (file, counts) = (Arc::new(file), asked.clone());
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (file, counts) = (file.clone(), counts.clone());
            std::thread::spawn(move || answer(client, &file, &counts));
        }
    });
    (format!("http://{address}/shop.vdpack"), asked)
}

/// Answers the requests of one connection.
fn answer(mut client: TcpStream, file: &[u8], counts: &Asked) -> Option<()> {
    let mut head = Vec::new();
    loop {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let (begin, end) = text.lines().find_map(|l| l.strip_prefix("Range: bytes="))?.split_once('-')?;
        let (begin, end): (usize, usize) = (begin.parse().ok()?, end.parse().ok()?);
        let part = &file[begin..file.len().min(end + 1)];
        counts.requests.fetch_add(1, Ordering::Relaxed);
        counts.bytes.fetch_add(part.len() as u64, Ordering::Relaxed);
        let (last, len) = (begin + part.len() - 1, file.len());
        let range = format!("Content-Range: bytes {begin}-{last}/{len}\r\nETag: \"1\"\r\n");
        let head_line = format!("HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\n{range}\r\n", part.len());
        client.write_all(&[head_line.as_bytes(), part].concat()).ok()?;
        head.clear();
    }
}

fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[test]
fn an_address_is_opened_from_the_start_page_and_is_the_same_history() {
    let (url, asked) = serve(demo_bundle());
    let mut w = window([1280.0, 720.0], Theme::Dark, None, "", opener);
    w.get_by_label("Path or address").focus();
    w.run();
    w.get_by_label("Path or address").type_text(&url);
    w.run();
    w.get_by_label("Open").click();
    w.run();
    let (there, here) = (shown(&w), shown(&super::support::demo("")));
    for what in ["commit", "commits", "path", "link"] {
        assert_eq!(there[what], here[what], "{what}");
    }
    assert_eq!(there["title"], "shop.vdpack");
    assert!(asked.requests.load(Ordering::Relaxed) > 0);
    w.get_by_label("Vectors").click();
    w.run();
    assert!(w.query_all_by_label_contains("products/").next().is_some(), "rows are read by ranges too");
}

#[test]
fn an_address_is_opened_from_the_palette_and_found_in_the_list_again() {
    let (url, _) = serve(demo_bundle());
    let mut w = window([1280.0, 720.0], Theme::Dark, Some(Place::Demo), "", opener);
    w.key_press(Key::Colon);
    w.run();
    w.get_by_label("Command").type_text(&url);
    w.run();
    w.key_press(Key::Enter);
    w.run();
    assert_eq!(shown(&w)["title"], "shop.vdpack");
    w.key_press_modifiers(egui::Modifiers::COMMAND, Key::O);
    w.run();
    assert_eq!(shown(&w)["opening"], true);
    w.get_by_label("Demo history").click();
    w.run();
    assert_eq!((&shown(&w)["title"], &shown(&w)["opening"]), (&"demo history".into(), &false.into()));
    w.key_press_modifiers(egui::Modifiers::COMMAND, Key::O);
    w.run();
    w.get_by_label(leaked(url)).click();
    w.run();
    assert_eq!(shown(&w)["title"], "shop.vdpack");
}

#[test]
fn a_server_that_is_not_there_and_a_file_that_is_none_are_troubles() {
    let (url, _) = serve(b"<html>no</html>".repeat(10));
    for (url, says) in [(url.as_str(), "no bundle"), ("http://127.0.0.1:1/x", "cannot reach"), ("https://x/", "TLS")] {
        let w = window([900.0, 600.0], Theme::Light, Some(Place::Url(url.to_owned())), "", opener);
        let state = shown(&w);
        assert!(state["trouble"].as_str().is_some_and(|t| t.contains(says)), "{url}: {state}");
        w.get_by_label("Path or address");
    }
}

/// The first graph takes three requests, and no more of the file than its graph and some pages.
#[test]
fn the_first_graph_of_a_long_file_takes_three_requests() {
    let file = super::support::long_bundle();
    let len = file.len() as u64;
    let (url, asked) = serve(file);
    let mut worker = Worker::new(opener());
    let mut ask = |ask| worker.answer(&Request { number: 1, ask }).expect("it is fetched").result.expect("it is whole");
    let Answer::Opened(opened) = ask(Ask::Open(Place::Url(url))) else { panic!("it opens") };
    let Answer::Graph(graph) = ask(Ask::Graph { from: 0 }) else { panic!("there is a graph") };
    assert_eq!((opened.commits as usize, opened.distant), (graph.ids.len(), true));
    let (requests, bytes) = (asked.requests.load(Ordering::Relaxed), asked.bytes.load(Ordering::Relaxed));
    assert!(len > 16 << 20, "{len} bytes are no long file");
    assert!(requests <= 3 && bytes <= 1 << 20, "{requests} requests, {bytes} bytes of {len}");
}
