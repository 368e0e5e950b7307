//! Rows that are sent to a running pipeline, for its sources of `kind = "feed"`.
//!
//! A body is looked through before any of its rows goes in. Rows that cannot be read, and those that `[apply]` refuses,
//! become dead letters and the others go in: the answer names them. Where the source says `on_reject = "stop"`, a row that
//! cannot be read leaves nothing of its body behind. Rows are changes: sent again, they change nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::api::Parameters;
use super::super::http::{Request, Response};
use super::super::spool::Spooled;
use super::Board;
use crate::capture::read::{self, Place, ReadError, ReadOptions, Reader, RefusedRow, Refuser};
use crate::pipeline::config::{OnReject, Pipeline, SourceKind};
use crate::pipeline::{Fate, Feed, FeedEnd, Refusal, feed};

/// How many batches may wait for the pipeline.
const BATCHES: usize = 16;

/// How long a request waits for its rows to be durable, unless it says otherwise, and at most; in seconds.
const WAIT: u64 = 30;
const WAIT_MAX: u64 = 600;

/// How many refused rows an answer names; it counts all of them.
const NAMED_MAX: usize = 100;

/// Where rows can be sent, by collection.
#[derive(Default)]
pub struct Doors(BTreeMap<String, Door>);

struct Door {
    feed: Feed,
    options: ReadOptions,
    on_reject: OnReject,
}

/// Makes a door for every source that takes rows; returns the other ends, by source.
pub fn doors(pipeline: &Pipeline) -> (Doors, BTreeMap<String, FeedEnd>) {
    let (mut doors, mut ends) = (BTreeMap::new(), BTreeMap::new());
    for source in pipeline.sources.iter().filter(|source| source.kind == SourceKind::Feed) {
        let (feed, end) = feed(BATCHES);
        let options = ReadOptions { meta: Default::default(), ..source.read_options() };
        let on_reject = source.on_reject;
        doors.insert(source.collection.clone(), Door { feed, options, on_reject });
        ends.insert(source.name.clone(), end);
    }
    (Doors(doors), ends)
}

impl Doors {
    /// Answers `POST /v1/collections/NAME`: when the rows are durable, or it is no longer waited for.
    pub fn post(&self, board: &Board, request: &mut Request<'_>, name: &str) -> Result<Response, Response> {
        let parameters = Parameters::of(&request.head, &["wait"])?;
        let longest = Duration::from_secs(parameters.number("wait")?.unwrap_or(WAIT).min(WAIT_MAX));
        let Some(door) = self.0.get(name) else {
            let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
            let help = match known.as_slice() {
                [] => "a source of kind = \"feed\" takes rows".to_owned(),
                known => format!("there is {}", known.join(", ")),
            };
            return Err(Response::refused(404, &format!("no source takes rows for `{name}`"), &help));
        };
        let body = Spooled::of(request)?;
        let bad = |error: ReadError| body.blamed(error.into());
        let ended = || Response::error(503, "the pipeline has ended").header("Retry-After", "5");
        let refused = Refused::default();
        let mut looked = door.open(&body, &refused).map_err(bad)?;
        let mut rows = 0;
        while let Some(batch) = looked.next().map_err(bad)? {
            rows += batch.keys.len();
        }
        let refused = std::mem::take(&mut *refused.lock().expect("no thread panics with it"));
        let unread = refused.len();
        let mut tickets = Vec::new();
        if unread > 0 {
            tickets.push(door.feed.refuse(refused).map_err(|_| ended())?);
        }
        let mut reader = door.open(&body, &Refused::default()).map_err(bad)?;
        let (element, dims) = (reader.element(), reader.dims());
        while let Some(batch) = reader.next().map_err(bad)? {
            tickets.push(door.feed.push(element, dims, batch, None).map_err(|_| ended())?);
        }
        let end = Instant::now() + longest;
        let mut refused = Vec::new();
        for ticket in tickets {
            match ticket.wait(end.saturating_duration_since(Instant::now())) {
                Some(Fate::Durable) => {}
                Some(Fate::Partly(rows)) => refused.extend(rows),
                Some(Fate::Refused(why)) => return Err(Response::error(422, why)),
                Some(Fate::Ended) => return Err(ended()),
                None => {
                    let help = "their window is still open";
                    let document = json!({ "rows_read": rows + unread, "durable": false, "help": help });
                    return Ok(Response::json(202, &with_refused(document, &refused)));
                }
            }
        }
        let status = match refused.len() {
            0 => 201,
            all if all == rows + unread => 422,
            _ => 207,
        };
        let mut document = json!({ "rows_read": rows + unread, "durable": true, "commit": board.newest() });
        if status == 422 {
            document = json!({ "error": "every row is refused", "rows_read": rows + unread, "durable": false });
        }
        Ok(Response::json(status, &with_refused(document, &refused)))
    }
}

/// Rows of a body that cannot be read.
type Refused = Arc<Mutex<Vec<RefusedRow>>>;

impl Door {
    fn open(&self, body: &Spooled, refused: &Refused) -> Result<Reader, ReadError> {
        if self.on_reject == OnReject::Stop {
            return read::open(&body.path, &self.options);
        }
        let into = refused.clone();
        let refuser: Refuser = Box::new(move |row| into.lock().expect("no thread panics with it").push(row));
        read::open_sound(&body.path, &self.options, refuser)
    }
}

/// Says in an answer which rows were refused, and why.
fn with_refused(mut document: Value, refused: &[Refusal]) -> Value {
    let one = |refusal: &Refusal| {
        let line = match refusal.place {
            Some(Place::Line(line)) => Some(line),
            _ => None,
        };
        let row = match refusal.place {
            Some(Place::Row(row)) => Some(row),
            _ => None,
        };
        json!({ "line": line, "row": row, "id": refusal.id, "reason": refusal.reason, "letter": refusal.letter })
    };
    if !refused.is_empty() {
        document["refused_rows"] = json!(refused.len());
        document["refused"] = refused.iter().take(NAMED_MAX).map(one).collect();
    }
    document
}
