//! Whether the files are as wide as the pipeline says, before anything runs.

use super::config::{Diagnostic, Pipeline, Source, dims_differ};
use super::input::{Item, items};
use crate::capture::read::{self, ReadOptions};

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
