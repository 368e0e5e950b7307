//! `vecdelta run --partition K/N`: several workers share the partitions of a stream.
//!
//! Each partition has a repository of its own, and the lock of its writer is the lease: whoever has it works on the
//! partition, from the place on that the repository says. It ends with the process that has it, however that ends.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::error::{BAD_CONFIG, CliError};
use super::logbook::{Level, Logbook};
use super::lookout::Lookout;
use super::open::{author, now_millis, own_origin};
use super::output::{count, plural, print_json, shown};
use super::reload::Reload;
use crate::event::{Event, Listener};
use crate::pipeline::config::Pipeline;
use crate::pipeline::{self, Asks, Context, Live, RunReport};
use crate::serve::{Board, Boards, Doors, Standing};
use crate::store::{StoreError, disk_at, is_address};
use crate::version::{Repository, VersionError};

/// How often a lock that somebody else has is tried.
const TRY: Duration = Duration::from_millis(300);

/// How long a stand-by leaves a partition to the worker whose share it is.
const LEAVE: Duration = Duration::from_secs(3);

/// The longest wait before a database that was lost is connected to again.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Worker K of N: the partitions K - 1, K - 1 + N, and so on are its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    number: u32,
    of: u32,
}

impl std::str::FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let share = text.split_once('/').and_then(|(number, of)| {
            let share = Self { number: number.parse().ok()?, of: of.parse().ok()? };
            (share.number >= 1 && share.number <= share.of).then_some(share)
        });
        share.ok_or_else(|| "write K/N, such as 1/3 for the first of three workers".to_owned())
    }
}

/// Which partitions a worker takes.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its own ones.
    pub share: Option<Share>,
    /// Whether it takes those of others when nobody has them.
    pub standby: bool,
    /// Whether events are written down.
    pub logged: bool,
}

impl Part {
    fn is_own(self, partition: u32) -> bool {
        self.share.is_some_and(|share| partition % share.of == share.number - 1)
    }
}

/// What became of a partition.
struct Done {
    partition: u32,
    store: String,
    commits: usize,
    rows: u64,
}

/// Runs a pipeline's partitions until all are read, or the run is asked to stop.
pub fn run(
    pipeline: &Pipeline,
    part: Part,
    tell: &(dyn Fn(&Event, Option<u32>) + Sync),
    log: &Logbook,
    (reload, json): (Reload, bool),
    looked: Option<(&str, Option<String>)>,
) -> Result<ExitCode, CliError> {
    let partitions = partitions(pipeline, part)?;
    let lookout = looked.map(|(address, token)| Lookout::open(address, token)).transpose()?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The second signal ends the process at once.
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.clone())?;
        signal_hook::flag::register(signal, stop.clone())?;
    }
    let commits = AtomicU64::new(0);
    let overdue = || super::run::end_overdue(pipeline.settings.drain, commits.load(Ordering::Relaxed));
    let failed: Mutex<Option<CliError>> = Mutex::new(None);
    // The budget is that of the whole process.
    let memory = (pipeline.settings.memory_bytes / partitions.len() as u64).max(16 << 20);
    let settings = Settings { memory, newest: Mutex::new((reload, 0, pipeline.clone())) };
    let boards = Boards::of_partitions(pipeline, &partitions, super::run::live);
    let all = |boards: &Boards| {
        let tapped = boards.is_tapped();
        let checksums: Asks = Arc::new(move || part.logged || tapped());
        let whole = |event: &Event| {
            tell(event, None);
            boards.on(event);
        };
        let work = |(partition, board): (u32, &Board)| {
            let listener = |event: &Event| {
                if matches!(event, Event::DeltaVersioned { .. }) {
                    commits.fetch_add(1, Ordering::Relaxed);
                }
                tell(event, Some(partition));
                board.on(event);
            };
            let worker = Worker {
                partition,
                own: part.is_own(partition),
                settings: &settings,
                stop: &stop,
                listener: &listener,
                whole: &whole,
                log,
                board,
                checksums: checksums.clone(),
            };
            worker.work(settings.own(pipeline, partition)).unwrap_or_else(|error| {
                // The worker ends as a whole, and others take over what it had.
                stop.store(true, Ordering::Relaxed);
                failed.lock().expect("no thread panics with it").get_or_insert(error);
                None
            })
        };
        let on_threads = || pipeline::on_threads(boards.partitions().collect(), &work);
        pipeline::with_drain(&stop, pipeline.settings.drain, &overdue, on_threads)
    };
    let done = match lookout {
        Some(lookout) => lookout.beside(boards, Doors::default(), log, all),
        None => all(&boards),
    };
    print_done(&done, json)?;
    failed.into_inner().expect("no thread panics with it").map_or(Ok(ExitCode::SUCCESS), Err)
}

/// The pipeline as its file was read last: all partitions of a worker go on with it, each at the end of its windows.
struct Settings {
    /// The budget of one partition.
    memory: u64,
    /// Who reads the file, how often it was taken over, and what it said.
    newest: Mutex<(Reload, u64, Pipeline)>,
}

impl Settings {
    /// Returns the pipeline of one partition.
    fn own(&self, pipeline: &Pipeline, partition: u32) -> Pipeline {
        let mut own = pipeline.for_partition(partition);
        own.settings.memory_bytes = self.memory;
        own
    }

    /// Returns what is newer than what a partition knows; whoever asks first reads the file.
    fn newer(&self, known: &mut u64, partition: u32, tell: Listener<'_>) -> Option<Pipeline> {
        let mut newest = self.newest.lock().expect("no thread panics with it");
        let (reload, number, pipeline) = &mut *newest;
        if let Some(new) = reload.look(pipeline, tell) {
            let before = std::mem::replace(pipeline, new);
            *number += 1;
            tell(&Event::PipelineReloaded { pipeline: pipeline.settings.name.clone() });
            pipeline::policy_changes(&before, pipeline).iter().for_each(tell);
        }
        if *number == *known {
            return None;
        }
        *known = *number;
        Some(self.own(pipeline, partition))
    }
}

/// Returns the partitions that a worker may come to work on.
fn partitions(pipeline: &Pipeline, part: Part) -> Result<Vec<u32>, CliError> {
    let refuse = |message: &str, hint: String| Err(CliError::new(BAD_CONFIG, message.to_owned()).hint(hint));
    let count = pipeline.sources.iter().find_map(|source| source.partitions());
    let (true, Some(count)) = (pipeline.is_divided(), count) else {
        return refuse(
            "the work of this pipeline is not divided",
            "write `{partition}` into `store`, and follow a stream with `partitions`".to_owned(),
        );
    };
    let all: Vec<u32> = (0..count).filter(|&partition| part.standby || part.is_own(partition)).collect();
    if all.is_empty() {
        let hint =
            format!("there are {}: use as many workers at most, or add --standby", plural(count.into(), "partition"));
        return refuse("no partition is left for this worker", hint);
    }
    Ok(all)
}

fn print_done(done: &[Done], json: bool) -> Result<(), CliError> {
    if json {
        let each = done.iter().map(|end| {
            json!({ "partition": end.partition, "commits": end.commits, "rows_read": end.rows, "repository": end.store })
        });
        return print_json(&json!({ "partitions": each.collect::<Vec<_>>() }));
    }
    let mut out = io::stdout().lock();
    for Done { partition, store, commits, rows } in done {
        let (commits, rows) = (plural(*commits as u64, "commit"), count(*rows));
        writeln!(out, "partition {partition}: {commits} of {rows} rows in {store}")?;
    }
    Ok(())
}

/// Whoever works on one partition.
struct Worker<'a> {
    partition: u32,
    own: bool,
    settings: &'a Settings,
    stop: &'a AtomicBool,
    listener: Listener<'a>,
    /// Who is told what concerns all partitions.
    whole: Listener<'a>,
    log: &'a Logbook,
    /// Where it stands how it goes.
    board: &'a Board,
    /// Whether anybody wants the checksums of deltas.
    checksums: Asks,
}

impl Worker<'_> {
    /// Works on the partition whenever nobody else does; `None` when it never came to that.
    fn work(&self, mut pipeline: Pipeline) -> Result<Option<Done>, CliError> {
        if !self.own {
            self.board.stand(Standing::Waiting("its own worker comes first".to_owned()));
            self.rest(LEAVE);
        }
        let store = pipeline.settings.store.clone();
        let store = store.as_path();
        let mut known = 0;
        let database = store.to_str().is_some_and(is_address);
        let (mut done, mut lost) = (None::<Done>, 0u32);
        while !self.is_over() {
            let Some(mut repo) = self.lease(store, database)? else { break };
            self.say(&format!("works on {}", shown(store)));
            self.board.stand(Standing::Active);
            let context = Context {
                now: &now_millis,
                stop: self.stop,
                listener: self.listener,
                author: author(),
                resume: true,
                live: Live { checksums: Some(self.checksums.clone()), ..self.board.live() },
            };
            // The other settings of all partitions are those of the last turn.
            let ended = loop {
                let mut look = || self.settings.newer(&mut known, self.partition, self.whole);
                match pipeline::run_turn(&pipeline, &mut repo, &context, &mut look) {
                    Ok((report, next)) => {
                        let end = done.get_or_insert_with(|| self.nothing(store));
                        end.commits += report.commits.len();
                        end.rows += report.rows_read;
                        let Some(next) = next else { break Ok(report) };
                        pipeline = next;
                    }
                    Err(error) => break Err(error),
                }
            };
            match ended {
                Ok(report) => {
                    self.board.stand(Standing::Ended);
                    return self.check_sinks(&report).map(|()| done);
                }
                // The session is lost, and the lock with it: perhaps somebody else goes on.
                Err(error) if database && error.is_store() => {
                    let text = format!("lost {}: {error}", shown(store));
                    self.say(&text);
                    self.board.stand(Standing::Error(text));
                    drop(repo);
                    lost += 1;
                    self.rest((TRY * lost.min(16)).min(WAIT_MAX));
                }
                Err(error) => {
                    self.board.stand(Standing::Error(error.to_string()));
                    return Err(error.into());
                }
            }
        }
        Ok(done)
    }

    fn nothing(&self, store: &Path) -> Done {
        Done { partition: self.partition, store: shown(store), commits: 0, rows: 0 }
    }

    fn check_sinks(&self, report: &RunReport) -> Result<(), CliError> {
        super::run::failed_sinks(report).map_or(Ok(()), Err)
    }

    /// Waits for the lock of a repository; `None` when the run is asked to stop before.
    fn lease(&self, store: &Path, database: bool) -> Result<Option<Repository>, CliError> {
        let mut told = false;
        while !self.is_over() {
            let opened = disk_at(store).map_err(VersionError::from);
            let (why, stands): (String, fn(String) -> Standing) =
                match opened.and_then(|disk| Repository::open_writer(disk, Some(own_origin()))) {
                    Ok(repo) => return Ok(Some(repo)),
                    Err(VersionError::Store(StoreError::Locked { holder, .. })) => {
                        (format!("process {holder} works on it"), Standing::Waiting)
                    }
                    Err(VersionError::Store(error @ StoreError::Io { .. })) if database => {
                        (error.to_string(), Standing::Error)
                    }
                    Err(error) => return Err(error.into()),
                };
            self.board.stand(stands(why.clone()));
            if !told {
                self.say(&format!("waits: {why}"));
                told = true;
            }
            self.rest(TRY);
        }
        Ok(None)
    }

    fn say(&self, what: &str) {
        let text = format!("partition {} {what}", self.partition);
        self.log.say(Level::Info, "run", &text, json!({ "partition": self.partition }));
        if !self.log.is_on_stderr() {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn rest(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.is_over() && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_is_in_one_share() {
        for of in 1..6 {
            let shares: Vec<Part> = (1..=of)
                .map(|number| Part { share: format!("{number}/{of}").parse().ok(), standby: false, logged: false })
                .collect();
            assert!((0..20).all(|partition| shares.iter().filter(|part| part.is_own(partition)).count() == 1));
        }
        assert!(["", "1", "0/2", "3/2", "a/b", "1/2/3", "-1/2"].iter().all(|text| text.parse::<Share>().is_err()));
    }
}
