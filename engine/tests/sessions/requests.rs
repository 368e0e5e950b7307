//! Requests to a run that are repeated under their key: they count once, also after a kill.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::shell::Session;

const FED: &str = r#"
config_version = 1

[pipeline]
name  = "fed"
store = "fed.vd"

[source.web]
kind       = "feed"
id         = "id"
vector     = "embedding"
collection = "lamps"
epoch      = false

[apply]
validate = [{ max_abs = 900.0 }]

[window.live]
close = { after = "20ms", count = 50 }
"#;

struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(session: &Session) -> Self {
        let mut command = session.command(&["run", "fed.toml", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit("http://").next().unwrap().trim_end_matches('/').to_owned();
        Self { child, address }
    }

    /// Returns the status, whether it is a replay, and the answer.
    fn post(&self, query: &str, key: &str, body: &str) -> (u16, bool, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (address, length) = (&self.address, body.len());
        let key = if key.is_empty() { String::new() } else { format!("Idempotency-Key: {key}\r\n") };
        let head = format!("POST /v1/collections/lamps{query} HTTP/1.0\r\nHost: {address}\r\n{key}");
        stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let replay = head.to_ascii_lowercase().contains("idempotent-replay: true");
        (head[9..12].parse().unwrap(), replay, serde_json::from_str(body).unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lamps(ids: std::ops::Range<u32>, value: u32) -> String {
    ids.map(|i| format!("{{\"id\":\"lamp-{i}\",\"embedding\":[{i},{value}]}}\n")).collect()
}

#[test]
fn a_repeated_request_counts_once() {
    let session = Session::new("requests");
    session.write("fed.toml", FED);
    let value = |id: &str| session.quiet(&["get", "fed.vd", id, "--json"]).exits(0).json()["vector"][1].clone();
    let running = Running::start(&session);
    let first = running.post("", "monday", &lamps(0..120, 1));
    assert_eq!((first.0, first.1, &first.2["rows_read"]), (201, false, &json!(120)), "{first:?}");
    // Of another body two rows are refused: one cannot be read, one is too large.
    let mixed = format!("{}no row\n{{\"id\":\"far\",\"embedding\":[1,999]}}\n", lamps(200..203, 1));
    let partly = running.post("", "mixed", &mixed);
    assert_eq!(
        (partly.0, &partly.2["refused_rows"], partly.2["refused"].as_array().unwrap().len()),
        (207, &json!(2), 2)
    );
    // Somebody else goes on with the same ids; the repetition must not put the older values over them.
    assert_eq!(running.post("", "tuesday", &lamps(0..120, 2)).0, 201);
    assert_eq!(running.post("", "monday", &lamps(0..120, 1)), (201, true, first.2.clone()));
    assert_eq!(running.post("", "mixed", &mixed), (207, true, partly.2.clone()));
    assert_eq!(value("lamps/lamp-7"), 2.0);
    let (status, _, answer) = running.post("", "monday", &lamps(0..120, 3));
    assert_eq!((status, answer["error"].as_str().unwrap().contains("other rows")), (422, true), "{answer}");
    assert_eq!(running.post("", &"x".repeat(257), &lamps(0..1, 3)).0, 400);
    // A body that is refused whole is not kept under its key.
    assert_eq!(running.post("", "mended", "{\"id\":\"a\",\"embedding\":[1]}\n").0, 422);
    let log = session.quiet(&["log", "fed.vd", "--json"]).out;
    drop(running);
    let running = Running::start(&session);
    assert_eq!(running.post("", "monday", &lamps(0..120, 1)), (201, true, first.2));
    let again = running.post("", "mixed", &mixed);
    assert_eq!((again.0, again.1, &again.2["refused"]), (207, true, &partly.2["refused"]), "{again:?}");
    assert_eq!(session.quiet(&["log", "fed.vd", "--json"]).out, log);
    assert_eq!(value("lamps/lamp-7"), 2.0);
}

/// Requests of several clients, a run that is killed in their midst, and every request sent again: each counts once.
#[test]
fn requests_count_once_through_kills() {
    let session = Session::new("requests_kill");
    session.write("fed.toml", FED);
    let mut running = Running::start(&session);
    // Every request writes its own number into the same ids: one that comes again would be seen.
    for round in 0..4u32 {
        let numbers: Vec<u32> = (round * 3..round * 3 + 3).collect();
        let body = |number: u32| lamps(0..30, 100 + number);
        for &number in &numbers[..2] {
            assert_eq!(running.post("", &format!("key-{number}"), &body(number)).0, 201);
        }
        // This one is under way when the kill comes, or done.
        let last = numbers[2];
        std::thread::scope(|scope| {
            let running = &running;
            scope.spawn(move || {
                let _ = std::panic::catch_unwind(|| running.post("", &format!("key-{last}"), &body(last)));
            });
            std::thread::sleep(Duration::from_millis(u64::from(round) * 9));
            let id = running.child.id().to_string();
            assert!(std::process::Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
        });
        running = Running::start(&session);
        // Whoever was not answered repeats, and so does everybody else.
        assert_eq!(running.post("", &format!("key-{last}"), &body(last)).0, 201);
        for &number in &numbers[..2] {
            let (status, replay, _) = running.post("", &format!("key-{number}"), &body(number));
            assert_eq!((status, replay), (201, true), "key-{number}");
        }
        let now = session.quiet(&["get", "fed.vd", "lamps/lamp-3", "--json"]).exits(0).json()["vector"][1].clone();
        assert_eq!(now, f64::from(100 + last), "round {round}");
    }
    // A request whose window is still open is waited for by its repetition.
    session.write("fed.toml", &FED.replace("after = \"20ms\", count = 50", "after = \"1500ms\""));
    drop(running);
    let running = Running::start(&session);
    assert_eq!(running.post("?wait=0", "slow", &lamps(50..60, 1)).0, 202);
    let (status, _, answer) = running.post("", "slow", &lamps(50..60, 1));
    assert_eq!((status, &answer["durable"], &answer["rows_read"]), (201, &json!(true), &json!(10)), "{answer}");
    session.quiet(&["verify", "fed.vd"]).exits(0);
}

/// Rows that write a growing number into ever the same ids: one that comes again goes back.
fn growing(rows: std::ops::Range<u32>) -> String {
    let line = |i: u32| format!("{{\"id\":\"lamp-{}\",\"embedding\":[{},1]}}\n", i % 2000, f64::from(i) / 100.0);
    rows.map(line).collect()
}

/// Returns how often each id was told of, if none ever went back.
fn told_once(session: &Session) -> usize {
    let deltas = session.quiet(&["replay", "fed.vd", "--json"]).exits(0).out;
    let mut last = std::collections::BTreeMap::<String, f64>::new();
    for line in deltas.lines() {
        let delta: Value = serde_json::from_str(line).unwrap();
        let (source, now) = (delta["source"].as_str().unwrap().to_owned(), delta["vector"][0].as_f64().unwrap());
        let before = last.insert(source.clone(), now).unwrap_or(-1.0);
        assert!(before < now, "{source} went from {before} to {now}");
    }
    deltas.lines().count()
}

/// A body of several commits, and a kill between two of them: its repetition goes on behind what is durable.
#[test]
fn a_request_that_was_cut_goes_on_where_it_was() {
    let session = Session::new("requests_cut");
    // Whole batches of rows are committed at once, and the rest waits.
    let slow = FED.replace("after = \"20ms\", count = 50", "after = \"60s\", count = 2000");
    session.write("fed.toml", &slow);
    // One row cannot be read, and one of the first batch is too large: both are told of when the request is done.
    let body = format!("{{\"id\":\"far\",\"embedding\":[1,999]}}\nno row\n{}", growing(0..8300));
    let running = Running::start(&session);
    let (status, _, answer) = running.post("?wait=1", "long", &body);
    assert_eq!((status, &answer["durable"]), (202, &json!(false)), "{answer}");
    let commits = || session.quiet(&["log", "fed.vd", "--json"]).exits(0).out.lines().count();
    assert_eq!(commits(), 2);
    drop(running);
    // The next run commits what comes at once. What stands under the key are still these rows alone.
    session.write("fed.toml", FED);
    let running = Running::start(&session);
    let (status, _, answer) = running.post("", "long", &growing(0..8300));
    assert_eq!((status, answer["error"].as_str().unwrap().contains("other rows")), (422, true), "{answer}");
    let (status, replay, answer) = running.post("", "long", &body);
    assert_eq!((status, replay, &answer["rows_read"]), (207, false, &json!(8302)), "{answer}");
    let reasons: Vec<&str> =
        answer["refused"].as_array().unwrap().iter().map(|r| r["reason"].as_str().unwrap()).collect();
    assert_eq!((&answer["refused_rows"], reasons.len()), (&json!(2), 2), "{answer}");
    assert_eq!((commits(), told_once(&session)), (3, 2000 + 2000 + 109), "the rest alone");
    // Now it is done.
    assert_eq!(running.post("", "long", &body), (207, true, answer.clone()));
    drop(running);
    let again = Running::start(&session).post("", "long", &body);
    assert_eq!((again.0, again.1, &again.2["refused"]), (207, true, &answer["refused"]));
    let letters = session.quiet(&["dlq", "ls", "fed.vd", "--json"]).exits(0).out;
    assert_eq!(letters.lines().count(), 2, "{letters}");
}

/// Kills at any time while a long body is committed piece by piece.
#[test]
fn long_requests_count_once_through_kills() {
    let session = Session::new("requests_long");
    session.write("fed.toml", FED);
    let (body, mut cut) = (growing(0..40_000), 0);
    // How many transactions the head reports.
    let reported = || {
        let head = std::fs::read(session.dir.join("fed.vd/head")).unwrap_or_default();
        let sequence = |slot: &[u8]| Some(u64::from_le_bytes(slot.get(8..16)?.try_into().ok()?));
        head.chunks(512).filter_map(sequence).max().unwrap_or(0)
    };
    for round in 0..40u64 {
        let running = Running::start(&session);
        let (mut answer, before) = (None, reported());
        std::thread::scope(|scope| {
            let sent = scope.spawn(|| std::panic::catch_unwind(|| running.post("", "long", &body)).ok());
            if round % 2 == 0 {
                // As soon as something more is reported, however slow the machine is.
                let deadline = Instant::now() + Duration::from_secs(5);
                while reported() == before && Instant::now() < deadline {
                    std::thread::sleep(Duration::from_millis(1));
                }
            } else {
                std::thread::sleep(Duration::from_millis(60 + 37 * (round % 7)));
            }
            let id = running.child.id().to_string();
            assert!(std::process::Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
            answer = sent.join().unwrap();
        });
        drop(running);
        if answer.is_some() {
            break;
        }
        let begun = session.dir.join("fed.vd/head").exists();
        cut += usize::from(begun && told_once(&session) > 0);
    }
    assert!(cut > 0, "no kill came between two commits");
    let (status, _, answer) = Running::start(&session).post("", "long", &body);
    assert_eq!((status, &answer["rows_read"]), (201, &json!(40_000)), "{answer}");
    told_once(&session);
    let last = session.quiet(&["get", "fed.vd", "lamps/lamp-1999", "--json"]).exits(0).json()["vector"][0].clone();
    assert_eq!(last.as_f64().map(|x| (x * 100.0).round()), Some(39_999.0));
    session.quiet(&["verify", "fed.vd"]).exits(0);
}
