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

/// Removes the inputs that are in the history, and returns what the commits of the others are to say.
///
/// # Errors
/// When an input cannot be read, or the history is damaged.
pub fn pass_over(
    pipeline: &Pipeline,
    repo: &Repository,
    inputs: &mut Vec<(usize, Item)>,
    skipped: &mut Vec<String>,
) -> Result<BTreeMap<String, BTreeMap<String, String>>, PipelineError> {
    let known = committed(pipeline, repo)?;
    let mut marks = BTreeMap::new();
    let mut left = Vec::new();
    for (source, item) in inputs.drain(..) {
        let name = pipeline.sources[source].name.clone();
        if let Item::File(path) = &item {
            let hash = hash_file(path).map_err(|e| unreadable(path, &e))?;
            if known.contains(&(name.clone(), hash.clone())) {
                skipped.push(item.name());
                continue;
            }
            let mark = [("source".to_owned(), name), ("blake3".to_owned(), hash)];
            marks.insert(item.name(), BTreeMap::from(mark));
        }
        left.push((source, item));
    }
    *inputs = left;
    Ok(marks)
}

/// Returns source and hash of every file that this pipeline has committed on its branch.
fn committed(pipeline: &Pipeline, repo: &Repository) -> Result<HashSet<(String, String)>, PipelineError> {
    let mut known = HashSet::new();
    let Some(head) = repo.head(&pipeline.version.branch) else {
        return Ok(known);
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
    Ok(known)
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
