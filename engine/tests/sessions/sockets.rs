//! Sources that others connect to: what is answered is durable, a sender goes on exactly where it was, hostile bytes end
//! nothing but their connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::shell::Session;

const ROWS: &str = r#"
config_version = 1

[pipeline]
name  = "rows"
store = "rows.vd"

[source.lamps]
kind    = "socket"
listen  = "127.0.0.1:0"
id      = "id"
vector  = { column = "embedding", dims = 2 }
deleted = "gone"

[apply]
validate = [{ max_abs = 5000.0 }]

[window.live]
close = { after = "30ms", count = 64 }

[sink.changes]
kind   = "jsonl"
path   = "changes.jsonl"
fields = ["id", "change", "vector"]
"#;

/// A run, and where rows can be sent.
struct Running {
    child: Child,
    dir: std::path::PathBuf,
    address: String,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Running {
    fn start(session: &Session, pipeline: &str) -> Self {
        let mut command = session.command(&["run", pipeline]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(address.contains(':'), "{line}");
        Self { child, dir: session.dir.clone(), address, stderr }
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    fn ends(mut self) -> i32 {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        if code != 0 {
            let mut said = String::new();
            self.stderr.read_to_string(&mut said).unwrap();
            eprintln!("{said}");
        }
        code
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection, whatever it goes through.
struct Sender {
    write: Box<dyn Write>,
    read: BufReader<Box<dyn Read>>,
    half: Box<dyn Fn()>,
}

impl Sender {
    fn connect(running: &Running) -> Self {
        let longest = Some(Duration::from_secs(20));
        if let Some(path) = running.address.strip_prefix("unix:") {
            let stream = std::os::unix::net::UnixStream::connect(running.dir.join(path)).unwrap();
            stream.set_read_timeout(longest).unwrap();
            let (read, half) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
            let half = Box::new(move || drop(half.shutdown(Shutdown::Write)));
            return Self { write: Box::new(stream), read: BufReader::new(Box::new(read)), half };
        }
        let stream = TcpStream::connect(running.address.strip_prefix("tcp://").unwrap()).unwrap();
        stream.set_read_timeout(longest).unwrap();
        let (read, half) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
        let half = Box::new(move || drop(half.shutdown(Shutdown::Write)));
        Self { write: Box::new(stream), read: BufReader::new(Box::new(read)), half }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // Whoever was turned away is told so by what it reads.
        let _ = self.write.write_all(bytes.as_ref());
    }

    /// Says that nothing more comes.
    fn finish(&self) {
        (self.half)();
    }

    fn answer(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.read.read_line(&mut line) {
            Ok(n) if n > 0 => Some(serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))),
            _ => None,
        }
    }

    /// Reads answers until so much is durable; returns what was refused on the way.
    #[track_caller]
    fn until_durable(&mut self, place: u64) -> Vec<Value> {
        let mut refused = Vec::new();
        loop {
            let answer = self.answer().expect("an answer");
            if let Some(one) = answer.get("refused") {
                refused.push(one.clone());
            } else if answer["durable"].as_u64().expect("how much is durable") >= place {
                return refused;
            }
        }
    }

    fn greet(&mut self, greeting: Value) -> Value {
        self.send(format!("#{greeting}\n"));
        self.answer().unwrap_or_default()
    }
}

fn lamp(i: u64) -> String {
    format!("{{\"id\":\"lamp-{i}\",\"embedding\":[{i},1]}}\n")
}

#[test]
fn rows_are_sent_through_a_socket() {
    let session = Session::new("socket_rows");
    session.write("rows.toml", ROWS);
    let running = Running::start(&session, "rows.toml");
    let mut one = Sender::connect(&running);
    let mut two = Sender::connect(&running);
    assert_eq!(one.greet(json!({"stream": "shop-1"})), json!({"stream": "shop-1", "place": 0, "durable": 0}));
    one.send((0..100).map(lamp).collect::<String>());
    assert!(one.until_durable(100).is_empty());
    session.quiet(&["get", "rows.vd", "lamps/lamp-99"]).exits(0);
    // Without a greeting the lines of the connection are counted.
    two.send(format!(
        "{}\n{{\"id\":\"lamp-7\",\"gone\":true}}\nno json\n{{\"id\":\"w\",\"embedding\":[1]}}\n",
        lamp(100)
    ));
    let refused = two.until_durable(4);
    let named: Vec<_> = refused.iter().map(|r| (r["line"].clone(), r["id"].clone())).collect();
    assert_eq!(named, [(json!(3), json!(null)), (json!(4), json!("w"))], "{refused:?}");
    session.quiet(&["get", "rows.vd", "lamps/lamp-7"]).exits(66);
    session.quiet(&["get", "rows.vd", "lamps/lamp-100"]).exits(0);
    let letters = session.quiet(&["dlq", "ls", "rows.vd", "--json"]).lines();
    assert_eq!(letters.len(), 2);
    // What `[apply]` refuses is told as well; half a line is not taken.
    two.send("{\"id\":\"far\",\"embedding\":[9999,1]}\n{\"id\":\"half\",\"embed");
    two.finish();
    let rest: Vec<Value> = std::iter::from_fn(|| two.answer()).collect();
    let has = |wanted: &dyn Fn(&Value) -> bool| rest.iter().any(wanted);
    assert!(has(&|answer| answer["refused"]["id"] == "far"), "{rest:?}");
    assert!(has(&|answer| answer["error"].as_str().is_some_and(|e| e.contains("within a line"))), "{rest:?}");
    assert_eq!(rest.last().unwrap(), &json!({"durable": 5, "end": true}));
    // A stop is answered with how far all is durable.
    one.send(lamp(500));
    one.until_durable(101);
    running.signal("-TERM");
    assert_eq!(one.answer().unwrap(), json!({"durable": 101, "end": true}));
    assert_eq!(running.ends(), 0);
    session.quiet(&["verify", "rows.vd"]).exits(0);
    let lines = session.read("changes.jsonl");
    assert_eq!(lines.lines().filter(|l| l.contains("\"insert\"")).count(), 102);
    assert_eq!(lines.lines().filter(|l| l.contains("\"delete\"")).count(), 1);
}

/// A run that is killed again and again: a sender that goes on where it is told loses and doubles nothing.
#[test]
fn a_sender_goes_on_exactly_where_the_history_is() {
    let session = Session::new("socket_kill");
    session.write("rows.toml", ROWS);
    // Each line is another value of one of ten ids: one that is lost, doubled or out of order is seen in the sink.
    let line = |i: u64| format!("{{\"id\":\"lamp-{}\",\"embedding\":[{i},1]}}\n", i % 10);
    let (mut acknowledged, mut kills) = (0, 0);
    let all = 3_000u64;
    while acknowledged < all {
        let running = Running::start(&session, "rows.toml");
        let mut sender = Sender::connect(&running);
        let begun = sender.greet(json!({"stream": "s"}));
        let place = begun["place"].as_u64().unwrap();
        assert!(place >= acknowledged, "{begun} after {acknowledged}");
        assert_eq!(begun["place"], begun["durable"], "{begun}");
        let until = if kills < 6 { (place + 700).min(all) } else { all };
        sender.send((place..until).map(line).collect::<String>());
        // Some of it is durable when the kill comes, some is not.
        let far = place + (kills * 97) % 600;
        while acknowledged < far.min(until) || (until == all && kills >= 6 && acknowledged < all) {
            acknowledged = sender.answer().unwrap()["durable"].as_u64().unwrap();
        }
        running.signal("-KILL");
        running.ends();
        kills += 1;
    }
    session.quiet(&["verify", "rows.vd"]).exits(0);
    let running = Running::start(&session, "rows.toml");
    let mut sender = Sender::connect(&running);
    assert_eq!(sender.greet(json!({"stream": "s"}))["place"], all);
    running.signal("-TERM");
    assert_eq!(running.ends(), 0);
    // Every id went through its values in order, and the window may have composed some of them.
    let mut last = [-1i64; 10];
    for line in session.read("changes.jsonl").lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let value = line["vector"][0].as_f64().unwrap() as i64;
        let id = (value % 10) as usize;
        assert!(value > last[id], "{value} came after {}", last[id]);
        last[id] = value;
    }
    assert_eq!(last, std::array::from_fn(|id| (all - 10) as i64 + id as i64));
}

/// Bytes that nobody should send: an error for that connection, and the run goes on.
#[test]
fn hostile_bytes_end_their_connection_alone() {
    let session = Session::new("socket_hostile");
    session.write("rows.toml", ROWS);
    let running = Running::start(&session, "rows.toml");
    let mut good = Sender::connect(&running);
    assert_eq!(good.greet(json!({"stream": "good"}))["place"], 0);
    let error = |bytes: &[u8]| {
        let mut sender = Sender::connect(&running);
        sender.send(bytes);
        sender.finish();
        let answer = sender.answer().unwrap_or_default();
        answer["error"].as_str().map(str::to_owned).unwrap_or_else(|| panic!("{answer} to {bytes:?}"))
    };
    // A page in a browser can send this: none of its lines is a row.
    let post = format!("POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\n{}", lamp(1));
    assert!(error(post.as_bytes()).contains("must be an object"));
    assert!(error(&[0, 159, 146, 150]).contains("must be an object"));
    assert!(error(b"#{\"stream\":\"\"}\n").contains("not a name"));
    assert!(error(b"#{\"stream\":\"a\",\"token\":\"x\",\"more\":1}\n").contains("`more`"));
    assert!(error(b"#nonsense\n").contains("greeting"));
    assert!(error(&[b"#".as_slice(), &[b'x'; 9000]].concat()).contains("longer than"));
    assert!(error(b"{\"id\":\"half").contains("within a line"));
    // Sixty-four may be connected; the next one is told so.
    let waiting: Vec<Sender> = (0..64).map(|_| Sender::connect(&running)).collect();
    let mut late = Sender::connect(&running);
    assert!(late.answer().unwrap()["error"].as_str().unwrap().contains("64 connections"));
    drop(waiting);
    // Another one goes on with the stream: the first one is told.
    good.send(lamp(1));
    good.until_durable(1);
    let mut other = Sender::connect(&running);
    while other.greet(json!({"stream": "good"}))["place"] != 1 {
        std::thread::sleep(Duration::from_millis(20));
        other = Sender::connect(&running);
    }
    good.send(lamp(2));
    assert!(good.answer().unwrap()["error"].as_str().unwrap().contains("another connection"));
    other.send(lamp(3));
    other.until_durable(2);
    running.signal("-TERM");
    assert_eq!(running.ends(), 0);
    assert_eq!(session.read("changes.jsonl").lines().count(), 2);
}

/// An Arrow stream through a socket among the files, with a token; the run is reloaded meanwhile.
#[test]
fn an_arrow_stream_is_sent() {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
    use arrow_schema::{DataType, Field};

    let session = Session::new("socket_arrow");
    let text = ROWS.replace("127.0.0.1:0", "unix:rows.sock");
    session.write("rows.toml", &text.replace("deleted = \"gone\"", "format  = \"arrow\"\ntoken   = \"sesame\""));
    let running = Running::start(&session, "rows.toml");
    let batch = |ids: std::ops::Range<u32>| {
        let keys: ArrayRef = Arc::new(StringArray::from(ids.clone().map(|i| format!("lamp-{i}")).collect::<Vec<_>>()));
        let numbers = Float32Array::from(ids.flat_map(|i| [i as f32, 1.0]).collect::<Vec<_>>());
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        let vectors: ArrayRef = Arc::new(FixedSizeListArray::new(item, 2, Arc::new(numbers), None));
        RecordBatch::try_from_iter([("id", keys), ("embedding", vectors)]).unwrap()
    };
    let stream = |parts: &[std::ops::Range<u32>]| {
        let schema = batch(0..1).schema();
        let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &schema).unwrap();
        parts.iter().for_each(|part| writer.write(&batch(part.clone())).unwrap());
        writer.into_inner().unwrap()
    };
    let mut thief = Sender::connect(&running);
    assert!(thief.greet(json!({"stream": "a"}))["error"].as_str().unwrap().contains("token"));
    let mut sender = Sender::connect(&running);
    assert_eq!(sender.greet(json!({"stream": "a", "token": "sesame"}))["place"], 0);
    // The last row of the second batch is refused by `[apply]`.
    sender.send(stream(&[0..100, 4990..5002]));
    let refused = sender.until_durable(112);
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0]["id"], "lamp-5001");
    sender.finish();
    assert_eq!(sender.answer().unwrap(), json!({"durable": 112, "end": true}));
    // The socket stays where it is while the settings change.
    session.write("rows.toml", &session.read("rows.toml").replace("count = 64", "count = 32"));
    let mut early = Sender::connect(&running);
    assert_eq!(early.greet(json!({"stream": "a", "token": "sesame"}))["place"], 112);
    running.signal("-HUP");
    while early.answer().is_some() {}
    let mut sender = Sender::connect(&running);
    assert_eq!(sender.greet(json!({"stream": "a", "token": "sesame"}))["place"], 112);
    sender.send(stream(&[200..220, 220..250]));
    sender.until_durable(162);
    running.signal("-TERM");
    assert_eq!(running.ends(), 0);
    assert!(!session.dir.join("rows.sock").exists());
    let rows: u64 =
        (session.quiet(&["log", "rows.vd", "--json"]).lines().iter()).map(|c| c["inserted"].as_u64().unwrap()).sum();
    assert_eq!(rows, 161);
}
