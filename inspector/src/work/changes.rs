//! Which sources a commit changed, and how far.

use vecdelta::delta::{Change, Measure};
use vecdelta::version::{CommitIndex, Repository, VersionError, diff, kept_measures};

use super::history::number;
use crate::ask::{Changes, Kind};

/// How many sources are compared at most where a commit's measures were not kept.
const COMPARED_MAX: usize = 200_000;

/// How many bytes of keys an answer holds at most.
const KEY_BYTES_MAX: usize = 1 << 30;

/// Finds what a commit changed against its first parent.
///
/// The measures that were kept when it was made are enough; without them rows are read, and no more than
/// [`COMPARED_MAX`] sources are compared.
pub fn changes(repo: &Repository, commit: CommitIndex) -> Result<Changes, VersionError> {
    let mut out = Changes { commit: number(commit), complete: true, ..Changes::default() };
    let names = repo.commit(commit)?.body.collections;
    out.collections = names.into_iter().map(|c| c.name).collect();
    if let Some(measures) = kept_measures(repo, commit) {
        for measure in measures.iter() {
            out.push(measure.collection, &measure);
        }
        return Ok(out);
    }
    let stopped = diff(repo, repo.entry(commit).parents.first().copied(), Some(commit), None, &mut |part| {
        let collection = out.number_of(&part.table.collection);
        for d in part.sources {
            if out.len() >= COMPARED_MAX {
                return Err(Stop::Full);
            }
            let cosine = d.measures.as_ref().and_then(|m| m.cosine());
            let measure = Measure {
                collection,
                change: d.change,
                changed_dims: d.changed_dims,
                l2: d.l2,
                max_abs: 0.0,
                cosine,
                key: &d.key,
            };
            out.push(collection, &measure);
        }
        Ok(())
    });
    match stopped {
        Err(Stop::Failed(error)) => return Err(*error),
        Err(Stop::Full) => out.complete = false,
        Ok(()) => {}
    }
    Ok(out)
}

/// Why a comparison ends early.
enum Stop {
    Full,
    Failed(Box<VersionError>),
}

impl From<VersionError> for Stop {
    fn from(error: VersionError) -> Self {
        Stop::Failed(Box::new(error))
    }
}

impl Changes {
    fn number_of(&mut self, collection: &str) -> u16 {
        let at = self.collections.iter().position(|c| c == collection).unwrap_or_else(|| {
            self.collections.push(collection.to_owned());
            self.collections.len() - 1
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    fn push(&mut self, collection: u16, measure: &Measure<'_>) {
        if self.keys.len() + measure.key.len() > KEY_BYTES_MAX {
            self.complete = false;
            return;
        }
        self.collection.push(collection);
        self.kind.push(match measure.change {
            Change::Insert => Kind::Inserted,
            Change::Update => Kind::Updated,
            Change::Delete => Kind::Deleted,
        });
        self.dims.push(measure.changed_dims);
        self.l2.push(measure.l2.to_bits());
        self.cosine.push(measure.cosine.unwrap_or(f64::NAN).to_bits());
        self.keys.push_str(measure.key);
        self.ends.push(self.keys.len() as u32);
    }
}
