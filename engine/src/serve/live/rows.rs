//! Rows that are sent to a running pipeline, for its sources of `kind = "feed"`.
//!
//! A body is looked through before any of its rows goes in, so that a bad row leaves nothing behind. Its rows are changes:
//! sent again, they change nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::api::Parameters;
use super::super::http::{Request, Response};
use super::super::spool::Spooled;
use super::Board;
use crate::capture::read::{self, ReadOptions};
use crate::pipeline::config::{Pipeline, SourceKind};
use crate::pipeline::{Fate, Feed, FeedEnd, feed};

/// How many batches may wait for the pipeline.
const BATCHES: usize = 16;

/// How long a request waits for its rows to be durable, unless it says otherwise, and at most; in seconds.
const WAIT: u64 = 30;
const WAIT_MAX: u64 = 600;

/// Where rows can be sent, by collection.
#[derive(Default)]
pub struct Doors(BTreeMap<String, Door>);

struct Door {
    feed: Feed,
    options: ReadOptions,
}

/// Makes a door for every source that takes rows; returns the other ends, by source.
pub fn doors(pipeline: &Pipeline) -> (Doors, BTreeMap<String, FeedEnd>) {
    let (mut doors, mut ends) = (BTreeMap::new(), BTreeMap::new());
    for source in pipeline.sources.iter().filter(|source| source.kind == SourceKind::Feed) {
        let (feed, end) = feed(BATCHES);
        let options = ReadOptions {
            id: source.id.clone(),
            vector: source.vector.clone(),
            dims: source.dims,
            ..ReadOptions::default()
        };
        doors.insert(source.collection.clone(), Door { feed, options });
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
        let bad = |error: read::ReadError| body.blamed(error.into());
        let mut looked = read::open(&body.path, &door.options).map_err(bad)?;
        while looked.next().map_err(bad)?.is_some() {}
        let mut reader = read::open(&body.path, &door.options).map_err(bad)?;
        let (element, dims) = (reader.element(), reader.dims());
        let ended = || Response::error(503, "the pipeline has ended").header("Retry-After", "5");
        let (mut tickets, mut rows) = (Vec::new(), 0);
        while let Some(batch) = reader.next().map_err(bad)? {
            rows += batch.keys.len();
            tickets.push(door.feed.push(element, dims, batch, None).map_err(|_| ended())?);
        }
        let end = Instant::now() + longest;
        for ticket in tickets {
            match ticket.wait(end.saturating_duration_since(Instant::now())) {
                Some(Fate::Durable) => {}
                Some(Fate::Refused(why)) => return Err(Response::error(422, why)),
                Some(Fate::Ended) => return Err(ended()),
                None => {
                    let document = json!({ "rows_read": rows, "durable": false, "help": "their window is still open" });
                    return Ok(Response::json(202, &document));
                }
            }
        }
        Ok(Response::json(201, &json!({ "rows_read": rows, "durable": true, "commit": board.newest() })))
    }
}
