//! Publishing deltas so that each is in the stream once, in the order of its source, whatever is cut off when.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use bytes::Bytes;
use futures_util::future::try_join_all;

use super::{Bus, Place, message};
use crate::delta::{Delta, DeltaId};
use crate::wire::{Result, WireError};

/// How often one message is tried while the server is away; the waits grow to two seconds.
const ATTEMPTS: u32 = 4;

/// Publishes to one stream; nobody else may publish below its subject.
pub struct Publisher {
    bus: Bus,
    /// The sequence of the last message of each partition, and of the cursor at the end.
    last: Vec<u64>,
    /// Deltas behind the cursor that are in the stream already.
    ahead: HashSet<DeltaId>,
}

/// How far a publisher was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resumed {
    /// The cursor that it kept last.
    pub cursor: Option<String>,
    /// How many deltas behind it were published before it broke off; they are passed over when they come again.
    pub ahead: usize,
}

impl Publisher {
    /// Connects, makes the stream where there is none, and reads back how far it is.
    ///
    /// # Errors
    /// When the server is away, or the stream is another one than the settings say.
    pub fn open(place: &Place) -> Result<(Self, Resumed)> {
        let bus = Bus::connect(place, true)?;
        let (last, cursor, ahead) = bus.runtime.block_on(read_back(&bus.stream, place))?;
        let resumed = Resumed { cursor, ahead: ahead.len() };
        Ok((Self { bus, last, ahead }, resumed))
    }

    /// Publishes deltas in this order, then the cursor behind them; all are durable on the server when this returns.
    ///
    /// Returns whether the cursor was kept. It is not while deltas are in the stream that come again later: read back from
    /// a cursor behind them, they would be unknown.
    ///
    /// # Errors
    /// When the server is away for too long, or somebody else publishes. Then it has to be opened again.
    pub fn publish(&mut self, deltas: &[Delta], cursor: &str) -> Result<bool> {
        self.publish_without_cursor(deltas)?;
        if self.ahead.is_empty() {
            self.keep(cursor)?;
        }
        Ok(self.ahead.is_empty())
    }

    /// Keeps a cursor that all that was published leads to: what has not come again never will.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn keep(&mut self, cursor: &str) -> Result<()> {
        let Bus { runtime, context, stream, place } = &self.bus;
        let own = self.last.last_mut().expect("the cursor's is there");
        let (subject, after) = (place.cursor(), *own);
        let sent = put(context, stream, &subject, cursor.to_owned().into(), after);
        *own = runtime.block_on(sent)?;
        self.ahead.clear();
        Ok(())
    }

    /// Publishes deltas in this order, as one does that then breaks off.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_without_cursor(&mut self, deltas: &[Delta]) -> Result<()> {
        let Self { bus, last, ahead } = self;
        let mut by_partition: BTreeMap<u32, Vec<&Delta>> = BTreeMap::new();
        for delta in deltas {
            if !ahead.is_empty() && ahead.remove(&delta.id()) {
                continue;
            }
            let source = delta.source();
            by_partition.entry(bus.place.partition_of(&source.collection, &source.key)).or_default().push(delta);
        }
        let (context, place, stream) = (&bus.context, &bus.place, &bus.stream);
        bus.runtime.block_on(async {
            let sent = by_partition.iter().map(|(&partition, deltas)| {
                let (subject, first) = (place.partition(partition), last[partition as usize]);
                async move {
                    let mut last = first;
                    for payload in message::pack(deltas.iter().copied()) {
                        last = put(context, stream, &subject, payload.into(), last).await?;
                    }
                    Ok::<_, WireError>((partition, last))
                }
            });
            for (partition, sequence) in try_join_all(sent).await? {
                last[partition as usize] = sequence;
            }
            Ok(())
        })
    }
}

/// Publishes one message behind another one of its subject; returns its sequence.
async fn put(context: &jetstream::Context, stream: &Stream, subject: &str, payload: Bytes, after: u64) -> Result<u64> {
    // The same content behind the same message is the same message; elsewhere it is another one.
    let mut hash = blake3::Hasher::new();
    hash.update(subject.as_bytes()).update(&after.to_le_bytes()).update(&payload);
    let id = hash.finalize().to_hex().to_string();
    let mut said = String::new();
    for attempt in 0..ATTEMPTS {
        let publish = PublishMessage::build().payload(payload.clone()).message_id(&id);
        let publish = publish.expected_last_subject_sequence(after);
        let answer = match context.send_publish(subject.to_owned(), publish).await {
            Ok(ack) => ack.await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(ack) => return Ok(ack.sequence),
            Err(error) => match error.kind() {
                // An earlier attempt may have arrived although its answer did not.
                PublishErrorKind::WrongLastSequence => return own_or_foreign(stream, subject, &id).await,
                PublishErrorKind::StreamNotFound | PublishErrorKind::MaxPayloadExceeded => {
                    return Err(WireError::Refused(format!("{subject}: {error}")));
                }
                _ => said = error.to_string(),
            },
        }
        tokio::time::sleep(Duration::from_millis((50 << attempt.min(6)).min(2_000))).await;
    }
    Err(WireError::Away(format!("{subject}: {said}")))
}

async fn own_or_foreign(stream: &Stream, subject: &str, id: &str) -> Result<u64> {
    let last = stream.get_last_raw_message_by_subject(subject).await;
    let last = last.map_err(|e| WireError::Away(format!("{subject}: {e}")))?;
    match last.headers.get(async_nats::header::NATS_MESSAGE_ID) {
        Some(found) if found.as_str() == id => Ok(last.sequence),
        _ => Err(WireError::Refused(format!(
            "somebody else publishes to {subject}: message {} is not ours",
            last.sequence
        ))),
    }
}

/// Reads the cursor, the last message of each partition, and what was published behind the cursor.
async fn read_back(stream: &Stream, place: &Place) -> Result<(Vec<u64>, Option<String>, HashSet<DeltaId>)> {
    let mut last = Vec::new();
    for number in 0..place.partitions {
        last.push(last_of(stream, &place.partition(number)).await?.map_or(0, |(sequence, _)| sequence));
    }
    let kept = last_of(stream, &place.cursor()).await?;
    let after = kept.as_ref().map_or(0, |(sequence, _)| *sequence);
    let mut ahead = HashSet::new();
    let end = last.iter().copied().max().unwrap_or(0);
    for sequence in after + 1..=end {
        // What limits have removed was not behind the cursor for long.
        let Ok(message) = stream.get_raw_message(sequence).await else { continue };
        let own = message.subject.strip_prefix(place.subject.as_str()).and_then(|s| s.strip_prefix('.'));
        if own.is_some_and(|number| number.parse::<u32>().is_ok()) {
            let deltas = message::unpack(&message.payload);
            let deltas = deltas.map_err(|e| WireError::Refused(format!("message {sequence}: {e}")))?;
            ahead.extend(deltas.iter().map(Delta::id));
        }
    }
    last.push(after);
    let cursor = kept.map(|(_, payload)| String::from_utf8_lossy(&payload).into_owned());
    Ok((last, cursor, ahead))
}

async fn last_of(stream: &Stream, subject: &str) -> Result<Option<(u64, Bytes)>> {
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => Ok(Some((message.sequence, message.payload))),
        Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => Ok(None),
        Err(error) => Err(WireError::Away(format!("{subject}: {error}"))),
    }
}
