//! Rows that are sent to a running pipeline, for its sources of `kind = "feed"`.
//!
//! A body is looked through before any of its rows goes in. Rows that cannot be read, and those that `[apply]` refuses,
//! become dead letters and the others go in: the answer names them. Where the source says `on_reject = "stop"`, a row that
//! cannot be read leaves nothing of its body behind. Rows are changes: sent again, they change nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::api::Parameters;
use super::super::http::{Head, Request as HttpRequest, Response};
use super::super::spool::Spooled;
use super::boards::Boards;
use crate::capture::read::{self, ReadError, ReadOptions, Reader, RefusedRow, Refuser};
use crate::pipeline::config::{OnReject, Pipeline, SourceKind};
use crate::pipeline::{Fate, Feed, FeedEnd, Refusal, Refused, Request, Settled, Ticket, feed, refusal_json};

/// How many batches may wait for the pipeline.
const BATCHES: usize = 16;

/// How long a request waits for its rows to be durable, unless it says otherwise, and at most; in seconds.
const WAIT: u64 = 30;
const WAIT_MAX: u64 = 600;

/// How many requests with a key are known while the run goes on.
const KEYS_MAX: usize = 10_000;

/// How long a request waits for the history to be read, at the beginning of a run.
const HISTORY: Duration = Duration::from_secs(10);

/// How many refused rows an answer names; it counts all of them.
const NAMED_MAX: usize = 100;

/// Where rows can be sent, by collection.
#[derive(Default)]
pub struct Doors(BTreeMap<String, Door>);

struct Door {
    feed: Feed,
    options: ReadOptions,
    on_reject: OnReject,
    entries: Mutex<Entries>,
}

/// The requests of this run that have a key.
#[derive(Default)]
struct Entries {
    by_key: HashMap<String, Entry>,
    /// The oldest first.
    order: VecDeque<String>,
}

/// One of them, once its rows are handed in.
type Entry = Arc<Mutex<Option<Arc<Sent>>>>;

/// Makes a door for every source that takes rows; returns the other ends, by source.
pub fn doors(pipeline: &Pipeline) -> (Doors, BTreeMap<String, FeedEnd>) {
    let (mut doors, mut ends) = (BTreeMap::new(), BTreeMap::new());
    for source in pipeline.sources.iter().filter(|source| source.kind == SourceKind::Feed) {
        let (feed, end) = feed(BATCHES);
        let options = ReadOptions { meta: Default::default(), ..source.read_options() };
        let on_reject = source.on_reject;
        doors.insert(source.collection.clone(), Door { feed, options, on_reject, entries: Mutex::default() });
        ends.insert(source.name.clone(), end);
    }
    (Doors(doors), ends)
}

impl Doors {
    /// Answers `POST /v1/collections/NAME`: when the rows are durable, or it is no longer waited for.
    pub fn post(&self, boards: &Boards, request: &mut HttpRequest<'_>, name: &str) -> Result<Response, Response> {
        let parameters = Parameters::of(&request.head, &["wait"])?;
        let longest = Duration::from_secs(parameters.number("wait")?.unwrap_or(WAIT).min(WAIT_MAX));
        let Some(door) = self.0.get(name) else {
            let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
            let help = match known.as_slice() {
                [] if boards.are_partitions() => "a worker's rows come from the stream: publish them there".to_owned(),
                [] => "a source of kind = \"feed\" takes rows".to_owned(),
                known => format!("there is {}", known.join(", ")),
            };
            return Err(Response::refused(404, &format!("no source takes rows for `{name}`"), &help));
        };
        let key = key(&request.head)?;
        let body = Spooled::of(request)?;
        let end = Instant::now() + longest;
        let Some(key) = key else {
            let sent = door.send(&body, None)?;
            return sent.answer(boards, end, false);
        };
        let hash = body.hash.to_hex().to_string();
        let known = door.feed.requests().find(&key, HISTORY);
        // One that was begun goes on behind what is durable.
        let begun = match known.map_err(|late| Response::error(503, late.to_string()).header("Retry-After", "1"))? {
            Some(settled) if settled.body != hash => return Err(other_rows(&key)),
            Some(settled) if settled.taken.is_none() => return Ok(replayed(settled)),
            begun => begun,
        };
        let entry = door.entry(&key);
        let (sent, again) = {
            // Whoever repeats a request that is still read waits for it.
            let mut sent = entry.lock().unwrap_or_else(PoisonError::into_inner);
            match &*sent {
                Some(sent) if sent.hash != hash => return Err(other_rows(&key)),
                Some(sent) => (sent.clone(), true),
                None => (sent.insert(Arc::new(door.send(&body, Some((key.clone(), begun)))?)).clone(), false),
            }
        };
        let answer = sent.answer(boards, end, again);
        if answer.is_err() {
            // It does not count, and may be repeated.
            *entry.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        answer
    }
}

/// A request whose rows are handed in.
struct Sent {
    hash: String,
    tickets: Vec<Ticket>,
    rows: usize,
    /// What an earlier run refused of it.
    before: Refused,
    /// The commit that was the newest when all was durable.
    commit: OnceLock<Option<String>>,
}

impl Sent {
    /// Answers when all rows are durable, or at the end of the wait.
    fn answer(&self, boards: &Boards, end: Instant, again: bool) -> Result<Response, Response> {
        let mut refused = self.before.named.clone();
        let unnamed = self.before.rows.saturating_sub(refused.len() as u64) as usize;
        for ticket in &self.tickets {
            match ticket.wait(end.saturating_duration_since(Instant::now())) {
                Some(Fate::Durable) => {}
                Some(Fate::Partly(rows)) => refused.extend(rows),
                Some(Fate::Refused(why)) => return Err(Response::error(422, why)),
                Some(Fate::Ended) => return Err(ended()),
                None => {
                    let help = "their window is still open";
                    let document = json!({ "rows_read": self.rows, "durable": false, "help": help });
                    return Ok(Response::json(202, &with_refused(document, &refused, unnamed + refused.len())));
                }
            }
        }
        let commit = self.commit.get_or_init(|| boards.newest()).clone();
        Ok(done(self.rows, &refused, unnamed + refused.len(), commit, again))
    }
}

/// Answers a request that an earlier run has settled.
fn replayed(settled: Settled) -> Response {
    let Settled { rows, refused, commit, .. } = settled;
    done(rows as usize, &refused.named, refused.rows as usize, Some(commit), true)
}

/// Says of a request whose rows are durable what became of them.
fn done(rows: usize, refused: &[Refusal], refused_rows: usize, commit: Option<String>, again: bool) -> Response {
    let status = match refused_rows {
        0 => 201,
        all if all == rows => 422,
        _ => 207,
    };
    let mut document = json!({ "rows_read": rows, "durable": true, "commit": commit });
    if status == 422 {
        document = json!({ "error": "every row is refused", "rows_read": rows, "durable": false });
    }
    let answer = Response::json(status, &with_refused(document, refused, refused_rows));
    if again { answer.header("Idempotent-Replay", "true") } else { answer }
}

fn ended() -> Response {
    Response::error(503, "the pipeline has ended").header("Retry-After", "5")
}

fn other_rows(key: &str) -> Response {
    let text = format!("the Idempotency-Key `{key}` was used for other rows");
    Response::refused(422, &text, "each request has a key of its own; only its repetitions share it")
}

/// Returns the key of a request, if it has one.
fn key(head: &Head) -> Result<Option<String>, Response> {
    let key = head.header("idempotency-key").map(|key| key.trim_matches('"').to_owned());
    if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > 256 || key.chars().any(char::is_control)) {
        return Err(Response::error(400, "an Idempotency-Key has 1 to 256 bytes"));
    }
    Ok(key)
}

/// Rows of a body that cannot be read.
type Unread = Arc<Mutex<Vec<RefusedRow>>>;

impl Door {
    /// Returns the place of a key among those of this run; the oldest of many is given up.
    fn entry(&self, key: &str) -> Entry {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.by_key.get(key) {
            return entry.clone();
        }
        if entries.order.len() >= KEYS_MAX
            && let Some(oldest) = entries.order.pop_front()
        {
            entries.by_key.remove(&oldest);
        }
        entries.order.push_back(key.to_owned());
        entries.by_key.entry(key.to_owned()).or_default().clone()
    }

    /// Looks a body through and hands its rows in: those behind what is durable, where it has a key under which it was begun.
    fn send(&self, body: &Spooled, key: Option<(String, Option<Settled>)>) -> Result<Sent, Response> {
        let bad = |error: ReadError| body.blamed(error.into());
        let refused = Unread::default();
        let mut looked = self.open(body, &refused).map_err(bad)?;
        let mut rows = 0;
        while let Some(batch) = looked.next().map_err(bad)? {
            rows += batch.keys.len();
        }
        let refused = std::mem::take(&mut *refused.lock().expect("no thread panics with it"));
        rows += refused.len();
        let hash = body.hash.to_hex().to_string();
        let (all, unread) = (rows as u64, refused.len() as u64);
        let (request, begun) = key.map_or((None, None), |(key, begun)| {
            // Where other settings take other rows of the same body for sound, it is another one.
            let begun = begun.filter(|begun| (begun.rows, begun.unread) == (all, unread));
            let before = begun.as_ref().map_or_else(Refused::default, |begun| begun.refused.clone());
            (Some(Request::new(key, hash.clone(), (all, unread), before)), begun)
        });
        let mut tickets = Vec::new();
        if !refused.is_empty() && begun.is_none() {
            let part = request.as_ref().map(|request| request.part(0));
            tickets.push(self.feed.refuse(refused, part).map_err(|_| ended())?);
        }
        let mut reader = self.open(body, &Unread::default()).map_err(bad)?;
        let (element, dims) = (reader.element(), reader.dims());
        let durable = begun.as_ref().and_then(|begun| begun.taken).unwrap_or(0);
        let mut taken = 0;
        while let Some(batch) = reader.next().map_err(bad)? {
            let (before, own) = (taken, batch.keys.len());
            taken += own as u64;
            if taken <= durable {
                continue;
            }
            let batch = if before < durable { batch.slice((durable - before) as usize..own) } else { batch };
            let ticket = match &request {
                Some(request) => self.feed.push_part(element, dims, batch, request.part(taken)),
                None => self.feed.push(element, dims, batch, None),
            };
            tickets.push(ticket.map_err(|_| ended())?);
        }
        let before = begun.map_or_else(Refused::default, |begun| begun.refused);
        Ok(Sent { hash, tickets, rows, before, commit: OnceLock::new() })
    }

    fn open(&self, body: &Spooled, refused: &Unread) -> Result<Reader, ReadError> {
        if self.on_reject == OnReject::Stop {
            return read::open(&body.path, &self.options);
        }
        let into = refused.clone();
        let refuser: Refuser = Box::new(move |row| into.lock().expect("no thread panics with it").push(row));
        read::open_sound(&body.path, &self.options, refuser)
    }
}

/// Says in an answer which rows were refused, and why.
fn with_refused(mut document: Value, refused: &[Refusal], count: usize) -> Value {
    if count > 0 {
        document["refused_rows"] = json!(count);
        document["refused"] = refused.iter().take(NAMED_MAX).map(refusal_json).collect();
    }
    document
}
