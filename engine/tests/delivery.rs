//! Sinks get every delta of the history once and in order, whatever stops: the source, a stage, a sink, the machine.
//!
//! A run is stopped at a random event, its source ends at a random row, its sinks fail, panic or are away at random calls, the
//! disk refuses a random call, and then the power fails at a random step of the disk, with what was not yet synced kept or
//! lost at random. It is started again, and so on, until all is delivered. What each sink holds then must be the history
//! of each source: nothing lost, nothing doubled, nothing out of order. One of them does not know how far it is: there a
//! delta may come again, but never in the midst of a life, and none is passed over. `DELIVERY_SEED=N` tells one seed's story again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vecdelta::delta::Element;
use vecdelta::event::Event;
use vecdelta::pipeline::config::{OnSlow, Pipeline};
use vecdelta::pipeline::{Context, Feed, FeedEnd, Live, PipelineError, RunReport, Served, feed, last_mark, run_with};
use vecdelta::route::SubscriberStatus;
use vecdelta::store::{Fault, FaultKind, Letters, MemoryDisk, Pending};
use vecdelta::version::Repository;

use crate::support::drive::{open, problems};
use crate::support::files::{NOW, batch, stream};
use crate::support::ledger::{Faulty, Ledger, Step, Temper, history, hush, served};
use crate::support::random::Rng;

/// How many stories are told; the build machine may ask for more with `DELIVERY_RUNS`.
const RUNS: u64 = 100;

/// The rows of one story: at least ten thousand deltas.
const ROWS: usize = 11_000;

/// Wide enough that two commits fill what may wait for sinks: the others are read from the log.
const DIMS: usize = 12;

/// How often a story is interrupted.
const LIVES: usize = 7;

/// Two that keep the cursor with what they take, and one that does not know how far it is.
const SINKS: [&str; 3] = ["a", "b", "forgetful"];

type Rows = Vec<(String, Vec<f32>)>;

/// Rows whose first component is their number, so that each tells which one it was. Some keys come often.
fn rows(rng: &mut Rng, count: usize) -> Rows {
    let key = |rng: &mut Rng, i: usize| if rng.chance(95) { i * 613 % 1501 } else { rng.below(40) };
    let row = |i: usize| [vec![i as f32, 1.0, (i % 7) as f32, -0.0], vec![0.5; DIMS - 4]].concat();
    (0..count).map(|i| (format!("k{}", key(rng, i)), row(i))).collect()
}

/// Hands rows in from a place on, with the place behind each batch as its mark.
fn hand_in(rows: &Rows, from: usize, until: usize, rng: &mut Rng) -> FeedEnd {
    let (feed, end): (Feed, FeedEnd) = feed(rows.len() + 1);
    let mut at = from;
    while at < until {
        let next = (at + 1 + rng.below(120)).min(until);
        feed.push(Element::F32, DIMS as u32, batch(&rows[at..next]), Some(next.to_string())).unwrap();
        at = next;
    }
    end
}

fn run(
    pipeline: &Pipeline,
    repo: &mut Repository,
    source: FeedEnd,
    sinks: Vec<Served>,
    stop_after: usize,
) -> Result<RunReport, PipelineError> {
    let (stop, events, clock) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicU64::new(NOW));
    let listener = |event: &Event| {
        if matches!(event, Event::DeltaVersioned { .. }) {
            // The commit is in the log and not yet in the hands of the couriers: whoever reads the log now finds it there, too.
            let micros = [0, 100, 1_000, 4_000][events.load(Ordering::Relaxed) / 3 % 4];
            std::thread::sleep(Duration::from_micros(micros));
        }
        if events.fetch_add(1, Ordering::Relaxed) == stop_after {
            stop.store(true, Ordering::Relaxed);
        }
    };
    // Every look at the clock takes half a second, so that waits are short.
    let now = || clock.fetch_add(500, Ordering::Relaxed);
    let live = Live { feeds: [("live".to_owned(), source)].into(), ..Live::default() };
    let context = Context { now: &now, stop: &stop, listener: &listener, author: "test".into(), resume: true, live };
    run_with(pipeline, repo, &context, sinks)
}

/// One story and how far it is.
struct Story {
    seed: u64,
    rng: Rng,
    rows: Rows,
    pipeline: Pipeline,
    disk: MemoryDisk,
    ledgers: [Arc<Mutex<Ledger>>; 3],
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let rows = rows(&mut rng, ROWS);
        let pipeline = stream(100 + rng.below(500) as u64, &SINKS);
        let ledgers = [Arc::default(), Arc::default(), Arc::default()];
        Self { seed, rng, rows, pipeline, disk: MemoryDisk::recording(), ledgers }
    }

    fn sinks(&mut self, trouble: usize) -> Vec<Served> {
        let mut sinks = Vec::new();
        for (name, ledger) in SINKS.into_iter().zip(&self.ledgers) {
            let on_slow = match trouble {
                0 => OnSlow::Spill,
                _ => *self.rng.pick(&[OnSlow::Spill, OnSlow::Block, OnSlow::Detach]),
            };
            let (disk, mut slow) = (self.disk.clone(), Rng::new(self.rng.next()));
            // One that ends at every turn would never be away, or moody.
            let (ill, forgetful) = (trouble > 0, name == SINKS[2]);
            let trouble = if name == SINKS[1] { trouble / 6 } else { trouble };
            let (away, moody) = if ill { (trouble * 2, 10) } else { (0, 0) };
            let temper = Temper { trouble, away, moody, forgetful, ..Temper::default() };
            let sink = Faulty::new(ledger, self.rng.next(), temper);
            let sink = sink.by(move || disk.operations()).slowed(move || {
                if slow.chance(40) {
                    std::thread::sleep(Duration::from_micros(600));
                }
            });
            sinks.push(served(&self.pipeline, name, sink, on_slow));
        }
        sinks
    }

    /// Goes on until something stops it, and then the power fails.
    fn live(&mut self) {
        let before = self.disk.operations();
        // The first lives are short: most of the input is left when the last one begins, or nothing is.
        let mut repo = open(&self.disk).unwrap();
        let from = self.place(&repo);
        let until = (from + self.rng.below(ROWS / 3)).min(ROWS);
        let source = hand_in(&self.rows, from, until, &mut self.rng);
        let sinks = self.sinks(6);
        if self.rng.chance(25) {
            let kind = *self.rng.pick(&[FaultKind::Io, FaultKind::Full]);
            self.disk.fail(Some(Fault { at: self.rng.below(150) as u64, kind }));
        }
        let stop = if self.rng.chance(50) { usize::MAX } else { self.rng.below(150) };
        // A disk that refuses ends the run with an error, everything else without.
        let _ = run(&self.pipeline, &mut repo, source, sinks, stop);
        drop(repo);
        let after = self.disk.operations();
        let at = before + self.rng.below(after - before + 1);
        let pending = [Pending::Lost, Pending::Kept, Pending::Without(self.rng.below(4)), Pending::Torn(512)];
        self.disk = self.disk.crash(at, *self.rng.pick(&pending));
        // Steps of the new disk are counted anew: what the sinks have now they have from the beginning.
        self.ledgers.iter().for_each(|ledger| ledger.lock().unwrap().crash(at));
    }

    fn place(&self, repo: &Repository) -> usize {
        last_mark(&self.pipeline, repo, "live").unwrap().map_or(0, |mark| mark.parse().unwrap())
    }

    /// Goes on to the end, and looks at what everybody holds.
    fn end(mut self) -> usize {
        let seed = self.seed;
        let mut repo = open(&self.disk).unwrap();
        let from = self.place(&repo);
        let source = hand_in(&self.rows, from, ROWS, &mut self.rng);
        let sinks = self.sinks(0);
        let report = run(&self.pipeline, &mut repo, source, sinks, usize::MAX).unwrap();
        assert!(report.sinks.iter().all(|end| end.status == SubscriberStatus::Active), "seed {seed}: {report:?}");
        let want = history(&repo);
        self.check_history(&want);
        let forgetful = self.ledgers[2].lock().unwrap().flaw(&want);
        assert!(forgetful.is_none(), "seed {seed}, sink {}: {forgetful:?}", SINKS[2]);
        for (name, ledger) in SINKS.iter().zip(&self.ledgers[..2]) {
            let got = ledger.lock().unwrap().by_source();
            let first = want.iter().find(|(key, steps)| got.get(*key) != Some(steps));
            let numbers = |steps: Option<&Vec<Step>>| -> Vec<f32> {
                let number = |bits: &Vec<u8>| f32::from_le_bytes(bits[..4].try_into().unwrap());
                steps.into_iter().flatten().filter_map(|(_, new)| new.as_ref().map(number)).collect()
            };
            let shown = first.map(|(key, steps)| (key, numbers(Some(steps)), numbers(got.get(key))));
            let letters = Letters::read(repo.disk().as_ref()).unwrap().len();
            assert!(got == want, "seed {seed}, sink {name}, {letters} dead letters: {shown:?}");
        }
        assert_eq!(problems(&self.disk), [""; 0], "seed {seed}");
        want.values().map(Vec::len).sum()
    }

    /// Each step leads on from the one before, no row of the source comes twice or behind a later one, and the last is there.
    fn check_history(&self, history: &BTreeMap<String, Vec<Step>>) {
        let seed = self.seed;
        let last: BTreeMap<&str, usize> = self.rows.iter().enumerate().map(|(i, (key, _))| (key.as_str(), i)).collect();
        assert_eq!(history.len(), last.len(), "seed {seed}");
        for (key, steps) in history {
            let mut before = None;
            let mut newest = None;
            for (old, new) in steps {
                assert_eq!(old, &before, "seed {seed}: {key} does not lead on");
                let bits = new.clone().unwrap();
                let number = f32::from_le_bytes(bits[..4].try_into().unwrap()) as usize;
                assert!(
                    newest.is_none_or(|newest| newest < number),
                    "seed {seed}: {key} has row {number} behind {newest:?}"
                );
                assert_eq!(self.rows[number].0, *key, "seed {seed}");
                (before, newest) = (Some(bits), Some(number));
            }
            assert_eq!(newest, last.get(key.as_str()).copied(), "seed {seed}: the last row of {key}");
        }
    }
}

/// The checker: each story is one of about ten thousand deltas.
#[test]
fn whatever_stops_every_delta_arrives_once_and_in_order() {
    hush();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("DELIVERY_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("DELIVERY_RUNS").unwrap_or(RUNS),
    };
    let next = AtomicU64::new(seeds.start);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| seeds.contains(seed)) {
                    let mut story = Story::new(seed);
                    (0..LIVES).for_each(|_| story.live());
                    let deltas = story.end();
                    assert!(deltas >= 10_000, "seed {seed}: only {deltas} deltas");
                }
            });
        }
    });
}

/// One that refuses a delta for ever gets all others, and the delta becomes a dead letter that can be tried again.
#[test]
fn a_poison_pill_becomes_a_dead_letter() {
    let mut rng = Rng::new(5);
    let rows = rows(&mut rng, 400);
    let pipeline = stream(100, &["a", "b"]);
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    let [ledger, healthy]: [Arc<Mutex<Ledger>>; 2] = [Arc::default(), Arc::default()];
    let poison = Temper { refuses: Some("k3".to_owned()), ..Temper::default() };
    let sinks = vec![
        served(&pipeline, "a", Faulty::new(&ledger, 1, poison), OnSlow::Spill),
        served(&pipeline, "b", Faulty::new(&healthy, 2, Temper::default()), OnSlow::Spill),
    ];
    let source = hand_in(&rows, 0, rows.len(), &mut rng);
    let report = run(&pipeline, &mut repo, source, sinks, usize::MAX).unwrap();
    let mut want = history(&repo);
    assert_eq!(healthy.lock().unwrap().by_source(), want);
    let refused = want.remove("k3").unwrap();
    assert_eq!(ledger.lock().unwrap().by_source(), want);
    let letters = Letters::read(repo.disk().as_ref()).unwrap();
    assert_eq!(report.sinks[0].metrics.dead, refused.len() as u64);
    assert_eq!((letters.len(), report.sinks[0].status), (refused.len(), SubscriberStatus::Active));
    assert!(letters.iter().all(|(_, letter, _)| letter.key == "k3" && letter.subscriber == "a"));
    assert_eq!(problems(&disk), [""; 0]);
}

/// A sink that reads the log goes no further than the pipeline has told: a commit behind that may not be synced yet, and a sink that
/// has it would be ahead of what a power failure leaves.
#[test]
fn a_sink_that_reads_the_log_takes_no_commit_before_it_is_told_of() {
    const WINDOW: usize = 400;
    let mut rng = Rng::new(5);
    let rows: Rows = (0..4 * WINDOW).map(|i| (format!("k{:03}", i % WINDOW), vec![i as f32; DIMS])).collect();
    // Two windows do not fit into what may wait for sinks.
    let pipeline = stream(WINDOW as u64, &["a"]);
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    run(&pipeline, &mut repo, hand_in(&rows, 0, WINDOW, &mut rng), Vec::new(), usize::MAX).unwrap();

    let (ledger, free): (Arc<Mutex<Ledger>>, _) = (Arc::default(), Arc::new(AtomicBool::new(false)));
    let (held, seen) = (free.clone(), AtomicUsize::new(0));
    let sink = Faulty::new(&ledger, 1, Temper::default()).slowed(move || {
        while !held.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let delivered = || ledger.lock().unwrap().by_source().values().map(Vec::len).sum::<usize>();
    let (commits, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let listener = |event: &Event| {
        // The last one is in the log, and nobody was told of it: the first lies behind the cursor, the next waits, and the one
        // after that is to be read from the log, which now holds one more.
        if matches!(event, Event::DeltaVersioned { .. }) && commits.fetch_add(1, Ordering::Relaxed) == 2 {
            free.store(true, Ordering::Relaxed);
            let tries = (0..20_000).take_while(|_| delivered() < 3 * WINDOW);
            tries.for_each(|_| std::thread::sleep(Duration::from_millis(1)));
            std::thread::sleep(Duration::from_millis(50));
            seen.store(delivered(), Ordering::Relaxed);
        }
    };
    let source = hand_in(&rows, WINDOW, rows.len(), &mut rng);
    let live = Live { feeds: [("live".to_owned(), source)].into(), ..Live::default() };
    let context = Context { now: &|| NOW, stop: &stop, listener: &listener, author: "test".into(), resume: true, live };
    run_with(&pipeline, &mut repo, &context, vec![served(&pipeline, "a", sink, OnSlow::Spill)]).unwrap();
    assert_eq!(commits.into_inner(), 3);
    assert_eq!(seen.into_inner(), 3 * WINDOW, "delivered before the last commit was told of");
    assert_eq!(ledger.lock().unwrap().by_source(), history(&repo));
}

/// A mirror that turns out to be damaged in the midst of a stream: what waits in open windows cannot be handed in again.
#[test]
fn a_damaged_mirror_costs_a_stream_no_row() {
    let mut rng = Rng::new(5);
    let rows: Rows = (0..600).map(|i| (format!("k{:03}", i * 7 % 131), vec![i as f32; DIMS])).collect();
    let pipeline = stream(30, &[]);
    for damaged in [0, 35, 99] {
        let disk = MemoryDisk::default();
        let mut repo = open(&disk).unwrap();
        run(&pipeline, &mut repo, hand_in(&rows, 0, 300, &mut rng), Vec::new(), usize::MAX).unwrap();
        drop(repo);
        let path = disk.files().into_keys().find(|p| p.starts_with("cache/mirrors") && p.ends_with("/rows")).unwrap();
        let mut bytes = disk.files()[&path].clone();
        bytes[damaged * DIMS * 4 + 1] ^= 4;
        disk.put(&path, bytes);
        let mut repo = open(&disk).unwrap();
        run(&pipeline, &mut repo, hand_in(&rows, 300, 600, &mut rng), Vec::new(), usize::MAX).unwrap();
        let found = history(&repo);
        for (key, steps) in &found {
            let got: Vec<f32> = steps
                .iter()
                .map(|(_, new)| f32::from_le_bytes(new.as_ref().unwrap()[..4].try_into().unwrap()))
                .collect();
            let want: Vec<f32> = rows.iter().filter(|(k, _)| k == key).map(|(_, row)| row[0]).collect();
            assert_eq!(got, want, "{key}, with the row in slot {damaged} damaged");
        }
        assert_eq!(found.len(), 131);
        assert_eq!(problems(&disk), [""; 0]);
    }
}
