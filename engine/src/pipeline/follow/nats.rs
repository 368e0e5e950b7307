//! Following a stream of NATS: deltas as the sink writes them, or JSON lines of anybody.
//!
//! The place is the sequence of a message in its stream, all of which is taken: `17`; or that of one of which only some
//! is, because an id comes again behind it: `17.3`.

use std::time::Duration;

use super::lines::{At, Line, Lines};
use super::{Changes, Following, Next, Take, Trouble, What, without_repeats};
use crate::pipeline::config::{Followed, MessageFormat, NatsStream, OnGap, Source, SourceServer};
use crate::wire::nats::{Followed as Message, Follower, Keeps, Place, unpack};

/// How many messages are taken together at most.
const MESSAGES: usize = 512;

/// How many bytes of messages are taken together at most.
const BYTES: usize = 1 << 20;

/// How often nothing has to come of what was there before it is asked whether that is gone.
const NOTHING: u32 = 20;

/// A stream that is followed.
pub struct Nats {
    follower: Follower,
    /// How much of the first message is taken already.
    skip: usize,
    lines: Option<Lines>,
    to_end: bool,
    quiet: u32,
    subject: String,
}

impl Nats {
    /// Begins behind a place; the collection may have a width already.
    pub fn open(
        source: &Source,
        server: &SourceServer,
        place: Option<&str>,
        width: Option<u32>,
    ) -> Result<Self, Trouble> {
        let Followed::Nats { stream, format, on_gap, deleted, only } = &server.place else {
            return Err(Trouble::Refused("it is no stream".to_owned()));
        };
        let (after, skip) = match place {
            None => (0, 0),
            Some(text) => {
                read_place(text).ok_or_else(|| Trouble::Refused(format!("`{text}` is no place in a stream")))?
            }
        };
        let to = wire_place(stream);
        let deltas = *format == MessageFormat::Deltas;
        let subject = match only {
            _ if !deltas => stream.subject.clone(),
            Some(partition) => to.partition(*partition),
            None => format!("{}.*", stream.subject),
        };
        let follower = match deltas {
            true => Follower::open(&to, &subject, after)?,
            false => Follower::open_plain(&to, after, *on_gap == OnGap::Skip)?,
        };
        let lines = (!deltas).then(|| Lines::new(source, deleted.clone(), width));
        Ok(Self { follower, skip, lines, to_end: !server.follow, quiet: 0, subject })
    }

    fn deltas(&mut self, message: &Message) -> Result<Vec<Changes>, Trouble> {
        let sequence = message.sequence;
        if message.subject.rsplit('.').next().is_none_or(|last| last.parse::<u32>().is_err()) {
            // The publisher's own place.
            return Ok(Vec::new());
        }
        let bad = |problem: String| {
            Trouble::Refused(format!(
                "message {sequence} of {}: {problem}: is it one of ours? For those of others set `format = \"jsonl\"`",
                self.subject
            ))
        };
        let mut deltas = unpack(&message.payload).map_err(bad)?;
        let skip = std::mem::take(&mut self.skip).min(deltas.len());
        let runs = without_repeats(deltas[skip..].iter().map(|d| d.source().key.as_str()));
        let mut changes = Vec::new();
        for run in runs.into_iter().rev() {
            let (start, end) = (skip + run.start, skip + run.end);
            let mark = if changes.is_empty() { sequence.to_string() } else { format!("{sequence}.{end}") };
            changes.push(Changes::new(What::Deltas(deltas.split_off(start)), Some(mark)));
        }
        changes.reverse();
        Ok(changes)
    }
}

impl Following for Nats {
    fn next(&mut self, longest: Duration, take: &mut Take<'_>) -> Result<Next, Trouble> {
        let Some(first) = self.follower.next(longest)? else {
            self.quiet += 1;
            let asks = self.to_end && self.quiet.is_multiple_of(NOTHING);
            let read = self.follower.is_read() || asks && self.follower.is_at_end()?;
            return Ok(if self.to_end && read { Next::End } else { Next::More });
        };
        self.quiet = 0;
        let mut messages = vec![first];
        let mut bytes = messages[0].payload.len();
        while self.lines.is_some() && messages.len() < MESSAGES && bytes < BYTES {
            let Some(more) = self.follower.next(Duration::ZERO)? else { break };
            bytes += more.payload.len();
            messages.push(more);
        }
        let skip = if self.lines.is_some() { std::mem::take(&mut self.skip) } else { 0 };
        let changes = match &mut self.lines {
            Some(lines) => {
                let own = lines_of(&messages);
                lines.read(&own[skip.min(own.len())..]).map_err(Trouble::Refused)?
            }
            None => self.deltas(&messages[0])?,
        };
        let listens = changes.into_iter().all(take);
        let read = self.to_end && self.follower.is_read();
        Ok(if listens && !read { Next::More } else { Next::End })
    }
}

/// Returns the lines of messages.
fn lines_of(messages: &[Message]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for Message { sequence, payload, .. } in messages {
        let own: Vec<&[u8]> = payload.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty()).collect();
        let count = own.len();
        let at = |i: usize| At::Message { sequence: *sequence, number: i + 1, last: i + 1 == count };
        lines.extend(own.into_iter().enumerate().map(|(i, bytes)| Line { bytes, at: at(i) }));
    }
    lines
}

/// Reads a place: the sequence behind which to begin, and how much to pass over then.
fn read_place(text: &str) -> Option<(u64, usize)> {
    match text.split_once('.') {
        None => Some((text.parse().ok()?, 0)),
        Some((sequence, taken)) => Some((sequence.parse::<u64>().ok()?.checked_sub(1)?, taken.parse().ok()?)),
    }
}

fn wire_place(to: &NatsStream) -> Place {
    let (url, stream, subject) = (to.url.clone(), to.stream.clone(), to.subject.clone());
    Place { url, stream, subject, partitions: to.partitions, keeps: Keeps::default() }
}
