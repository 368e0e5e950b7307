//! Following one partition from a place on, without a gap.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use bytes::Bytes;
use futures_util::StreamExt;

use super::{Bus, MESSAGE_BYTES, Place};
use crate::wire::{Result, WireError};

/// How many bytes may be on their way: a server that has 64 MB for one connection cuts it off.
const ASKED_BYTES: u64 = 24 << 20;

/// How many messages are asked for at once, at least and at most. Half as many may be on their way besides.
const ASKED: (u64, u64) = (16, 500);

/// A follower of a subject of a stream, which may have wildcards.
///
/// The place is not the server's to keep: it is kept with what was made of the messages. So no acknowledgement can come
/// late and settle what somebody else is working on.
pub struct Follower {
    messages: pull::Ordered,
    subject: String,
    /// Behind which message it began.
    start: u64,
    /// The last message of each subject.
    last: HashMap<String, u64>,
    /// For messages of others: up to where all that was there has come; and whether gaps are passed over.
    plain: Option<(u64, bool)>,
    /// The last message that came, and how many waited behind it.
    seen: u64,
    pending: u64,
    bus: Bus,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Followed {
    /// Its place in the stream.
    pub sequence: u64,
    /// Its subject.
    pub subject: String,
    /// What it holds.
    pub payload: Bytes,
}

impl Follower {
    /// Begins behind a message that was taken before; 0 is the beginning.
    ///
    /// # Errors
    /// When the server is away, or there is no such stream.
    pub fn open(place: &Place, subject: &str, after: u64) -> Result<Self> {
        let bus = Bus::connect(place, false)?;
        Self::begin(bus, subject, after, None)
    }

    /// Begins to follow messages of others, which name no message before them: that some were removed is seen by the
    /// first message that the stream still has.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when messages behind `after` were removed; with `skip` these are passed over.
    pub fn open_plain(place: &Place, after: u64, skip: bool) -> Result<Self> {
        let bus = Bus::connect_plain(place)?;
        let subject = place.subject.clone();
        let follower = Self::begin(bus, &subject, after, Some((after, skip)))?;
        let (first, last) = follower.ends()?;
        if after > last {
            return Err(WireError::Refused(format!(
                "the stream {} ends at message {last}, before message {after}, which was taken: is it another stream now?",
                place.stream
            )));
        }
        if after > 0 && !skip {
            follower.check_removed(first, after, first)?;
        }
        Ok(follower)
    }

    fn begin(bus: Bus, subject: &str, after: u64, plain: Option<(u64, bool)>) -> Result<Self> {
        let deliver_policy = match after {
            0 => DeliverPolicy::All,
            _ => DeliverPolicy::ByStartSequence { start_sequence: after + 1 },
        };
        let away = |e: &dyn std::fmt::Display| WireError::Away(format!("{subject}: {e}"));
        let (messages, pending) = bus.runtime.block_on(async {
            let max_batch = match plain {
                None => asked(MESSAGE_BYTES as u64),
                // Those of others are as long as they have been so far.
                Some(_) => {
                    let state = bus.stream.get_info().await.map_err(|e| away(&e))?.state;
                    asked(state.bytes.checked_div(state.messages).unwrap_or(MESSAGE_BYTES as u64))
                }
            };
            let filter_subject = subject.to_owned();
            let config = pull::OrderedConfig { filter_subject, deliver_policy, max_batch, ..Default::default() };
            let consumer = bus.stream.create_consumer(config).await.map_err(|e| away(&e))?;
            let pending = consumer.cached_info().num_pending;
            consumer.messages().await.map(|messages| (messages, pending)).map_err(|e| away(&e))
        })?;
        let subject = subject.to_owned();
        Ok(Self { messages, subject, start: after, last: HashMap::new(), plain, seen: after, pending, bus })
    }

    /// Returns whether nothing waited behind the last message that came, or none came and there was none.
    pub fn is_read(&self) -> bool {
        self.pending == 0
    }

    /// Asks whether what waited is gone: a stream's limits may have removed it.
    ///
    /// # Errors
    /// When the server is away.
    pub fn is_at_end(&self) -> Result<bool> {
        let last = self.bus.runtime.block_on(self.bus.stream.get_last_raw_message_by_subject(&self.subject));
        match last {
            Ok(message) => Ok(message.sequence <= self.seen),
            Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => Ok(true),
            Err(error) => Err(WireError::Away(format!("{}: {error}", self.subject))),
        }
    }

    /// Returns the first and the last message that the stream has.
    fn ends(&self) -> Result<(u64, u64)> {
        let info = self.bus.runtime.block_on(self.bus.stream.get_info());
        let state = info.map_err(|e| WireError::Away(format!("{}: {e}", self.subject)))?.state;
        Ok((state.first_sequence, state.last_sequence))
    }

    /// Refuses to go on behind messages that were removed.
    fn check_removed(&self, first: u64, seen: u64, sequence: u64) -> Result<()> {
        if first <= seen + 1 {
            return Ok(());
        }
        Err(WireError::Refused(format!(
            "messages {} to {} of the stream {} were removed by its limits before they were read (next is {sequence}): \
             raise the limits; to go on without them set `on_gap = \"skip\"`",
            seen + 1,
            first - 1,
            self.bus.place.stream
        )))
    }

    /// Waits for the next message, at most this long.
    ///
    /// # Errors
    /// When the server is away, or messages were removed before they were read.
    pub fn next(&mut self, longest: Duration) -> Result<Option<Followed>> {
        let next = self.bus.runtime.block_on(async { tokio::time::timeout(longest, self.messages.next()).await });
        let message = match next {
            Err(_) => return self.quiet(),
            Ok(None) => return Err(WireError::Away(format!("{}: the stream ended", self.subject))),
            Ok(Some(message)) => message.map_err(|e| WireError::Away(format!("{}: {e}", self.subject)))?,
        };
        let info = message.info().map_err(|e| WireError::Refused(format!("{}: {e}", self.subject)))?;
        let sequence = info.stream_sequence;
        (self.seen, self.pending) = (sequence, info.pending);
        let subject = message.message.subject.to_string();
        if let Some((seen, skip)) = self.plain {
            if sequence != seen + 1 && !skip {
                let (first, _) = self.ends()?;
                if seen > 0 {
                    self.check_removed(first, seen, sequence)?;
                }
            }
            self.plain = Some((sequence, skip));
        } else {
            let before = message.headers.as_ref().and_then(|h| h.get(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE));
            let before = before.and_then(|b| b.as_str().parse::<u64>().ok());
            let known = self.last.insert(subject.clone(), sequence);
            let whole = match (before, known) {
                (None, _) => true,
                (Some(before), Some(known)) => before == known,
                // All messages up to the start were taken.
                (Some(before), None) => before <= self.start,
            };
            if !whole {
                return Err(WireError::Refused(format!(
                    "message {sequence} of {subject} follows message {}, but {} was the last one that came: what is between \
                     was removed before it was read; restore it, or begin anew with an empty store and a stream that has all",
                    before.unwrap_or(0),
                    known.unwrap_or(self.start)
                )));
            }
        }
        Ok(Some(Followed { sequence, subject, payload: message.message.payload.clone() }))
    }

    /// Says whether nothing came because the server is away.
    fn quiet(&self) -> Result<Option<Followed>> {
        let connected = self.bus.context.client().connection_state() == async_nats::connection::State::Connected;
        if !connected {
            return Err(WireError::Away(format!("{}: the connection is lost", self.bus.place.url)));
        }
        Ok(None)
    }
}

/// Returns how many messages of a size are asked for at once.
fn asked(bytes: u64) -> i64 {
    (ASKED_BYTES / bytes.max(1)).clamp(ASKED.0, ASKED.1) as i64
}
