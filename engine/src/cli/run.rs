//! `vecdelta run`: a pipeline file, to the end of its input or until it is asked to stop.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::error::{CANNOT_CREATE, CliError, IO, TRY_AGAIN, report};
use super::events::EventLog;
use super::logbook::{Level, LogArgs, Logbook};
use super::lookout::Lookout;
use super::open::{author, now_millis, writer_or_new};
use super::output::{commit_json, count, delta_bytes, plural, print_json, print_table, printable, shown, size, time};
use super::progress::Progress;
use super::reload::Reload;
use super::workers::{Part, Share};
use crate::capture::Observer;
use crate::delta::SortedMap;
use crate::event::{Event, Listener};
use crate::pipeline::config::Pipeline;
use crate::pipeline::sink::SinkFailure;
use crate::pipeline::{self, Context, Live, Metrics, RunReport, SinkEnd};
use crate::route::SubscriberStatus;
use crate::serve::{Boards, doors};
use crate::store::{Disk, LETTERS, WAL, is_taken};
use crate::version::{CommitIndex, Repository};

/// Run a pipeline file.
///
/// SIGINT and SIGTERM end it well: open windows are committed, half an epoch is left out; exit 75 when that takes longer
/// than `drain`. Files that an earlier run
/// of the same pipeline has committed are passed over. SIGHUP reads the pipeline file again, at the end of the windows that
/// are open; what does not fit the repository is refused, and the run goes on as it was.
#[derive(clap::Args)]
pub struct Args {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Override a setting, such as --set pipeline.store=other.vd
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Add one line of JSON to this file for each event of the run, while it happens.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
    /// Read the pipeline file again whenever it changes, as SIGHUP does.
    #[arg(long)]
    watch_config: bool,
    /// Let others look while it runs, such as `vecdelta top`: /v1/stages, /v1/tap, /metrics, /healthz.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Who looks must know this; better given in the environment variable VECDELTA_TOKEN, which others cannot see.
    #[arg(long, value_name = "TEXT", requires = "listen")]
    token: Option<String>,
    /// Work on a share of the partitions of a stream, as worker K of N.
    ///
    /// `store` names the {partition}; each has a repository of its own, and the lock of its writer is the lease. A partition
    /// that another process works on is waited for.
    #[arg(long, value_name = "K/N")]
    partition: Option<Share>,
    /// Take over the partitions of other workers when nobody works on them; without --partition of all.
    #[arg(long)]
    standby: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let log = args.log.open()?;
    let done = run_logged(args, &log);
    log.end(done, "the run has ended")
}

fn run_logged(args: Args, log: &Logbook) -> Result<ExitCode, CliError> {
    let start = Instant::now();
    // A change of the file from here on is seen.
    let reload = Reload::new(args.pipeline.clone(), args.set.clone(), args.watch_config)?;
    let pipeline = super::config::load(&args.pipeline, &args.set)?;
    let (name, store) = (&pipeline.settings.name, pipeline.settings.store.display().to_string());
    let fields = json!({ "pipeline": name, "store": store, "version": env!("CARGO_PKG_VERSION"), "process": std::process::id() });
    log.say(Level::Info, "run", &format!("pipeline {name} runs"), fields);
    let events = args.events.as_deref().map(EventLog::open).transpose()?;
    let tell_of = |event: &Event, partition: Option<u32>| {
        if let Some(events) = &events {
            events.on(event, partition);
        }
        log.on(event, partition);
        if !log.is_on_stderr() {
            say_where(event);
        }
    };
    if args.partition.is_some() || args.standby {
        let part = Part { share: args.partition, standby: args.standby, logged: events.is_some() };
        let looked = args.listen.as_deref().map(|address| (address, args.token.clone()));
        let code = super::workers::run(&pipeline, part, &tell_of, log, (reload, args.json), looked)?;
        return events.map_or(Ok(()), EventLog::close).map(|()| code);
    }
    let tell = |event: &Event| tell_of(event, None);
    let (repo, report, pipeline) = match &args.listen {
        None => {
            let checksums = events.as_ref().map(|_| Arc::new(|| true) as pipeline::Asks);
            execute(pipeline, true, &tell, Live { checksums, ..live() }, Some(reload))?
        }
        Some(address) => {
            looked_at(pipeline, address, args.token.clone(), (&tell, events.is_some(), log), Some(reload))?
        }
    };
    let close = |events: Option<EventLog>| events.map_or(Ok(()), EventLog::close);
    let written = || pipeline::write_tables(&pipeline, &repo);
    if args.json {
        written()?;
        let code = print_report(&repo, &pipeline.settings.store, &report, start.elapsed(), true)?;
        close(events)?;
        return failed_sinks(&report).map_or(Ok(code), Err);
    }
    // What was committed is said even if a sink fails.
    let code = print_report(&repo, &pipeline.settings.store, &report, start.elapsed(), false)?;
    let tables = written()?;
    let mut out = io::stdout().lock();
    for sink in &pipeline.sinks {
        let ends = report.sinks.iter().filter(|end| end.sink.split(':').next() == Some(&sink.name));
        let tables = tables.iter().filter(|(name, _)| *name == sink.name).map(|(_, path)| path);
        for path in ends.flat_map(|end| &end.files).chain(tables) {
            writeln!(out, "wrote {}", shown(path))?;
        }
    }
    for end in &report.sinks {
        print_end(&mut out, end)?;
    }
    close(events)?;
    failed_sinks(&report).map_or(Ok(code), Err)
}

/// Says what a sink did not get.
fn print_end(out: &mut impl Write, end: &SinkEnd) -> Result<(), CliError> {
    let (name, metrics) = (printable(&end.sink), end.metrics);
    if metrics.dead + metrics.expired > 0 {
        let letters = plural(metrics.dead + metrics.expired, "delta");
        writeln!(out, "sink {name}: {letters} became dead letters, see `vecdelta dlq ls`")?;
    }
    if end.dropped > 0 {
        writeln!(out, "sink {name}: {} left out because it was slow", plural(end.dropped, "delta"))?;
    }
    if end.error.is_none() && end.status == SubscriberStatus::Disconnected {
        writeln!(out, "sink {name}: given up because it was slow; the next run goes on where it was")?;
    }
    Ok(())
}

/// Makes the error of the sinks that could not go on.
pub fn failed_sinks(report: &RunReport) -> Option<CliError> {
    let failed: Vec<&SinkEnd> = report.sinks.iter().filter(|end| end.error.is_some()).collect();
    let error = failed.first()?.error.as_ref()?;
    let code = if error.failure == SinkFailure::CannotCreate { CANNOT_CREATE } else { IO };
    let message = |end: &&SinkEnd| {
        format!("sink `{}`: {}", end.sink, end.error.as_ref().map_or_else(String::new, ToString::to_string))
    };
    let text = failed.iter().map(message).collect::<Vec<_>>().join("; ");
    Some(CliError::new(code, text).hint("what was committed is safe; the next run goes on where each sink is"))
}

/// Returns what takes part in a run: figures, with a clock.
pub fn live() -> Live {
    Live { metrics: Arc::new(Metrics::with_clock(nanos)), ..Live::default() }
}

/// Runs a pipeline that others can look at meanwhile; `logged` is whether its events are written down.
fn looked_at(
    pipeline: Pipeline,
    address: &str,
    token: Option<String>,
    (tell, logged, log): (Listener<'_>, bool, &Logbook),
    reload: Option<Reload>,
) -> Result<(Repository, RunReport, Pipeline), CliError> {
    let lookout = Lookout::open(address, token)?;
    let (doors, feeds) = doors(&pipeline);
    let mut live = Live { feeds, ..live() };
    let boards = Boards::of_run(&pipeline, &live);
    let is_tapped = boards.is_tapped();
    live.checksums = Some(Arc::new(move || logged || is_tapped()));
    lookout.beside(boards, doors, log, |boards| {
        let told = |event: &Event| {
            tell(event);
            boards.on(event);
        };
        execute(pipeline, true, &told, live, reload)
    })
}

/// Runs a pipeline with the system's clock and signals, and tells of its events; returns the pipeline as it was at the end.
pub fn execute(
    mut pipeline: Pipeline,
    resume: bool,
    tell: Listener<'_>,
    live: Live,
    mut reload: Option<Reload>,
) -> Result<(Repository, RunReport, Pipeline), CliError> {
    super::config::refuse_divided(&pipeline)?;
    if let Some(threads) = pipeline.settings.threads {
        // Only the first pool counts; a second run in one process keeps it.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads as usize).build_global();
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The second signal ends the process at once.
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.clone())?;
        signal_hook::flag::register(signal, stop.clone())?;
    }
    let store = pipeline.settings.store.clone();
    let made = !is_taken(&store)?;
    let mut repo = writer_or_new(&store)?;
    let progress = Progress::new();
    let commits = AtomicU64::new(0);
    let listener = |event: &Event| {
        if matches!(event, Event::DeltaVersioned { .. }) {
            commits.fetch_add(1, Ordering::Relaxed);
        }
        progress.on(event);
        tell(event);
    };
    let mut whole = RunReport::default();
    let result = loop {
        let overdue = || {
            progress.done();
            end_overdue(pipeline.settings.drain, commits.load(Ordering::Relaxed))
        };
        let context = Context {
            now: &now_millis,
            stop: &stop,
            listener: &listener,
            author: author(),
            resume,
            live: live.clone(),
        };
        let work = || {
            let mut look = || reload.as_mut().and_then(|reload| reload.look(&pipeline, &listener));
            pipeline::run_turn(&pipeline, &mut repo, &context, &mut look)
        };
        match pipeline::with_drain(&stop, pipeline.settings.drain, &overdue, work) {
            Ok((report, next)) => {
                whole.go_on(report);
                let Some(next) = next else { break Ok(()) };
                let before = std::mem::replace(&mut pipeline, next);
                listener(&Event::PipelineReloaded { pipeline: pipeline.settings.name.clone() });
                pipeline::policy_changes(&before, &pipeline).iter().for_each(&listener);
            }
            Err(error) => break Err(error),
        }
    };
    progress.done();
    match result {
        Ok(()) => Ok((repo, whole, pipeline)),
        Err(error) => {
            if made && repo.branches().is_empty() && keeps_nothing(repo.disk().as_ref()) {
                // Bad input leaves no repository where there was none.
                let disk = repo.disk().clone();
                drop(repo);
                let _ = disk.remove("");
            }
            Err(error.into())
        }
    }
}

/// Says where rows can be sent: the system may have chosen the port.
fn say_where(event: &Event) {
    if let Event::SourceOpened { source, file, .. } = event
        && (file.starts_with("tcp://") || file.starts_with("unix:"))
    {
        let _ = writeln!(io::stderr(), "source {} listens at {file}", printable(source));
    }
}

/// Returns whether no row of a live source waits in a repository, and no dead letter.
fn keeps_nothing(disk: &dyn Disk) -> bool {
    let bytes = |path: String| disk.len(&path).ok().flatten().unwrap_or(0);
    [WAL, LETTERS].iter().all(|kind| {
        let names = disk.list(kind.directory).unwrap_or_default();
        names.iter().all(|name| bytes(format!("{}/{name}", kind.directory)) == 0)
    })
}

/// Tells time for figures: nanoseconds since the first call.
fn nanos() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Ends the process in the middle of the work, as a crash would: the repository takes that.
pub fn end_overdue(drain: Duration, commits: u64) {
    let seconds = drain.as_secs_f64();
    let made = format!("{} made before {} safe", plural(commits, "commit"), if commits == 1 { "is" } else { "are" });
    let message = format!("the run did not end within {seconds} s of the signal; {made}");
    let hint = "run it again to go on, with a longer `drain` in [pipeline] if this happens often";
    let _ = report(&CliError::new(TRY_AGAIN, message).hint(hint));
    std::process::exit(i32::from(TRY_AGAIN));
}

/// Prints what a run did.
pub fn print_report(
    repo: &Repository,
    path: &Path,
    report: &RunReport,
    elapsed: Duration,
    json: bool,
) -> Result<ExitCode, CliError> {
    if json {
        let commits = report.commits.iter().map(|&c| commit_json(repo, c)).collect::<Result<Vec<_>, _>>()?;
        print_json(&json!({
            "commits": commits,
            "rows_read": report.rows_read,
            "seconds": elapsed.as_secs_f64(),
            "repository": path.display().to_string(),
            "skipped": report.skipped,
            "observers": report.observers.iter().map(observer_json).collect::<Vec<_>>(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = io::stdout().lock();
    let (commits, passed, repository) = (report.commits.len(), report.skipped.len(), shown(path));
    print_rejected(&mut out, report, path)?;
    if commits == 0 {
        match passed {
            0 => writeln!(out, "nothing has changed: no commit was made to {repository}")?,
            _ => writeln!(out, "nothing new: {} in the history of {repository} already", files_are(passed))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let totals = print_commits(&mut out, repo, &report.commits)?;
    if passed > 0 {
        writeln!(out, "{} in the history already and passed over", files_are(passed))?;
    }
    let (rows, seconds) = (count(report.rows_read), elapsed.as_secs_f64());
    let (raw, stored) = (size(totals.raw), size(totals.stored));
    writeln!(out, "{rows} rows in {seconds:.2} s: {raw} of vectors, {stored} stored in {repository}")?;
    let smaller = times(totals.raw, totals.stored);
    match (totals.stored, totals.lossy) {
        (0, _) => writeln!(out, "nothing has changed")?,
        (_, true) => writeln!(out, "{smaller} smaller, without the changes that the capture settings leave out")?,
        (_, false) if totals.transformed => {
            writeln!(out, "{smaller} smaller, every bit kept that the transformers left")?
        }
        (_, false) => writeln!(out, "{smaller} smaller, every bit kept")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Says how many rows of each source were refused.
fn print_rejected(out: &mut impl Write, report: &RunReport, path: &Path) -> Result<(), CliError> {
    for observer in report.observers.iter().filter(|observer| observer.metrics.rejected > 0) {
        let (name, rows) = (printable(&observer.source), plural(observer.metrics.rejected, "row"));
        let why = observer.metrics.last_error.as_deref().map(printable).unwrap_or_default();
        writeln!(out, "source {name}: {rows} refused and kept apart, see `vecdelta dlq ls {}`", shown(path))?;
        writeln!(out, "    the last one: {why}")?;
    }
    Ok(())
}

fn observer_json(observer: &Observer) -> Value {
    let metrics = &observer.metrics;
    json!({
        "source": observer.source,
        "status": observer.status.name(),
        "rows": metrics.rows,
        "deltas_captured": metrics.deltas_captured,
        "deltas_filtered": metrics.deltas_filtered,
        "rejected": metrics.rejected,
        "bytes_processed": metrics.bytes_processed,
        "mean_l2": metrics.mean_l2(),
        "last_capture": observer.last_capture.map(time),
        "last_error": metrics.last_error,
    })
}

/// What a run's commits hold together.
#[derive(Default)]
struct Totals {
    raw: u64,
    stored: u64,
    lossy: bool,
    transformed: bool,
}

/// Prints one line a commit; narrow enough for 80 columns with usual names and counts.
fn print_commits(out: &mut impl Write, repo: &Repository, commits: &[CommitIndex]) -> Result<Totals, CliError> {
    let mut totals = Totals::default();
    let mut rows = Vec::new();
    for &commit in commits {
        let record = repo.commit(commit)?;
        let (counts, bytes) = (record.body.counts, delta_bytes(&record));
        totals.raw += counts.raw_bytes;
        totals.stored += bytes;
        totals.lossy |= record.body.metadata.contains_key("lossy");
        totals.transformed |= record.body.metadata.contains_key("transformed");
        rows.push([
            origin(&record.body.metadata),
            count(counts.inserted),
            count(counts.updated),
            count(counts.deleted),
            count(counts.unchanged),
            size(bytes),
            times(counts.raw_bytes, bytes),
        ]);
    }
    let header = ["file", "inserted", "updated", "deleted", "unchanged", "stored", "smaller"];
    print_table(out, &header, &rows)?;
    Ok(totals)
}

/// Says where a commit's rows came from: the file, or the window and what closed it.
fn origin(metadata: &SortedMap<String, String>) -> String {
    let text = |key: &str| metadata.get(key).map_or("", String::as_str);
    match text("closed_by") {
        "epoch" => printable(text("file")),
        reason => printable(&format!("{} ({reason})", text("window"))),
    }
}

fn files_are(n: usize) -> String {
    if n == 1 { "1 file is".to_owned() } else { format!("{n} files are") }
}

fn times(raw: u64, stored: u64) -> String {
    if stored == 0 { "-".to_owned() } else { format!("{:.1}x", raw as f64 / stored as f64) }
}
