//! Following one partition from a place on, without a gap.

use std::time::Duration;

use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use bytes::Bytes;
use futures_util::StreamExt;

use super::{Bus, Place};
use crate::wire::{Result, WireError};

/// A follower of one subject of a stream.
///
/// The place is not the server's to keep: it is kept with what was made of the messages. So no acknowledgement can come
/// late and settle what somebody else is working on.
pub struct Follower {
    messages: pull::Ordered,
    subject: String,
    last: u64,
    bus: Bus,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Followed {
    /// Its place in the stream.
    pub sequence: u64,
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
        let deliver_policy = match after {
            0 => DeliverPolicy::All,
            _ => DeliverPolicy::ByStartSequence { start_sequence: after + 1 },
        };
        let config = pull::OrderedConfig { filter_subject: subject.to_owned(), deliver_policy, ..Default::default() };
        let away = |e: &dyn std::fmt::Display| WireError::Away(format!("{subject}: {e}"));
        let messages = bus.runtime.block_on(async {
            let consumer = bus.stream.create_consumer(config).await.map_err(|e| away(&e))?;
            consumer.messages().await.map_err(|e| away(&e))
        })?;
        Ok(Self { messages, subject: subject.to_owned(), last: after, bus })
    }

    /// Waits for the next message, at most this long.
    ///
    /// # Errors
    /// When the server is away, or messages were removed before they were read.
    pub fn next(&mut self, longest: Duration) -> Result<Option<Followed>> {
        let next = self.bus.runtime.block_on(async { tokio::time::timeout(longest, self.messages.next()).await });
        let message = match next {
            Err(_) => return Ok(None),
            Ok(None) => return Err(WireError::Away(format!("{}: the stream ended", self.subject))),
            Ok(Some(message)) => message.map_err(|e| WireError::Away(format!("{}: {e}", self.subject)))?,
        };
        let info = message.info().map_err(|e| WireError::Refused(format!("{}: {e}", self.subject)))?;
        let sequence = info.stream_sequence;
        let before = message.headers.as_ref().and_then(|h| h.get(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE));
        if let Some(before) = before.and_then(|b| b.as_str().parse::<u64>().ok())
            && before != self.last
        {
            return Err(WireError::Refused(format!(
                "message {sequence} of {} follows message {before}, but {} was the last one that came: \
                 what is between was removed before it was read",
                self.subject, self.last
            )));
        }
        self.last = sequence;
        Ok(Some(Followed { sequence, payload: message.message.payload.clone() }))
    }
}
