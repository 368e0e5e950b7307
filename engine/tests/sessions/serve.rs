//! A served repository: the answers are those of the commands, the bundle is the bundle, and what is acknowledged is safe.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::shell::Session;

/// A server that runs until this is dropped.
struct Served {
    child: Child,
    url: String,
    address: String,
}

impl Served {
    fn start(session: &Session, args: &[&str]) -> Self {
        let mut command = session.command(&["serve", "--listen", "127.0.0.1:0", "--json"]);
        let mut child = command.args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = serde_json::from_str::<Value>(&line).unwrap()["url"].as_str().unwrap().to_owned();
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { child, url, address }
    }

    /// Sends a request; the connection is closed behind it.
    fn ask(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let host = if headers.iter().any(|h| h.starts_with("Host:")) {
            String::new()
        } else {
            format!("Host: {}\r\n", self.address)
        };
        let mut request =
            format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {}\r\n", body.len());
        headers.iter().for_each(|header| request += &format!("{header}\r\n"));
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let _ = stream.write_all(&[request.as_bytes(), b"\r\n", body].concat());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        Answer::of(bytes)
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    fn post(&self, path: &str, headers: &[&str], body: &str) -> Answer {
        self.ask("POST", path, headers, body.as_bytes())
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn of(bytes: Vec<u8>) -> Self {
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
            return Self { status: 0, head: String::new(), body: bytes };
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
        let mut body = bytes[end + 4..].to_vec();
        if head.contains("transfer-encoding: chunked") {
            body = joined(&body);
        }
        Self { status: head[9..12].parse().unwrap(), head, body }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.head, String::from_utf8_lossy(&self.body));
        self
    }
}

fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let end = chunks.windows(2).position(|w| w == b"\r\n").expect("a chunk has a size");
        let size = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return out;
        }
        out.extend_from_slice(&chunks[end + 2..end + 2 + size]);
        chunks = &chunks[end + 4 + size..];
    }
}

fn demo(name: &str) -> Session {
    let session = Session::new(name);
    session.quiet(&["demo", "demo"]).exits(0);
    session
}

const REPO: &str = "demo/shop.vd";

#[test]
fn the_answers_are_those_of_the_commands() {
    let session = demo("served_answers");
    let served = Served::start(&session, &[REPO]);
    let same = |path: &str, args: &[&str]| {
        let wanted = session.quiet(args).exits(0).out;
        let got = served.get(path).is(200);
        assert_eq!(String::from_utf8(got.body).unwrap(), wanted, "{path}");
    };
    same("/v1/log", &["log", REPO, "--json"]);
    same("/v1/log?rev=seasonal&limit=2", &["log", REPO, "seasonal", "--limit", "2", "--json"]);
    same("/v1/commits/main~1", &["show", REPO, "main~1", "--json"]);
    same("/v1/diff?from=main~1&to=main", &["diff", REPO, "main~1", "main", "--json"]);
    same(
        "/v1/drift?from=main~2&to=main&neighbours=3",
        &["drift", REPO, "main~2", "main", "--neighbours", "3", "--json"],
    );
    let source =
        session.quiet(&["diff", REPO, "main~1", "main", "--json"]).lines()[0]["source"].as_str().unwrap().to_owned();
    same(&format!("/v1/vectors/{source}?at=main~1"), &["get", REPO, &source, "--at", "main~1", "--json"]);
    let found =
        served.post("/v1/search", &[], &json!({ "like": source, "k": 3, "against": "main~3" }).to_string()).is(200);
    let wanted = session.quiet(&["search", REPO, "--like", &source, "-k", "3", "--against", "main~3", "--json"]).json();
    assert_eq!(found.json(), wanted);
    for format in ["arrow", "parquet"] {
        let file = format!("table.{format}");
        session.quiet(&["export", REPO, "--at", "main~1", "--output", &file]).exits(0);
        let got = served.get(&format!("/v1/export?at=main~1&format={format}")).is(200);
        assert!(got.body == fs::read(session.dir.join(&file)).unwrap(), "{file}");
    }
    let summary = served.get("/v1/repository").json();
    let branches = session.quiet(&["branch", REPO, "--json"]).lines();
    assert_eq!(summary["branches"], json!(branches));
    assert_eq!(served.get("/healthz").json()["status"], "ready");
}

#[test]
fn the_bundle_is_the_file_whole_and_by_ranges() {
    let session = demo("served_bundle");
    session.quiet(&["bundle", REPO, "--output", "shop.vdpack"]).exits(0);
    let file = fs::read(session.dir.join("shop.vdpack")).unwrap();
    let (live, packed) = (Served::start(&session, &[REPO]), Served::start(&session, &["shop.vdpack"]));
    let len = file.len();
    for served in [&live, &packed] {
        let whole = served.get("/v1/bundle").is(200);
        assert!(whole.body == file);
        let tag = whole.header("etag").unwrap().to_owned();
        let held = whole.header("content-location").unwrap().to_owned();
        let ranges = [(0, 64), (0, 1), (63, 2), (1000, 3000), (len / 2, 5000), (len - 1, 1), (0, len)];
        for (offset, count) in ranges {
            let range = format!("Range: bytes={offset}-{}", offset + count - 1);
            for path in ["/v1/bundle", &held] {
                let part = served.ask("GET", path, &[&range], b"").is(206);
                assert!(part.body == file[offset..offset + count], "{path} {range}");
                assert_eq!(
                    part.header("content-range").unwrap(),
                    format!("bytes {offset}-{}/{len}", offset + count - 1)
                );
            }
        }
        let range = "Range: bytes=10-19";
        served.ask("GET", "/v1/bundle", &[range, "If-Range: \"else\""], b"").is(200);
        served.ask("GET", "/v1/bundle", &[range, &format!("If-Range: {tag}")], b"").is(206);
        served.ask("GET", "/v1/bundle", &[range, "If-Match: \"else\""], b"").is(412);
        assert!(served.ask("GET", "/v1/bundle", &[&format!("If-None-Match: {tag}")], b"").is(304).body.is_empty());
        let beyond = served.ask("GET", "/v1/bundle", &[&format!("Range: bytes={len}-")], b"").is(416);
        assert_eq!(beyond.header("content-range").unwrap(), format!("bytes */{len}"));
        served.get("/v1/bundle/0123").is(410);
        let head = served.ask("HEAD", "/v1/bundle", &[], b"").is(200);
        assert_eq!((head.header("content-length").unwrap(), head.body.len()), (len.to_string().as_str(), 0));
    }
}

/// Whoever has begun to read goes on with the state that was there; whoever begins sees the new one.
#[test]
fn a_repository_that_grows_is_seen_whole_commit_by_commit() {
    let session = Session::new("served_growth");
    session.table("a.jsonl", &[("x", &[1.0, 2.0]), ("y", &[3.0, 4.0])]);
    session.table("b.jsonl", &[("x", &[1.5, 2.0]), ("y", &[3.0, 4.5])]);
    session.quiet(&["ingest", "t.vd", "a.jsonl"]).exits(0);
    let served = Served::start(&session, &["t.vd"]);
    let before = served.get("/v1/bundle").is(200);
    let (held, tag) =
        (before.header("content-location").unwrap().to_owned(), before.header("etag").unwrap().to_owned());
    session.quiet(&["clone", &served.url, "copy.vd"]).exits(0);
    session.quiet(&["ingest", "t.vd", "b.jsonl"]).exits(0);
    assert_eq!(served.get("/v1/repository").json()["commits"], 2);
    assert!(served.get(&held).is(200).body == before.body);
    assert_eq!(
        served.ask("GET", "/v1/bundle", &["Range: bytes=0-9", &format!("If-Range: {tag}")], b"").is(206).body,
        before.body[..10]
    );
    let after = served.get("/v1/bundle").is(200);
    assert!(after.header("etag") != Some(&tag) && after.body.len() > before.body.len());
    session.quiet(&["bundle", "t.vd", "--output", "t.vdpack"]).exits(0);
    assert!(after.body == fs::read(session.dir.join("t.vdpack")).unwrap());
    // The commands read from there, and take over what is missing.
    assert_eq!(session.quiet(&["log", &served.url, "--json"]).out, session.quiet(&["log", "t.vd", "--json"]).out);
    session.quiet(&["pull", "copy.vd", &served.url]).exits(0);
    session.quiet(&["verify", "copy.vd"]).exits(0);
    let vector = |repo: &str| session.quiet(&["get", repo, "vectors/x", "--json"]).exits(0).out;
    assert_eq!(vector("copy.vd"), vector("t.vd"));
    assert_eq!(vector(&served.url), vector("t.vd"));
    let refused = session.quiet(&["push", "copy.vd", &served.url]).exits(2);
    assert!(refused.err.contains("can only be read from here"), "{}", refused.err);
    session.quiet(&["log", "http://127.0.0.1:9/"]).exits(74);
    session.quiet(&["log", "https://127.0.0.1:9/"]).exits(2);
}

#[test]
fn strangers_are_refused() {
    let session = demo("served_strangers");
    let refused = session.quiet(&["serve", REPO, "--listen", "0.0.0.0:0"]).exits(2);
    assert!(refused.err.contains("--token"), "{}", refused.err);
    session.quiet(&["serve", "nothing.vd", "--listen", "127.0.0.1:0"]).exits(66);
    session.quiet(&["serve", REPO, "--listen", "nowhere"]).exits(2);
    let served = Served::start(&session, &[REPO]);
    served.ask("GET", "/v1/log", &["Host: evil.example"], b"").is(403);
    served.ask("GET", "/v1/log", &["Origin: http://evil.example"], b"").is(403);
    served.ask("GET", "/v1/log", &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"], b"").is(403);
    served.ask("GET", "/v1/log", &[&format!("Origin: http://{}", served.address)], b"").is(200);
    assert_eq!(served.ask("DELETE", "/v1/log", &[], b"").is(405).header("allow"), Some("get, head"));
    served.get("/v1/search").is(405);
    let slip = served.get("/v1/log?limt=3").is(400).json();
    assert!(slip["help"].as_str().unwrap().contains("limit"), "{slip}");
    for (path, status) in [
        ("/v1/log?rev=nix", 404),
        ("/v1/log?limit=x", 400),
        ("/v1/log?limit=99999", 400),
        ("/v1/commits/nix", 404),
        ("/v1/vectors/products/nix", 404),
        ("/v1/vectors/nix", 400),
        ("/v1/diff?from=main", 400),
        ("/v1/export?format=exe", 400),
        ("/v1/nothing", 404),
        ("/../../etc/passwd", 404),
        ("/%2e%2e/%2e%2e/etc/passwd", 404),
    ] {
        let answer = served.get(path).is(status);
        assert!(answer.json()["error"].is_string(), "{path}");
    }
    for question in [
        "",
        "{",
        "[]",
        "{}",
        "{\"like\":3}",
        "{\"like\":\"a/b\",\"vector\":[1]}",
        "{\"vector\":[1,2]}",
        "{\"like\":\"products/chair-005\",\"k\":0}",
    ] {
        let answer = served.post("/v1/search", &[], question);
        assert!([400, 422].contains(&answer.status), "{question}: {}", answer.status);
    }
    served.post("/v1/collections/vectors", &[], "{}").is(403);
    let secret = Served::start(&session, &[REPO, "--token", "s3cret"]);
    secret.get("/v1/log").is(401);
    secret.get("/healthz").is(200);
    secret.ask("GET", "/v1/log", &["Host: vectors.example", "Authorization: Bearer s3cret"], b"").is(200);
    let open = secret.get("/?token=s3cret").is(303);
    let cookie = open.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    secret.ask("GET", "/v1/log", &[&format!("Cookie: {cookie}")], b"").is(200);
    session.quiet(&["log", &secret.url]).exits(74);
    let known = session.command(&["log", &secret.url]).env("VECDELTA_TOKEN", "s3cret").output().unwrap();
    assert!(known.status.success());
}

/// The names are what dashboards rely on.
#[test]
fn the_figures_have_their_names() {
    let session = demo("served_figures");
    let served = Served::start(&session, &[REPO]);
    served.get("/v1/log").is(200);
    served.get("/v1/log?rev=nix").is(404);
    let page = String::from_utf8(served.get("/metrics").is(200).body).unwrap();
    let names: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let wanted = [
        "vecdelta_build_info gauge",
        "vecdelta_ready gauge",
        "vecdelta_commits gauge",
        "vecdelta_log_bytes gauge",
        "vecdelta_http_requests_total counter",
        "vecdelta_http_request_seconds_total counter",
        "vecdelta_http_sent_bytes_total counter",
        "vecdelta_http_refused_total counter",
    ];
    assert_eq!(names, wanted);
    assert!(page.contains("\nvecdelta_http_requests_total{route=\"/v1/log\"} 2\n"), "{page}");
    assert!(page.contains("\nvecdelta_http_refused_total{route=\"/v1/log\",reason=\"404\"} 1\n"), "{page}");
}

#[test]
fn files_of_the_inspector_are_served() {
    let session = demo("served_files");
    fs::create_dir_all(session.dir.join("web/pkg")).unwrap();
    session.write("web/index.html", "<title>here</title>");
    session.write("web/pkg/app-0123456789abcdef.wasm", "plain");
    session.write("web/pkg/app-0123456789abcdef.wasm.br", "packed");
    session.write("secret.txt", "secret");
    let bare = Served::start(&session, &[REPO]).get("/");
    assert!(bare.status == 200, "{}", bare.head);
    session.quiet(&["serve", REPO, "--web", "."]).exits(66);
    let served = Served::start(&session, &[REPO, "--web", "web"]);
    let index = served.get("/").is(200);
    assert_eq!(
        (index.header("content-type"), index.header("cache-control")),
        (Some("text/html; charset=utf-8"), Some("no-cache"))
    );
    assert!(index.header("content-security-policy").unwrap().contains("wasm-unsafe-eval"));
    let wasm = "/pkg/app-0123456789abcdef.wasm";
    let packed = served.ask("GET", wasm, &["Accept-Encoding: gzip, br"], b"").is(200);
    assert_eq!(
        (packed.header("content-type"), packed.header("content-encoding"), packed.body.as_slice()),
        (Some("application/wasm"), Some("br"), &b"packed"[..])
    );
    assert!(packed.header("cache-control").unwrap().contains("immutable"));
    let plain = served.ask("GET", wasm, &["Accept-Encoding: gzip, br;q=0"], b"").is(200);
    assert_eq!((plain.header("content-encoding"), plain.body.as_slice()), (None, &b"plain"[..]));
    let tag = format!("If-None-Match: {}", plain.header("etag").unwrap());
    served.ask("GET", wasm, &[&tag], b"").is(304);
    for path in ["/../secret.txt", "/%2e%2e/secret.txt", "/pkg/..%2f..%2fsecret.txt", "/pkg", "/nothing"] {
        served.get(path).is(404);
    }
}

#[test]
fn rows_become_a_commit_or_nothing() {
    let session = Session::new("served_rows");
    let served = Served::start(&session, &["t.vd", "--writable"]);
    let rows = "{\"id\":\"x\",\"embedding\":[1.0,2.0]}\n{\"id\":\"y\",\"embedding\":[3.0,4.0]}\n";
    let first = served.post("/v1/collections/docs", &["Content-Type: application/x-ndjson"], rows).is(201).json();
    assert_eq!((&first["inserted"], &first["rows_read"]), (&json!(2), &json!(2)));
    let shown = session.quiet(&["show", "t.vd", "main", "--json"]).json();
    assert_eq!(first["commit"], shown["commit"]);
    // The same once more, as after an answer that was lost: no second commit.
    let again = served.post("/v1/collections/docs", &["Content-Type: application/x-ndjson"], rows).is(200);
    assert_eq!((again.header("idempotent-replay"), &again.json()["commit"]), (Some("true"), &first["commit"]));
    let keyed = ["Idempotency-Key: k-1", "Content-Type: application/x-ndjson"];
    let one = "{\"id\":\"x\",\"embedding\":[9.0,2.0]}\n";
    let second = served.post("/v1/collections/docs", &keyed, one).is(201).json();
    assert_eq!((&second["updated"], &second["deleted"]), (&json!(1), &json!(0)));
    served.post("/v1/collections/docs?missing=delete", &[], one).is(201);
    assert_eq!(served.post("/v1/collections/docs", &keyed, one).is(200).json()["commit"], second["commit"]);
    served.post("/v1/collections/docs", &keyed, rows).is(422);
    // Arrow and Parquet as they come.
    session.quiet(&["export", "t.vd", "--output", "docs.arrow"]).exits(0);
    let arrow = fs::read(session.dir.join("docs.arrow")).unwrap();
    let kind = "Content-Type: application/vnd.apache.arrow.file";
    assert_eq!(served.ask("POST", "/v1/collections/copies", &[kind], &arrow).is(201).json()["inserted"], 1);
    // Bad input names the row, and leaves nothing.
    let log = session.quiet(&["log", "t.vd", "--json"]).out;
    for (body, part) in [
        ("{\"id\":\"x\",\"embedding\":[1.0,2.0]}\n{\"id\":\"y\",\"embedding\":[1.0]}\n", "line 2"),
        ("{\"id\":\"x\",\"embedding\":[1.0,2.0]}\n{\"id\":\"x\",\"embedding\":[1.0,3.0]}\n", "x"),
        ("{\"id\":\"x\",\"embedding\":[1.0,2.0,3.0]}\n", "3 x f32"),
        ("nonsense", "the body"),
    ] {
        let answer = served.post("/v1/collections/docs", &["Content-Type: application/x-ndjson"], body);
        assert_eq!(answer.status, 422, "{}", String::from_utf8_lossy(&answer.body));
        let text = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(text.contains(part) && !text.contains("vecdelta-post"), "{text}");
    }
    served.post("/v1/collections/docs", &[], "").is(400);
    served.post("/v1/collections/docs", &["Content-Type: image/png"], rows).is(415);
    served.post("/v1/collections/a%2Fb", &[], rows).is(400);
    assert_eq!(session.quiet(&["log", "t.vd", "--json"]).out, log);
    session.quiet(&["verify", "t.vd"]).exits(0);
}

/// The body of a request that was under way when a server was killed is cleared away by the next one.
#[test]
fn what_a_killed_server_left_is_cleared_away() {
    let session = Session::new("served_left");
    session.table("t.jsonl", &[("a", &[1.0, 2.0])]);
    session.quiet(&["ingest", "t.vd", "t.jsonl"]).exits(0);
    let mut served = Served::start(&session, &["t.vd", "--writable"]);
    let mine = format!("vecdelta-post-{}-", served.child.id());
    let left = || {
        let entries = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
        entries.filter(|e| e.file_name().to_string_lossy().starts_with(&mine)).count()
    };
    // Half a body, and no more.
    let mut stream = TcpStream::connect(&served.address).unwrap();
    let head =
        format!("POST /v1/collections/docs HTTP/1.1\r\nHost: {}\r\nContent-Length: 100\r\n\r\nhalf", served.address);
    stream.write_all(head.as_bytes()).unwrap();
    let begun = Instant::now();
    while left() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the body never came");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(3));
    // Who starts meanwhile leaves it alone.
    drop(Served::start(&session, &["t.vd"]));
    assert_eq!(left(), 1);
    served.signal("-KILL");
    served.child.wait().unwrap();
    assert_eq!(left(), 1);
    drop(Served::start(&session, &["t.vd"]));
    assert_eq!(left(), 0);
}

/// A server that is killed at any moment: every commit that was answered is there, and nothing is half there.
#[test]
fn what_is_acknowledged_survives_a_kill() {
    let session = Session::new("served_kill");
    let mut acknowledged = Vec::new();
    for round in 0..6u64 {
        let mut served = Served::start(&session, &["t.vd", "--writable"]);
        let address = served.address.clone();
        std::thread::scope(|scope| {
            let posting = scope.spawn(|| {
                let mut done = Vec::new();
                for n in 0.. {
                    let row =
                        |i: u64| json!({ "id": format!("k{i}"), "embedding": [(round * 1000 + n) as f64, i as f64] });
                    let body: String = (0..50).map(|i| format!("{}\n", row(i))).collect();
                    let answer = served_post(&address, &body);
                    match answer {
                        Some(answer) if answer.status == 201 => done.push(answer.json()),
                        _ => return done,
                    }
                }
                done
            });
            std::thread::sleep(Duration::from_millis(150 + round * 37));
            served.child.kill().unwrap();
            served.child.wait().unwrap();
            acknowledged.extend(posting.join().unwrap());
        });
        session.quiet(&["verify", "t.vd"]).exits(0);
        let log = session.quiet(&["log", "t.vd", "--json"]).lines();
        for commit in &acknowledged {
            assert!(log.iter().any(|c| c["commit"] == commit["commit"]), "{commit} is gone");
        }
        for commit in &log {
            assert_eq!(commit["collections"][0]["rows"], 50);
        }
    }
    assert!(!acknowledged.is_empty());
}

fn served_post(address: &str, body: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = format!(
        "POST /v1/collections/v HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    Some(Answer::of(bytes)).filter(|answer| answer.status > 0)
}

#[test]
fn a_terminated_server_ends_well() {
    let session = demo("served_end");
    let mut served = Served::start(&session, &[REPO]);
    // One connection waits for nothing in particular.
    let mut idle = TcpStream::connect(&served.address).unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let begun = Instant::now();
    served.signal("-TERM");
    assert!(served.child.wait().unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(8));
}

/// The examples of the documentation do what it says.
#[test]
fn the_documented_examples_run() {
    let session = demo("served_examples");
    session.table("rows.jsonl", &[("apple", &[1.0, 2.0]), ("pear", &[3.0, 4.0])]);
    let served = Served::start(&session, &[REPO, "--writable"]);
    let text = include_str!("../../../docs/server.md");
    let examples: Vec<&str> = text.lines().filter(|line| line.starts_with("curl ")).collect();
    assert!(examples.len() >= 10, "{examples:?}");
    for example in examples {
        let line = example.replace("127.0.0.1:7878", &served.address);
        let ran = Command::new("sh").args(["-c", &line]).current_dir(&session.dir).output().unwrap();
        let text = String::from_utf8_lossy(&ran.stdout);
        assert!(
            ran.status.success() && !text.contains("\"error\""),
            "{line}\n{text}{}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }
    for file in ["table.arrow", "shop.vdpack", "front.bin"] {
        assert!(fs::metadata(session.dir.join(file)).unwrap().len() > 0, "{file}");
    }
}
