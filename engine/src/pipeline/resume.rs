//! Resuming: inputs that an earlier run of the same pipeline committed are not read again.
//!
//! Each commit of a run names its pipeline, its source and the BLAKE3 of its file. The history is the only record of
//! progress, so it cannot disagree with the table.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io;

use super::PipelineError;
use super::config::Pipeline;
use super::input::Item;
use crate::capture::read::{ReadError, ReadErrorKind};
use crate::version::Repository;

/// The files that a pipeline has committed: source and hash.
#[derive(Clone, Debug, Default)]
pub struct Marks(HashSet<(String, String)>);

impl Marks {
    /// Returns whether the file with this mark was committed.
    pub fn contains(&self, mark: &BTreeMap<String, String>) -> bool {
        let text = |name: &str| mark.get(name).cloned().unwrap_or_default();
        self.0.contains(&(text("source"), text("blake3")))
    }
}

/// Removes the inputs that are in the history, and returns what the commits of the others are to say.
///
/// # Errors
/// When an input cannot be read.
pub fn pass_over(
    pipeline: &Pipeline,
    known: &Marks,
    inputs: &mut Vec<(usize, Item)>,
    skipped: &mut Vec<String>,
) -> Result<BTreeMap<String, BTreeMap<String, String>>, PipelineError> {
    let mut marks = BTreeMap::new();
    let mut left = Vec::new();
    for (source, item) in inputs.drain(..) {
        let mark = mark_of(&pipeline.sources[source].name, &item)?;
        if known.contains(&mark) {
            skipped.push(item.name());
            continue;
        }
        marks.insert(item.name(), mark);
        left.push((source, item));
    }
    *inputs = left;
    Ok(marks)
}

/// Returns what the last commit of an input says, so that it is not read again; nothing for standard input.
///
/// # Errors
/// When the file cannot be read.
pub fn mark_of(source: &str, item: &Item) -> Result<BTreeMap<String, String>, PipelineError> {
    let Item::File(path) = item else { return Ok(BTreeMap::new()) };
    let hash = hash_file(path).map_err(|e| unreadable(path, &e))?;
    Ok([("source".to_owned(), source.to_owned()), ("blake3".to_owned(), hash)].into())
}

/// Returns what this pipeline has committed on its branch.
///
/// # Errors
/// When the history is damaged.
pub fn committed(pipeline: &Pipeline, repo: &Repository) -> Result<Marks, PipelineError> {
    let mut known = HashSet::new();
    let Some(head) = repo.head(&pipeline.version.branch) else {
        return Ok(Marks::default());
    };
    for commit in repo.first_parents(head) {
        let metadata = repo.commit(commit)?.body.metadata;
        if metadata.get("pipeline") != Some(&pipeline.settings.name)
            || metadata.get("closed_by").is_some_and(|c| c != "epoch")
        {
            continue;
        }
        if let (Some(source), Some(hash)) = (metadata.get("source"), metadata.get("blake3")) {
            known.insert((source.clone(), hash.clone()));
        }
    }
    Ok(Marks(known))
}

/// Returns how far the outer stream of a source is durable: the newest mark that was pushed with its rows.
///
/// # Errors
/// When the history is damaged.
pub fn last_mark(pipeline: &Pipeline, repo: &Repository, source: &str) -> Result<Option<String>, PipelineError> {
    let Some(head) = repo.head(&pipeline.version.branch) else { return Ok(None) };
    let key = format!("mark:{source}");
    for commit in repo.first_parents(head) {
        let mut metadata = repo.commit(commit)?.body.metadata;
        if let Some(mark) = metadata.remove(&key) {
            return Ok(Some(mark));
        }
    }
    Ok(None)
}

fn hash_file(path: &std::path::Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn unreadable(path: &std::path::Path, error: &io::Error) -> ReadError {
    let missing = error.kind() == io::ErrorKind::NotFound;
    ReadError {
        kind: if missing { ReadErrorKind::NotFound } else { ReadErrorKind::Io },
        path: path.to_owned(),
        place: None,
        message: error.to_string(),
        help: None,
    }
}
