//! Sinks that keep what they were given, and the cursor with it or not at all, and go wrong in every way at random.

use std::collections::{BTreeMap, HashSet};
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
    /// How much it held whenever it was opened.
    opened: Vec<usize>,
}

impl Ledger {
    /// Returns the deltas of each source.
    pub fn by_source(&self) -> BTreeMap<String, Vec<Step>> {
        let mut all: BTreeMap<String, Vec<Step>> = BTreeMap::new();
        self.steps.iter().for_each(|(key, step)| all.entry(key.clone()).or_default().push(step.clone()));
        all
    }

    /// Says what is wrong where a sink does not know how far it is: a delta may come again after it was opened anew, but none
    /// is passed over, none overtakes another of its source, and none comes twice in between.
    pub fn flaw(&self, history: &BTreeMap<String, Vec<Step>>) -> Option<String> {
        let mut at: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
        for (number, (key, step)) in self.steps.iter().enumerate() {
            let life = self.opened.partition_point(|opened| *opened <= number);
            let Some(place) = history.get(key).and_then(|steps| steps.iter().position(|own| own == step)) else {
                return Some(format!("{key} has a step that nobody made"));
            };
            // How many steps came, how many of them in this life, and in which.
            let (all, own, last) = at.get(key.as_str()).copied().unwrap_or((0, 0, 0));
            let own = if last == life { own } else { 0 };
            if place > all || (own > 0 && place < own) {
                return Some(format!(
                    "step {place} of {key} comes when {all} have come, {own} of them since it was opened"
                ));
            }
            at.insert(key, (all.max(place + 1), place + 1, life));
        }
        let short = history.iter().find(|(key, steps)| at.get(key.as_str()).is_none_or(|(all, ..)| *all < steps.len()));
        short.map(|(key, steps)| format!("{key} has {:?} of {} steps", at.get(key.as_str()), steps.len()))
    }

    /// Forgets what came behind a time: the machine that held it crashed as well.
    pub fn crash(&mut self, time: usize) {
        self.flushes.retain(|(when, ..)| *when <= time);
        self.steps.truncate(self.flushes.last().map_or(0, |(_, len, _)| *len));
        let len = self.steps.len();
        self.opened.iter_mut().for_each(|opened| *opened = (*opened).min(len));
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
    /// How many of a hundred calls find it away.
    pub away: usize,
    /// How many of a hundred calls refuse what is given of one source, which is taken when it comes again.
    pub moody: usize,
    /// It does not know how far it is: the repository keeps that.
    pub forgetful: bool,
    /// It is always away.
    pub dead: bool,
    /// It refuses this source.
    pub refuses: Option<String>,
}

/// A sink with a ledger.
pub struct Faulty {
    durable: Arc<Mutex<Ledger>>,
    written: Vec<(String, Step)>,
    /// What it refused once.
    refused: HashSet<String>,
    rng: Rng,
    temper: Temper,
    time: Box<dyn Fn() -> usize + Send>,
    /// Called before it takes something: it may be slow.
    slow: Box<dyn FnMut() + Send>,
}

impl Faulty {
    pub fn new(durable: &Arc<Mutex<Ledger>>, seed: u64, temper: Temper) -> Self {
        let (time, slow) = (Box::new(|| 0), Box::new(|| {}));
        let (written, refused) = (Vec::new(), HashSet::new());
        Self { durable: durable.clone(), written, refused, rng: Rng::new(seed), temper, time, slow }
    }

    /// Says by which clock it keeps what it has.
    pub fn by(self, time: impl Fn() -> usize + Send + 'static) -> Self {
        Self { time: Box::new(time), ..self }
    }

    /// Says what it does before it takes something.
    pub fn slowed(self, slow: impl FnMut() + Send + 'static) -> Self {
        Self { slow: Box::new(slow), ..self }
    }

    /// Returns a source that comes once here and will soon come again: short keys come often.
    fn often_seen(&mut self, given: &[Delivered]) -> Option<String> {
        let once = |key: &str| given.iter().filter(|delta| delta.key() == key).count() == 1;
        let often: Vec<&str> = given.iter().map(Delivered::key).filter(|key| key.len() <= 3 && once(key)).collect();
        (!often.is_empty()).then(|| often[self.rng.below(often.len())].to_owned())
    }

    fn trouble(&mut self) -> Result<(), SinkError> {
        if self.temper.dead {
            return Err(SinkError::unavailable("it is away for good"));
        }
        if self.rng.chance(self.temper.away) {
            return Err(SinkError::unavailable("it is away"));
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
        let mut ledger = self.durable.lock().unwrap();
        let len = ledger.steps.len();
        ledger.opened.push(len);
        Ok(if self.temper.forgetful { Resume::Unknown } else { Resume::Kept(ledger.cursor()) })
    }

    fn write(&mut self, given: &[Delivered]) -> Result<(), SinkError> {
        (self.slow)();
        self.trouble()?;
        let poison = |d: &Delivered| self.temper.refuses.as_deref() == Some(d.key());
        if given.iter().any(poison) {
            return Err(SinkError::refused((0..given.len()).collect(), "one of them is poison"));
        }
        let moody = if self.rng.chance(self.temper.moody) { self.often_seen(given) } else { None };
        let mut refused = Vec::new();
        for (number, delta) in given.iter().enumerate() {
            if moody.as_deref() == Some(delta.key()) && (!refused.is_empty() || self.refused.insert(delta.id())) {
                refused.push(number);
                continue;
            }
            let step = (delta.old().map(<[u8]>::to_vec), delta.new_bits().map(<[u8]>::to_vec));
            self.written.push((delta.key().to_owned(), step));
        }
        match refused.is_empty() {
            true => Ok(()),
            false => Err(SinkError::refused(refused, "not just now")),
        }
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
    let mut policy = SubscriberPolicy::default();
    // What is refused waits for many looks at a clock that runs fast: later deltas of its source come meanwhile.
    policy.retry.iter_mut().for_each(|retry| (retry.wait_millis, retry.wait_millis_max) = (20_000, 40_000));
    Served {
        name: name.to_owned(),
        setting: name.to_owned(),
        sink: Box::new(sink),
        collections: vec![pipeline.sources[0].collection.clone()],
        on_slow,
        policy,
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
