//! `vecdelta run`: a pipeline file, to the end of its input or until it is asked to stop.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::error::CliError;
use super::open::{author, now_millis, writer_or_new};
use super::output::{commit_json, count, delta_bytes, print_json, printable, short, size};
use super::progress::Progress;
use crate::event::Event;
use crate::pipeline::config::Pipeline;
use crate::pipeline::{self, Context, RunReport};
use crate::version::Repository;

/// Run a pipeline file.
///
/// SIGINT and SIGTERM end it well: open windows are committed, half an epoch is left out. Files that an earlier run
/// of the same pipeline has committed are passed over.
#[derive(clap::Args)]
pub struct Args {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Override a setting, such as --set pipeline.store=other.vd
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let start = Instant::now();
    let pipeline = super::config::load(&args.pipeline, &args.set)?;
    let (mut repo, report) = execute(&pipeline, true)?;
    let written = pipeline::write_sinks(&pipeline, &mut repo)?;
    let code = print_report(&repo, &pipeline.settings.store, &report, start.elapsed(), args.json)?;
    if !args.json {
        let mut out = io::stdout().lock();
        for path in written {
            writeln!(out, "wrote {}", path.display())?;
        }
    }
    Ok(code)
}

/// Runs a pipeline with the system's clock and signals.
pub fn execute(pipeline: &Pipeline, resume: bool) -> Result<(Repository, RunReport), CliError> {
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
    let mut repo = writer_or_new(&pipeline.settings.store)?;
    let progress = Progress::new();
    let listener = |event: &Event| progress.on(event);
    let context = Context {
        now: &now_millis,
        stop: &stop,
        listener: &listener,
        author: author(),
        resume,
    };
    let result = pipeline::run(pipeline, &mut repo, &context);
    progress.done();
    Ok((repo, result?))
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
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = io::stdout().lock();
    if !report.commits.is_empty() {
        writeln!(
            out,
            "{:<12}  {:<24} {:>9} {:>9} {:>9} {:>10}  {:>9} {:>9} {:>8}",
            "commit", "file", "inserted", "updated", "deleted", "unchanged", "read", "stored", "smaller"
        )?;
    }
    let (mut raw, mut stored) = (0, 0);
    for &commit in &report.commits {
        let record = repo.commit(commit)?;
        let (counts, bytes) = (record.body.counts, delta_bytes(&record));
        raw += counts.raw_bytes;
        stored += bytes;
        let file = record.body.metadata.get("file").cloned().unwrap_or_default();
        writeln!(
            out,
            "{:<12}  {:<24} {:>9} {:>9} {:>9} {:>10}  {:>9} {:>9} {:>8}",
            short(repo.entry(commit).id),
            printable(&file),
            count(counts.inserted),
            count(counts.updated),
            count(counts.deleted),
            count(counts.unchanged),
            size(counts.raw_bytes),
            size(bytes),
            times(counts.raw_bytes, bytes)
        )?;
    }
    if !report.skipped.is_empty() {
        writeln!(out, "{} files are in the history already: nothing to do for them", report.skipped.len())?;
    }
    writeln!(
        out,
        "{} rows in {:.2} s; {} of vectors are {} in {} ({} smaller), every bit kept",
        count(report.rows_read),
        elapsed.as_secs_f64(),
        size(raw),
        size(stored),
        path.display(),
        times(raw, stored)
    )?;
    Ok(ExitCode::SUCCESS)
}

fn times(raw: u64, stored: u64) -> String {
    if stored == 0 { "-".to_owned() } else { format!("{:.1}x", raw as f64 / stored as f64) }
}
