//! One connection: its greeting, and what it sends.
//!
//! ```text
//! > #{"stream":"shop-1","token":"..."}
//! < {"durable":300,"place":500,"stream":"shop-1"}
//! > line 501 and all behind it
//! < {"durable":501}
//! < {"refused":{"line":502,"id":"a","reason":"...","letter":"..."}}
//! < {"durable":502,"end":true}
//! ```
//!
//! A line that begins with `#` is no JSON, and no Arrow message: the greeting may be left out.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Sender, unbounded};
use serde_json::{Map, Value, json};

use super::super::lines::{At, Line, Lines};
use super::super::{Changes, Parsed, What, without_repeats};
use super::Hall;
use super::answers::{Answers, Due};
use super::door::Stream;
use super::frames::{Batch, Frames};
use super::places::NAME_MAX;
use crate::capture::read::{Place, ReadOptions, RefusedRow, Refuser, read_sound};
use crate::pipeline::config::{MessageFormat, OnReject};
use crate::pipeline::feed::Ticket;
use crate::pipeline::link::Outlet;
use crate::pipeline::reading::Row;

/// The longest greeting.
const GREETING_MAX: usize = 4 << 10;

/// How long a greeting may take where it must have a token.
const GREETING: Duration = Duration::from_secs(10);

/// Who sends.
struct Guest<'a> {
    number: u64,
    name: Option<String>,
    /// How many lines or rows were read.
    place: u64,
    due: &'a Sender<Due>,
    out: &'a Outlet<Row>,
}

impl Hall<'_> {
    /// Takes what a connection sends, and answers, until it ends or the run does.
    pub fn serve(&self, stream: &Stream, out: Outlet<Row>) {
        let (answers, name) = (Answers::new(stream), Mutex::new(None));
        let (due, told) = unbounded();
        thread::scope(|scope| {
            scope.spawn(|| self.tell(&answers, &name, &told));
            let number = self.newest.fetch_add(1, Ordering::Relaxed) + 1;
            let mut guest = Guest { number, name: None, place: 0, due: &due, out: &out };
            if let Err(why) = self.take(stream, &answers, &name, &mut guest) {
                answers.say(&json!({ "error": why, "place": guest.place }));
            }
            drop((due, out));
        });
        stream.part();
    }

    fn take(
        &self,
        stream: &Stream,
        answers: &Answers<'_>,
        name: &Mutex<Option<String>>,
        guest: &mut Guest<'_>,
    ) -> Result<(), String> {
        let wish = || self.wish();
        let deadline = self.token.map(|_| Instant::now() + GREETING);
        let mut frames = Frames::new(stream, &wish, &self.budget, deadline);
        let Some(first) = frames.first()? else { return Ok(()) };
        match (first, self.format) {
            (b'#', _) => {
                self.greet(&frames.greeting(GREETING_MAX)?, answers, guest)?;
                name.lock().expect("no thread panics with it").clone_from(&guest.name);
            }
            _ if self.token.is_some() => return Err("the first line must be #{\"token\":\"...\"}".to_owned()),
            (0xFF, MessageFormat::Arrow) | (b'{', MessageFormat::Jsonl) => {}
            // A browser's request must not be taken for lines of which some are rows.
            (_, MessageFormat::Arrow) => return Err("this source takes an Arrow stream".to_owned()),
            _ => return Err("this source takes JSON lines: the first one must be an object".to_owned()),
        }
        frames.begun();
        match self.format {
            MessageFormat::Arrow => self.take_batches(&mut frames, guest),
            _ => self.take_lines(&mut frames, guest),
        }
    }

    /// Reads the greeting, and says where to go on.
    fn greet(&self, line: &[u8], answers: &Answers<'_>, guest: &mut Guest<'_>) -> Result<(), String> {
        let line = line.trim_ascii();
        let greeting: Map<String, Value> = serde_json::from_slice(line.strip_prefix(b"#").unwrap_or(line))
            .map_err(|_| "the greeting is not # and an object behind it".to_owned())?;
        if let Some(token) = self.token {
            let given = greeting.get("token").and_then(Value::as_str).unwrap_or_default();
            if blake3::hash(given.as_bytes()) != token {
                return Err("the token is wrong".to_owned());
            }
        }
        if let Some(other) = greeting.keys().find(|key| !["stream", "place", "token"].contains(&key.as_str())) {
            return Err(format!("a greeting has stream, place and token, not `{other}`"));
        }
        let known = match greeting.get("place") {
            None | Some(Value::Null) => 0,
            Some(place) => place.as_u64().ok_or("`place` is not a number of lines or rows")?,
        };
        let name = match greeting.get("stream") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) if is_name(name) => Some(name.clone()),
            Some(_) => return Err(format!("`stream` is not a name of 1 to {NAME_MAX} letters, digits and -_.:/")),
        };
        let Some(name) = name else {
            guest.place = known;
            answers.say(&json!({ "place": known, "durable": known }));
            return Ok(());
        };
        let begun = self.door.places().go_on(&name, guest.number, known)?;
        (guest.place, guest.name) = (begun.taken, Some(name.clone()));
        answers.say(&json!({ "stream": name, "place": begun.taken, "durable": begun.durable }));
        // What another connection brought is told of here.
        if let Some(ticket) = begun.last.filter(|_| begun.durable < begun.taken) {
            let _ = guest.due.send(Due { ticket, place: Some(begun.taken) });
        }
        Ok(())
    }

    fn take_lines(&self, frames: &mut Frames<'_>, guest: &mut Guest<'_>) -> Result<(), String> {
        let width = self.reading.dims_of(self.source);
        let mut reader = Lines::new(self.source, self.deleted.map(str::to_owned), width);
        while let Some(text) = frames.lines()? {
            let mut number = guest.place;
            let own = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            let lines: Vec<Line<'_>> = own
                .map(|bytes| {
                    number += 1;
                    Line { bytes, at: At::Number(number) }
                })
                .collect();
            if lines.is_empty() {
                continue;
            }
            let changes = reader.read(&lines)?;
            if !self.push_all(changes, guest)? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn take_batches(&self, frames: &mut Frames<'_>, guest: &mut Guest<'_>) -> Result<(), String> {
        let width = self.reading.dims_of(self.source);
        let mut options = ReadOptions { dims: self.source.dims.or(width), ..self.source.read_options() };
        while let Some(Batch { bytes, rows }) = frames.batch()? {
            let (batches, refused) =
                parse(bytes, &options).map_err(|error| format!("the batch behind row {}: {error}", guest.place))?;
            if self.source.on_reject == OnReject::DeadLetter {
                options.dims = options.dims.or(batches.first().map(|(_, dims, _)| *dims));
            }
            let end = guest.place + rows;
            let changes = in_order((batches, refused), guest.place, end, self.source.on_reject)?;
            if !self.push_all(changes, guest)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands changes on; returns whether to go on.
    fn push_all(&self, changes: Vec<Changes>, guest: &mut Guest<'_>) -> Result<bool, String> {
        for change in changes {
            let place = change.mark.as_deref().and_then(|place| place.parse().ok());
            let goes_on = self.push(change, place, guest)?;
            guest.place = place.unwrap_or(guest.place);
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn push(&self, change: Changes, place: Option<u64>, guest: &Guest<'_>) -> Result<bool, String> {
        let ticket = Ticket::new();
        // Who takes a place hands it on before the next one does.
        let turn = self.turn.lock().expect("no thread panics with it");
        let mark = match &guest.name {
            None => None,
            Some(name) => self.door.places().take(name, guest.number, place.map(|place| (place, &ticket)))?,
        };
        let bytes = change.what.bytes();
        let change = Changes { mark, told: Some(ticket.clone()), ..change };
        let sent = {
            let _turn = self.reading.floor.lock().expect("no thread panics with it");
            guest.out.send(Row::Followed(self.number, Box::new(change)), bytes)
        };
        drop(turn);
        let _ = guest.due.send(Due { ticket, place });
        Ok(sent && !self.reading.is_over())
    }
}

/// Returns whether a stream can have this name; it stands in every commit.
fn is_name(name: &str) -> bool {
    let sign = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    (1..=NAME_MAX).contains(&name.len()) && name.chars().all(sign)
}

/// Reads a batch that is a stream of its own.
pub(super) fn parse(bytes: Vec<u8>, options: &ReadOptions) -> Result<Parsed, String> {
    let refused: Arc<Mutex<Vec<RefusedRow>>> = Arc::default();
    let into = refused.clone();
    let refuser: Refuser = Box::new(move |row| into.lock().expect("no thread panics with it").push(row));
    let options = ReadOptions { format: Some("arrow"), ..options.clone() };
    let mut batches = Vec::new();
    let say = |error: crate::capture::read::ReadError| error.message;
    let mut reader = read_sound("-", Bytes::from(bytes), &options, refuser).map_err(say)?;
    while let Some(batch) = reader.next().map_err(say)? {
        batches.push((reader.element(), reader.dims(), batch));
    }
    let refused = std::mem::take(&mut *refused.lock().expect("no thread panics with it"));
    Ok((batches, refused))
}

/// Makes changes of a batch that begins behind row `start`: what cannot be read first, so that a place is durable with it.
fn in_order((batches, mut refused): Parsed, start: u64, end: u64, on_reject: OnReject) -> Result<Vec<Changes>, String> {
    for row in &mut refused {
        if let Some(Place::Row(number)) = &mut row.place {
            *number += start;
        }
    }
    if let (OnReject::Stop, Some(first)) = (on_reject, refused.first()) {
        return Err(match first.place {
            Some(Place::Row(row)) => format!("row {row} (counted from 0): {}", first.reason),
            _ => first.reason.clone(),
        });
    }
    let mut changes = Vec::new();
    if !refused.is_empty() {
        changes.push(Changes::new(What::Refused(refused), None));
    }
    for (element, dims, batch) in batches {
        for run in without_repeats(batch.keys.iter()) {
            changes.push(Changes::new(What::Rows(element, dims, batch.slice(run)), None));
        }
    }
    match changes.last_mut() {
        Some(last) => last.mark = Some(end.to_string()),
        None => changes.push(Changes::new(What::Nothing, Some(end.to_string()))),
    }
    Ok(changes)
}
