//! Standard input that can be given up: a read ends when data come or when the run is asked to stop.
//!
//! A read of standard input cannot be interrupted, so a thread of its own does it and is left behind at the end of the
//! process. Only whole lines are passed on: a line that is not yet whole keeps none before it waiting, and a stop in the
//! middle of a line loses that line alone. What has come and was not read is there for whoever reads standard input next in
//! this process: a pipeline that goes on with other settings.

use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select};

/// How often the wish to stop is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What is held back for the end of a line at most; longer lines are for the parser to refuse.
const LINE_BYTES_MAX: usize = 65 << 20;

/// What is passed on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Whole lines.
    Lines,
    /// Whatever has come.
    Bytes,
}

/// What nobody reads just now; nothing before standard input is read for the first time.
static LEFT: Mutex<Option<Input>> = Mutex::new(None);

/// Standard input from some place on.
struct Input {
    chunks: Receiver<io::Result<Vec<u8>>>,
    /// The beginning of a line whose end has not come.
    held: Vec<u8>,
    /// Whole lines, and how much of them was read.
    ready: Vec<u8>,
    read: usize,
}

/// A reader that sees the end of standard input early once it is given up.
pub struct Stdin {
    /// There until it is dropped.
    input: Option<Input>,
    given_up: Receiver<()>,
    framing: Framing,
    ended: bool,
}

/// Calls `work` with standard input; it is given up when `stop` is set.
pub fn with_stdin<T>(stop: &(dyn Fn() -> bool + Sync), framing: Framing, work: impl FnOnce(Stdin) -> T) -> T {
    let (give_up, given_up) = bounded(0);
    let left = LEFT.lock().expect("no thread panics with it").take();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| watch(stop, &done, give_up));
        let stdin = Stdin { input: Some(left.unwrap_or_else(Input::begin)), given_up, framing, ended: false };
        let result = work(stdin);
        done.store(true, Ordering::Relaxed);
        result
    })
}

/// Drops the sender, which the reader notices, when it is time to stop.
fn watch(stop: &(dyn Fn() -> bool + Sync), done: &AtomicBool, give_up: Sender<()>) {
    while !stop() && !done.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
    }
    drop(give_up);
}

fn pump(send: &Sender<io::Result<Vec<u8>>>) {
    let mut input = io::stdin().lock();
    loop {
        let mut chunk = vec![0; 1 << 16];
        let read = input.read(&mut chunk).map(|n| {
            chunk.truncate(n);
            chunk
        });
        let end = read.as_ref().map_or(true, Vec::is_empty);
        if send.send(read).is_err() || end {
            return;
        }
    }
}

impl Input {
    fn begin() -> Self {
        let (send, chunks) = bounded(4);
        thread::spawn(move || pump(&send));
        Self { chunks, held: Vec::new(), ready: Vec::new(), read: 0 }
    }

    /// Waits for whole lines; nothing is the end of the input, or the stop.
    fn lines(&mut self, given_up: &Receiver<()>, framing: Framing) -> io::Result<Vec<u8>> {
        loop {
            let chunk = select! {
                recv(self.chunks) -> chunk => chunk.unwrap_or_else(|_| Ok(Vec::new()))?,
                recv(given_up) -> _ => return Ok(Vec::new()),
            };
            if chunk.is_empty() {
                return Ok(std::mem::take(&mut self.held));
            }
            if framing == Framing::Bytes {
                return Ok(chunk);
            }
            let end = chunk.iter().rposition(|&byte| byte == b'\n').map(|at| at + 1);
            let end = end.or((self.held.len() > LINE_BYTES_MAX).then_some(chunk.len()));
            let Some(end) = end else {
                self.held.extend(chunk);
                continue;
            };
            let mut lines = std::mem::replace(&mut self.held, chunk[end..].to_vec());
            lines.extend(&chunk[..end]);
            return Ok(lines);
        }
    }
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let input = self.input.as_mut().expect("it is there until the end");
        if input.read == input.ready.len() && !self.ended {
            input.ready = input.lines(&self.given_up, self.framing)?;
            input.read = 0;
            self.ended = input.ready.is_empty();
        }
        let n = buffer.len().min(input.ready.len() - input.read);
        buffer[..n].copy_from_slice(&input.ready[input.read..input.read + n]);
        input.read += n;
        Ok(n)
    }
}

impl Drop for Stdin {
    fn drop(&mut self) {
        if let Ok(mut left) = LEFT.lock() {
            *left = self.input.take();
        }
    }
}
