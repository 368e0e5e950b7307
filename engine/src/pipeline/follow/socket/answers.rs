//! What a connection is told, one JSON object a line: how far it is durable, what was refused, why it ends.

use std::net::Shutdown;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::Receiver;
use serde_json::{Value, json};

use super::Hall;
use super::door::Stream;
use super::frames::Wish;
use crate::pipeline::feed::{Fate, Refusal, Ticket};
use crate::pipeline::requests::refusal_json;

/// Something that is to be told of when it is durable.
pub struct Due {
    /// Tells what became of it.
    pub ticket: Ticket,
    /// The place that it leads to, where it leads to one.
    pub place: Option<u64>,
}

/// The answers of one connection.
pub struct Answers<'a> {
    stream: &'a Stream,
    /// Whether nobody takes answers any more, or none follow.
    gone: Mutex<bool>,
}

impl<'a> Answers<'a> {
    /// Answers a connection.
    pub fn new(stream: &'a Stream) -> Self {
        Self { stream, gone: Mutex::new(false) }
    }

    /// Writes an answer; whoever does not take it is read no further.
    pub fn say(&self, answer: &Value) {
        let mut gone = self.gone.lock().expect("no thread panics with it");
        if !*gone && self.stream.write_all(format!("{answer}\n").as_bytes()).is_err() {
            *gone = true;
            self.stream.shutdown(Shutdown::Both);
        }
    }

    fn refused(&self, refusals: &[Refusal]) {
        for refusal in refusals {
            self.say(&json!({ "refused": refusal_json(refusal) }));
        }
    }
}

/// Tells a connection that it cannot be taken, and ends it.
pub fn turn_away(stream: &Stream, why: &str) {
    let _ = stream.write_all(format!("{}\n", json!({ "error": why })).as_bytes());
    stream.shutdown(Shutdown::Both);
}

impl Hall<'_> {
    /// Tells what becomes of all that a connection sends, until it has ended.
    pub fn tell(&self, answers: &Answers<'_>, name: &Mutex<Option<String>>, due: &Receiver<Due>) {
        let mut durable = None;
        let mut next = due.recv().ok();
        while let Some(Due { ticket, place }) = next {
            match self.fate(&ticket) {
                Fate::Durable => {}
                Fate::Partly(refusals) => answers.refused(&refusals),
                Fate::Refused(why) => answers.say(&json!({ "error": why })),
                Fate::Ended => {
                    answers.say(&json!({ "error": "the pipeline has ended", "durable": durable }));
                    return;
                }
            }
            durable = place.or(durable);
            if let (Some(name), Some(place)) = (&*name.lock().expect("no thread panics with it"), place) {
                self.door.places().durable(name, place);
            }
            // Several that become durable together are told of at once.
            let waiting = due.try_recv().ok();
            let told = waiting.as_ref().is_some_and(|due| due.ticket.wait(Duration::ZERO).is_some());
            if let (Some(durable), false) = (durable, told) {
                answers.say(&json!({ "durable": durable }));
            }
            next = waiting.or_else(|| due.recv().ok());
        }
        answers.say(&json!({ "durable": durable.unwrap_or(0), "end": true }));
    }

    /// Waits until it is known what became of something.
    fn fate(&self, ticket: &Ticket) -> Fate {
        loop {
            let ended = self.reading.ended.load(Ordering::Relaxed);
            match ticket.wait(super::LOOK) {
                Some(fate) => return fate,
                None if ended => return Fate::Ended,
                None => {}
            }
        }
    }

    /// Returns what a connection is to do.
    pub fn wish(&self) -> Wish {
        match (self.reading.is_over(), self.reading.controls.is_source_paused(&self.source.name)) {
            (true, _) => Wish::Stop,
            (false, true) => Wish::Wait,
            (false, false) => Wish::Read,
        }
    }
}
