//! What a merge would do, and the one thing that is ever written: a merge that somebody chose.

use std::sync::Arc;

use vecdelta::delta::Source;
use vecdelta::store::{Disk, Resolution};
use vecdelta::version::{
    Actor, CommitIndex, Ending, Merge, Policy, Repository, Strategy, VersionError, merge as merge_into, merge_base,
    preview_merge, value,
};
use vecdelta_kernels::measure;

use super::history::number;
use crate::ask::{Chosen, Conflict, ConflictRows, MergePreview};

/// How many conflicts an answer names.
const NAMED: usize = 20_000;

/// Finds the conflicts of two branches, and what a strategy makes of them.
pub fn preview(
    repo: &Repository,
    [ours, theirs]: [&str; 2],
    strategy: &str,
    rows: &[(String, String)],
) -> Result<MergePreview, VersionError> {
    let merge = request(repo, [ours, theirs], strategy, resolved(rows))?;
    let mut out = MergePreview::default();
    let merged = preview_merge::<VersionError>(repo, &merge, &mut |conflict| {
        if out.rows.len() < NAMED {
            out.rows.push(named(conflict));
        }
        Ok(())
    })?;
    Ok(MergePreview {
        base: number(merged.base),
        merged_already: merged.ending == Ending::AlreadyMerged,
        fast_forward: merged.ending == Ending::FastForward,
        sources: merged.merged,
        conflicts: merged.conflicts,
        open: merged.open,
        ..out
    })
}

/// Makes a merge; `seen` is the repository as it was when somebody chose that.
pub fn make(seen: &Repository, disk: Arc<dyn Disk>, actor: &Actor, chosen: &Chosen) -> Result<u64, VersionError> {
    let mut repo = Repository::open_writer(disk, None)?;
    let [ours, theirs] = [0, 1].map(|i| chosen.branches[i].as_str());
    for (branch, commit) in chosen.branches.iter().zip(chosen.heads) {
        // Somebody else may have gone on meanwhile.
        let shown = ((commit as usize) < seen.len()).then(|| seen.entry(commit as usize).id);
        if shown.is_none() || Some(repo.entry(head(&repo, branch)?).id) != shown {
            let text = format!("branch `{branch}` has moved since this was shown: open the history again");
            return Err(VersionError::Refused(text));
        }
    }
    let merge = Merge { dry_run: false, ..request(&repo, [ours, theirs], &chosen.strategy, resolved(&chosen.rows))? };
    let merged = merge_into::<VersionError>(&mut repo, &merge, actor, &mut |_| Ok(()))?;
    match merged.ending {
        Ending::Commit | Ending::FastForward => Ok(merged.merged),
        Ending::AlreadyMerged => Err(VersionError::Refused("everything is merged already".to_owned())),
        Ending::Conflicts | Ending::DryRun => {
            Err(VersionError::Refused(format!("{} of the conflicts are open; nothing was written", merged.open)))
        }
    }
}

fn resolved(rows: &[(String, String)]) -> Vec<(Vec<String>, Resolution)> {
    rows.iter().map(|(source, s)| (vec![source.clone()], Resolution::Strategy(s.clone()))).collect()
}

fn request(
    repo: &Repository,
    [ours, theirs]: [&str; 2],
    strategy: &str,
    resolved: Vec<(Vec<String>, Resolution)>,
) -> Result<Merge<'static>, VersionError> {
    Ok(Merge {
        into: ours.to_owned(),
        theirs: head(repo, theirs)?,
        name: theirs.to_owned(),
        policy: Policy::from(known(strategy)?),
        resolved,
        custom: None,
        fast_forward: true,
        dry_run: true,
        message: String::new(),
    })
}

fn head(repo: &Repository, branch: &str) -> Result<CommitIndex, VersionError> {
    repo.head(branch).ok_or_else(|| VersionError::Refused(format!("there is no branch `{branch}`")))
}

fn known(strategy: &str) -> Result<Strategy, VersionError> {
    Strategy::from_name(strategy).ok_or_else(|| VersionError::Refused(format!("there is no strategy `{strategy}`")))
}

fn named(conflict: &vecdelta::version::Conflict) -> Conflict {
    let measured = match (&conflict.ours, &conflict.theirs) {
        (Some(a), Some(b)) if a.len() == b.len() => Some(measure(conflict.table.element, a, b)),
        _ => None,
    };
    Conflict {
        source: format!("{}/{}", conflict.table.collection, conflict.key),
        dims: conflict.dims.len() as u32,
        width: conflict.table.dims,
        l2: measured.as_ref().map_or(f64::NAN, |m| m.l2()).to_bits(),
        cosine: measured.and_then(|m| m.cosine()).unwrap_or(f64::NAN).to_bits(),
        deleted: [conflict.ours.is_none(), conflict.theirs.is_none()],
        resolved: conflict.result.is_some(),
    }
}

/// Why the search for one conflict ends.
enum Stop {
    Found(Box<ConflictRows>),
    Failed(Box<VersionError>),
}

impl From<VersionError> for Stop {
    fn from(error: VersionError) -> Self {
        Stop::Failed(Box::new(error))
    }
}

/// Reads one source of a merge: base, ours, theirs, and what a strategy makes of them.
pub fn conflict(
    repo: &Repository,
    [ours, theirs]: [&str; 2],
    strategy: &str,
    source: &str,
) -> Result<ConflictRows, VersionError> {
    let parsed = Source::parse(source).map_err(|e| VersionError::Refused(e.to_string()))?;
    let sides = [head(repo, ours)?, head(repo, theirs)?];
    let base = merge_base(repo, sides[0], sides[1])
        .ok_or_else(|| VersionError::Refused("the branches have no commit in common".to_owned()))?;
    let at = |commit| match value(repo, commit, &parsed) {
        Ok(value) => Ok(Some(value)),
        Err(VersionError::UnknownSource { .. } | VersionError::UnknownCollection { .. }) => Ok(None),
        Err(error) => Err(error),
    };
    let values = [at(base)?, at(sides[0])?, at(sides[1])?];
    let Some(table) = values.iter().flatten().map(|v| v.table.clone()).next() else {
        return Err(VersionError::Refused(format!("`{source}` is on neither branch")));
    };
    // Whose change is newer is the merge's own affair: the one conflict is asked of it.
    let merge = request(repo, [ours, theirs], strategy, Vec::new())?;
    let stopped = preview_merge::<Stop>(repo, &merge, &mut |c| {
        if c.table.collection != parsed.collection || c.key != parsed.key {
            return Ok(());
        }
        let rows = [c.base.clone(), c.ours.clone(), c.theirs.clone(), c.result.clone().flatten()];
        let (element, width) = (c.table.element.code(), c.table.dims);
        let found = ConflictRows { element, width, dims: c.dims.clone(), rows, resolved: c.result.is_some() };
        Err(Stop::Found(Box::new(found)))
    });
    match stopped {
        Err(Stop::Found(found)) => Ok(*found),
        Err(Stop::Failed(error)) => Err(*error),
        Ok(_) => {
            let [base, ours, theirs] = values.map(|v| v.map(|v| v.row));
            let result = ours.clone();
            let rows = [base, ours, theirs, result];
            Ok(ConflictRows {
                element: table.element.code(),
                width: table.dims,
                dims: Vec::new(),
                rows,
                resolved: true,
            })
        }
    }
}
