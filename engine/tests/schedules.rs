//! The threads of a run in every order that a seed can think of: none waits for ever, and no sink takes from another.
//!
//! One thread goes on at a time; at each place where it might wait, and some others, the seed says who is next. So a run that
//! ends wrong, or not at all, does so again: `SCHEDULE_SEED=N` tells that seed's story alone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use vecdelta::delta::Element;
use vecdelta::event::Event;
use vecdelta::pipeline::config::OnSlow;
use vecdelta::pipeline::{Context, Live, RunReport, Turns, feed, run_with, with_turns};
use vecdelta::route::SubscriberStatus;
use vecdelta::store::MemoryDisk;

use crate::support::drive::{open, problems};
use crate::support::files::{NOW, batch, stream};
use crate::support::ledger::{Faulty, Ledger, Temper, history, hush, served};
use crate::support::random::Rng;

/// How many schedules are tried; the build machine may ask for more with `SCHEDULE_RUNS`.
const RUNS: u64 = 200;

/// A run that has not ended after so many turns never will.
const TURNS_MAX: u64 = 400_000;

/// Turns by a seed.
struct Seeded {
    seed: u64,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    rng: Rng,
    names: Vec<String>,
    live: Vec<bool>,
    current: Option<usize>,
    turns: u64,
    /// A digest of who was next each time.
    trace: u64,
    over: bool,
}

impl Seeded {
    fn new(seed: u64) -> Arc<Self> {
        let state = State {
            rng: Rng::new(seed),
            names: Vec::new(),
            live: Vec::new(),
            current: None,
            turns: 0,
            trace: 0,
            over: false,
        };
        Arc::new(Self { seed, state: Mutex::new(state), changed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn wait(&self, mut state: MutexGuard<'_, State>, number: usize) {
        while state.current != Some(number) && !state.over {
            state = self.changed.wait(state).unwrap();
        }
        let over = state.over && !std::thread::panicking();
        let waiting: Vec<&String> = state.names.iter().zip(&state.live).filter(|(_, l)| **l).map(|(n, _)| n).collect();
        let waiting = format!("{waiting:?}");
        drop(state);
        assert!(!over, "seed {}: no end after {TURNS_MAX} turns; {waiting} wait for each other", self.seed);
    }
}

impl State {
    fn next(&mut self) {
        let live: Vec<usize> = (0..self.live.len()).filter(|&number| self.live[number]).collect();
        self.current = match live[..] {
            [] => None,
            [only] => Some(only),
            _ => Some(*self.rng.pick(&live)),
        };
        self.turns += 1;
        self.over |= self.turns > TURNS_MAX;
        self.trace = self.trace.wrapping_mul(0x100_0000_01B3) ^ self.current.map_or(99, |number| number as u64);
    }
}

impl Turns for Seeded {
    fn enter(&self, name: &str) -> usize {
        let mut state = self.lock();
        state.names.push(name.to_owned());
        state.live.push(true);
        state.live.len() - 1
    }

    fn begin(&self, number: usize) {
        let mut state = self.lock();
        state.current.get_or_insert(number);
        self.wait(state, number);
    }

    fn pause(&self, number: usize) -> bool {
        let mut state = self.lock();
        state.next();
        self.changed.notify_all();
        self.wait(state, number);
        self.lock().rng.chance(30)
    }

    fn leave(&self, number: usize) {
        let mut state = self.lock();
        state.live[number] = false;
        state.next();
        self.changed.notify_all();
    }

    fn has_left(&self, number: usize) -> bool {
        !self.lock().live[number]
    }
}

/// The sinks of a story: one that is well, one that is slow, one that is away for good, one that panics.
const SINKS: [&str; 4] = ["well", "slow", "dead", "panics"];

struct Story {
    disk: MemoryDisk,
    ledgers: [Arc<Mutex<Ledger>>; 4],
    rows: Vec<(String, Vec<f32>)>,
    seed: u64,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0xABCD);
        let row = |rng: &mut Rng, i: usize| (format!("k{}", rng.below(80)), vec![i as f32; 48]);
        let rows = (0..500).map(|i| row(&mut rng, i)).collect();
        Self { disk: MemoryDisk::default(), ledgers: Default::default(), rows, seed }
    }

    /// Runs to the end of the rows from `from` on; returns what became of the sinks, and a digest of the schedule.
    fn run(&self, from: usize, until: usize, ill: bool) -> (RunReport, u64) {
        let mut rng = Rng::new(self.seed ^ from as u64);
        let pipeline = stream(10 + rng.below(60) as u64, &SINKS);
        let (handle, end) = feed(64);
        for rows in self.rows[from..until].chunks(8 + rng.below(30)) {
            handle.push(Element::F32, 48, batch(rows), None).unwrap();
        }
        drop(handle);
        let (stop, clock) = (AtomicBool::new(false), AtomicU64::new(NOW));
        let now = || clock.fetch_add(50, Ordering::Relaxed);
        let listener = |_: &Event| {};
        let live = Live { feeds: [("live".to_owned(), end)].into(), ..Live::default() };
        let context =
            Context { now: &now, stop: &stop, listener: &listener, author: "test".into(), resume: true, live };
        let turns = Seeded::new(self.seed);
        let sinks = SINKS.into_iter().zip(&self.ledgers).map(|(name, ledger)| {
            let trouble = if ill && name == "panics" { 40 } else { 0 };
            let temper = Temper { trouble, dead: ill && name == "dead", ..Temper::default() };
            let (turns, rounds) = (turns.clone(), if ill && name == "slow" { 60 } else { 0 });
            let own = Mutex::new(None);
            let sink = Faulty::new(ledger, rng.next(), temper).slowed(move || {
                // The thread that it is on is the one whose turn it is.
                let number = *own.lock().unwrap().get_or_insert_with(|| turns.lock().current.unwrap());
                for _ in 0..rounds {
                    turns.pause(number);
                }
            });
            let kinds: &[OnSlow] = match name {
                // Nobody could tell a sink that never comes back from one that everybody is to wait for.
                "dead" => &[OnSlow::Spill, OnSlow::Detach],
                _ => &[OnSlow::Spill, OnSlow::Block],
            };
            served(&pipeline, name, sink, *rng.pick(kinds))
        });
        let sinks = sinks.collect();
        let mut repo = open(&self.disk).unwrap();
        let report = with_turns(turns.clone(), || run_with(&pipeline, &mut repo, &context, sinks)).unwrap();
        let trace = turns.lock().trace;
        (report, trace)
    }

    fn check(&self, report: &RunReport, who: &[&str]) {
        let (seed, want) = (self.seed, history(&open(&self.disk).unwrap()));
        for (name, ledger) in SINKS.iter().zip(&self.ledgers).filter(|(name, _)| who.contains(name)) {
            let end = report.sinks.iter().find(|end| end.sink == **name).unwrap();
            assert_eq!(end.status, SubscriberStatus::Active, "seed {seed}, sink {name}: {end:?}");
            assert!(ledger.lock().unwrap().by_source() == want, "seed {seed}, sink {name}");
        }
    }
}

#[test]
fn no_order_of_threads_loses_doubles_or_deadlocks() {
    hush();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("SCHEDULE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SCHEDULE_RUNS").unwrap_or(RUNS),
    };
    let mut panicked = 0;
    for seed in seeds.clone() {
        let story = Story::new(seed);
        let (report, _) = story.run(0, 400, true);
        story.check(&report, &["well", "slow"]);
        let error = |name: &str| report.sinks.iter().find(|end| end.sink == name).and_then(|end| end.error.as_ref());
        panicked += u32::from(error("panics").is_some_and(|error| error.message.contains("panicked")));
        // Those that were ill are well again.
        let (report, _) = story.run(400, 500, false);
        story.check(&report, &SINKS);
        assert_eq!(problems(&story.disk), [""; 0], "seed {seed}");
    }
    assert!(panicked > 0 || seeds.end - seeds.start < 20, "no sink ever panicked");
}

#[test]
fn a_seed_tells_the_same_story_again() {
    hush();
    for seed in [3, 1_000_003] {
        let told: Vec<_> = (0..2).map(|_| Story::new(seed).run(0, 400, true).1).collect();
        assert_eq!(told[0], told[1], "seed {seed}");
    }
}
