//! `vecdelta compact` and `vecdelta gc`: shorter ways to old commits, and the space of what they replace.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::error::{CliError, note};
use super::events::Events;
use super::open::{actor, writer};
use super::output::{hex, plural, print_json, size};
use super::progress::Steps;
use crate::delta::read_moment;
use crate::event::Event;
use crate::version::{CommitIndex, Keep, Repository, collect, compact, resolve};

/// Compose the deltas of old commits, so that the way to newer ones is shorter.
///
/// Kept exactly as they are: the heads of branches, tagged commits, those where histories part or meet, those against
/// whose rows later ones are coded, and what --keep-every and --before say. The records of the others stay, with all their hashes, but their tables can no longer be
/// read. `vecdelta undo` takes it back until `vecdelta gc` frees the space.
#[derive(clap::Args)]
pub struct CompactArgs {
    /// The repository.
    repo: PathBuf,
    /// Leave commits from this one on as they are: a branch, tag, hash, REV~N, or a time like 2026-03-01T12:00:00Z.
    #[arg(long, value_name = "REV|TIME")]
    before: Option<String>,
    /// Keep every so many commits.
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_every: u32,
    #[command(flatten)]
    events: Events,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Free the space of what compactions left behind; then they cannot be undone.
#[derive(clap::Args)]
pub struct GcArgs {
    /// The repository.
    repo: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs `vecdelta compact`.
pub fn run_compact(args: CompactArgs) -> Result<ExitCode, CliError> {
    let mut repo = writer(&args.repo)?;
    let from = match &args.before {
        Some(text) => first_kept(&repo, text)?,
        None => repo.len(),
    };
    let events = args.events.open()?;
    let own = |repo: &Repository| (0..repo.len()).filter(|&c| repo.stands_for(c).is_none()).count() as u64;
    let before = own(&repo);
    let steps = Steps::new("composing");
    let keep = Keep { from, every: args.keep_every };
    let done = compact(&mut repo, keep, &actor(), &mut |done, all| steps.at(done, all))?;
    steps.done();
    if done.ways > 0 {
        let stream = hex(repo.origin());
        events.tell(&Event::StreamCompacted { stream, before, after: own(&repo) });
    }
    events.close()?;
    if args.json {
        print_json(&json!({
            "commits": done.commits, "ways": done.ways, "bytes_before": done.before, "bytes_after": done.after,
        }))?;
    } else if done.ways == 0 {
        writeln!(io::stdout(), "nothing to compact: every commit is kept, or was left out before")?;
    } else {
        let (commits, ways) = (plural(done.commits, "commit"), plural(done.ways, "commit"));
        let (before, after) = (size(done.before), size(done.after));
        writeln!(io::stdout(), "{commits} left out; the way to {ways} took {before}, takes {after} now")?;
        note("hint: `vecdelta gc` frees the space; until then `vecdelta undo` takes the compaction back");
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the first commit, in the order of the log, that is not before a revision or time.
fn first_kept(repo: &Repository, text: &str) -> Result<CommitIndex, CliError> {
    let Some(time) = read_moment(text) else {
        return Ok(resolve(repo, text)?);
    };
    let millis = u64::try_from(time).unwrap_or(0);
    let late = |&c: &CommitIndex| repo.entry(c).time.physical_millis >= millis;
    Ok((0..repo.len()).find(late).unwrap_or(repo.len()))
}

/// Runs `vecdelta gc`.
pub fn run_gc(args: GcArgs) -> Result<ExitCode, CliError> {
    let mut repo = writer(&args.repo)?;
    let done = collect(&mut repo)?;
    if args.json {
        print_json(&json!({
            "records": done.records, "bytes_before": done.before, "bytes_after": done.after,
        }))?;
    } else if done.records == 0 {
        writeln!(io::stdout(), "nothing to free: all rows are needed")?;
    } else {
        let (before, after) = (size(done.before), size(done.after));
        writeln!(
            io::stdout(),
            "the log had {before} and has {after}; {} kept without rows",
            plural(done.records, "record")
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
