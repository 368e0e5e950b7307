//! `vecdelta rollback`: a new commit that restores an older state.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::branch::unknown;
use super::error::CliError;
use super::events::Events;
use super::open::{actor, writer};
use super::output::{commit_json, count, print_json, printable, short};
use crate::event::Event;
use crate::version::{MAIN, VersionError, resolve, rollback};

/// Make a commit that restores an older state, bit for bit; the history is kept.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("target").required(true).args(["last", "to"])))]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// The branch to roll back.
    #[arg(long, default_value = MAIN)]
    branch: String,
    /// Take back so many commits.
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    /// Go back to this revision.
    #[arg(long, value_name = "REV")]
    to: Option<String>,
    #[command(flatten)]
    events: Events,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let mut repo = writer(&args.repo)?;
    let head = repo.head(&args.branch);
    let head = head.ok_or_else(|| unknown("branch", &args.branch, repo.branches()))?;
    let to = match (args.last, &args.to) {
        (Some(n), _) => {
            let held = repo.first_parents(head).count() - 1;
            repo.first_parents(head)
                .nth(n)
                .ok_or_else(|| VersionError::Refused(format!("only {held} commits can be taken back, not {n}")))?
        }
        (None, Some(revision)) => resolve(&repo, revision)?,
        (None, None) => return Err(CliError::new(2, "name --last N or --to REV")),
    };
    let events = args.events.open()?;
    let commit = rollback(&mut repo, &args.branch, to, &actor())?;
    let name = |commit| repo.entry(commit).id.to_hex();
    let taken_back = repo.first_parents(head).take_while(|&c| !repo.is_before(c, to)).map(name).collect();
    let done = repo.commit(commit)?.body.counts;
    let deltas = done.inserted + done.updated + done.deleted;
    events.tell(&Event::DeltaRolledBack { target: args.branch.clone(), deltas: taken_back });
    events.tell(&Event::DeltaVersioned { commit: name(commit), branch: args.branch.clone(), deltas });
    events.close()?;
    if args.json {
        print_json(&commit_json(&repo, commit)?)?;
    } else {
        let counts = repo.commit(commit)?.body.counts;
        let (updated, inserted, deleted) = (count(counts.updated), count(counts.inserted), count(counts.deleted));
        let (id, old) = (short(repo.entry(commit).id), short(repo.entry(to).id));
        let branch = printable(&args.branch);
        writeln!(
            std::io::stdout(),
            "{id}: {branch} is as at {old} again ({inserted} inserted, {updated} updated, {deleted} deleted)"
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
