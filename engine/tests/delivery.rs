//! Sinks get every delta of the history once and in order, whatever stops: the run, a sink, the machine.
//!
//! A run is stopped at a random event, its sinks fail, panic or are away at random calls, and what the disk was not asked to
//! keep is lost at random. It is started again until all is delivered. What each sink holds then must be the history of
//! each source: nothing lost, nothing doubled, nothing out of order.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use vecdelta::event::Event;
use vecdelta::pipeline::config::{self, Close, Missing, OnSlow, Pipeline, Triggers, Window};
use vecdelta::pipeline::sink::{Delivered, Resume, Sink, SinkError};
use vecdelta::pipeline::{Context, Live, RunReport, Served, run_with};
use vecdelta::route::{Cursor, Priority, SubscriberPolicy, SubscriberStatus};
use vecdelta::store::{Letters, MemoryDisk};
use vecdelta::version::{MAIN, Repository, deltas, way};

use crate::support::drive::{open, problems};
use crate::support::files::{Dir, NOW, epochs};
use crate::support::random::Rng;

/// One delta, as a sink keeps it: what it leads from and to.
type Step = (Option<Vec<u8>>, Option<Vec<u8>>);

/// What a sink holds of each source, and the cursor that it keeps with it.
#[derive(Clone, Default)]
struct Ledger {
    steps: BTreeMap<String, Vec<Step>>,
    order: Vec<String>,
    cursor: Option<Cursor>,
}

/// A sink that keeps what it was given and the cursor, both or neither, and goes wrong at random.
struct Faulty {
    durable: Arc<Mutex<Ledger>>,
    written: Ledger,
    rng: Rng,
    percent: usize,
    refuses: Option<String>,
}

impl Faulty {
    fn new(durable: &Arc<Mutex<Ledger>>, seed: u64, percent: usize) -> Self {
        let written = durable.lock().unwrap().clone();
        Self { durable: durable.clone(), written, rng: Rng::new(seed), percent, refuses: None }
    }

    fn trouble(&mut self) -> Result<(), SinkError> {
        if !self.rng.chance(self.percent) {
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
        Ok(Resume::Kept(self.written.cursor.clone()))
    }

    fn write(&mut self, given: &[Delivered]) -> Result<(), SinkError> {
        self.trouble()?;
        let poison = |d: &Delivered| self.refuses.as_deref() == Some(d.key());
        if given.len() > 1 && given.iter().any(poison) || given.first().is_some_and(poison) {
            return Err(SinkError::refused((0..given.len()).collect(), "one of them is poison"));
        }
        for delta in given {
            let step = (delta.old().map(<[u8]>::to_vec), delta.new_bits().map(<[u8]>::to_vec));
            self.written.steps.entry(delta.key().to_owned()).or_default().push(step);
            self.written.order.push(delta.key().to_owned());
        }
        Ok(())
    }

    fn flush(&mut self, cursor: &Cursor) -> Result<bool, SinkError> {
        // A sink may keep more back, as one does that writes large files.
        if self.rng.chance(self.percent * 2) {
            return Ok(false);
        }
        self.close(cursor).map(|_| true)
    }

    fn close(&mut self, cursor: &Cursor) -> Result<Vec<PathBuf>, SinkError> {
        self.written.cursor = Some(cursor.clone());
        *self.durable.lock().unwrap() = self.written.clone();
        Ok(Vec::new())
    }
}

/// Two routes of different urgency, and windows of a number of deltas.
fn pipeline(file: PathBuf, count: u64) -> Pipeline {
    let mut pipeline = epochs(vec![file], Missing::Keep);
    pipeline.sources[0].epoch = false;
    let triggers = Triggers { count: Some(count), ..Triggers::default() };
    pipeline.windows = vec![Window::new("w".to_owned(), Close::First(triggers))];
    let route = |name: &str, matches: &str, priority: Priority| config::Route {
        name: name.to_owned(),
        matches: matches.to_owned(),
        window: "w".to_owned(),
        to: vec!["a".to_owned(), "b".to_owned()],
        priority,
        ..pipeline.routes[0].clone()
    };
    pipeline.routes = vec![route("urgent", "*/k*7", Priority::High), route("rest", "**", Priority::Normal)];
    pipeline
}

fn rows(rng: &mut Rng, rows: usize, keys: usize) -> Vec<(String, Vec<f32>)> {
    let row = |rng: &mut Rng| (format!("k{}", rng.below(keys)), vec![(rng.unit() * 64.0).round() as f32, 1.0]);
    (0..rows).map(|_| row(rng)).collect()
}

fn served(name: &str, sink: Box<dyn Sink>, on_slow: OnSlow) -> Served {
    Served {
        name: name.to_owned(),
        setting: name.to_owned(),
        sink,
        collections: vec!["vectors".to_owned()],
        on_slow,
        policy: SubscriberPolicy::default(),
    }
}

fn run(
    pipeline: &Pipeline,
    repo: &mut Repository,
    sinks: Vec<Served>,
    stop_after: usize,
) -> Result<RunReport, vecdelta::pipeline::PipelineError> {
    let (stop, events, clock) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicU64::new(NOW));
    let listener = |_: &Event| {
        if events.fetch_add(1, Ordering::Relaxed) == stop_after {
            stop.store(true, Ordering::Relaxed);
        }
    };
    // Every look at the clock takes half a second, so that waits are short.
    let now = || clock.fetch_add(500, Ordering::Relaxed);
    let live = Live::default();
    let context = Context { now: &now, stop: &stop, listener: &listener, author: "test".into(), resume: true, live };
    run_with(pipeline, repo, &context, sinks)
}

/// What the log says of each source.
fn history(repo: &Repository) -> BTreeMap<String, Vec<Step>> {
    let mut all: BTreeMap<String, Vec<Step>> = BTreeMap::new();
    let head = repo.head(MAIN).unwrap();
    deltas::<vecdelta::version::VersionError>(repo, &way(repo, None, head).unwrap(), None, &mut |_, part| {
        for d in part.sources {
            let side = |bits: Vec<u8>| (!bits.is_empty()).then_some(bits);
            all.entry(d.key).or_default().push((side(d.old), side(d.new)));
        }
        Ok(())
    })
    .unwrap();
    all
}

/// How many different troubles are gone through; the build machine may ask for more with `DELIVERY_RUNS`.
const RUNS: u64 = 5;

/// The rows of one input, which is read again in each of seven runs: about ten thousand deltas.
const ROWS: usize = 2_000;

/// The checker: histories of about ten thousand deltas each, stopped and broken at random.
#[test]
fn whatever_stops_every_delta_arrives_once_and_in_order() {
    std::panic::set_hook(Box::new(|_| {}));
    let dir = Dir::new();
    let asked = std::env::var("DELIVERY_RUNS").ok().and_then(|runs| runs.parse().ok());
    for seed in 0..asked.unwrap_or(RUNS) {
        let mut rng = Rng::new(seed);
        let file = dir.jsonl("stream.jsonl", &rows(&mut rng, ROWS, 700));
        let pipeline = pipeline(file, 300 + rng.below(900) as u64);
        let disk = MemoryDisk::default();
        let ledgers = [Arc::new(Mutex::new(Ledger::default())), Arc::new(Mutex::new(Ledger::default()))];
        let mut runs = 0;
        loop {
            runs += 1;
            let last = runs > 6;
            let percent = if last { 0 } else { 10 };
            let stop = if last { usize::MAX } else { rng.below(120) };
            let mut repo = open(&disk).unwrap();
            let sinks = ["a", "b"].into_iter().zip(&ledgers).map(|(name, ledger)| {
                let on_slow = *rng.pick(&[OnSlow::Spill, OnSlow::Block, OnSlow::Detach]);
                served(name, Box::new(Faulty::new(ledger, rng.next(), percent)), on_slow)
            });
            let report = run(&pipeline, &mut repo, sinks.collect(), stop).unwrap();
            if last && report.sinks.iter().all(|end| end.status == SubscriberStatus::Active) {
                break;
            }
            assert!(runs < 20, "seed {seed}: {:?}", report.sinks);
        }
        let repo = open(&disk).unwrap();
        let want = history(&repo);
        for (name, ledger) in ["a", "b"].iter().zip(&ledgers) {
            let got = ledger.lock().unwrap();
            assert!(got.steps == want, "seed {seed}, sink {name}: {} of {} sources", got.steps.len(), want.len());
        }
        assert_eq!(problems(&disk), [""; 0]);
    }
}

/// One that refuses a delta for ever gets all others, and the delta becomes a dead letter that can be tried again.
#[test]
fn a_poison_pill_becomes_a_dead_letter() {
    let dir = Dir::new();
    let mut rng = Rng::new(5);
    let file = dir.jsonl("stream.jsonl", &rows(&mut rng, 400, 40));
    let pipeline = pipeline(file, 100);
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let poison = Faulty { refuses: Some("k3".to_owned()), ..Faulty::new(&ledger, 1, 0) };
    let healthy = Arc::new(Mutex::new(Ledger::default()));
    let sinks = vec![
        served("a", Box::new(poison), OnSlow::Spill),
        served("b", Box::new(Faulty::new(&healthy, 2, 0)), OnSlow::Spill),
    ];
    let report = run(&pipeline, &mut repo, sinks, usize::MAX).unwrap();
    let mut want = history(&repo);
    assert_eq!(healthy.lock().unwrap().steps, want);
    let refused = want.remove("k3").unwrap();
    assert_eq!(ledger.lock().unwrap().steps, want);
    let letters = Letters::read(repo.disk().as_ref()).unwrap();
    assert_eq!(report.sinks[0].metrics.dead, refused.len() as u64);
    assert_eq!((letters.len(), report.sinks[0].status), (refused.len(), SubscriberStatus::Active));
    assert!(letters.iter().all(|(_, letter, _)| letter.key == "k3" && letter.subscriber == "a"));
    assert_eq!(problems(&disk), [""; 0]);
}
