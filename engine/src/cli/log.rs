//! `vecdelta log`: the commits, newest first.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::arguments::{entry, millis};
use super::error::CliError;
use super::open::{commit, reader};
use super::output::{commit_json, count, delta_bytes, printable, short, size, time};
use crate::delta::{Source, check_collection};
use crate::store::{CollectionState, CommitBody};
use crate::version::{CommitIndex, Repository, VersionError, commits_with, touches, writers_of};

/// List commits, newest first.
///
/// Filters can be joined; a commit is listed when it fits all of them. Texts fit in any case of letters.
#[derive(clap::Args)]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// Where to begin: a branch, tag, hash, REV~N or @TIME.
    #[arg(value_name = "REV")]
    revision: Option<String>,
    /// Only commits that changed this source.
    #[arg(long, value_name = "COLLECTION/KEY")]
    source: Option<String>,
    /// Only commits that changed this collection.
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// Only commits whose author's name holds this text.
    #[arg(long, value_name = "TEXT")]
    author: Option<String>,
    /// Only commits whose message or metadata hold this text.
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Only commits with this entry in their metadata, of this value if one is given; may be repeated.
    #[arg(long, value_name = "KEY[=VALUE]")]
    metadata: Vec<String>,
    /// Only commits made at this time or later, such as 2026-03-01T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = millis)]
    since: Option<u64>,
    /// Only commits made at this time or earlier.
    #[arg(long, value_name = "TIME", value_parser = millis)]
    until: Option<u64>,
    /// At most so many.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print one JSON document a line.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let repo = reader(&args.repo)?;
    let filter = Filter::of(&args)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let Some(start) = commit(&repo, args.revision.as_deref())? else {
        return Ok(ExitCode::SUCCESS);
    };
    filter.check(&repo, start)?;
    let candidates = filter.candidates(&repo)?;
    let mut left = args.limit.unwrap_or(usize::MAX);
    for commit in ancestors(&repo, start) {
        if left == 0 {
            break;
        }
        if candidates.as_ref().is_some_and(|c| !c.contains(&commit)) || !filter.fits(&repo, commit)? {
            continue;
        }
        left -= 1;
        if args.json {
            writeln!(out, "{}", commit_json(&repo, commit)?)?;
        } else {
            line(&mut out, &repo, commit)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Returns a commit and all it builds on, newest first: a child comes before its parents.
fn ancestors(repo: &Repository, start: CommitIndex) -> impl Iterator<Item = CommitIndex> {
    // Parents have lower numbers, so the highest open number is always next.
    let mut open = BTreeSet::from([start]);
    std::iter::from_fn(move || {
        let next = open.pop_last()?;
        open.extend(repo.entry(next).parents.iter().copied());
        Some(next)
    })
}

/// What a commit must be to be listed.
struct Filter {
    source: Option<Source>,
    collection: Option<String>,
    /// In lower case, as the next one.
    author: Option<String>,
    text: Option<String>,
    metadata: Vec<(String, Option<String>)>,
    since: u64,
    until: u64,
}

impl Filter {
    fn of(args: &Args) -> Result<Self, CliError> {
        let usage = |e: crate::delta::SourceError| CliError::new(2, e.to_string());
        args.collection.as_deref().map_or(Ok(()), check_collection).map_err(usage)?;
        Ok(Self {
            source: args.source.as_deref().map(Source::parse).transpose().map_err(usage)?,
            collection: args.collection.clone(),
            author: args.author.as_deref().map(str::to_lowercase),
            text: args.grep.as_deref().map(str::to_lowercase),
            metadata: args.metadata.iter().map(|text| entry(text)).collect(),
            since: args.since.unwrap_or(0),
            until: args.until.unwrap_or(u64::MAX),
        })
    }

    /// Refuses a collection that no commit of the repository ever had: more likely a slip than a question.
    fn check(&self, repo: &Repository, start: CommitIndex) -> Result<(), CliError> {
        match &self.collection {
            Some(name) if repo.collection_number(name).is_none() => Err(VersionError::UnknownCollection {
                name: name.clone(),
                revision: "any revision".to_owned(),
                near: repo.commit(start)?.body.collections.into_iter().map(|c| c.name).collect(),
            }
            .into()),
            _ => Ok(()),
        }
    }

    /// Returns the commits that the index leaves to be looked at; `None` when it cannot tell, or was not asked.
    fn candidates(&self, repo: &Repository) -> Result<Option<BTreeSet<CommitIndex>>, CliError> {
        let mut left: Option<BTreeSet<CommitIndex>> = None;
        let mut narrow = |found: Option<BTreeSet<CommitIndex>>| {
            if let Some(found) = found {
                left = Some(left.take().map_or(found.clone(), |left| left.intersection(&found).copied().collect()));
            }
        };
        if let Some(source) = &self.source {
            narrow(writers_of(repo, &source.collection, &source.key)?.map(|c| c.into_iter().collect()));
        }
        for (key, value) in &self.metadata {
            narrow(commits_with(repo, &[key, value.as_deref().unwrap_or("")]));
        }
        Ok(left)
    }

    /// Returns whether a commit is listed; what costs least is asked first.
    ///
    /// A time rules out one commit, never those behind it: along the parents of a merge times need not fall.
    fn fits(&self, repo: &Repository, commit: CommitIndex) -> Result<bool, CliError> {
        if !(self.since..=self.until).contains(&repo.entry(commit).time.physical_millis) {
            return Ok(false);
        }
        if self.author.is_some() || self.text.is_some() || !self.metadata.is_empty() || self.collection.is_some() {
            let body = repo.commit(commit)?.body;
            if !self.fits_body(&body) || !self.fits_collection(repo, commit, &body)? {
                return Ok(false);
            }
        }
        match &self.source {
            Some(source) => Ok(touches(repo, commit, source)?),
            None => Ok(true),
        }
    }

    fn fits_body(&self, body: &CommitBody) -> bool {
        let holds = |text: &str, part: &String| text.to_lowercase().contains(part);
        let author = self.author.as_ref().is_none_or(|part| holds(&body.author, part));
        let text = self.text.as_ref().is_none_or(|part| {
            let entries = body.metadata.iter().any(|(key, value)| holds(key, part) || holds(value, part));
            holds(&body.message, part) || entries
        });
        let entry = |(key, value): &(String, Option<String>)| {
            body.metadata.get(key).is_some_and(|held| value.as_ref().is_none_or(|value| value == held))
        };
        author && text && self.metadata.iter().all(entry)
    }

    /// A commit changed a collection when its state is not the one of the first parent.
    fn fits_collection(&self, repo: &Repository, commit: CommitIndex, body: &CommitBody) -> Result<bool, CliError> {
        let Some(name) = &self.collection else { return Ok(true) };
        let state = |all: &[CollectionState]| all.iter().find(|c| c.name == *name).cloned();
        let before = match repo.entry(commit).parents.first() {
            Some(&parent) => state(&repo.commit(parent)?.body.collections),
            None => None,
        };
        Ok(state(&body.collections) != before)
    }
}

fn line(out: &mut impl Write, repo: &Repository, commit: CommitIndex) -> Result<(), CliError> {
    let record = repo.commit(commit)?;
    let counts = &record.body.counts;
    let names: Vec<&str> =
        repo.branches().iter().chain(repo.tags()).filter(|(_, c)| **c == commit).map(|(n, _)| n.as_str()).collect();
    let compacted = if repo.stands_for(commit).is_some() { " [compacted]" } else { "" };
    let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    writeln!(
        out,
        "{} {} {}{}{compacted}\n             +{} ~{} -{} in {}  by {}",
        short(repo.entry(commit).id),
        time(record.body.time),
        printable(&record.body.message),
        names,
        count(counts.inserted),
        count(counts.updated),
        count(counts.deleted),
        size(delta_bytes(&record)),
        printable(&record.body.author)
    )?;
    Ok(())
}
