//! NATS: deltas as messages of a stream, each once and in the order of its source.
//!
//! The place in the history stands in the stream, behind the deltas that lead there (`docs/nats.md`).

use std::path::PathBuf;

use super::{Delivered, Resume, Sink, SinkError};
use crate::delta::{Delta, DeltaInfo, SortedMap, Timestamp};
use crate::pipeline::config::NatsStream;
use crate::route::Cursor;
use crate::wire;
use crate::wire::nats::{Keeps, Place, Publisher};

/// A stream that is told of deltas.
pub struct Nats {
    place: Place,
    publisher: Option<Publisher>,
    /// The cursor that is in the stream, and one of which that is not known.
    kept: Option<String>,
    tried: Option<String>,
}

impl Nats {
    /// Makes the sink of a stream.
    pub fn new(to: &NatsStream) -> Self {
        Self { place: place(to), publisher: None, kept: None, tried: None }
    }

    /// Returns the publisher; a server that was away is asked again how far the stream is.
    fn publisher(&mut self) -> Result<&mut Publisher, SinkError> {
        if self.publisher.is_none() {
            let (publisher, resumed) = Publisher::open(&self.place).map_err(SinkError::from)?;
            if resumed.cursor != self.kept && (self.tried.is_none() || resumed.cursor != self.tried) {
                let subject = &self.place.subject;
                return Err(SinkError::fatal(format!("somebody else publishes to {subject}: its cursor is not ours")));
            }
            (self.kept, self.tried) = (resumed.cursor, None);
            self.publisher = Some(publisher);
        }
        Ok(self.publisher.as_mut().expect("it was just opened"))
    }

    /// Keeps a cursor; returns whether it could be.
    fn keep(
        &mut self,
        cursor: &Cursor,
        work: impl FnOnce(&mut Publisher, &str) -> wire::Result<bool>,
    ) -> Result<bool, SinkError> {
        let text = cursor.to_text();
        if self.kept.as_ref() == Some(&text) && self.publisher.is_some() {
            return Ok(true);
        }
        self.publisher()?;
        self.tried = Some(text.clone());
        let kept = self.publish(|publisher| work(publisher, &text))?;
        self.tried = None;
        if kept {
            self.kept = Some(text);
        }
        Ok(kept)
    }

    /// Publishes; after a failure it has to be found out how far that came.
    fn publish<T>(&mut self, work: impl FnOnce(&mut Publisher) -> wire::Result<T>) -> Result<T, SinkError> {
        work(self.publisher()?).map_err(|error| {
            self.publisher = None;
            error.into()
        })
    }
}

/// Returns a stream as the wire names it.
pub fn place(to: &NatsStream) -> Place {
    let keeps = Keeps { age: to.keeps.age, bytes: to.keeps.bytes, replicas: to.keeps.replicas };
    let (url, stream, subject) = (to.url.clone(), to.stream.clone(), to.subject.clone());
    Place { url, stream, subject, partitions: to.partitions, keeps }
}

/// Makes the delta that is published: the same again when the log is read again.
fn delta(delivered: &Delivered) -> Result<Delta, SinkError> {
    let note = delivered.note();
    let mut metadata: SortedMap<String, String> =
        note.values().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    metadata.insert("commit".to_owned(), delivered.commit().to_hex());
    let time = Timestamp { physical_millis: delivered.millis(), ..Timestamp::default() };
    let info = DeltaInfo { time, parent: None, metadata };
    let (old, new) = (delivered.old(), delivered.new_bits());
    Delta::new(delivered.table(), delivered.key(), old, new, info).map_err(SinkError::fatal)
}

impl Sink for Nats {
    fn resume(&mut self) -> Result<Resume, SinkError> {
        let (publisher, resumed) = Publisher::open(&self.place).map_err(SinkError::from)?;
        self.publisher = Some(publisher);
        self.kept = resumed.cursor;
        let cursor = self.kept.as_deref().map(|text| {
            let unreadable = || SinkError::fatal(format!("{}.cursor holds no cursor of ours", self.place.subject));
            Cursor::from_text(text).ok_or_else(unreadable)
        });
        Ok(Resume::Kept(cursor.transpose()?))
    }

    fn restart(&mut self) -> Result<(), SinkError> {
        Err(SinkError::fatal(format!(
            "the stream {} was written from another history: whoever follows it could not go on; \
             use another `stream` and `subject`, or remove this one",
            self.place.stream
        )))
    }

    fn write(&mut self, deltas: &[Delivered]) -> Result<(), SinkError> {
        let deltas = deltas.iter().map(delta).collect::<Result<Vec<_>, _>>()?;
        self.publish(|publisher| publisher.publish_without_cursor(&deltas))
    }

    fn flush(&mut self, cursor: &Cursor) -> Result<bool, SinkError> {
        self.keep(cursor, |publisher, text| publisher.publish(&[], text))
    }

    fn close(&mut self, cursor: &Cursor) -> Result<Vec<PathBuf>, SinkError> {
        // All of the history is there: what was in the stream and did not come again has another route now.
        self.keep(cursor, |publisher, text| publisher.keep(text).map(|()| true))?;
        Ok(Vec::new())
    }
}
