//! A server with small limits against clients that do not behave: none of them keeps the others out for long.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn limits() -> Limits {
    Limits {
        connections: 8,
        head_bytes: 2048,
        head: Duration::from_millis(300),
        idle: Duration::from_millis(300),
        crowded: Duration::from_millis(150),
        body_bytes: 1000,
        body: Duration::from_millis(300),
        grace: Duration::from_millis(500),
        ..Limits::default()
    }
}

/// Answers every request with the length of its body, and `/stream` with a stream that ends well or breaks off.
fn answer(request: &mut Request<'_>) -> Response {
    match request.head.path.as_str() {
        "/stream" => Response::lines(Box::new(|out| (0..3).try_for_each(|i| writeln!(out, "{i}")))),
        "/broken" => Response::lines(Box::new(|out| {
            out.write_all(b"half")?;
            out.flush()?;
            Err(std::io::Error::other("damage"))
        })),
        "/bug" => panic!("a bug"),
        "/unread" => Response::text(200, "not looked at"),
        _ => match request.body.whole(1000) {
            Ok(body) => Response::text(200, format!("{} {}", request.head.method, body.len())),
            Err(response) => response,
        },
    }
}

/// Runs clients against a server, which has to end afterwards.
fn with_server(work: impl FnOnce(SocketAddr)) {
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), limits()).unwrap();
    let (address, stopper) = (server.address(), server.stopper());
    thread::scope(|scope| {
        let running = scope.spawn(|| server.run(&answer, &|_| {}));
        work(address);
        let begun = Instant::now();
        stopper.stop();
        running.join().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(3), "the server ends soon");
    });
}

/// Sends bytes and returns what comes back until the connection ends.
fn send(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    // The server may have had enough before all was sent.
    let _ = stream.write_all(bytes);
    let mut out = Vec::new();
    let _ = stream.read_to_end(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn status(address: SocketAddr, text: &str) -> u16 {
    let out = send(address, text.as_bytes());
    out.get(9..12).and_then(|s| s.parse().ok()).unwrap_or(0)
}

const CLOSE: &str = "Host: a\r\nConnection: close\r\n";

#[test]
fn requests_are_told_apart_and_bounded() {
    with_server(|at| {
        let cases: Vec<(String, u16)> = vec![
            (format!("GET / HTTP/1.1\r\n{CLOSE}\r\n"), 200),
            (format!("GET http://a/x HTTP/1.1\r\n{CLOSE}\r\n"), 200),
            ("GET / HTTP/1.0\r\n\r\n".to_owned(), 200),
            (format!("POST / HTTP/1.1\r\n{CLOSE}Content-Length: 3\r\n\r\nabc"), 200),
            (format!("POST / HTTP/1.1\r\n{CLOSE}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), 200),
            (
                format!(
                    "POST / HTTP/1.1\r\n{CLOSE}Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n"
                ),
                200,
            ),
            (format!("GET /bug HTTP/1.1\r\n{CLOSE}\r\n"), 500),
            ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(), 400),
            (format!("GET /%ff HTTP/1.1\r\n{CLOSE}\r\n"), 400),
            (format!("GET /%4 HTTP/1.1\r\n{CLOSE}\r\n"), 400),
            (format!("GET /?a=%zz HTTP/1.1\r\n{CLOSE}\r\n"), 400),
            (format!("GET * HTTP/1.1\r\n{CLOSE}\r\n"), 400),
            ("GET / HTTP/2.0\r\n\r\n".to_owned(), 505),
            ("\u{1}\u{2}\r\n\r\n".to_owned(), 400),
            (format!("GET /{} HTTP/1.1\r\n{CLOSE}\r\n", "a".repeat(3000)), 431),
            (format!("GET / HTTP/1.1\r\n{CLOSE}{}\r\n", "A: b\r\n".repeat(100)), 431),
            // Two lengths are how one request is smuggled behind another.
            (format!("POST / HTTP/1.1\r\n{CLOSE}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc"), 400),
            (format!("POST / HTTP/1.1\r\n{CLOSE}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"), 400),
            (format!("POST / HTTP/1.1\r\n{CLOSE}Content-Length: +3\r\n\r\nabc"), 400),
            (format!("POST / HTTP/1.1\r\n{CLOSE}Transfer-Encoding: gzip\r\n\r\nabc"), 501),
            (format!("POST / HTTP/1.1\r\n{CLOSE}Content-Length: 1001\r\n\r\n"), 413),
            (format!("POST / HTTP/1.1\r\n{CLOSE}Content-Length: 99999999999999999999\r\n\r\n"), 413),
            (format!("POST / HTTP/1.1\r\n{CLOSE}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"), 408),
            (format!("POST / HTTP/1.1\r\n{CLOSE}Transfer-Encoding: chunked\r\n\r\nxyz\r\n"), 400),
            (format!("POST / HTTP/1.1\r\n{CLOSE}Transfer-Encoding: chunked\r\n\r\n3\r\nabcde\r\n0\r\n\r\n"), 400),
            (format!("POST / HTTP/1.1\r\n{CLOSE}Content-Length: 5\r\n\r\nabc"), 408),
        ];
        for (request, wanted) in cases {
            assert_eq!(status(at, &request), wanted, "{request:?}");
        }
    });
}

#[test]
fn a_connection_goes_on_and_a_broken_stream_is_seen() {
    with_server(|at| {
        let one = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let out = send(at, format!("{one}POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nzz{one}GET /stream HTTP/1.1\r\n{CLOSE}\r\n").as_bytes());
        assert_eq!(out.matches("HTTP/1.1 200 OK").count(), 4, "{out}");
        assert!(out.ends_with("6\r\n0\n1\n2\n\r\n0\r\n\r\n"), "{out}");
        let broken = send(at, format!("GET /broken HTTP/1.1\r\n{CLOSE}\r\n").as_bytes());
        assert!(broken.ends_with("4\r\nhalf\r\n"), "{broken}");
        let head = send(at, format!("HEAD /stream HTTP/1.1\r\n{CLOSE}\r\n").as_bytes());
        assert!(head.ends_with("\r\n\r\n"), "{head}");
        let waits =
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab";
        assert!(send(at, waits.as_bytes()).starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"));
    });
}

/// Clients that send nothing, or a byte now and then, hold their connections for a short while and no longer.
#[test]
fn slow_clients_do_not_keep_others_out() {
    with_server(|at| {
        let mut slow: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(at).unwrap()).collect();
        let begun = Instant::now();
        let mut turned_away = 0;
        loop {
            for stream in &mut slow {
                let _ = stream.write(b"G");
            }
            match status(at, &format!("GET / HTTP/1.1\r\n{CLOSE}\r\n")) {
                200 => break,
                _ => turned_away += 1,
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "{turned_away} were turned away");
            thread::sleep(Duration::from_millis(20));
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Whatever comes, the server goes on.
    #[test]
    fn no_bytes_end_the_server(parts in prop::collection::vec(prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::sample::select(vec!["GET ", "/", " HTTP/1.1\r\n", "\r\n", "Host: a\r\n", "%00", "?&=", "Content-Length: 9\r\n", "\0", "Range: bytes=", "Transfer-Encoding: chunked\r\n", "1\r\n", ": \t"])
            .prop_map(|s| s.as_bytes().to_vec()),
    ], 0..12)) {
        with_server(|at| {
            send(at, &parts.concat());
            assert_eq!(status(at, &format!("GET / HTTP/1.1\r\n{CLOSE}\r\n")), 200);
        });
    }
}
