//! `vecdelta top`: a running pipeline in the terminal.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::error::{CliError, IO, note};
use super::open::token;
use super::output::{count, plural, print_json, printable, size};
use crate::serve::{Client, Url};

/// Where a pipeline listens unless told otherwise.
pub const URL: &str = "http://127.0.0.1:7879";

/// How often the view is drawn.
const EVERY: Duration = Duration::from_secs(1);

/// How wide and how high a view may be.
const WIDTH: usize = 80;
const HEIGHT: usize = 24;

/// Watch a running pipeline: stages, rates, sources, windows.
///
/// The pipeline runs with `vecdelta run PIPELINE --listen ADDRESS`. The view is drawn once a second, in place; Ctrl-C
/// ends it, and so does the end of the run.
#[derive(clap::Args)]
pub struct Args {
    /// Where the pipeline listens.
    #[arg(default_value = URL)]
    url: String,
    /// Draw it once, after a second, and end.
    #[arg(long)]
    once: bool,
    /// Print one JSON document and end.
    #[arg(long)]
    json: bool,
    /// Add a line of JSON to this file once a second, until the run ends; the inspector replays it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["once", "json"])]
    record: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let client = Client::new(Url::parse(&args.url)?, token());
    if args.json {
        print_json(&look(&client)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(file) = &args.record {
        let stop = stop_flag()?;
        let lines = record(&client, file, &stop)?;
        note(format_args!("{} in {}", plural(lines, "line"), file.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = io::stdout().lock();
    if args.once || !out.is_terminal() {
        look(&client)?;
        thread::sleep(EVERY);
        for line in view(&look(&client)?, &args.url) {
            writeln!(out, "{line}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let stop = stop_flag()?;
    let mut shown: Vec<String> = Vec::new();
    // The other screen, without a cursor: what was there before comes back at the end.
    write!(out, "\x1b[?1049h\x1b[?25l")?;
    let ended = watch(&client, &args.url, &stop, &mut out, &mut shown);
    write!(out, "\x1b[?25h\x1b[?1049l")?;
    for line in &shown {
        writeln!(out, "{line}")?;
    }
    ended.map(|()| ExitCode::SUCCESS)
}

/// Returns what is set when somebody asks to stop.
fn stop_flag() -> Result<Arc<AtomicBool>, CliError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, stop.clone())?;
    }
    Ok(stop)
}

/// Adds what is known of the run to a file, once a second, until it ends or somebody asks to stop; returns how many
/// lines that were. The first look must succeed.
fn record(client: &Client, path: &Path, stop: &AtomicBool) -> Result<u64, CliError> {
    let mut document = look(client)?;
    let mut file = File::options().create(true).append(true).open(path)?;
    let mut lines = 0;
    loop {
        // One write a line: a reader never sees half of one that is not being written just now.
        file.write_all(format!("{document}\n").as_bytes())?;
        lines += 1;
        wait(stop);
        match look(client) {
            Ok(next) if !stop.load(Ordering::Relaxed) => document = next,
            _ => break,
        }
    }
    file.sync_all()?;
    Ok(lines)
}

/// Waits until it is time to look again, or somebody asks to stop.
fn wait(stop: &AtomicBool) {
    let next = Instant::now() + EVERY;
    while Instant::now() < next && !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(50));
    }
}

/// Draws until the run ends or somebody asks to stop; the first look must succeed.
fn watch(
    client: &Client,
    url: &str,
    stop: &AtomicBool,
    out: &mut impl Write,
    shown: &mut Vec<String>,
) -> Result<(), CliError> {
    let mut first = true;
    while !stop.load(Ordering::Relaxed) {
        let document = match look(client) {
            Ok(document) => document,
            Err(error) if first => return Err(error),
            Err(_) => {
                shown.push("the run has ended".to_owned());
                return Ok(());
            }
        };
        first = false;
        let lines = view(&document, url);
        // Only lines that differ are drawn again: nothing flickers.
        let mut text = String::new();
        for (i, line) in lines.iter().enumerate().filter(|(i, line)| shown.get(*i) != Some(line)) {
            text += &format!("\x1b[{};1H{line}\x1b[K", i + 1);
        }
        if lines.len() < shown.len() {
            text += &format!("\x1b[{};1H\x1b[J", lines.len() + 1);
        }
        out.write_all(text.as_bytes())?;
        out.flush()?;
        *shown = lines;
        wait(stop);
    }
    Ok(())
}

fn look(client: &Client) -> Result<Value, CliError> {
    let bytes = client.fetch("/v1/stages")?;
    let document: Option<Value> = serde_json::from_slice(&bytes).ok();
    document.filter(|d| d["stages"].is_array()).ok_or_else(|| {
        CliError::new(IO, format!("{} does not serve a pipeline", client.url.authority))
            .hint("run one with `vecdelta run PIPELINE --listen 127.0.0.1:7879`")
    })
}

/// Makes the lines of the view, which fit 80 columns and 24 rows.
fn view(document: &Value, url: &str) -> Vec<String> {
    let list = |name: &str| document[name].as_array().cloned().unwrap_or_default();
    let mut lines = vec![
        format!("{}  at {}  for {}", text(&document["pipeline"]), printable(url), duration(&document["seconds"])),
        String::new(),
        format!(
            "{:<8} {:>14} {:>12}  {:<7} {:>6} {:>9}  {}",
            "stage", "total", "per second", "", "busy", "queue", "waits for"
        ),
    ];
    for stage in list("stages") {
        let rate = stage["per_second"].as_f64().unwrap_or(0.0);
        let busy = stage["busy"].as_f64().map_or("-".to_owned(), |busy| format!("{:.0} %", busy * 100.0));
        let queue = stage["queue_bytes"].as_u64().map_or("-".to_owned(), size);
        let (name, unit, total) = (text(&stage["stage"]), text(&stage["unit"]), count(n(&stage["total"])));
        let rate = count(rate.round() as u64);
        let waits = text(&stage["blocked_on"]);
        lines.push(format!("{name:<8} {total:>14} {rate:>12}  {unit:<7} {busy:>6} {queue:>9}  {waits}"));
    }
    lines.push(String::new());
    match list("partitions") {
        none if none.is_empty() => sources(document, &mut lines),
        partitions => partitions_of(&partitions, document, &mut lines),
    }
    lines.push(String::new());
    let windows = list("windows");
    let open = windows.iter().filter(|w| w["open"].as_bool() == Some(true)).count();
    let closed: u64 = windows.iter().filter_map(|w| w["closed"].as_object()).flat_map(|c| c.values()).map(n).sum();
    lines.push(format!("windows    {} closed, {open} open", count(closed)));
    let routes = document["routes"].as_object().cloned().unwrap_or_default();
    let routes: Vec<String> =
        routes.iter().map(|(name, deltas)| format!("{} {}", printable(name), count(n(deltas)))).collect();
    lines.push(format!("routes     {}, to none {}", routes.join(", "), count(n(&document["unrouted"]))));
    let bytes = &document["encoded_bytes"];
    let (before, after) = (size(n(&bytes["before"])), size(n(&bytes["after"])));
    lines.push(format!("commits    {}: {before} of vectors in {after}", plural(n(&document["commits"]), "commit")));
    let memory = &document["memory_bytes"];
    let (held, budget) = (size(n(&memory["held"])), size(n(&memory["budget"])));
    let age = document["checkpoint_age_seconds"].as_f64().unwrap_or(0.0);
    lines.push(format!("memory     {held} of {budget} in queues and windows; last commit {age:.0} s ago"));
    let letters: u64 = document["dead_letters"].as_object().into_iter().flat_map(|l| l.values()).map(n).sum();
    let lag = list("sources").iter().filter_map(|s| s["watermark_lag_seconds"].as_f64()).fold(0.0, f64::max);
    let lag = if lag > 0.0 { format!(", watermark {lag:.1} s behind") } else { String::new() };
    lines.push(format!(
        "refused    {}, {}{lag}",
        plural(n(&document["rejected"]), "delta"),
        plural(letters, "dead letter")
    ));
    for sink in list("sinks") {
        let (name, status) = (named(&sink, "sink"), text(&sink["status"]));
        let (acked, pending) = (count(n(&sink["acked"])), count(n(&sink["pending"])));
        lines.push(format!(
            "sink       {name} {status}: {acked} taken, {pending} wait, {}",
            size(n(&sink["queue_bytes"]))
        ));
    }
    if lines.len() > HEIGHT {
        let more = lines.len() - HEIGHT + 1;
        lines.truncate(HEIGHT - 1);
        lines.push(format!("... {} more with --json", plural(more as u64, "line")));
    }
    lines.iter().map(|line| clipped(line.trim_end())).collect()
}

/// Lists the sources, and what is wrong with them.
fn sources(document: &Value, lines: &mut Vec<String>) {
    lines.push(format!("{:<20} {:<8} {:>14} {:>14} {:>14}", "source", "", "rows", "captured", "unchanged"));
    for source in document["sources"].as_array().into_iter().flatten() {
        let rows = [&source["rows"], &source["captured"], &source["filtered"]].map(|v| count(n(v)));
        let (name, status) = (named(source, "source"), text(&source["status"]));
        lines.push(format!("{name:<20} {status:<8} {:>14} {:>14} {:>14}", rows[0], rows[1], rows[2]));
        if let Some(problem) = source["problem"].as_str() {
            lines.push(format!("  {}", printable(problem)));
        }
    }
}

/// Lists the partitions of a worker, and what is wrong with them and their sources.
fn partitions_of(partitions: &[Value], document: &Value, lines: &mut Vec<String>) {
    lines.push(format!("{:<9} {:<8} {:>12} {:>11} {:>8}  {}", "partition", "", "rows", "per second", "commits", "why"));
    for own in partitions {
        let read = own["stages"].as_array().and_then(|stages| stages.first()).unwrap_or(&Value::Null);
        let (rows, rate) = (count(n(&read["total"])), read["per_second"].as_f64().unwrap_or(0.0));
        let (rate, commits) = (count(rate.round() as u64), count(n(&own["commits"])));
        let why = own["problem"].as_str().map(printable).unwrap_or_default();
        let (number, status) = (n(&own["partition"]), text(&own["status"]));
        lines.push(format!("{number:<9} {status:<8} {rows:>12} {rate:>11} {commits:>8}  {why}"));
    }
    for source in document["sources"].as_array().into_iter().flatten() {
        if let Some(problem) = source["problem"].as_str() {
            lines.push(format!("  {} {}: {}", named(source, "source"), text(&source["status"]), printable(problem)));
        }
    }
}

/// Names a source or sink, with its partition where the work is divided.
fn named(part: &Value, kind: &str) -> String {
    match part["partition"].as_u64() {
        Some(partition) => format!("{}/{partition}", text(&part[kind])),
        None => text(&part[kind]),
    }
}

fn text(value: &Value) -> String {
    printable(value.as_str().unwrap_or("-"))
}

fn n(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn clipped(line: &str) -> String {
    if line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    line.chars().take(WIDTH - 3).chain("...".chars()).collect()
}

fn duration(seconds: &Value) -> String {
    let seconds = seconds.as_f64().unwrap_or(0.0) as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_view_fits_whatever_there_is() {
        let source = json!({ "source": "a-source-with-a-very-long-name-that-goes-on", "status": "error", "rows": u64::MAX,
            "captured": 1, "filtered": 2, "problem": "x".repeat(300) });
        let stage = json!({ "stage": "capture", "total": u64::MAX, "unit": "deltas", "per_second": 1e12 });
        let document =
            json!({ "pipeline": "p\n", "seconds": 1e9, "stages": vec![stage; 6], "sources": vec![source; 40] });
        let lines = view(&document, URL);
        assert_eq!(lines.len(), HEIGHT);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH && !line.contains('\n')), "{lines:#?}");
        assert!(view(&json!({}), URL).len() < HEIGHT);
        let waits = json!({ "partition": u64::MAX, "status": "waiting", "problem": "y\n".repeat(300), "stages": [] });
        for partitions in [vec![waits; 40], vec![json!(null)], vec![json!({ "stages": 3 })]] {
            let lines = view(&json!({ "partitions": partitions, "sources": vec![json!(7); 3] }), URL);
            assert!(lines.len() <= HEIGHT);
            assert!(lines.iter().all(|line| line.chars().count() <= WIDTH && !line.contains('\n')), "{lines:#?}");
        }
    }
}
