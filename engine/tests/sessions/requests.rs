//! Requests to a run that are repeated under their key: they count once, also after a kill.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

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
            std::thread::sleep(std::time::Duration::from_millis(u64::from(round) * 9));
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
