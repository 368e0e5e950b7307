//! `vecdelta branch` and `vecdelta tag`: list, make, rename and delete names.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::error::{CliError, NOT_FOUND};
use super::events::{Events, Teller};
use super::open::{actor, commit, reader, writer};
use super::output::{printable, short, time};
use crate::delta::SortedMap;
use crate::event::Event;
use crate::version::{
    CommitIndex, Repository, delete_branch, delete_tag, rename_branch, rename_tag, set_branch, set_tag,
};

/// List, make or delete branches.
#[derive(clap::Args)]
pub struct BranchArgs {
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    events: Events,
}

/// List, make or delete tags.
#[derive(clap::Args)]
pub struct TagArgs {
    #[command(flatten)]
    names: Names,
}

#[derive(clap::Args)]
struct Names {
    /// The repository.
    repo: PathBuf,
    /// The name to make.
    name: Option<String>,
    /// What it points at; the head of main unless given.
    #[arg(long, value_name = "REV", requires = "name")]
    at: Option<String>,
    /// The name to delete; commits are never deleted.
    #[arg(long, value_name = "NAME", conflicts_with = "name")]
    delete: Option<String>,
    /// The name to give another one; name that first: OLD --rename NEW.
    #[arg(long, value_name = "NEW", requires = "name", conflicts_with_all = ["at", "delete"])]
    rename: Option<String>,
    /// Print one JSON document a line.
    #[arg(long)]
    json: bool,
}

/// Runs `vecdelta branch`.
pub fn branch(args: BranchArgs) -> Result<ExitCode, CliError> {
    let events = args.events.open()?;
    let code = run(args.names, false, Some(&events))?;
    events.close()?;
    Ok(code)
}

/// Runs `vecdelta tag`.
pub fn tag(args: TagArgs) -> Result<ExitCode, CliError> {
    run(args.names, true, None)
}

fn run(args: Names, tags: bool, events: Option<&Teller>) -> Result<ExitCode, CliError> {
    if let Some(name) = &args.delete {
        let mut repo = writer(&args.repo)?;
        let (what, known) = if tags { ("tag", repo.tags()) } else { ("branch", repo.branches()) };
        let was = *known.get(name).ok_or_else(|| unknown(what, name, known))?;
        let delete = if tags { delete_tag } else { delete_branch };
        delete(&mut repo, name, &actor())?;
        if !args.json {
            let (name, id) = (printable(name), short(repo.entry(was).id));
            writeln!(io::stdout(), "{what} {name} deleted; it was at {id}, which stays")?;
        }
        return list(&repo, tags, args.json);
    }
    if let (Some(name), Some(new)) = (&args.name, &args.rename) {
        let mut repo = writer(&args.repo)?;
        let (what, known) = if tags { ("tag", repo.tags()) } else { ("branch", repo.branches()) };
        known.get(name).ok_or_else(|| unknown(what, name, known))?;
        let rename = if tags { rename_tag } else { rename_branch };
        rename(&mut repo, name, new, &actor())?;
        return list(&repo, tags, args.json);
    }
    if let Some(name) = &args.name {
        let mut repo = writer(&args.repo)?;
        let at = commit(&repo, args.at.as_deref())?;
        let at = at.ok_or_else(|| CliError::new(NOT_FOUND, "the repository has no commit to point at"))?;
        let set = if tags { set_tag } else { set_branch };
        set(&mut repo, name, at, &actor())?;
        let made = Event::BranchCreated { branch: name.clone(), commit: repo.entry(at).id.to_hex() };
        events.iter().for_each(|events| events.tell(&made));
        return list(&repo, tags, args.json);
    }
    list(&reader(&args.repo)?, tags, args.json)
}

/// Says that a name is not there, and which are.
pub fn unknown(what: &str, name: &str, known: &SortedMap<String, CommitIndex>) -> CliError {
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let there = if names.is_empty() { String::new() } else { format!(" (there is {})", names.join(", ")) };
    CliError::new(NOT_FOUND, format!("there is no {what} `{}`{there}", printable(name)))
}

fn list(repo: &Repository, tags: bool, json: bool) -> Result<ExitCode, CliError> {
    let mut out = io::stdout().lock();
    for (name, &commit) in if tags { repo.tags() } else { repo.branches() } {
        let entry = repo.entry(commit);
        if json {
            let line = json!({ "name": name, "commit": entry.id.to_hex(), "time": time(entry.time) });
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{:<20} {} {}", name, short(entry.id), time(entry.time))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
