//! Sources that others connect to: JSON lines or Arrow streams over TCP or a socket among the files.
//!
//! ```text
//!  door.rs  where they connect, kept from one turn of a run to the next
//!    └─ guest.rs  one connection: its greeting, what it sends ── frames.rs  whole lines and messages, within limits
//!         └─ answers.rs  what it is told: how far it is durable, what was refused
//!  places.rs  how far each named stream is
//! ```
//!
//! Whoever sends under a name goes on exactly where the history says: the places of all names are the mark of the source,
//! and stand in the commit that makes what leads there durable.

mod answers;
mod door;
mod frames;
mod guest;
mod places;
#[cfg(test)]
mod tests;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use self::door::Door;
pub use self::door::{Doors, check_listening};
use self::places::Places;
use super::LOOK;
use crate::event::Event;
use crate::pipeline::config::{Followed, MessageFormat, Source};
use crate::pipeline::link::{Budget, Outlet};
use crate::pipeline::reading::{Reading, Row};

/// How many may be connected to one source.
const GUESTS_MAX: usize = 64;

/// What the connections of one source share.
struct Hall<'a> {
    reading: &'a Reading<'a>,
    number: usize,
    source: &'a Source,
    door: &'a Door,
    format: MessageFormat,
    /// The hash of the token; comparing hashes tells nothing by the time that it takes.
    token: Option<blake3::Hash>,
    deleted: Option<&'a str>,
    /// For lines and messages that are not whole yet.
    budget: Budget,
    /// Whoever hands rows on.
    turn: Mutex<()>,
    guests: AtomicUsize,
    newest: AtomicU64,
}

impl Reading<'_> {
    /// Takes what others send until the run is over.
    pub(super) fn listen(&self, number: usize, out: Outlet<Row>) {
        let source = &self.sources[number];
        let Some(Followed::Socket { listen, format, token, deleted }) = source.server.as_ref().map(|s| &s.place) else {
            return;
        };
        let door = match self.doors.open(listen) {
            Ok(door) => door,
            Err(message) => return self.gave_up(number, message, &out),
        };
        let history = self.places.get(&source.name);
        match history.map_or(Ok(Places::default()), |mark| Places::read(mark)) {
            Ok(history) => door.begin(history),
            Err(message) => return self.gave_up(number, message, &out),
        }
        let (name, file) = (source.name.clone(), door.address().to_owned());
        (self.listener)(&Event::SourceOpened { source: name, file, rows: None });
        let hall = Hall {
            reading: self,
            number,
            source,
            door: &door,
            format: *format,
            token: token.as_ref().map(|token| blake3::hash(token.as_bytes())),
            deleted: deleted.as_deref(),
            budget: Budget::new(self.unfinished_bytes),
            turn: Mutex::new(()),
            guests: AtomicUsize::new(0),
            newest: AtomicU64::new(0),
        };
        thread::scope(|scope| {
            while !self.is_over() {
                self.wait_while_paused(number);
                // A connection that breaks off before it is taken, or for which there is no room, is not the end.
                let Ok(Some(stream)) = door.accept() else {
                    thread::sleep(LOOK / 10);
                    continue;
                };
                if hall.guests.fetch_add(1, Ordering::Relaxed) >= GUESTS_MAX {
                    hall.guests.fetch_sub(1, Ordering::Relaxed);
                    answers::turn_away(&stream, &format!("there are {GUESTS_MAX} connections already"));
                    continue;
                }
                let (hall, out) = (&hall, out.clone());
                scope.spawn(move || {
                    hall.serve(&stream, out);
                    hall.guests.fetch_sub(1, Ordering::Relaxed);
                });
            }
            // The run ends when nobody can send to it any more; then the last answers are given.
            drop(out);
        });
    }
}
