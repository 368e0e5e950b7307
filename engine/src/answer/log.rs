//! Which commits are listed, newest first.

use std::collections::BTreeSet;

use super::Failure;
use crate::delta::{Source, check_collection};
use crate::store::{CollectionState, CommitBody};
use crate::version::{CommitIndex, Repository, VersionError, commits_with, touches, writers_of};

/// What commits are asked for; an empty question lists all of them.
#[derive(Clone, Debug, Default)]
pub struct LogQuestion {
    /// Only commits that changed this source.
    pub source: Option<String>,
    /// Only commits that changed this collection.
    pub collection: Option<String>,
    /// Only commits whose author's name holds this text, in any case of letters.
    pub author: Option<String>,
    /// Only commits whose message or metadata hold this text, in any case of letters.
    pub text: Option<String>,
    /// Only commits with these entries in their metadata: KEY or KEY=VALUE.
    pub metadata: Vec<String>,
    /// Only commits made at this time or later, in milliseconds since 1970.
    pub since: Option<u64>,
    /// Only commits made at this time or earlier, in milliseconds since 1970.
    pub until: Option<u64>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Hands over a commit and all it builds on, newest first, as far as they fit the question.
///
/// # Errors
/// When the question is about nothing that there is, the history is damaged, or `emit` fails.
pub fn list_commits<E: From<Failure>>(
    repo: &Repository,
    start: CommitIndex,
    question: &LogQuestion,
    emit: &mut dyn FnMut(CommitIndex) -> Result<(), E>,
) -> Result<(), E> {
    let filter = Filter::of(question)?;
    filter.check(repo, start)?;
    let candidates = filter.candidates(repo)?;
    let mut left = question.limit.unwrap_or(usize::MAX);
    for commit in ancestors(repo, start) {
        if left == 0 {
            break;
        }
        if candidates.as_ref().is_some_and(|c| !c.contains(&commit)) || !filter.fits(repo, commit)? {
            continue;
        }
        left -= 1;
        emit(commit)?;
    }
    Ok(())
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
    fn of(question: &LogQuestion) -> Result<Self, Failure> {
        let usage = |e: crate::delta::SourceError| Failure::new(2, e.to_string());
        question.collection.as_deref().map_or(Ok(()), check_collection).map_err(usage)?;
        Ok(Self {
            source: question.source.as_deref().map(Source::parse).transpose().map_err(usage)?,
            collection: question.collection.clone(),
            author: question.author.as_deref().map(str::to_lowercase),
            text: question.text.as_deref().map(str::to_lowercase),
            metadata: question.metadata.iter().map(|text| entry(text)).collect(),
            since: question.since.unwrap_or(0),
            until: question.until.unwrap_or(u64::MAX),
        })
    }

    /// Refuses a collection that no commit of the repository ever had: more likely a slip than a question.
    fn check(&self, repo: &Repository, start: CommitIndex) -> Result<(), Failure> {
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
    fn candidates(&self, repo: &Repository) -> Result<Option<BTreeSet<CommitIndex>>, Failure> {
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
            narrow(commits_with(repo, &[key, value.as_deref().unwrap_or("")])?);
        }
        Ok(left)
    }

    /// Returns whether a commit is listed; what costs least is asked first.
    ///
    /// A time rules out one commit, never those behind it: along the parents of a merge times need not fall.
    fn fits(&self, repo: &Repository, commit: CommitIndex) -> Result<bool, Failure> {
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
    fn fits_collection(&self, repo: &Repository, commit: CommitIndex, body: &CommitBody) -> Result<bool, Failure> {
        let Some(name) = &self.collection else { return Ok(true) };
        let state = |all: &[CollectionState]| all.iter().find(|c| c.name == *name).cloned();
        let before = match repo.entry(commit).parents.first() {
            Some(&parent) => state(&repo.commit(parent)?.body.collections),
            None => None,
        };
        Ok(state(&body.collections) != before)
    }
}

/// Splits `KEY[=VALUE]`.
pub fn entry(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    }
}
