//! Sources on servers, and those that others connect to, each on a thread of its own: what they bring, and the place that it leads to.
//!
//! The place goes into the metadata of the commit that makes all before it durable, under `mark:SOURCE`. The next run goes
//! on there. No server is told of it, so nothing can be acknowledged before it is safe.

#[cfg_attr(not(feature = "nats"), allow(dead_code, reason = "messages are those of NATS"))]
mod lines;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "postgres")]
mod postgres;
mod socket;

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

#[cfg(feature = "postgres")]
use self::postgres::Postgres;
#[cfg(feature = "postgres")]
pub use self::postgres::polled;
pub use self::socket::{Doors, check_listening};
use super::PipelineError;
use super::config::{Followed, Source, SourceServer};
use super::feed::Ticket;
use super::link::Outlet;
use super::reading::{Reading, Row};
use crate::capture::read::RefusedRow;
use crate::delta::{Delta, Element, Keys, Notes, RowBatch};
use crate::event::Event;

/// How often the wish to stop is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The longest wait before a server that is away is tried again.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// What a server brought, and the place that it leads to.
#[derive(Debug)]
pub struct Changes {
    /// What changed.
    pub what: What,
    /// The place behind it, where it is known.
    pub mark: Option<String>,
    /// Who is told what becomes of it.
    pub told: Option<Ticket>,
}

/// Batches of rows, and rows that cannot be read.
type Parsed = (Vec<(Element, u32, RowBatch)>, Vec<RefusedRow>);

impl Changes {
    fn new(what: What, mark: Option<String>) -> Self {
        Self { what, mark, told: None }
    }
}

/// What changed; no id comes twice.
#[derive(Debug)]
pub enum What {
    /// Nothing: only the place is another one.
    Nothing,
    /// Rows of a type and width.
    Rows(Element, u32, RowBatch),
    /// Rows that cannot be read, as they came.
    Refused(Vec<RefusedRow>),
    /// Rows are gone, and what they brought besides.
    Gone(Keys, Notes),
    /// Deltas, each for the state that the one before it left.
    Deltas(Vec<Delta>),
}

impl What {
    fn bytes(&self) -> u64 {
        match self {
            What::Nothing => 0,
            What::Rows(_, _, batch) => batch.rows.len() as u64,
            What::Refused(rows) => rows.iter().map(|row| row.bytes.len() as u64).sum(),
            What::Gone(keys, _) => keys.len() as u64 * 32,
            What::Deltas(deltas) => deltas.iter().map(|d| d.vector().dims() as u64 * 4).sum(),
        }
    }
}

/// Whether there is more to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// There may be.
    More,
    /// There is not: all that is there was read, and more is not waited for; or nobody listens.
    End,
}

/// Takes changes, in order; returns whether anybody listens.
pub type Take<'a> = dyn FnMut(Changes) -> bool + 'a;

/// Why a server brings nothing more.
pub enum Trouble {
    /// It is away; the same may succeed later.
    Away(String),
    /// It refuses, or what it has is not what was expected.
    Refused(String),
}

#[cfg(any(feature = "nats", feature = "postgres"))]
impl From<crate::wire::WireError> for Trouble {
    fn from(error: crate::wire::WireError) -> Self {
        match error {
            crate::wire::WireError::Away(message) => Trouble::Away(message),
            crate::wire::WireError::Refused(message) => Trouble::Refused(message),
        }
    }
}

/// Something that is followed.
pub trait Following {
    /// Waits for what comes next, about as long as told, and hands it over.
    ///
    /// # Errors
    /// When the server is away or refuses. Then it has to be opened again.
    fn next(&mut self, longest: Duration, take: &mut Take<'_>) -> Result<Next, Trouble>;
}

/// Begins to follow behind a place.
fn open(
    source: &Source,
    server: &SourceServer,
    place: Option<&str>,
    _width: Option<u32>,
) -> Result<Box<dyn Following>, Trouble> {
    let absent = |_name: &str| -> Result<Box<dyn Following>, Trouble> {
        Err(Trouble::Refused(format!("this program was built without `{_name}`: build it with `--features {_name}`")))
    };
    match &server.place {
        #[cfg(feature = "nats")]
        Followed::Nats { .. } => Ok(Box::new(nats::Nats::open(source, server, place, _width)?)),
        #[cfg(feature = "postgres")]
        Followed::Postgres { .. } => Ok(Box::new(Postgres::open(source, server, place)?)),
        #[allow(unreachable_patterns, reason = "with both built in, nothing is left")]
        _ => absent(source.kind.name()),
    }
}

impl Reading<'_> {
    /// Follows a source until the run is asked to stop, all is read that is wanted, or the server refuses.
    pub(super) fn follow(&self, number: usize, out: Outlet<Row>) {
        let source = &self.sources[number];
        let Some(server) = &source.server else { return };
        if let Followed::Socket { .. } = server.place {
            return self.listen(number, out);
        }
        let mut place = self.places.get(&source.name).cloned();
        let mut away: Option<(Instant, u32)> = None;
        while !self.is_over() {
            let message = match self.session(number, source, server, &mut place, &mut away, &out) {
                Ok(()) => return,
                Err(Trouble::Refused(message)) => return self.gave_up(number, message, &out),
                Err(Trouble::Away(message)) => message,
            };
            let (since, times) = away.unwrap_or((Instant::now(), 0));
            if times == 0 {
                (self.listener)(&Event::ObserverError { source: source.name.clone(), message: message.clone() });
            }
            if server.patience.is_some_and(|patience| since.elapsed() >= patience) {
                let seconds = since.elapsed().as_secs();
                return self.gave_up(number, format!("{message}; it was away for {seconds} s"), &out);
            }
            away = Some((since, times + 1));
            self.rest(Duration::from_millis(100 << times.min(6)).min(WAIT_MAX));
        }
    }

    /// Follows until the server goes away.
    fn session(
        &self,
        number: usize,
        source: &Source,
        server: &SourceServer,
        place: &mut Option<String>,
        away: &mut Option<(Instant, u32)>,
        out: &Outlet<Row>,
    ) -> Result<(), Trouble> {
        let mut followed = open(source, server, place.as_deref(), self.dims_of(source))?;
        let mut take = |change: Changes| {
            if change.mark.is_some() {
                place.clone_from(&change.mark);
            }
            let bytes = change.what.bytes();
            let _turn = self.floor.lock().expect("no thread panics with it");
            out.send(Row::Followed(number, Box::new(change)), bytes) && !self.is_over()
        };
        loop {
            self.wait_while_paused(number);
            if self.is_over() || followed.next(LOOK, &mut take)? == Next::End {
                return Ok(());
            }
            *away = None;
        }
    }

    fn gave_up(&self, number: usize, message: String, out: &Outlet<Row>) {
        let source_name = self.sources[number].name.clone();
        let error = PipelineError::Server { source_name, message };
        out.send(Row::Failed { source: number, error }, 0);
    }

    /// Waits, but not beyond the wish to stop.
    fn rest(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.stop.load(Ordering::Relaxed) && Instant::now() < end {
            thread::sleep(LOOK.min(Duration::from_millis(20)));
        }
    }
}

/// Cuts where an id comes again, so that each piece has every id once.
fn without_repeats<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<std::ops::Range<usize>> {
    let (mut runs, mut seen, mut start, mut end) = (Vec::new(), std::collections::HashSet::new(), 0, 0);
    for (i, key) in keys.enumerate() {
        if !seen.insert(key) {
            runs.push(start..i);
            start = i;
            seen.clear();
            seen.insert(key);
        }
        end = i + 1;
    }
    if start < end {
        runs.push(start..end);
    }
    runs
}
