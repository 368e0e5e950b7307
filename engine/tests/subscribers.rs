//! What routes and windows promise, from rows that are handed in to what a sink is given: priorities, time to live, slow
//! sinks, and what closes a window.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vecdelta::delta::{Element, Notes};
use vecdelta::event::Event;
use vecdelta::pipeline::config::{Clock, ClockKind, Close, OnSlow, Pipeline, Priority, Triggers};
use vecdelta::pipeline::sink::{Delivered, Resume, Sink, SinkError};
use vecdelta::pipeline::{Context, Controls, Fate, Feed, Live, RunReport, Served, feed, run_with};
use vecdelta::route::{Cursor, SubscriberPolicy, SubscriberStatus};
use vecdelta::store::{Letters, MemoryDisk};
use vecdelta::version::{MAIN, Repository};

use crate::support::drive::open;
use crate::support::files::{NOW, batch, stream};

/// A sink that writes down keys and values, and does something before.
struct Recorder {
    taken: Arc<Mutex<Vec<(String, f32)>>>,
    before: Box<dyn FnMut() -> Result<(), SinkError> + Send>,
}

impl Sink for Recorder {
    fn resume(&mut self) -> Result<Resume, SinkError> {
        Ok(Resume::Unknown)
    }

    fn write(&mut self, deltas: &[Delivered]) -> Result<(), SinkError> {
        (self.before)()?;
        let value = |d: &Delivered| f32::from_le_bytes(d.new_bits().unwrap()[..4].try_into().unwrap());
        self.taken.lock().unwrap().extend(deltas.iter().map(|d| (d.key().to_owned(), value(d))));
        Ok(())
    }

    fn flush(&mut self, _: &Cursor) -> Result<bool, SinkError> {
        Ok(true)
    }

    fn close(&mut self, _: &Cursor) -> Result<Vec<std::path::PathBuf>, SinkError> {
        Ok(Vec::new())
    }
}

/// What a run was, and what came of it.
struct Done {
    report: RunReport,
    taken: Vec<(String, f32)>,
    repo: Repository,
    events: Vec<Event>,
}

impl Done {
    fn closed(&self) -> Vec<(&'static str, u64)> {
        let closed = |event: &Event| match event {
            Event::WindowClosed { reason, deltas, .. } => Some((*reason, *deltas)),
            _ => None,
        };
        self.events.iter().filter_map(closed).collect()
    }
}

/// A sink that was told to wait gets nothing and loses nothing, and a source that was is not read on.
#[test]
fn who_is_told_to_wait_waits() {
    let pipeline = stream(10, &["a"]);
    let mut repo = open(&MemoryDisk::default()).unwrap();
    let taken: Arc<Mutex<Vec<(String, f32)>>> = Arc::default();
    for round in 0..2 {
        let served = Served {
            name: "a".to_owned(),
            setting: "a".to_owned(),
            sink: Box::new(Recorder { taken: taken.clone(), before: well() }),
            collections: vec!["vectors".to_owned()],
            on_slow: OnSlow::Spill,
            policy: SubscriberPolicy::default(),
        };
        let (stop, events) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        let (handle, end) = feed(64);
        let controls = Arc::new(Controls::default());
        controls.pause_sink("a", round == 0);
        controls.pause_source("live", true);
        let listener = |event: &Event| events.lock().unwrap().push(event.name());
        let live = Live { feeds: [("live".to_owned(), end)].into(), controls: controls.clone(), ..Live::default() };
        let metrics = live.metrics.clone();
        let context =
            Context { now: &|| NOW, stop: &stop, listener: &listener, author: "test".into(), resume: true, live };
        let told = |name: &str| events.lock().unwrap().contains(&name);
        let report = std::thread::scope(|scope| {
            scope.spawn(|| {
                push(&handle, &[("x", round as f32), ("y", 5.0)]);
                while !told("ObserverPaused") {
                    std::thread::sleep(Duration::from_millis(5));
                }
                std::thread::sleep(Duration::from_millis(150));
                assert!(!told("DeltaCaptured"), "it waits");
                assert_eq!(metrics.figures().sources["live"].status, "paused");
                controls.pause_source("live", false);
                drop(handle);
            });
            run_with(&pipeline, &mut repo, &context, vec![served]).unwrap()
        });
        let status = if round == 0 { SubscriberStatus::Paused } else { SubscriberStatus::Active };
        assert_eq!(report.sinks[0].status, status);
        assert_eq!(taken.lock().unwrap().len(), 3 * round, "all of it when it may again");
        assert!(told("DeltaVersioned"));
    }
    let all = taken.lock().unwrap().clone();
    assert_eq!(all, [("x".to_owned(), 0.0), ("y".to_owned(), 5.0), ("x".to_owned(), 1.0)]);
}

type Before = Box<dyn FnMut() -> Result<(), SinkError> + Send>;

/// Runs with one sink `a`; `drive` hands rows in, by a clock that it sets.
fn run(pipeline: &Pipeline, (on_slow, before): (OnSlow, Before), drive: impl FnOnce(&Feed, &AtomicU64) + Send) -> Done {
    let mut repo = open(&MemoryDisk::default()).unwrap();
    let taken: Arc<Mutex<Vec<(String, f32)>>> = Arc::default();
    let served = Served {
        name: "a".to_owned(),
        setting: "a".to_owned(),
        sink: Box::new(Recorder { taken: taken.clone(), before }),
        collections: vec!["vectors".to_owned()],
        on_slow,
        policy: SubscriberPolicy::default(),
    };
    let (stop, clock, events) = (AtomicBool::new(false), AtomicU64::new(NOW), Mutex::new(Vec::new()));
    let (handle, end) = feed(4_096);
    let now = || clock.load(Ordering::SeqCst);
    let listener = |event: &Event| events.lock().unwrap().push(event.clone());
    let live = Live { feeds: [("live".to_owned(), end)].into(), ..Live::default() };
    let context = Context { now: &now, stop: &stop, listener: &listener, author: "test".into(), resume: true, live };
    let report = std::thread::scope(|scope| {
        scope.spawn(|| {
            drive(&handle, &clock);
            drop(handle);
        });
        run_with(pipeline, &mut repo, &context, vec![served]).unwrap()
    });
    let (taken, events) = (taken.lock().unwrap().clone(), events.into_inner().unwrap());
    Done { report, taken, repo, events }
}

fn push(feed: &Feed, rows: &[(&str, f32)]) {
    let rows: Vec<_> = rows.iter().map(|(key, x)| ((*key).to_owned(), vec![*x])).collect();
    feed.push(Element::F32, 1, batch(&rows), None).unwrap();
}

fn well() -> Before {
    Box::new(|| Ok(()))
}

fn triggers(pipeline: &mut Pipeline, triggers: Triggers) {
    pipeline.windows[0].close = Close::First(triggers);
}

/// The more urgent goes first, but a delta of a source never before an earlier one of it.
#[test]
fn the_urgent_overtakes_but_not_its_own_source() {
    let mut pipeline = stream(4, &["a"]);
    (pipeline.routes[0].when.min_l2, pipeline.routes[0].priority) = (Some(100.0), Priority::Critical);
    pipeline.routes[0].matches = "**".to_owned();
    // The sink is away until all commits are there: everything waits for it at once.
    let gate = Arc::new(AtomicBool::new(false));
    let open_gate = gate.clone();
    let before: Before =
        Box::new(move || if gate.load(Ordering::SeqCst) { Ok(()) } else { Err(SinkError::unavailable("not yet")) });
    let done = run(&pipeline, (OnSlow::Spill, before), move |feed, clock| {
        push(feed, &[("a", 1.0), ("b", 1.0), ("c", 200.0), ("d", 1.0)]);
        push(feed, &[("a", 500.0), ("b", 2.0), ("e", 300.0), ("f", 1.0)]);
        std::thread::sleep(Duration::from_millis(300));
        open_gate.store(true, Ordering::SeqCst);
        clock.fetch_add(60_000, Ordering::SeqCst);
    });
    let place = |key: &str, x: f32| done.taken.iter().position(|t| *t == (key.to_owned(), x)).unwrap();
    assert_eq!(done.taken.len(), 8, "{:?}", done.taken);
    assert!(place("c", 200.0) < place("a", 1.0) && place("c", 200.0) < place("b", 1.0), "{:?}", done.taken);
    assert!(place("a", 1.0) < place("a", 500.0) && place("b", 1.0) < place("b", 2.0), "{:?}", done.taken);
    assert_eq!(done.report.sinks[0].status, SubscriberStatus::Active);
}

/// What is older than its route allows when its sink gets it is a dead letter, with its bits.
#[test]
fn the_old_become_dead_letters() {
    let mut pipeline = stream(2, &["a"]);
    pipeline.routes.remove(0);
    pipeline.routes[0].ttl = Some(Duration::from_secs(10));
    let gate = Arc::new(AtomicBool::new(false));
    let open_gate = gate.clone();
    let before: Before =
        Box::new(move || if gate.load(Ordering::SeqCst) { Ok(()) } else { Err(SinkError::unavailable("not yet")) });
    let done = run(&pipeline, (OnSlow::Spill, before), move |feed, clock| {
        push(feed, &[("a", 1.0), ("b", 2.0)]);
        std::thread::sleep(Duration::from_millis(200));
        clock.fetch_add(60_000, Ordering::SeqCst);
        open_gate.store(true, Ordering::SeqCst);
        push(feed, &[("c", 3.0), ("d", 4.0)]);
    });
    assert_eq!(done.taken, [("c".to_owned(), 3.0), ("d".to_owned(), 4.0)]);
    assert_eq!(done.report.sinks[0].metrics.expired, 2);
    let letters = Letters::read(done.repo.disk().as_ref()).unwrap();
    let mut found: Vec<_> = letters.iter().map(|(_, l, _)| (l.key.clone(), l.reason.name(), l.bits.clone())).collect();
    found.sort();
    let bits = |x: f32| x.to_le_bytes().to_vec();
    assert_eq!(found, [("a".to_owned(), "expired", bits(1.0)), ("b".to_owned(), "expired", bits(2.0))]);
    let computed = |event: &Event| matches!(event, Event::BatchCreated { checksum: Some(_), .. });
    assert!(!done.events.iter().any(computed), "nobody asked for it");
}

/// A sink that stalls: what becomes of 4 MB for it within a budget of 64 KiB is as the setting says, and counted.
#[test]
fn a_slow_sink_is_served_as_its_setting_says() {
    const ROWS: usize = 4_000;
    for on_slow in [OnSlow::Spill, OnSlow::Block, OnSlow::DropOldest, OnSlow::Detach] {
        let pipeline = stream(100, &["a"]);
        let mut calls = 0;
        let stalls: Before = Box::new(move || {
            calls += 1;
            std::thread::sleep(Duration::from_millis(if calls == 1 { 400 } else { 0 }));
            Ok(())
        });
        let done = run(&pipeline, (on_slow, stalls), |feed, _| {
            for piece in 0..ROWS / 50 {
                let row = |i: usize| (format!("k{i}"), vec![i as f32; 128]);
                let rows: Vec<_> = (piece * 50..piece * 50 + 50).map(row).collect();
                feed.push(Element::F32, 128, batch(&rows), None).unwrap();
            }
        });
        let end = &done.report.sinks[0];
        let mut taken = done.taken.len();
        match on_slow {
            OnSlow::Spill | OnSlow::Block => assert_eq!((end.status, end.dropped), (SubscriberStatus::Active, 0)),
            OnSlow::DropOldest => {
                assert!(end.dropped > 0 && end.status == SubscriberStatus::Active, "{end:?}");
                taken += end.dropped as usize;
            }
            OnSlow::Detach => {
                assert_eq!(end.status, SubscriberStatus::Disconnected);
                assert!(taken < ROWS, "it was given up");
                taken = ROWS;
            }
        }
        assert_eq!(taken, ROWS, "{on_slow:?}");
        let head = done.repo.head(MAIN).unwrap();
        assert_eq!(done.repo.first_parents(head).count(), ROWS / 100, "the run itself lacks nothing");
    }
}

/// What a sink is just taking counts against the budget until it has it: a second commit of that size is one too many.
#[test]
fn what_a_sink_is_taking_still_counts() {
    let pipeline = stream(100, &["a"]);
    let (begun, go_on) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let holds: Before = {
        let (begun, go_on) = (begun.clone(), go_on.clone());
        Box::new(move || {
            begun.store(true, Ordering::Relaxed);
            until(|| go_on.load(Ordering::Relaxed));
            Ok(())
        })
    };
    let done = run(&pipeline, (OnSlow::Detach, holds), |feed, _| {
        for round in 0..2 {
            let rows: Vec<_> = (0..100).map(|i| (format!("k{i}"), vec![(round * 100 + i) as f32; 128])).collect();
            let ticket = feed.push(Element::F32, 128, batch(&rows), None).unwrap();
            assert_eq!(ticket.wait(Duration::from_secs(60)), Some(Fate::Durable));
            until(|| begun.load(Ordering::Relaxed));
        }
        // The commit is durable before the sinks are told of it.
        std::thread::sleep(Duration::from_millis(200));
        go_on.store(true, Ordering::Relaxed);
    });
    assert_eq!(done.report.sinks[0].status, SubscriberStatus::Disconnected);
}

fn until(holds: impl Fn() -> bool) {
    while !holds() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Windows that end with a pause, by the clock of the rows, and with a row that says so.
#[test]
fn sessions_and_rows_that_end_a_window() {
    let at = |feed: &Feed, rows: &[(&str, f32, &str)]| {
        let mut batch = batch(&rows.iter().map(|(key, x, _)| ((*key).to_owned(), vec![*x])).collect::<Vec<_>>());
        let mut notes = Notes::new(["at".to_owned(), "last".to_owned()].into());
        for (_, _, note) in rows {
            let (at, last) = note.split_once(' ').unwrap_or((note, ""));
            notes.push([Some(at.into()), Some(last.into()).filter(|_| !last.is_empty())]);
        }
        batch.notes = notes;
        feed.push(Element::F32, 1, batch, None).unwrap();
    };
    let mut pipeline = stream(100, &["a"]);
    pipeline.sources[0].meta = vec!["at".to_owned(), "last".to_owned()];
    triggers(&mut pipeline, Triggers { gap: Some(Duration::from_secs(5)), ..Triggers::default() });
    pipeline.windows[0].clock = Clock {
        kind: ClockKind::Event,
        column: Some("at".to_owned()),
        lateness: Duration::from_secs(1),
        idle: Some(Duration::from_secs(60)),
    };
    // Out of order within the lateness: 4000 belongs to the first session, which ends at 4000 + 5000.
    let rows = [("a", 1.0, "1000"), ("b", 1.0, "4500"), ("c", 1.0, "4000"), ("d", 1.0, "10000"), ("e", 1.0, "14999")];
    let done = run(&pipeline, (OnSlow::Spill, well()), |feed, _| {
        at(feed, &rows);
        at(feed, &[("f", 1.0, "30000")]);
    });
    assert_eq!(done.closed(), [("gap", 3), ("gap", 2), ("drain", 1)]);
    pipeline.windows[0].clock = Clock::default();
    triggers(&mut pipeline, Triggers { on_meta: Some("last".to_owned()), ..Triggers::default() });
    let rows = [("a", 1.0, "1"), ("b", 1.0, "2 yes"), ("c", 1.0, "3"), ("a", 2.0, "4 yes"), ("d", 1.0, "5")];
    let done = run(&pipeline, (OnSlow::Spill, well()), |feed, _| at(feed, &rows));
    assert_eq!(done.closed(), [("meta", 2), ("meta", 2), ("drain", 1)]);
}

/// A window that closes in the midst of a batch is not all of that batch: its place counts with the last of its rows.
#[test]
fn the_place_behind_a_batch_is_that_of_its_last_window() {
    let mut pipeline = stream(1_000, &["a"]);
    // Four rows, of both sides.
    pipeline.capture.buffer_bytes = Some(4 * 2 * 4);
    let done = run(&pipeline, (OnSlow::Spill, well()), |feed, _| {
        let rows: Vec<_> = (0..10).map(|i| (format!("k{i}"), vec![1.0])).collect();
        feed.push(Element::F32, 1, batch(&rows), Some("10".to_owned())).unwrap();
    });
    assert_eq!(done.closed(), [("memory", 4), ("memory", 4), ("drain", 2)]);
    let mut marks = Vec::new();
    for commit in done.repo.first_parents(done.repo.head(MAIN).unwrap()) {
        marks.push(done.repo.commit(commit).unwrap().body.metadata.get("mark:live").cloned());
    }
    assert_eq!(marks, [Some("10".to_owned()), None, None], "newest first");
}
