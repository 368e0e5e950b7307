//! Sources that wait and sinks that are told, with whole programs: what comes is taken whole, what goes out goes out once.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, FixedSizeListArray, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use serde_json::Value;

use crate::shell::Session;

fn rows(range: std::ops::Range<u32>) -> String {
    range.map(|i| format!("{{\"id\":\"k{i}\",\"v\":[{i},1]}}\n")).collect()
}

#[track_caller]
fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !ready() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} never came");
        thread::sleep(Duration::from_millis(20));
    }
}

fn terminate(id: u32) {
    assert!(std::process::Command::new("kill").args(["-TERM", &id.to_string()]).status().unwrap().success());
}

/// Files that appear become epochs, in the order in which they are whole; one that is still being written is waited for.
#[test]
fn a_directory_is_watched() {
    let s = Session::new("watched");
    s.write(
        "t.toml",
        "config_version = 1\n[pipeline]\nstore = \"t.vd\"\n\
         [source.dumps]\nkind = \"jsonl\"\npath = \"in/*.jsonl\"\nwatch = true\nmissing = \"delete\"\n",
    );
    std::fs::create_dir(s.dir.join("in")).unwrap();
    s.write("in/0.jsonl", &rows(0..10));
    let mut run = s.command(&["run", "t.toml"]).stdout(Stdio::null()).spawn().unwrap();
    let commits = || s.quiet(&["log", "t.vd", "--json"]).out.lines().count();
    wait_for("the first epoch", || commits() == 1);
    // A slow writer: each of its pauses is longer than the time between two looks.
    let mut file = std::fs::File::create(s.dir.join("in/1.jsonl")).unwrap();
    for part in 0..6 {
        file.write_all(rows(part * 5..part * 5 + 5).as_bytes()).unwrap();
        file.flush().unwrap();
        thread::sleep(Duration::from_millis(150));
    }
    drop(file);
    wait_for("the second epoch", || commits() == 2);
    s.write("in/2.part", &rows(0..3));
    std::fs::rename(s.dir.join("in/2.part"), s.dir.join("in/2.jsonl")).unwrap();
    wait_for("the third epoch", || commits() == 3);
    terminate(run.id());
    assert_eq!(run.wait().unwrap().code(), Some(0));
    let mut log = s.quiet(&["log", "t.vd", "--json"]).exits(0).lines();
    log.reverse();
    let counts: Vec<_> =
        log.iter().map(|c| ["inserted", "updated", "deleted"].map(|k| c[k].as_u64().unwrap())).collect();
    assert_eq!(counts, [[10, 0, 0], [20, 0, 0], [0, 0, 27]], "{log:?}");
    // What was committed is not read again.
    let mut run = s.command(&["run", "t.toml"]).stdout(Stdio::null()).spawn().unwrap();
    s.write("in/3.jsonl", &rows(0..4));
    wait_for("the fourth epoch", || commits() == 4);
    terminate(run.id());
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert_eq!(commits(), 4);
}

/// An Arrow stream on standard input: a row that is refused is kept, the others are committed.
#[test]
fn an_arrow_stream_on_standard_input() {
    let s = Session::new("arrow_stdin");
    s.write(
        "t.toml",
        "config_version = 1\n[pipeline]\nstore = \"t.vd\"\n\
         [source.live]\nkind = \"arrow\"\npath = \"-\"\nepoch = false\n[window.w]\nclose = { after = \"1h\", count = 5 }\n",
    );
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..12).map(|i| format!("k{i}"))));
    let vector = |i: i16| (i != 7).then(|| vec![Some(f32::from(i) / 3.0), Some(-0.0)]);
    let vectors = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>((0..12).map(vector), 2);
    let table = RecordBatch::try_from_iter([("id", ids), ("v", Arc::new(vectors) as ArrayRef)]).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &table.schema()).unwrap();
    writer.write(&table.slice(0, 6)).unwrap();
    writer.write(&table.slice(6, 6)).unwrap();
    let bytes = writer.into_inner().unwrap();
    let mut run = s.command(&["run", "t.toml"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    run.stdin.take().unwrap().write_all(&bytes).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(0));
    let closed: Vec<Value> =
        s.quiet(&["log", "t.vd", "--json"]).lines().iter().map(|c| c["metadata"]["closed_by"].clone()).collect();
    assert_eq!(closed, ["drain", "count", "count"]);
    let found = s.quiet(&["get", "t.vd", "live/k5", "--json"]).exits(0).json();
    assert_eq!(found["bits"], "5555d53f00000080", "5/3 and -0.0");
    s.quiet(&["get", "t.vd", "live/k7"]).exits(66);
    let letters = s.quiet(&["dlq", "ls", "t.vd", "--json"]).exits(0).lines();
    assert_eq!((letters.len(), &letters[0]["change"], &letters[0]["reason"]), (1, &"arrow".into(), &"invalid".into()));
    assert!(letters[0]["message"].as_str().unwrap().contains("row 7"), "{letters:?}");
}

/// A server that answers each request with what `status` says of its number and lines; gives the lines that it took.
fn server(status: impl Fn(usize, &[Value]) -> u16 + Send + 'static) -> (String, Receiver<Vec<Value>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (took, taken) = channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
            let body = loop {
                let n = stream.read(&mut piece).unwrap();
                bytes.extend_from_slice(&piece[..n]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.to_ascii_lowercase();
                let length = length.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse::<usize>().ok());
                if body.len() >= length.unwrap_or(0) || n == 0 {
                    break body.to_owned();
                }
            };
            let lines: Vec<Value> = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let answer = status(number, &lines);
            write!(stream, "HTTP/1.1 {answer} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            if answer == 200 && took.send(lines).is_err() {
                return;
            }
        }
    });
    (url, taken)
}

/// A webhook that is away is tried again, what it refuses becomes a dead letter, and everything else comes once and in order.
#[test]
fn a_webhook_is_told_of_deltas() {
    let s = Session::new("webhook");
    let (url, taken) = server(|number, lines| match number {
        0 | 1 => 503,
        _ if lines.iter().any(|line| line["id"] == "k3") => 400,
        _ => 200,
    });
    s.write(
        "t.toml",
        &format!(
            "config_version = 1\n[pipeline]\nstore = \"t.vd\"\n\
             [source.live]\nkind = \"jsonl\"\npath = \"-\"\nepoch = false\n[window.w]\nclose = {{ after = \"1h\", count = 8 }}\n\
             [[route]]\nwindow = \"w\"\nto = [\"hook\"]\n\
             [sink.hook]\nkind = \"webhook\"\nurl = \"{url}\"\nfields = [\"id\", \"change\", \"vector\"]\n"
        ),
    );
    let again: String = (0..6).map(|i| format!("{{\"id\":\"k{i}\",\"v\":[{i},2]}}\n")).collect();
    s.quiet_with(&["run", "t.toml"], &(rows(0..20) + &again)).exits(0);
    let told: Vec<Value> = taken.try_iter().flatten().collect();
    let mut of: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for line in &told {
        of.entry(line["id"].as_str().unwrap().to_owned()).or_default().push(line["vector"][1].as_f64().unwrap());
    }
    let mut ids: Vec<&str> = told.iter().map(|line| line["delta"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((told.len(), ids.len()), (24, 24), "each delta once");
    assert!(
        (0..20).all(|i| i == 3 || of[&format!("k{i}")] == if i < 6 { vec![1.0, 2.0] } else { vec![1.0] }),
        "{of:?}"
    );
    let letters = s.quiet(&["dlq", "ls", "t.vd", "--json"]).exits(0).lines();
    assert_eq!(letters.iter().map(|l| l["source"].as_str().unwrap()).collect::<Vec<_>>(), ["live/k3"; 2]);
    assert!(letters.iter().all(|letter| letter["subscriber"] == "hook" && letter["reason"] == "refused"));
    // The older one of the two would go over the newer one: it is tried again only when somebody insists.
    let again = s.quiet(&["dlq", "replay", "t.vd"]).exits(0).out;
    assert!(again.contains("tries 1 dead letter again") && again.contains("1 dead letter left out"), "{again}");
    let waits = |s: &Session| {
        let letters = s.quiet(&["dlq", "ls", "t.vd", "--json"]).exits(0).lines();
        letters.iter().map(|letter| letter["replay"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(waits(&s).iter().filter(|waits| **waits).count(), 1);
    assert!(s.quiet(&["dlq", "replay", "t.vd", "--force"]).exits(0).out.contains("tries 2 dead letters again"));
    assert_eq!(waits(&s), [true, true]);
}

/// A run that is killed again and again while it writes parts: the manifest names each delta once.
#[test]
fn parts_hold_each_delta_once_through_kills() {
    let s = Session::new("parts");
    s.write(
        "t.toml",
        "config_version = 1\n[pipeline]\nstore = \"t.vd\"\n\
         [source.live]\nkind = \"jsonl\"\npath = \"-\"\nepoch = false\n[window.w]\nclose = { after = \"1h\", count = 40 }\n\
         [[route]]\nwindow = \"w\"\nto = [\"lake\", \"arrow\"]\n\
         [sink.lake]\nkind = \"parquet\"\npath = \"lake\"\nroll = \"8KiB\"\n\
         [sink.arrow]\nkind = \"arrow\"\npath = \"arrow\"\nroll = \"8KiB\"\n",
    );
    let mut sent = 0;
    for round in 0..4u64 {
        let mut run = s.command(&["run", "t.toml"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut stdin = run.stdin.take().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(250 + round * 90) {
            stdin.write_all(rows(sent..sent + 60).as_bytes()).unwrap();
            sent += 60;
            thread::sleep(Duration::from_millis(15));
        }
        // SIGKILL, in the middle of whatever it does.
        run.kill().unwrap();
        run.wait().unwrap();
    }
    s.quiet_with(&["run", "t.toml"], &rows(sent..sent + 7)).exits(0);
    let deltas = s.quiet(&["replay", "t.vd", "--json"]).exits(0).out.lines().count();
    for sink in ["lake", "arrow"] {
        s.quiet(&["verify", "t.vd", "--manifest", sink]).exits(0);
        let manifest: Value = serde_json::from_str(&s.read(&format!("{sink}/manifest.json"))).unwrap();
        assert_eq!(manifest["deltas"], deltas, "{sink}");
        let listed: Vec<String> = manifest["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| file["path"].as_str().unwrap().to_owned())
            .collect();
        assert!(listed.len() > 2, "{sink}: {listed:?}");
        let mut found: Vec<String> = std::fs::read_dir(s.dir.join(sink))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "manifest.json")
            .collect();
        found.sort();
        assert_eq!(found, listed, "{sink}: nothing else lies there");
    }
    s.quiet(&["verify", "t.vd"]).exits(0);
}

/// A sink that is away and blocks holds the pipeline up, and whoever looks sees it; a stop ends that, and loses nothing.
#[test]
fn a_sink_that_blocks_is_seen_and_ends_with_the_run() {
    let s = Session::new("blocks");
    let pipeline = |url: &str| {
        format!(
            "config_version = 1\n[pipeline]\nstore = \"t.vd\"\nmemory = \"1MiB\"\ndrain = \"3s\"\n\
             [source.live]\nkind = \"jsonl\"\npath = \"-\"\nepoch = false\n[window.w]\nclose = {{ after = \"50ms\", count = 200 }}\n\
             [[route]]\nwindow = \"w\"\nto = [\"hook\"]\n\
             [sink.hook]\nkind = \"webhook\"\nurl = \"{url}\"\nfields = [\"id\"]\non_slow = \"block\"\n"
        )
    };
    s.write("t.toml", &pipeline("http://127.0.0.1:9/nobody"));
    let args = ["run", "t.toml", "--listen", "127.0.0.1:0", "--log", "run.log"];
    let mut child =
        s.command(&args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stderr.take().unwrap()), &mut line).unwrap();
    let host = line.trim().rsplit("http://").next().unwrap().trim_end_matches('/').to_owned();
    let ask = |path: &str| {
        let mut stream = std::net::TcpStream::connect(&host).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || {
        // Whoever is held up does not read on: this waits too, until the run ends.
        // What waits inside of the courier comes first: 16 MiB.
        let wide = "0.25,".repeat(511);
        for i in 0..8_000 {
            if writeln!(stdin, "{{\"id\":\"k{i}\",\"v\":[{wide}{i}]}}").is_err() {
                return;
            }
        }
    });
    wait_for("the sink that holds the run up", || ask("/metrics").contains("vecdelta_sink_holds_up{sink=\"hook\"} 1"));
    assert!(ask("/v1/stages").contains("\"holds_up\":true"));
    assert!(ask("/healthz").contains("sink hook: the pipeline waits for it"));
    wait_for("the log", || s.read("run.log").contains("; the pipeline waits for it"));
    let begun = Instant::now();
    terminate(child.id());
    let code = child.wait().unwrap().code();
    assert!(begun.elapsed() < Duration::from_secs(12) && [Some(74), Some(75)].contains(&code), "{code:?}");
    writer.join().unwrap();
    s.quiet(&["verify", "t.vd"]).exits(0);
    // The next run goes on at the cursor of the sink: every row that was committed arrives, once.
    let (url, taken) = server(|_, _| 200);
    s.write("t.toml", &pipeline(&url));
    s.quiet(&["run", "t.toml"]).exits(0);
    let mut told: Vec<String> =
        taken.try_iter().flatten().map(|line| line["id"].as_str().unwrap().to_owned()).collect();
    let rows: u64 = (s.quiet(&["log", "t.vd", "--json"]).exits(0).lines().iter())
        .map(|commit| commit["inserted"].as_u64().unwrap())
        .sum();
    assert!(rows > 600, "{rows}");
    assert_eq!(told.len() as u64, rows);
    told.sort();
    told.dedup();
    assert_eq!(told.len() as u64, rows);
}
