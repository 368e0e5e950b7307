//! Requests that are known again: rows that were handed in under a key count once, also after a crash.
//!
//! Each commit that makes rows of a request durable says in its metadata, under `key:SOURCE:KEY`, what was handed in, how
//! many of its rows are there, and what became of them. So the key is known exactly if the rows are, and a request that was
//! cut goes on behind those that are.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::PipelineError;
use super::config::Pipeline;
use super::feed::Refusal;
use crate::capture::read::Place;
use crate::version::Repository;

/// How many keys of a source are looked for in the history, and in how many commits.
const KEYS_MAX: usize = 10_000;

/// How many refused rows of a request are named in its commit.
const NAMED_MAX: usize = 100;

/// A request whose rows are on their way.
#[derive(Debug)]
pub struct Request {
    key: String,
    body: String,
    rows: u64,
    unread: u64,
    refused: Mutex<Refused>,
}

/// Some rows of a request.
#[derive(Clone, Debug)]
pub struct Part {
    request: Arc<Request>,
    /// How many rows of it are handed in with these and those before that could be read; `None` when all are.
    taken: Option<u64>,
}

/// Rows of a request that were refused: how many, and the first of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Refused {
    /// How many.
    pub rows: u64,
    /// The first of them.
    pub named: Vec<Refusal>,
}

/// A request that was settled by an earlier run, or begun.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// What tells its body from others.
    pub body: String,
    /// How many rows it had.
    pub rows: u64,
    /// How many of them could not be read.
    pub unread: u64,
    /// How many of the others are durable, or dead letters, where these are not all.
    pub taken: Option<u64>,
    /// What was refused of them.
    pub refused: Refused,
    /// The commit that said so.
    pub commit: String,
}

/// What the history says of requests, once it was read.
#[derive(Clone, Default)]
pub struct RequestBook(Arc<(Mutex<Option<ByKey>>, Condvar)>);

type ByKey = BTreeMap<String, Settled>;

/// The history was not read in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the history is not read yet")]
pub struct NotRead;

impl RequestBook {
    /// Returns the request of a key, if an earlier run settled it; waits until that is known, at most this long.
    ///
    /// # Errors
    /// When it is not known in time.
    pub fn find(&self, key: &str, longest: Duration) -> Result<Option<Settled>, NotRead> {
        let (known, read) = &*self.0;
        let known = known.lock().expect("no thread panics with it");
        let (known, _) =
            read.wait_timeout_while(known, longest, |known| known.is_none()).expect("no thread panics with it");
        known.as_ref().map(|known| known.get(key).cloned()).ok_or(NotRead)
    }

    pub(super) fn fill(&self, settled: ByKey) {
        *self.0.0.lock().expect("no thread panics with it") = Some(settled);
        self.0.1.notify_all();
    }
}

impl Request {
    /// Begins a request of so many rows, of which `unread` cannot be read; `refused` is known of an earlier attempt.
    pub fn new(key: String, body: String, (rows, unread): (u64, u64), refused: Refused) -> Arc<Self> {
        Arc::new(Self { key, body, rows, unread, refused: Mutex::new(refused) })
    }

    /// Names the rows of it that end with the one of this number, counting those that can be read.
    pub fn part(self: &Arc<Self>, taken: u64) -> Part {
        let all = self.rows.saturating_sub(self.unread);
        Part { request: self.clone(), taken: (taken < all).then_some(taken) }
    }
}

impl Refused {
    /// Adds further ones.
    fn add(&mut self, refused: &[Refusal]) {
        self.rows += refused.len() as u64;
        self.named.extend(refused.iter().take(NAMED_MAX.saturating_sub(self.named.len())).cloned());
    }
}

impl Part {
    /// Takes notice of rows that were refused, once.
    pub(super) fn refused(&self, refused: &[Refusal]) {
        self.request.refused.lock().expect("no thread panics with it").add(refused);
    }

    /// Returns what the commit says that makes it and all before it durable: name and text.
    pub(super) fn note(&self, source: &str) -> (String, String) {
        let Request { key, body, rows, unread, refused } = &*self.request;
        let refused = refused.lock().expect("no thread panics with it");
        let named: Vec<Value> = refused.named.iter().map(refusal_json).collect();
        let mut text =
            json!({ "body": body, "rows": rows, "unread": unread, "refused_rows": refused.rows, "refused": named });
        if let Some(taken) = self.taken {
            text["taken"] = json!(taken);
        }
        (format!("key:{source}:{key}"), text.to_string())
    }
}

/// Reads what the history says of the requests of a source: the newest of them.
///
/// # Errors
/// When the history is damaged.
pub(super) fn settled(pipeline: &Pipeline, repo: &Repository, source: &str) -> Result<ByKey, PipelineError> {
    let mut found = BTreeMap::new();
    let Some(head) = repo.head(&pipeline.version.branch) else { return Ok(found) };
    let prefix = format!("key:{source}:");
    for commit in repo.first_parents(head).take(KEYS_MAX) {
        let metadata = repo.commit(commit)?.body.metadata;
        for (name, text) in metadata.from(prefix.as_str()).take_while(|(name, _)| name.starts_with(&prefix)) {
            if let Some(one) = read(text, repo.entry(commit).id.to_hex()) {
                found.entry(name[prefix.len()..].to_owned()).or_insert(one);
            }
        }
        if found.len() >= KEYS_MAX {
            break;
        }
    }
    Ok(found)
}

fn read(text: &str, commit: String) -> Option<Settled> {
    let value: Value = serde_json::from_str(text).ok()?;
    let refused = value["refused"].as_array()?.iter().filter_map(refusal_of).collect();
    Some(Settled {
        body: value["body"].as_str()?.to_owned(),
        rows: value["rows"].as_u64()?,
        unread: value["unread"].as_u64()?,
        taken: value["taken"].as_u64(),
        refused: Refused { rows: value["refused_rows"].as_u64()?, named: refused },
        commit,
    })
}

/// Writes a refused row for an answer or a commit.
pub fn refusal_json(refusal: &Refusal) -> Value {
    let (line, row) = match refusal.place {
        Some(Place::Line(line)) => (Some(line), None),
        Some(Place::Row(row)) => (None, Some(row)),
        _ => (None, None),
    };
    json!({ "line": line, "row": row, "id": refusal.id, "reason": refusal.reason, "letter": refusal.letter })
}

fn refusal_of(value: &Value) -> Option<Refusal> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let place = value["line"].as_u64().map(Place::Line).or_else(|| value["row"].as_u64().map(Place::Row));
    Some(Refusal { place, id: text("id"), reason: text("reason")?, letter: text("letter")? })
}

/// Notes that are to stand in the next commit, because what they tell of made none.
#[derive(Default)]
pub(super) struct Unsaid(VecDeque<(String, String)>);

impl Unsaid {
    /// Keeps one, instead of what was to be said of the same before; the oldest goes when there are too many.
    pub fn push(&mut self, note: (String, String)) {
        self.0.retain(|(name, _)| *name != note.0);
        self.0.push_back(note);
        if self.0.len() > KEYS_MAX / 10 {
            self.0.pop_front();
        }
    }

    /// Hands all over.
    pub fn take(&mut self) -> impl Iterator<Item = (String, String)> {
        std::mem::take(&mut self.0).into_iter()
    }
}
