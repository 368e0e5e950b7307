//! Taps: whoever wants to see what passes; the run never waits for them.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::api::Parameters;
use super::super::http::{Head, Response};
use super::boards::Boards;
use crate::event::Event;

/// The stages by which a tap can be narrowed.
pub const STAGES: [&str; 6] = ["read", "capture", "route", "window", "apply", "version"];

/// How many events may wait for one tap; further ones are left out, and counted.
const WAITING_MAX: usize = 1000;

/// How many taps there may be.
const TAPS_MAX: usize = 16;

/// How many events a second one tap gets unless it asks for less.
const RATE_MAX: u64 = 1000;

/// A tap says that it is alive at least this often.
const LOOK: Duration = Duration::from_millis(250);

/// Everybody who sees what passes.
#[derive(Default)]
pub struct Taps {
    /// How many there are; read without a lock, so that a run without taps pays nothing for them.
    count: Arc<AtomicUsize>,
    ended: AtomicBool,
    open: Mutex<Vec<Tap>>,
}

struct Tap {
    stage: Option<String>,
    /// The only partition of a worker that it sees, if it does not see all.
    partition: Option<u32>,
    send: SyncSender<String>,
    left_out: Arc<AtomicU64>,
}

impl Taps {
    /// Returns how many taps there are.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Returns who says whether there is any.
    pub fn any(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let count = self.count.clone();
        move || count.load(Ordering::Relaxed) > 0
    }

    /// Hands an event, of a partition where the work is divided, to those who want it and have room for it.
    pub fn tell(&self, event: &Event, partition: Option<u32>) {
        if self.len() == 0 {
            return;
        }
        let stage = event.stage();
        let mut line = None;
        let mut open = self.open.lock().expect("no thread panics with it");
        open.retain(|tap| {
            let other = tap.stage.as_ref().is_some_and(|wanted| wanted != stage);
            if other || tap.partition.zip(partition).is_some_and(|(wanted, own)| wanted != own) {
                return true;
            }
            let line = line.get_or_insert_with(|| {
                let mut fields = event.fields();
                fields.insert("event".to_owned(), json!(event.name()));
                fields.insert("stage".to_owned(), json!(stage));
                fields.extend(partition.map(|partition| ("partition".to_owned(), json!(partition))));
                format!("{}\n", serde_json::Value::Object(fields))
            });
            match tap.send.try_send(line.clone()) {
                Ok(()) => true,
                Err(std::sync::mpsc::TrySendError::Full(_)) => {
                    tap.left_out.fetch_add(1, Ordering::Relaxed);
                    true
                }
                Err(std::sync::mpsc::TrySendError::Disconnected(_)) => false,
            }
        });
        self.count.store(open.len(), Ordering::Relaxed);
    }

    /// Ends all taps.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.open.lock().expect("no thread panics with it").clear();
        self.count.store(0, Ordering::Relaxed);
    }

    fn add(&self, stage: Option<String>, partition: Option<u32>) -> Option<(Receiver<String>, Arc<AtomicU64>)> {
        let (send, receive) = sync_channel(WAITING_MAX);
        let left_out = Arc::<AtomicU64>::default();
        let mut open = self.open.lock().expect("no thread panics with it");
        if open.len() >= TAPS_MAX {
            return None;
        }
        if !self.ended.load(Ordering::SeqCst) {
            open.push(Tap { stage, partition, send, left_out: left_out.clone() });
        }
        self.count.store(open.len(), Ordering::Relaxed);
        Some((receive, left_out))
    }
}

/// Answers `/v1/tap`: events as they happen, one a line.
pub fn answer(boards: &Boards, head: &Head) -> Result<Response, Response> {
    let parameters = Parameters::of(head, &["stage", "partition", "limit", "rate"])?;
    let stage = parameters.text("stage")?.map(str::to_owned);
    if let Some(stage) = stage.as_deref().filter(|stage| !STAGES.contains(stage)) {
        return Err(Response::refused(
            404,
            &format!("there is no stage `{stage}`"),
            &format!("there is {}", STAGES.join(", ")),
        ));
    }
    let asked = boards.asked(&parameters)?;
    let partition = parameters.text("partition")?.and_then(|_| asked.first()?.partition);
    let limit = parameters.number("limit")?.unwrap_or(u64::MAX);
    let rate = parameters.number("rate")?.unwrap_or(RATE_MAX).clamp(1, RATE_MAX);
    if head.method == "HEAD" {
        return Ok(Response::lines(Box::new(|_| Ok(()))));
    }
    let Some((receive, left_out)) = boards.taps.add(stage, partition) else {
        return Err(Response::refused(503, &format!("there are {TAPS_MAX} taps already"), "end one of them"));
    };
    Ok(Response::lines(Box::new(move |out| pour(out, &receive, &left_out, limit, rate))))
}

/// Writes events until the run ends, enough were written, or the client is gone.
fn pour(
    out: &mut dyn Write,
    events: &Receiver<String>,
    left_out: &AtomicU64,
    limit: u64,
    rate: u64,
) -> std::io::Result<()> {
    let (mut second, mut within, mut written) = (Instant::now(), 0, 0);
    // The client sees that it is connected before the first event.
    out.write_all(b"\n")?;
    out.flush()?;
    while written < limit {
        let line = match events.recv_timeout(LOOK) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                // An empty line is no event; that it cannot be sent tells that the client is gone.
                out.write_all(b"\n")?;
                out.flush()?;
                continue;
            }
        };
        if second.elapsed() >= Duration::from_secs(1) {
            (second, within) = (Instant::now(), 0);
            let missed = left_out.swap(0, Ordering::Relaxed);
            if missed > 0 {
                writeln!(out, "{}", json!({ "left_out": missed }))?;
            }
        }
        if within >= rate {
            left_out.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        (within, written) = (within + 1, written + 1);
        out.write_all(line.as_bytes())?;
        out.flush()?;
    }
    Ok(())
}
