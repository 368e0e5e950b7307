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
    /// Where it is looked at, if it is.
    looked: Option<String>,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Running {
    fn start(session: &Session, pipeline: &str) -> Self {
        Self::start_with(session, &["run", pipeline])
    }

    fn start_with(session: &Session, arguments: &[&str]) -> Self {
        let mut command = session.command(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = || {
            let mut line = String::new();
            stderr.read_line(&mut line).unwrap();
            line.trim().rsplit(' ').next().unwrap().to_owned()
        };
        let looked = arguments.contains(&"--listen").then(&mut said);
        let address = said();
        assert!(address.contains(':'), "{address}");
        Self { child, dir: session.dir.clone(), address, looked, stderr }
    }

    /// Asks where it is looked at; returns the status and what is answered.
    fn ask(&self, what: &str) -> (u16, Value) {
        let host = self.looked.as_ref().unwrap().trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "{what} HTTP/1.0\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
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

/// A source that is told to wait takes nothing of what is sent meanwhile, from whoever is connected or connects, and all
/// of it once it goes on.
#[test]
fn a_source_waits_and_goes_on() {
    let session = Session::new("socket_pause");
    session.write("rows.toml", ROWS);
    let running = Running::start_with(&session, &["run", "rows.toml", "--listen", "127.0.0.1:0"]);
    let status = || running.ask("GET /v1/stages").1["sources"][0]["status"].clone();
    let mut old = Sender::connect(&running);
    old.send((0..10).map(lamp).collect::<String>());
    old.until_durable(10);
    assert_eq!((running.ask("POST /v1/stages/lamps/pause").0, status()), (200, json!("paused")));
    // What was on its way when it was told still goes in.
    std::thread::sleep(Duration::from_millis(500));
    old.send((10..20).map(lamp).collect::<String>());
    let mut new = Sender::connect(&running);
    new.send((20..25).map(lamp).collect::<String>());
    std::thread::sleep(Duration::from_millis(700));
    let rows = || session.read("changes.jsonl").lines().count();
    assert_eq!((rows(), status()), (10, json!("paused")), "rows came while the source waited");
    assert_eq!(running.ask("POST /v1/stages/lamps/resume").0, 200);
    old.until_durable(20);
    new.until_durable(5);
    assert_eq!((running.ask("GET /healthz").0, status()), (200, json!("active")));
    // A run that ends while its source waits takes nothing more, and says so.
    assert_eq!(running.ask("POST /v1/stages/lamps/pause").0, 200);
    std::thread::sleep(Duration::from_millis(500));
    old.send(lamp(30));
    running.signal("-TERM");
    assert_eq!(old.answer().unwrap(), json!({"durable": 20, "end": true}));
    assert_eq!(running.ends(), 0);
    assert_eq!(rows(), 25);
}

/// What is said of an id that is gone comes along: routes see it, and sinks get it, at once or from the log.
#[test]
fn deletes_keep_their_metadata() {
    let session = Session::new("socket_deletes");
    let routes = "[[route]]\nname = \"red\"\nwhen = { meta = { shelf = [\"red\"] } }\nto = [\"red\"]\n\
                  [[route]]\nname = \"rest\"\nto = [\"rest\"]\n";
    let sink = |name: &str| {
        format!("[sink.{name}]\nkind = \"jsonl\"\npath = \"{name}.jsonl\"\nfields = [\"id\", \"change\", \"meta\"]\n")
    };
    let source = ROWS.split("[sink.changes]").next().unwrap().replace("deleted =", "meta    = [\"shelf\"]\ndeleted =");
    session.write("rows.toml", &format!("{source}{routes}{}{}", sink("red"), sink("rest")));
    let running = Running::start(&session, "rows.toml");
    let mut sender = Sender::connect(&running);
    let row = |id: &str, shelf: &str| format!("{{\"id\":\"{id}\",\"embedding\":[1,2],\"shelf\":\"{shelf}\"}}\n");
    sender.send(["a", "b", "c"].map(|id| row(id, "red")).concat() + &row("d", "blue"));
    sender.until_durable(4);
    // One leaves from another shelf than it came to, and of one nothing is said; one comes and goes within a window.
    let gone = "{\"id\":\"a\",\"gone\":true,\"shelf\":\"red\"}\n{\"id\":\"b\",\"gone\":true,\"shelf\":\"blue\"}\n\
                {\"id\":\"c\",\"gone\":true}\n{\"id\":\"d\",\"gone\":true,\"shelf\":\"red\"}\n";
    sender.send(gone);
    sender.until_durable(8);
    running.signal("-TERM");
    assert_eq!(running.ends(), 0);
    let told = |name: &str| {
        let text = std::fs::read_to_string(session.dir.join(format!("{name}.jsonl"))).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let deletes = lines.filter(|line| line["change"] == "delete");
        deletes.map(|line| (line["id"].as_str().unwrap().to_owned(), line["meta"]["shelf"].clone())).collect::<Vec<_>>()
    };
    let id = |id: &str, shelf: Value| (id.to_owned(), shelf);
    assert_eq!(told("red"), [id("a", json!("red")), id("d", json!("red"))]);
    assert_eq!(told("rest"), [id("b", json!("blue")), id("c", json!(null))]);
    // Sinks that come later read the log.
    let late = routes.replace("\"red\"]\n[[", "\"late\"]\n[[").replace("[\"rest\"]", "[\"others\"]");
    session.write("rows.toml", &format!("{source}{late}{}{}", sink("late"), sink("others")));
    let running = Running::start(&session, "rows.toml");
    let begun = std::time::Instant::now();
    while told("late").len() + told("others").len() < 4 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the log is not read");
        std::thread::sleep(Duration::from_millis(20));
    }
    running.signal("-TERM");
    assert_eq!(running.ends(), 0);
    assert_eq!((told("late"), told("others")), (told("red"), told("rest")));
}
