//! `vecdelta dlq`: what could not be delivered or applied.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::error::{CliError, NOT_FOUND};
use super::open::writer;
use super::output::{plural, print_table, printable};
use crate::delta::{CommitId, Element, Timestamp, hex};
use crate::store::{Disk, Letter, LetterBox, Letters, LocalDisk};
use crate::version::{Repository, writers_of};

/// List the dead letters of a repository, look at one, try them again, or drop them.
///
/// A delta that a sink refused or that grew too old, and a row that came too late or was refused, is kept with its original
/// bits and the reason until somebody decides.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// List them.
    Ls {
        /// The repository.
        repo: PathBuf,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Show one with its original bits, as one JSON document.
    Show {
        /// The repository.
        repo: PathBuf,
        /// Its id, or the beginning of it.
        id: String,
    },
    /// Let the next run give deltas to their sink and rows to their source again; all of them unless some are named.
    ///
    /// A row comes before those that the run reads, whatever its time: the newest version of its id. One that is refused
    /// again stays a dead letter. Where the id has changed since, the older value is left out: --force puts it over the
    /// newer one.
    Replay {
        /// The repository.
        repo: PathBuf,
        /// Their ids.
        ids: Vec<String>,
        /// Also those whose id has changed since.
        #[arg(long)]
        force: bool,
    },
    /// Drop them for good.
    Drop {
        /// The repository.
        repo: PathBuf,
        /// Their ids.
        ids: Vec<String>,
        /// All of them.
        #[arg(long, conflicts_with = "ids", required_unless_present = "ids")]
        all: bool,
    },
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    match args.action {
        Action::Ls { repo, json } => list(&read(&repo)?, json),
        Action::Show { repo, id } => {
            let letters = read(&repo)?;
            let (id, letter, again) = find(&letters, &id)?;
            writeln!(io::stdout(), "{:#}", to_json(id, letter, again, true))?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Replay { repo, ids, force } => {
            let open = writer(&repo)?;
            let letters = Letters::read(open.disk().as_ref())?;
            let mut ids = chosen(&letters, &ids)?;
            let all = ids.len();
            if !force {
                let old = overtaken(&open, &letters)?;
                ids.retain(|id| !old.contains(id));
            }
            LetterBox::new(open.disk().clone()).again(ids.clone())?;
            let mut out = io::stdout().lock();
            writeln!(out, "the next run tries {} again", plural(ids.len() as u64, "dead letter"))?;
            if all > ids.len() {
                let left = plural((all - ids.len()) as u64, "dead letter");
                writeln!(
                    out,
                    "{left} left out, whose ids have changed since; --force puts the older values over them"
                )?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::Drop { repo, ids, .. } => {
            let open = writer(&repo)?;
            let letters = Letters::read(open.disk().as_ref())?;
            let ids = chosen(&letters, &ids)?;
            LetterBox::new(open.disk().clone()).remove(ids.clone())?;
            writeln!(io::stdout(), "dropped {}", plural(ids.len() as u64, "dead letter"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn read(repo: &Path) -> Result<Letters, CliError> {
    let disk = LocalDisk::new(repo);
    if disk.len("head").unwrap_or(None).is_none() {
        return Err(CliError::new(NOT_FOUND, format!("there is no repository at {}", repo.display())));
    }
    Ok(Letters::read(&disk)?)
}

fn find<'l>(letters: &'l Letters, id: &str) -> Result<(&'l str, &'l Letter, bool), CliError> {
    let fits: Vec<_> = letters.iter().filter(|(known, _, _)| known.starts_with(id)).collect();
    match fits[..] {
        [one] if !id.is_empty() => Ok(one),
        _ => Err(CliError::new(NOT_FOUND, format!("{} dead letters have an id that begins with `{id}`", fits.len()))
            .hint("`vecdelta dlq ls REPO` lists them")),
    }
}

/// Returns the ids of the letters whose source has changed since.
///
/// For a delta that is a later commit of its source. A row has no commit: it is older than all rows of a commit that began
/// after it was refused, which is when the commit before that one was made.
fn overtaken(repo: &Repository, letters: &Letters) -> Result<HashSet<String>, CliError> {
    let mut old = HashSet::new();
    for (id, letter, _) in letters.iter().filter(|(_, letter, _)| !letter.key.is_empty()) {
        let writers = writers_of(repo, &letter.collection, &letter.key)?.unwrap_or_default();
        let Some(&newest) = writers.last() else { continue };
        let entry = repo.entry(newest);
        let is_later = match letter.commit.as_str() {
            "" => {
                let before = repo.first_parents(newest).nth(1);
                before.is_some_and(|before| repo.entry(before).time.physical_millis >= letter.millis)
            }
            own => entry.id.to_hex() != own && entry.time.physical_millis >= time_of(repo, own),
        };
        if is_later {
            old.insert(id.to_owned());
        }
    }
    Ok(old)
}

/// Returns when a commit was made; 0 where it is gone.
fn time_of(repo: &Repository, commit: &str) -> u64 {
    let found = CommitId::from_hex(commit).and_then(|id| repo.find(&id));
    found.map_or(0, |commit| repo.entry(commit).time.physical_millis)
}

/// Returns the ids of those that are named, or of all.
fn chosen(letters: &Letters, ids: &[String]) -> Result<Vec<String>, CliError> {
    if ids.is_empty() {
        return Ok(letters.iter().map(|(id, _, _)| id.to_owned()).collect());
    }
    ids.iter().map(|id| Ok(find(letters, id)?.0.to_owned())).collect()
}

fn list(letters: &Letters, json: bool) -> Result<ExitCode, CliError> {
    let mut out = io::stdout().lock();
    if json {
        for (id, letter, again) in letters.iter() {
            writeln!(out, "{}", to_json(id, letter, again, false))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if letters.is_empty() {
        writeln!(out, "no dead letters")?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |(id, letter, again): (&str, &Letter, bool)| {
        let whose = if letter.subscriber.is_empty() { &letter.source } else { &letter.subscriber };
        let source = printable(&format!("{}/{}", letter.collection, letter.key));
        let note = if again { " (again)" } else { "" };
        [id.to_owned(), printable(whose), letter.reason.name().to_owned() + note, source, printable(&letter.message)]
    };
    let rows: Vec<_> = letters.iter().map(row).collect();
    print_table(&mut out, &["id", "for", "reason", "source", "message"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

fn to_json(id: &str, letter: &Letter, again: bool, bits: bool) -> Value {
    let time = Timestamp { physical_millis: letter.millis, ..Timestamp::default() }.rfc3339();
    let mut value = json!({
        "id": id,
        "reason": letter.reason.name(),
        "message": letter.message,
        "time": time,
        "from": letter.source,
        "subscriber": letter.subscriber,
        "commit": letter.commit,
        "source": format!("{}/{}", letter.collection, letter.key),
        "change": letter.change,
        "metadata": letter.metadata,
        "replay": again,
    });
    let unread = !["row", "insert", "update", "delete"].contains(&letter.change.as_str());
    if bits && unread {
        // As it came: nobody could tell what vector it holds.
        value["text"] = json!(std::str::from_utf8(&letter.bits).ok());
        value["bits"] = json!(hex(&letter.bits));
    } else if bits {
        value["dtype"] = json!(Element::from_code(letter.element).map(Element::name));
        value["dims"] = json!(letter.dims);
        value["bits"] = json!(hex(&letter.bits));
    }
    value
}
