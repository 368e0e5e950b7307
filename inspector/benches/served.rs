//! A history of a gigabyte that lies on a web server: what its first graph takes, and how much memory.
//!
//! `cargo bench -p vecdelta-inspector --bench served` makes it below target/tmp (once, 1.1 GB), serves it by ranges to a
//! program of its own, and prints what that asked for and its largest memory. The file that `VECDELTA_BUNDLE` names is
//! served in its place; `inspector/web/tests/large.mjs` opens the same file in a browser.

mod made;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use vecdelta::store::LocalDisk;
use vecdelta::version::bundle;
use vecdelta_inspector::ask::{Answer, Ask, Place, Request};
use vecdelta_inspector::native::open::opener;
use vecdelta_inspector::work::Worker;

fn main() {
    let url = std::env::args().skip_while(|a| a != "--look-at").nth(1);
    match url {
        Some(url) => look_at(&url),
        None => serve(),
    }
}

/// Makes the bundle if it is not there.
fn file() -> PathBuf {
    if let Some(file) = std::env::var_os("VECDELTA_BUNDLE") {
        return file.into();
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = dir.join("large.vdpack");
    if !path.exists() {
        let shape = made::Shape {
            sources: 20_000,
            dims: 768,
            changed: 256,
            commits: 1,
            bytes: 1_100_000_000,
            snapshot_every: 0,
        };
        let repo = made::history(&dir.join("large.vd"), &shape);
        bundle(&repo, &LocalDisk::new(dir), "large.vdpack", &mut |_| {}).expect("room on the disk");
    }
    path
}

#[derive(Default)]
struct Asked {
    requests: AtomicU64,
    bytes: AtomicU64,
}

fn serve() {
    let path = file();
    let file = Arc::new(File::open(&path).expect("the bundle is there"));
    let len = file.metadata().expect("it is a file").len();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/large.vdpack", listener.local_addr().expect("an address"));
    let asked = Arc::<Asked>::default();
    let counts = asked.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (file, counts) = (file.clone(), counts.clone());
            std::thread::spawn(move || answer(client, &file, len, &counts));
        }
    });
    println!("{}: {len} bytes", path.display());
    // A program of its own for the graph alone, and one that goes on.
    for what in ["--graph", "--more"] {
        let own = std::env::current_exe().expect("this program");
        let status = Command::new(own).args([what, "--look-at", &url]).status().expect("it starts");
        assert!(status.success());
        let [requests, bytes] = [&asked.requests, &asked.bytes].map(|count| count.swap(0, Ordering::Relaxed));
        println!("the server counted {requests} requests, {bytes} bytes");
    }
}

/// Answers the requests of one connection.
fn answer(mut client: TcpStream, file: &File, len: u64, counts: &Asked) -> Option<()> {
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
        let (begin, end): (u64, u64) = (begin.parse().ok()?, end.parse().ok()?);
        let mut part = vec![0; (len.min(end + 1) - begin) as usize];
        file.read_exact_at(&mut part, begin).ok()?;
        counts.requests.fetch_add(1, Ordering::Relaxed);
        counts.bytes.fetch_add(part.len() as u64, Ordering::Relaxed);
        let last = begin + part.len() as u64 - 1;
        let head_line = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {begin}-{last}/{len}\r\n\r\n",
            part.len()
        );
        client.write_all(&[head_line.as_bytes(), &part].concat()).ok()?;
        head.clear();
    }
}

/// What the inspector asks first, and what somebody looks at then.
fn look_at(url: &str) {
    let began = Instant::now();
    let mut worker = Worker::new(opener());
    let mut ask = |ask| {
        let reply = worker.answer(&Request { number: 1, ask }).expect("it is fetched");
        reply.result.expect("it is whole")
    };
    let Answer::Opened(opened) = ask(Ask::Open(Place::Url(url.to_owned()))) else { panic!("it opens") };
    let mut known = 0;
    while known < opened.commits {
        let Answer::Graph(graph) = ask(Ask::Graph { from: known }) else { panic!("there is a graph") };
        known += graph.ids.len() as u32;
    }
    println!("the graph of {known} commits after {:.0?}, memory {}", began.elapsed(), memory());
    if std::env::args().any(|a| a == "--graph") {
        return;
    }
    let mut bits = made::Bits(7);
    let mut times = Vec::new();
    for _ in 0..40 {
        let commit = bits.next() as u32 % known;
        let began = Instant::now();
        ask(Ask::Records { from: commit / 64 * 64, count: 64 });
        ask(Ask::Changes { commit });
        ask(Ask::Versions { tip: commit, source: format!("rows/row-{:06}", bits.next() % 20_000), from: 0 });
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let (half, most) = (made::percentile(&mut times, 0.5), made::percentile(&mut times, 1.0));
    println!("a list, a commit's vectors and one vector's history: median {half:.1} ms, most {most:.1} ms");
    println!("largest memory: {}", memory());
}

/// Returns the most memory that this program ever had.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |l| l.trim().to_owned())
}
