//! Whether the files are as wide as the pipeline says, before anything runs.

use std::collections::BTreeMap;

use super::PipelineError;
use super::config::{Diagnostic, Pipeline, Source, dims_differ};
use super::input::{Item, items};
use crate::capture::read::{self, ReadOptions};
use crate::version::Repository;

/// Returns an error for each source whose first file has another width than its `dims`; `text` is the pipeline file.
///
/// Files that are absent, or cannot be read, say nothing: a run tells what is wrong with them.
pub fn check_widths(text: &str, pipeline: &Pipeline) -> Vec<Diagnostic> {
    pipeline.sources.iter().filter_map(|source| check_width(text, source)).collect()
}

fn check_width(text: &str, source: &Source) -> Option<Diagnostic> {
    let dims = source.dims?;
    let Item::File(path) = items(source).ok()?.into_iter().next()? else {
        return None;
    };
    // What a pipe holds could not be read again.
    path.metadata().ok().filter(|m| m.is_file())?;
    let options = ReadOptions { id: source.id.clone(), vector: source.vector.clone(), ..ReadOptions::default() };
    let found = read::open(&path, &options).ok()?.dims();
    let note = format!("{} holds vectors of {found} components", path.display());
    (found != 0 && found != dims).then(|| dims_differ(text, source, found, &note))
}

/// Returns the width of each collection of the branch, unless the pipeline declares a generation, which may bring another.
///
/// # Errors
/// When the history is damaged.
pub fn fixed_widths(pipeline: &Pipeline, repo: &Repository) -> Result<BTreeMap<String, u32>, PipelineError> {
    let head = repo.head(&pipeline.version.branch).filter(|_| pipeline.version.generation.is_none());
    let Some(head) = head else { return Ok(BTreeMap::new()) };
    let states = repo.commit(head)?.body.collections;
    Ok(states.into_iter().map(|state| (state.name, state.dims)).collect())
}
