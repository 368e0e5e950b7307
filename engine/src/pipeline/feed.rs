//! Feeds: rows that the program around a pipeline hands in, which learns when they are safe.
//!
//! ```
//! use vecdelta::pipeline::feed;
//! let (feed, end) = feed(16);
//! // `end` goes into `Live::feeds` under the name of a source of `kind = "feed"`; `feed` may be cloned and used by any thread.
//! # drop(end);
//! # let batch = vecdelta::delta::RowBatch { keys: Default::default(), rows: Default::default(), first_row: 0, notes: Default::default() };
//! let ticket = feed.push(vecdelta::delta::Element::F32, 2, batch, None);
//! assert!(ticket.is_err(), "the run has ended");
//! ```

use std::sync::Arc;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

use super::requests::{Part, RequestBook};
use crate::capture::read::{Place, RefusedRow};
use crate::delta::{Element, Keys, Notes, RowBatch};

/// The handle that rows are pushed into.
#[derive(Clone)]
pub struct Feed {
    send: Sender<Pushed>,
    requests: RequestBook,
}

/// The other end, for the pipeline.
#[derive(Clone)]
pub struct FeedEnd {
    pub(super) receive: Receiver<Pushed>,
    pub(super) requests: RequestBook,
}

/// Rows on their way.
pub(super) struct Pushed {
    pub element: Element,
    pub dims: u32,
    pub batch: RowBatch,
    pub mark: Option<String>,
    /// Rows that could not be read; such a batch has no others.
    pub refused: Vec<RefusedRow>,
    /// Taken by whoever accepts the rows.
    pub owed: Option<Ticket>,
}

/// What became of pushed rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Their windows are committed, and the disk has them.
    Durable,
    /// All but these are durable; these are dead letters, and durable as such.
    Partly(Vec<Refusal>),
    /// They were refused; nothing of them counts.
    Refused(String),
    /// The run ended before they were committed; nothing is known of them.
    Ended,
}

/// What is told of a row that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where it stood, if it could not be read.
    pub place: Option<Place>,
    /// Its id, if it can be told.
    pub id: Option<String>,
    /// Why.
    pub reason: String,
    /// The id of its dead letter.
    pub letter: String,
}

/// Tells what became of pushed rows.
#[derive(Clone, Debug)]
pub struct Ticket(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    fate: Mutex<Option<Fate>>,
    told: Condvar,
    /// The part of a request that these rows are, until a commit says so.
    part: Mutex<Option<Part>>,
}

/// The run has ended: nothing can be pushed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pipeline has ended")]
pub struct FeedClosed;

/// Makes a feed in which so many batches may wait.
pub fn feed(batches: usize) -> (Feed, FeedEnd) {
    let (send, receive) = bounded(batches);
    let requests = RequestBook::default();
    (Feed { send, requests: requests.clone() }, FeedEnd { receive, requests })
}

impl Feed {
    /// Hands rows in; waits while the pipeline has no room.
    ///
    /// `mark` is the place in an outer stream that these rows lead to: the commit after which they and all before them are
    /// durable says so in its metadata, under `mark:SOURCE`, where [`last_mark`](super::last_mark) finds it.
    ///
    /// # Errors
    /// When the run has ended.
    pub fn push(
        &self,
        element: Element,
        dims: u32,
        batch: RowBatch,
        mark: Option<String>,
    ) -> Result<Ticket, FeedClosed> {
        self.send(Pushed { element, dims, batch, mark, refused: Vec::new(), owed: None })
    }

    /// Hands in rows of a request, all of them in their order: the commit that makes some durable says how far it is done.
    ///
    /// # Errors
    /// When the run has ended.
    pub fn push_part(&self, element: Element, dims: u32, batch: RowBatch, part: Part) -> Result<Ticket, FeedClosed> {
        self.send_part(Pushed { element, dims, batch, mark: None, refused: Vec::new(), owed: None }, Some(part))
    }

    /// Returns what the history says of requests.
    pub fn requests(&self) -> &RequestBook {
        &self.requests
    }

    /// Hands rows in that cannot be read: they become dead letters. Those of a request come before its others.
    ///
    /// # Errors
    /// When the run has ended.
    pub fn refuse(&self, refused: Vec<RefusedRow>, part: Option<Part>) -> Result<Ticket, FeedClosed> {
        let batch = RowBatch { keys: Keys::default(), rows: Bytes::new(), first_row: 0, notes: Notes::default() };
        self.send_part(Pushed { element: Element::F32, dims: 0, batch, mark: None, refused, owed: None }, part)
    }

    fn send(&self, pushed: Pushed) -> Result<Ticket, FeedClosed> {
        self.send_part(pushed, None)
    }

    fn send_part(&self, mut pushed: Pushed, part: Option<Part>) -> Result<Ticket, FeedClosed> {
        let ticket = Ticket(Arc::new(Inner { part: Mutex::new(part), ..Inner::default() }));
        pushed.owed = Some(ticket.clone());
        self.send.send(pushed).map_err(|_| FeedClosed)?;
        Ok(ticket)
    }
}

impl Ticket {
    /// Waits until it is known what became of the rows, at most this long.
    pub fn wait(&self, longest: Duration) -> Option<Fate> {
        let Inner { fate, told, .. } = &*self.0;
        let fate = fate.lock().expect("no thread panics with it");
        let (fate, _) =
            told.wait_timeout_while(fate, longest, |fate| fate.is_none()).expect("no thread panics with it");
        fate.clone()
    }

    /// Takes the part of a request that these rows are, once.
    pub(super) fn take_part(&self) -> Option<Part> {
        self.0.part.lock().expect("no thread panics with it").take()
    }

    /// Returns whether these rows are part of a request, and no commit says so yet.
    pub(super) fn is_part(&self) -> bool {
        self.0.part.lock().expect("no thread panics with it").is_some()
    }

    /// Makes one of which nobody has told anything.
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    pub(super) fn tell(&self, fate: Fate) {
        let mut told = self.0.fate.lock().expect("no thread panics with it");
        if told.is_none() {
            *told = Some(fate);
        }
        self.0.told.notify_all();
    }
}

impl Drop for Pushed {
    /// Rows that nobody took are not committed.
    fn drop(&mut self) {
        self.owed.iter().for_each(|ticket| ticket.tell(Fate::Ended));
    }
}
