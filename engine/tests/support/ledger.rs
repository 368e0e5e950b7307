//! Sinks that keep what they were given and the cursor, both or neither, and go wrong in every way at random.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use vecdelta::pipeline::Served;
use vecdelta::pipeline::config::{OnSlow, Pipeline};
use vecdelta::pipeline::sink::{Delivered, Resume, Sink, SinkError};
use vecdelta::route::{Cursor, SubscriberPolicy};
use vecdelta::version::{MAIN, Repository, VersionError, deltas, way};

use super::random::Rng;

/// One delta, as a sink keeps it: what it leads from and to.
pub type Step = (Option<Vec<u8>>, Option<Vec<u8>>);

/// What a sink has for good, in the order in which it came.
#[derive(Clone, Default)]
pub struct Ledger {
    steps: Vec<(String, Step)>,
    /// How much of it counted when, by any clock, and with which cursor.
    flushes: Vec<(usize, usize, Cursor)>,
}

impl Ledger {
    /// Returns the deltas of each source.
    pub fn by_source(&self) -> BTreeMap<String, Vec<Step>> {
        let mut all: BTreeMap<String, Vec<Step>> = BTreeMap::new();
        self.steps.iter().for_each(|(key, step)| all.entry(key.clone()).or_default().push(step.clone()));
        all
    }

    /// Forgets what came behind a time: the machine that held it crashed as well.
    pub fn crash(&mut self, time: usize) {
        self.flushes.retain(|(when, ..)| *when <= time);
        self.steps.truncate(self.flushes.last().map_or(0, |(_, len, _)| *len));
        // What is left was there before whatever is counted from now on.
        self.flushes.iter_mut().for_each(|(when, ..)| *when = 0);
    }

    fn cursor(&self) -> Option<Cursor> {
        self.flushes.last().map(|(_, _, cursor)| cursor.clone())
    }
}

/// What may go wrong with a sink.
#[derive(Clone, Default)]
pub struct Temper {
    /// How many of a hundred calls end it, find it away, or panic.
    pub trouble: usize,
    /// It is always away.
    pub dead: bool,
    /// It refuses this source.
    pub refuses: Option<String>,
}

/// A sink with a ledger.
pub struct Faulty {
    durable: Arc<Mutex<Ledger>>,
    written: Vec<(String, Step)>,
    rng: Rng,
    temper: Temper,
    time: Box<dyn Fn() -> usize + Send>,
    /// Called before it takes something: it may be slow.
    slow: Box<dyn FnMut() + Send>,
}

impl Faulty {
    pub fn new(durable: &Arc<Mutex<Ledger>>, seed: u64, temper: Temper) -> Self {
        let (time, slow) = (Box::new(|| 0), Box::new(|| {}));
        Self { durable: durable.clone(), written: Vec::new(), rng: Rng::new(seed), temper, time, slow }
    }

    /// Says by which clock it keeps what it has.
    pub fn by(self, time: impl Fn() -> usize + Send + 'static) -> Self {
        Self { time: Box::new(time), ..self }
    }

    /// Says what it does before it takes something.
    pub fn slowed(self, slow: impl FnMut() + Send + 'static) -> Self {
        Self { slow: Box::new(slow), ..self }
    }

    fn trouble(&mut self) -> Result<(), SinkError> {
        if self.temper.dead {
            return Err(SinkError::unavailable("it is away for good"));
        }
        if !self.rng.chance(self.temper.trouble) {
            return Ok(());
        }
        match self.rng.below(3) {
            0 => Err(SinkError::fatal("it ends here")),
            1 => Err(SinkError::unavailable("it is away")),
            _ => panic!("the sink panics"),
        }
    }
}

impl Sink for Faulty {
    fn resume(&mut self) -> Result<Resume, SinkError> {
        Ok(Resume::Kept(self.durable.lock().unwrap().cursor()))
    }

    fn write(&mut self, given: &[Delivered]) -> Result<(), SinkError> {
        (self.slow)();
        self.trouble()?;
        let poison = |d: &Delivered| self.temper.refuses.as_deref() == Some(d.key());
        if given.iter().any(poison) {
            return Err(SinkError::refused((0..given.len()).collect(), "one of them is poison"));
        }
        for delta in given {
            let step = (delta.old().map(<[u8]>::to_vec), delta.new_bits().map(<[u8]>::to_vec));
            self.written.push((delta.key().to_owned(), step));
        }
        Ok(())
    }

    fn flush(&mut self, cursor: &Cursor) -> Result<bool, SinkError> {
        self.trouble()?;
        // A sink may keep more back, as one does that writes large files.
        if self.rng.chance(self.temper.trouble * 2) {
            return Ok(false);
        }
        self.close(cursor).map(|_| true)
    }

    fn close(&mut self, cursor: &Cursor) -> Result<Vec<PathBuf>, SinkError> {
        let mut ledger = self.durable.lock().unwrap();
        ledger.steps.append(&mut self.written);
        let len = ledger.steps.len();
        ledger.flushes.push(((self.time)(), len, cursor.clone()));
        Ok(Vec::new())
    }
}

/// Serves a sink under the name of its setting.
pub fn served(pipeline: &Pipeline, name: &str, sink: Faulty, on_slow: OnSlow) -> Served {
    Served {
        name: name.to_owned(),
        setting: name.to_owned(),
        sink: Box::new(sink),
        collections: vec![pipeline.sources[0].collection.clone()],
        on_slow,
        policy: SubscriberPolicy::default(),
    }
}

/// What the log says of each source.
pub fn history(repo: &Repository) -> BTreeMap<String, Vec<Step>> {
    let mut all: BTreeMap<String, Vec<Step>> = BTreeMap::new();
    let Some(head) = repo.head(MAIN) else { return all };
    deltas::<VersionError>(repo, &way(repo, None, head).unwrap(), None, &mut |_, part| {
        for d in part.sources {
            let side = |bits: Vec<u8>| (!bits.is_empty()).then_some(bits);
            all.entry(d.key).or_default().push((side(d.old), side(d.new)));
        }
        Ok(())
    })
    .unwrap();
    all
}

/// Says nothing of the panics of sinks, which are meant to be.
pub fn hush() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&"the sink panics") {
                usual(info);
            }
        }));
    });
}
