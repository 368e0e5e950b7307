//! The files of a source, in the order in which they are read.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::PipelineError;
use super::config::{FileOrder, Input, Source};
use crate::delta::Glob;

/// A file that was changed this short a time ago may still be written.
const FRESH_MILLIS: u128 = 250;

/// One input to read: a file, or standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// The size of a file and when it was last changed.
pub type SizeAndTime = (u64, Option<std::time::SystemTime>);

impl Item {
    /// Returns size and time of last change of a file.
    pub fn size_and_time(&self) -> Option<SizeAndTime> {
        let Item::File(path) = self else { return None };
        fs::metadata(path).ok().map(|m| (m.len(), m.modified().ok()))
    }

    /// Returns whether a file was changed within the last moments before a time, in milliseconds since 1970.
    pub fn is_fresh(&self, now_millis: u64) -> bool {
        let changed = self.size_and_time().and_then(|(_, time)| time?.duration_since(UNIX_EPOCH).ok());
        changed.is_some_and(|at| u128::from(now_millis).abs_diff(at.as_millis()) < FRESH_MILLIS)
    }

    /// Returns the name for messages.
    pub fn name(&self) -> String {
        match self {
            Item::Stdin => "-".to_owned(),
            Item::File(path) => path.display().to_string(),
        }
    }
}

/// Lists the inputs of a source.
///
/// # Errors
/// When a directory cannot be listed or a glob fits nothing.
pub fn items(source: &Source) -> Result<Vec<Item>, PipelineError> {
    let mut items = Vec::new();
    for input in &source.inputs {
        match input {
            Input::Feed => {}
            Input::Stdin => items.push(Item::Stdin),
            Input::File(path) => items.push(Item::File(path.clone())),
            Input::Glob { directory, pattern } => {
                let files = expand(directory, pattern)?;
                if files.is_empty() && !source.watch {
                    return Err(PipelineError::NoInput {
                        source_name: source.name.clone(),
                        path: directory.join(pattern).display().to_string(),
                    });
                }
                items.extend(files.into_iter().map(Item::File));
            }
        }
    }
    match source.order {
        FileOrder::Given => {}
        FileOrder::FileName => items.sort_by_key(Item::name),
        FileOrder::Modified => items.sort_by_key(|i| (modified(i), i.name())),
    }
    Ok(items)
}

fn modified(item: &Item) -> Option<std::time::SystemTime> {
    match item {
        Item::Stdin => None,
        Item::File(path) => fs::metadata(path).and_then(|m| m.modified()).ok(),
    }
}

fn expand(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, PipelineError> {
    // The pattern was checked when the configuration was read.
    let Ok(glob) = Glob::new(pattern) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(path) = open.pop() {
        let list = |error| PipelineError::List { path: path.clone(), error };
        for entry in fs::read_dir(&path).map_err(list)? {
            let entry = entry.map_err(list)?;
            let kind = entry.file_type().map_err(list)?;
            let path = entry.path();
            let rest = path.strip_prefix(directory).unwrap_or(&path).to_string_lossy();
            if !kind.is_dir() && glob.is_match(&rest) {
                found.push(path);
            } else if kind.is_dir() && glob.matches_below(&format!("{rest}/")) {
                open.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
