//! What streaming costs: capture, route, window, apply, commit and two sinks in one process.
//!
//! `cargo bench -p vecdelta-benches --bench stream [-- PART...]`; the parts are `speed`, `latency` and `memory`, all of them
//! unless told otherwise; `speed 4096` measures that window alone, and `speed 4096 streamed` or `direct` one side alone, for a profiler.
//! Repositories are made in a temporary directory (about 1 GB), and every commit is synced.
//!
//! The work itself is the same deltas through the same capture, codec and commit, called directly with nothing between.
//! Both take turns, so that a busy machine is busy for both.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant, SystemTime};
use std::{fs, thread};

use vecdelta::capture::{Capture, CapturePolicy};
use vecdelta::delta::{Element, Keys, Notes, RowBatch, Table};
use vecdelta::pipeline::config::{self, OnSlow, Pipeline};
use vecdelta::pipeline::sink::{Delivered, Resume, Sink, SinkError};
use vecdelta::pipeline::{Context, Fate, Feed, Live, Metrics, RunReport, Served, feed, run_with};
use vecdelta::route::{Cursor, SubscriberPolicy};
use vecdelta::store::{Disk, LocalDisk, Mirror};
use vecdelta::version::{CommitInfo, MAIN, Repository, Stage, new_origin, open_mirror};
use vecdelta_benches::{Bits, processor};

const SOURCES: usize = 32_768;
const DIMS: usize = 384;
/// Components that each delta changes: 5 %.
const CHANGED: usize = DIMS / 20;
/// Rows that are handed in at once.
const BATCH: usize = 4_096;
/// How often every source changes in one measurement: so many times on its way, and as many back.
const PASSES: usize = 8;
const ROUNDS: usize = 5;
const BUDGET: u64 = 256 << 20;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|a| a == part);
    let dir = std::env::temp_dir().join(format!("vecdelta-stream-{}", std::process::id()));
    println!("{}, {SOURCES} sources x {DIMS} f32, {CHANGED} components a delta", processor());
    if wanted("speed") {
        speed(&dir);
    }
    if wanted("latency") {
        latency(&dir.join("latency"));
    }
    if wanted("memory") {
        memory(&dir.join("memory"));
    }
    let _ = fs::remove_dir_all(dir);
}

/// Deltas a second by the size of the window, beside the work itself.
fn speed(dir: &Path) {
    println!("\n          streamed                               the work itself         overhead");
    println!("window    deltas/s  commits/s  processor us    deltas/s  processor us    time  processor");
    let asked = std::env::args().filter_map(|a| a.parse().ok()).collect::<Vec<u32>>();
    let windows = if asked.is_empty() { vec![256, 1_024, 4_096, 6_144, 8_192, 16_384, SOURCES as u32] } else { asked };
    let alone = |side: &str| std::env::args().any(|a| a == side);
    let states: Vec<Vec<RowBatch>> = (0..=PASSES as u64).map(pass).collect();
    for window in windows {
        let passes = if window < 1_024 { 1 } else { PASSES };
        let there_and_back = (1..=passes).chain((0..passes).rev());
        let rows: Vec<RowBatch> = there_and_back.flat_map(|state| states[state].iter().cloned()).collect();
        let mut direct = (!alone("streamed")).then(|| Direct::new(&dir.join(format!("direct-{window}"))));
        let place = dir.join(format!("stream-{window}"));
        let mut streamed = (!alone("direct")).then(|| Streamed::new(&place, &format!("count = {window}")));
        let rounds: Vec<(Cost, Cost)> = (0..ROUNDS)
            .map(|_| {
                let floor = direct.as_mut().map(|direct| Cost::of(|| direct.run(&rows, window)));
                let own = streamed.as_mut().map(|streamed| streamed.run(&rows));
                (own.unwrap_or_default(), floor.unwrap_or_default())
            })
            .collect();
        let deltas = (2 * passes * SOURCES) as f64;
        let best = |of: &dyn Fn(&(Cost, Cost)) -> f64| rounds.iter().map(of).fold(f64::INFINITY, f64::min);
        let (own, floor) = (best(&|r| r.0.seconds), best(&|r| r.1.seconds));
        println!(
            "{window:>6} {:>11.0} {:>10.0} {:>13.2} {:>11.0} {:>13.2} {:>6.0}% {:>9.0}%",
            deltas / own,
            deltas / own / f64::from(window),
            1e6 * best(&|r| r.0.processor) / deltas,
            deltas / floor,
            1e6 * best(&|r| r.1.processor) / deltas,
            100.0 * (median(rounds.iter().map(|r| r.0.seconds / r.1.seconds)) - 1.0),
            100.0 * (median(rounds.iter().map(|r| r.0.processor / r.1.processor)) - 1.0),
        );
        let _ = fs::remove_dir_all(dir);
    }
}

/// One delta at a time through a window of a millisecond, beside what one sync costs.
fn latency(dir: &Path) {
    const TIMES: usize = 300;
    let mut streamed = Streamed::new(dir, "after = \"1ms\"");
    let probe = fs::File::create(dir.join("probe")).expect("room on the disk");
    let (mut durable, mut delivered, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    let rows: Vec<RowBatch> = pass(1);
    streamed.with(|feed, taken| {
        for i in 0..TIMES {
            let row = rows[i / BATCH].slice(i % BATCH..i % BATCH + 1);
            let (start, before) = (Instant::now(), taken[0].last().0);
            let ticket = feed.push(Element::F32, DIMS as u32, row, None).expect("it runs");
            assert_eq!(ticket.wait(Duration::from_secs(60)), Some(Fate::Durable));
            durable.push(start.elapsed());
            while taken[0].last().0 == before {
                thread::sleep(Duration::from_micros(20));
            }
            delivered.push(taken[0].last().1.saturating_duration_since(start));
            let start = Instant::now();
            use std::os::unix::fs::FileExt;
            probe.write_all_at(&[i as u8; 4096], 4096 * i as u64).expect("room on the disk");
            probe.sync_data().expect("the disk syncs");
            syncs.push(start.elapsed());
        }
    });
    println!("\none delta through a window of 1 ms     p50         p99");
    for (what, mut times) in [("one write of 4 KiB, synced", syncs), ("durable", durable), ("in a sink", delivered)] {
        times.sort_unstable();
        println!("{what:<34} {:>10.2?} {:>10.2?}", times[TIMES / 2], times[TIMES * 99 / 100]);
    }
}

/// Two million deltas while one sink takes nothing, against the budget.
fn memory(dir: &Path) {
    const DELTAS: usize = 2_000_000;
    let mut streamed = Streamed::new(dir, "count = 16384");
    let mut passes = 0;
    let peak = |text: &str| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(text)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    };
    streamed.stalled.store(true, Ordering::Relaxed);
    let stalled = streamed.stalled.clone();
    let (mut before, mut held) = (0.0, 0.0);
    let taken = streamed.with(|feed, taken| {
        for sent in (0..DELTAS).step_by(SOURCES) {
            passes += 1;
            let tickets: Vec<_> = pass(passes)
                .into_iter()
                .map(|batch| feed.push(Element::F32, DIMS as u32, batch, None).expect("it runs"))
                .collect();
            tickets.iter().for_each(|t| assert_eq!(t.wait(Duration::from_secs(600)), Some(Fate::Durable)));
            if sent == 0 {
                // What the table and the input need is there; the rest is what waits.
                let _ = fs::write("/proc/self/clear_refs", "5");
                before = peak("VmRSS");
            }
        }
        held = peak("VmHWM");
        println!("\n{} deltas committed, the other sink took {}", passes as usize * SOURCES, taken[0].last().0);
        stalled.store(false, Ordering::Relaxed);
        taken.iter().map(Arc::clone).collect::<Vec<_>>()
    });
    println!(
        "peak {held:.0} MiB, {:.0} MiB more than after the first 32,768; budget {} MiB; behind it at the end: {:.0} MiB",
        held - before,
        BUDGET >> 20,
        peak("VmHWM")
    );
    println!("the sinks took {:?}", taken.iter().map(|t| t.last().0).collect::<Vec<_>>());
}

/// Every source once, 5 % of its components moved; all of a batch in the order of the sources.
fn pass(number: u64) -> Vec<RowBatch> {
    let batch = |first: usize| {
        let sources = first..first + BATCH;
        RowBatch {
            keys: Keys::from_texts(
                sources.clone().map(|s| format!("source-{s:06}")).collect::<Vec<_>>().iter().map(String::as_str),
            ),
            rows: sources.flat_map(|source| row(source as u64, number)).collect::<Vec<u8>>().into(),
            first_row: 0,
            notes: Notes::default(),
        }
    };
    (0..SOURCES).step_by(BATCH).map(batch).collect()
}

/// The row of a source after so many moves: each component is computed anew and rounded once.
fn row(source: u64, moves: u64) -> Vec<u8> {
    let unit = |bits: u64| (bits >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
    let mut base = Bits(source);
    let mut values: Vec<f64> = (0..DIMS).map(|_| unit(base.next_bits())).collect();
    // A block of components moves with each pass, and stays where it went until its turn comes again.
    let blocks = DIMS.div_ceil(CHANGED) as u64;
    for moved in moves.saturating_sub(blocks - 1).max(1)..=moves {
        let first = (moved % blocks) as usize * CHANGED;
        let mut bits = Bits(source << 32 | moved);
        for value in &mut values[first..(first + CHANGED).min(DIMS)] {
            *value += 0.05 * unit(bits.next_bits());
        }
    }
    values.into_iter().flat_map(|value| (value as f32).to_le_bytes()).collect()
}

/// Seconds that passed and seconds that this process worked.
#[derive(Default)]
struct Cost {
    seconds: f64,
    processor: f64,
}

impl Cost {
    fn of(work: impl FnOnce()) -> Self {
        let (start, before) = (Instant::now(), processor_seconds());
        work();
        Self { seconds: start.elapsed().as_secs_f64(), processor: processor_seconds() - before }
    }
}

fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn table() -> Arc<Table> {
    Arc::new(Table { collection: "live".into(), element: Element::F32, dims: DIMS as u32 })
}

/// Capture, codec and commit, with nothing between.
struct Direct {
    repo: Repository,
    mirror: Arc<RwLock<Mirror>>,
}

impl Direct {
    fn new(dir: &Path) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(LocalDisk::new(dir));
        let repo = Repository::open_writer(disk, Some(new_origin(0, 1))).expect("a new place");
        let mirror = open_mirror(&repo, MAIN, table()).expect("a new mirror");
        let mut own = Self { repo, mirror };
        own.run(&pass(0), SOURCES as u32);
        own
    }

    fn run(&mut self, rows: &[RowBatch], window: u32) {
        let window = window as usize;
        let pieces: Vec<RowBatch> = if window < BATCH {
            let starts = (0..BATCH).step_by(window);
            rows.iter().flat_map(|b| starts.clone().map(|s| b.slice(s..s + window)).collect::<Vec<_>>()).collect()
        } else {
            rows.to_vec()
        };
        let mut capture = Capture::new(self.mirror.clone(), CapturePolicy::default());
        // In a window every source comes once: the next pass belongs to the next one.
        for group in pieces.chunks((window.min(SOURCES) / BATCH).max(1)) {
            let info = CommitInfo { branch: MAIN.into(), author: "bench".into(), ..CommitInfo::default() };
            let staged = {
                let mut stage = Stage::begin(&self.repo, &info, now()).expect("the log is whole");
                let number = stage.add_collection(self.mirror.clone()).expect("the same shape");
                for batch in group {
                    let captured = capture.step_stream(batch, 0, None).expect("rows of that width");
                    stage.count(captured.unchanged, captured.raw_bytes);
                    for batch in captured.batches {
                        stage.add(number, batch).expect("room on the disk");
                    }
                }
                stage.finish(info).expect("room on the disk")
            };
            self.repo.take(staged).expect("it fits");
        }
    }
}

/// A pipeline over a repository of its own, with two sinks that count.
struct Streamed {
    repo: Repository,
    pipeline: Pipeline,
    /// Whether the second sink takes nothing.
    stalled: Arc<AtomicBool>,
}

impl Streamed {
    fn new(dir: &Path, close: &str) -> Self {
        let text = format!(
            r#"
            config_version = 1
            [pipeline]
            store = "repo.vd"
            memory = "{BUDGET}B"
            [source.live]
            kind = "feed"
            epoch = false
            [[route]]
            name = "urgent"
            match = "live/source-*7"
            when = {{ min_l2 = 0.01 }}
            window = "w"
            priority = "high"
            to = ["index", "lake"]
            [[route]]
            name = "rest"
            window = "w"
            to = ["index", "lake"]
            [window.w]
            close = {{ {close} }}
            [sink.index]
            kind = "jsonl"
            path = "index.jsonl"
            [sink.lake]
            kind = "jsonl"
            path = "lake.jsonl"
            "#
        );
        fs::create_dir_all(dir).expect("room on the disk");
        let parsed = config::parse("bench", &text, dir, &[], &|_| None);
        let (pipeline, _) = parsed.unwrap_or_else(|d| panic!("{:?}", d.errors));
        let disk: Arc<dyn Disk> = Arc::new(LocalDisk::new(dir.join("repo.vd")));
        let repo = Repository::open_writer(disk, Some(new_origin(0, 2))).expect("a new place");
        let mut own = Self { repo, pipeline, stalled: Arc::default() };
        own.run(&pass(0));
        own
    }

    /// Hands rows in and waits until they are durable and both sinks have them.
    fn run(&mut self, rows: &[RowBatch]) -> Cost {
        let deltas: u64 = rows.iter().map(|b| b.keys.len() as u64).sum();
        let (mut cost, mut end) = (None, None);
        self.with(|feed, taken| {
            let before: Vec<u64> = taken.iter().map(|t| t.last().0).collect();
            let start = (Instant::now(), processor_seconds());
            for batch in rows {
                feed.push(Element::F32, DIMS as u32, batch.clone(), None).expect("it runs");
            }
            (cost, end) = (Some(start), Some((taken.to_vec(), before)));
        });
        // The last window may be open until the run ends.
        let (start, processor) = cost.expect("it ran");
        let (taken, before) = end.expect("it ran");
        let last = taken.iter().map(|t| t.last().1).max().expect("there are two");
        taken.iter().zip(before).for_each(|(t, b)| assert_eq!(t.last().0, b + deltas));
        Cost {
            seconds: last.saturating_duration_since(start).as_secs_f64(),
            processor: processor_seconds() - processor,
        }
    }

    /// Runs the pipeline while `work` hands rows in; it ends when that does.
    fn with<T: Send>(&mut self, work: impl FnOnce(&Feed, &[Arc<Taken>]) -> T + Send) -> T {
        let (handle, end) = feed(16);
        let taken = [Arc::<Taken>::default(), Arc::<Taken>::default()];
        let sink = |name: &str, number: usize| Served {
            name: name.to_owned(),
            setting: name.to_owned(),
            sink: Box::new(Counting {
                taken: taken[number].clone(),
                stalled: (number == 1).then(|| self.stalled.clone()),
            }),
            collections: vec!["live".to_owned()],
            on_slow: OnSlow::Spill,
            policy: SubscriberPolicy::default(),
        };
        let sinks = vec![sink("index", 0), sink("lake", 1)];
        let live = Live {
            metrics: Arc::new(Metrics::with_clock(nanos)),
            feeds: [("live".to_owned(), end)].into(),
            ..Live::default()
        };
        let stop = AtomicBool::new(false);
        let events = AtomicU64::new(0);
        let listener = |_: &vecdelta::event::Event| {
            events.fetch_add(1, Ordering::Relaxed);
        };
        let context =
            Context { now: &now, stop: &stop, listener: &listener, author: "bench".into(), resume: true, live };
        let taken = taken.as_slice();
        let result = thread::scope(|scope| {
            let worker = scope.spawn(move || {
                let done = work(&handle, taken);
                drop(handle);
                done
            });
            let report: RunReport = run_with(&self.pipeline, &mut self.repo, &context, sinks).expect("it runs");
            report.sinks.iter().for_each(|end| assert!(end.error.is_none(), "{:?}", end.error));
            worker.join().expect("it runs")
        });
        if std::env::var_os("STAGES").is_some() {
            let figures = context.live.metrics.figures();
            figures.stages.iter().for_each(|(name, stage)| println!("    {name}: {stage:?}"));
        }
        result
    }
}

/// How many deltas a sink has, and since when.
#[derive(Default)]
struct Taken(Mutex<Option<(u64, Instant)>>);

impl Taken {
    fn last(&self) -> (u64, Instant) {
        self.0.lock().expect("nobody panics with it").unwrap_or_else(|| (0, Instant::now()))
    }
}

/// A sink that counts, and looks at every delta.
struct Counting {
    taken: Arc<Taken>,
    stalled: Option<Arc<AtomicBool>>,
}

impl Sink for Counting {
    fn resume(&mut self) -> Result<Resume, SinkError> {
        Ok(Resume::Unknown)
    }

    fn write(&mut self, deltas: &[Delivered]) -> Result<(), SinkError> {
        while self.stalled.as_ref().is_some_and(|stalled| stalled.load(Ordering::Relaxed)) {
            thread::sleep(Duration::from_millis(10));
        }
        let mut taken = self.taken.0.lock().expect("nobody panics with it");
        let sum: u64 = deltas.iter().map(|d| u64::from(d.delta().changed_dims.min(1))).sum();
        *taken = Some((taken.map_or(0, |t| t.0) + sum, Instant::now()));
        Ok(())
    }

    fn flush(&mut self, _: &Cursor) -> Result<bool, SinkError> {
        Ok(true)
    }

    fn close(&mut self, _: &Cursor) -> Result<Vec<PathBuf>, SinkError> {
        Ok(Vec::new())
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |t| t.as_millis() as u64)
}

fn nanos() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}
