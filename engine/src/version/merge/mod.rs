//! Merge: two histories become one, source by source and component by component.
//!
//! What they changed since the common ancestor is taken over into our table. Where both sides changed the same component
//! in different ways there is a conflict: a value that a strategy, a stored resolution or a function of the caller's
//! resolves, or that is handed over as it is.

mod origin;
mod ours;
mod park;
mod policy;
mod source;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::ancestry::{is_ancestor, merge_base};
use super::change::{commit_differences, generations_of};
use super::diff::{Difference, Differences, diff, difference};
use super::error::{Result, VersionError};
use super::generation::Generation;
use super::graph::Parked;
use super::repository::{Actor, CommitIndex, Repository};
use super::stage::CommitInfo;
use super::value::last_writer;
use crate::delta::{Change, Table};
use crate::store::{Action, Resolution};

use origin::Origins;
use ours::Ours;
pub use park::{abandon, park, resolve_conflicts};
pub use policy::{Policy, PolicyError, Strategy};
pub use source::{MergedSource, States, merge_source};

/// A source that both sides changed in different ways.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// The collection's shape.
    pub table: Arc<Table>,
    /// The source's key.
    pub key: String,
    /// The dimensions in conflict; all of them when one side deleted the source.
    pub dims: Vec<u32>,
    /// The bits at the common ancestor; `None` where there was no row.
    pub base: Option<Vec<u8>>,
    /// Our bits.
    pub ours: Option<Vec<u8>>,
    /// Their bits.
    pub theirs: Option<Vec<u8>>,
    /// What becomes of it, `Some(None)` for a deletion; `None` while it is not resolved.
    pub result: Option<Option<Vec<u8>>>,
}

/// A function that resolves a conflict; it returns `None` to leave it open, `Some(None)` to delete the source.
pub type Custom<'a> = &'a dyn Fn(&Conflict) -> Option<Option<Vec<u8>>>;

/// What is to be merged, and how.
pub struct Merge<'a> {
    /// The branch that is merged into.
    pub into: String,
    /// The commit that is merged.
    pub theirs: CommitIndex,
    /// How people call it.
    pub name: String,
    /// What resolves conflicts.
    pub policy: Policy,
    /// Conflicts that were resolved one by one, when the merge was parked.
    pub resolved: Vec<(Vec<String>, Resolution)>,
    /// What resolves those that are open then.
    pub custom: Option<Custom<'a>>,
    /// Whether to move the branch without a commit where it only lags behind.
    pub fast_forward: bool,
    /// Whether to find out only, and write nothing.
    pub dry_run: bool,
    /// The commit's message; a plain one when empty.
    pub message: String,
}

/// How a merge ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was merged before.
    AlreadyMerged,
    /// The branch lagged behind and was moved.
    FastForward,
    /// A commit with two parents.
    Commit,
    /// Conflicts are open, so nothing was written.
    Conflicts,
    /// Nothing was written because nothing was to be.
    DryRun,
}

/// What a merge did.
#[derive(Clone, Copy, Debug)]
pub struct Merged {
    /// How it ended.
    pub ending: Ending,
    /// Where the branch points afterwards, when it was moved.
    pub commit: Option<CommitIndex>,
    /// The common ancestor.
    pub base: CommitIndex,
    /// How many sources it changes on our side.
    pub merged: u64,
    /// How many sources were in conflict.
    pub conflicts: u64,
    /// How many of them are open.
    pub open: u64,
}

/// Merges a commit into a branch, and hands over each conflict, resolved or not, as it is found.
///
/// # Errors
/// When the histories have nothing in common, a collection has another shape on either side, the history is damaged, the
/// disk refuses, or `emit` fails; then the branch is as before.
pub fn merge<E: From<VersionError>>(
    repo: &mut Repository,
    merge: &Merge<'_>,
    actor: &Actor,
    emit: &mut dyn FnMut(&Conflict) -> std::result::Result<(), E>,
) -> std::result::Result<Merged, E> {
    let (ours, mut merged) = begin(repo, merge)?;
    let (base, start) = (merged.base, merged);
    if merged.ending == Ending::AlreadyMerged {
        return Ok(merged);
    }
    if merge.dry_run || (merged.ending == Ending::Commit && merge.policy.may_reject()) {
        merged = preview(repo, merge, emit)?;
        if merged.open > 0 || merge.dry_run {
            return Ok(merged);
        }
    } else if merged.ending == Ending::FastForward {
        merged.merged = lag(repo, base, merge.theirs)?;
        let (from, to) = (Some(repo.entry(base).id), Some(repo.entry(merge.theirs).id));
        repo.operate(actor, 0, Action::Branch { name: merge.into.clone(), from, to })?;
        return Ok(Merged { commit: Some(merge.theirs), ..merged });
    }
    // What was handed over is not handed over again.
    let told = merged.conflicts > 0;
    let mut counted = start;
    let error = RefCell::new(None);
    let info = info(repo, merge, base, ours, actor)?;
    let declared = info.generations.clone();
    let commit = commit_differences(repo, info, actor.now_millis, |repo, write| {
        let mut tell = |conflict: &Conflict| match if told { Ok(()) } else { emit(conflict) } {
            Ok(()) => Ok(()),
            Err(e) => {
                error.replace(Some(e));
                Err(VersionError::Refused("the conflicts could not be handed over".to_owned()))
            }
        };
        let mut origins = Origins::new(repo, ours, merge.theirs, declared);
        Pass::new(repo, merge, base, ours).run(&mut counted, Some(&mut origins), &mut tell, write)
    });
    match (commit, error.into_inner()) {
        (_, Some(error)) => Err(error),
        (commit, None) => Ok(Merged { commit: Some(commit?), ..counted }),
    }
}

fn unrelated(repo: &Repository, ours: CommitIndex, theirs: CommitIndex) -> VersionError {
    let short = |c: CommitIndex| repo.entry(c).id.to_hex()[..12].to_owned();
    let text =
        format!("{} and {} have no commit in common, so there is nothing to merge from", short(ours), short(theirs));
    VersionError::Refused(text)
}

/// Finds out what a merge would do, and hands over each conflict, resolved or not, as it is found; writes nothing.
///
/// # Errors
/// As [`merge`].
pub fn preview<E: From<VersionError>>(
    repo: &Repository,
    merge: &Merge<'_>,
    emit: &mut dyn FnMut(&Conflict) -> std::result::Result<(), E>,
) -> std::result::Result<Merged, E> {
    let (ours, mut merged) = begin(repo, merge)?;
    match merged.ending {
        Ending::AlreadyMerged => {}
        Ending::FastForward => merged.merged = lag(repo, merged.base, merge.theirs)?,
        _ => {
            Pass::new(repo, merge, merged.base, ours).run(&mut merged, None, emit, &mut |_| Ok(()))?;
            merged.ending = if merged.open > 0 { Ending::Conflicts } else { Ending::DryRun };
        }
    }
    Ok(merged)
}

/// Finds our side, the common ancestor, and how the merge would end were there no conflict.
fn begin(repo: &Repository, merge: &Merge<'_>) -> Result<(CommitIndex, Merged)> {
    let ours = repo
        .head(&merge.into)
        .ok_or_else(|| VersionError::Refused(format!("branch `{}` has no commit to merge into", merge.into)))?;
    let theirs = merge.theirs;
    let base = merge_base(repo, ours, theirs).ok_or_else(|| unrelated(repo, ours, theirs))?;
    let ending = if is_ancestor(repo, theirs, ours) {
        Ending::AlreadyMerged
    } else if base == ours && merge.fast_forward {
        Ending::FastForward
    } else {
        Ending::Commit
    };
    Ok((ours, Merged { ending, commit: None, base, merged: 0, conflicts: 0, open: 0 }))
}

/// Returns how many sources differ where a branch lags behind.
fn lag(repo: &Repository, base: CommitIndex, theirs: CommitIndex) -> Result<u64> {
    let mut sources = 0;
    diff(repo, Some(base), Some(theirs), None, &mut |part| {
        sources += part.sources.len() as u64;
        Ok::<_, VersionError>(())
    })?;
    Ok(sources)
}

fn info(
    repo: &Repository,
    merge: &Merge<'_>,
    base: CommitIndex,
    ours: CommitIndex,
    actor: &Actor,
) -> Result<CommitInfo> {
    let plain = || format!("Merged {} into {}", merge.name, merge.into);
    Ok(CommitInfo {
        branch: merge.into.clone(),
        author: actor.author.clone(),
        message: if merge.message.is_empty() { plain() } else { merge.message.clone() },
        metadata: BTreeMap::from([
            ("merge.from".to_owned(), merge.name.clone()),
            ("merge.base".to_owned(), repo.entry(base).id.to_hex()),
        ]),
        merged: Some(merge.theirs),
        generations: generations(repo, base, ours, merge.theirs)?,
        ..CommitInfo::default()
    })
}

/// What only they declared since the common ancestor is in force after the merge.
fn generations(
    repo: &Repository,
    base: CommitIndex,
    ours: CommitIndex,
    theirs: CommitIndex,
) -> Result<BTreeMap<String, Generation>> {
    let (base, ours) = (generations_of(repo, base)?, generations_of(repo, ours)?);
    let mut theirs = generations_of(repo, theirs)?;
    theirs.retain(|name, g| base.get(name) != Some(g) && ours.get(name) == base.get(name));
    Ok(theirs)
}

/// One way through all that they changed.
struct Pass<'r, 'm> {
    repo: &'r Repository,
    merge: &'m Merge<'m>,
    base: CommitIndex,
    ours: CommitIndex,
    resolved: HashMap<&'m str, &'m Resolution>,
}

impl<'r, 'm> Pass<'r, 'm> {
    fn new(repo: &'r Repository, merge: &'m Merge<'m>, base: CommitIndex, ours: CommitIndex) -> Self {
        let resolved = merge.resolved.iter().flat_map(|(sources, r)| sources.iter().map(move |s| (s.as_str(), r)));
        Self { repo, merge, base, ours, resolved: resolved.collect() }
    }

    /// Merges source by source; `origins` is asked for what the rows stem from, where they are to be written.
    fn run<E: From<VersionError>>(
        &self,
        merged: &mut Merged,
        mut origins: Option<&mut Origins<'_>>,
        emit: &mut dyn FnMut(&Conflict) -> std::result::Result<(), E>,
        write: &mut dyn FnMut(Differences) -> Result<()>,
    ) -> std::result::Result<(), E> {
        let mut side = Ours::new(self.repo, self.ours);
        diff(self.repo, Some(self.base), Some(self.merge.theirs), None, &mut |part: Differences| {
            let rows = side.rows(&part)?;
            let mut made = Differences::new(part.table.clone(), Vec::new());
            let origins = origins.as_mut().map_or(Ok(None), |origins| origins.of(&part.table.collection))?;
            for (theirs, ours) in part.sources.iter().zip(&rows) {
                let conflict = self.merge_one(&part.table, theirs, ours.as_deref())?;
                let result = conflict.result.as_ref().map_or(ours.as_deref(), Option::as_deref);
                let before = made.sources.len();
                made.sources.extend(difference(&part.table, &theirs.key, ours.as_deref(), result, true));
                let written = result.filter(|_| made.sources.len() > before);
                if let Some(name) = written.and_then(|row| origins?.of(&conflict, row)) {
                    made.generations.entry(name.to_owned()).or_default().push(theirs.key.clone());
                }
                if !conflict.dims.is_empty() {
                    merged.conflicts += 1;
                    merged.open += u64::from(conflict.result.is_none());
                    emit(&conflict)?;
                }
            }
            merged.merged += made.sources.len() as u64;
            if made.sources.is_empty() {
                return Ok(());
            }
            Ok(write(made)?)
        })
    }

    /// Merges one source; without dimensions in conflict the value is only a carrier of the result.
    fn merge_one(&self, table: &Arc<Table>, theirs: &Difference, ours: Option<&[u8]>) -> Result<Conflict> {
        let (policy, name) = (&self.merge.policy, table.collection.as_str());
        let strategies = policy.strategies(name, table.dims);
        let mut conflict = self.with(table, theirs, ours, &strategies, policy.whole(name))?;
        if conflict.result.is_none() {
            let source = format!("{name}/{}", theirs.key);
            conflict.result = match self.resolved.get(source.as_str()) {
                Some(Resolution::Strategy(strategy)) => {
                    let strategy = Strategy::from_name(strategy).unwrap_or(Strategy::Reject);
                    let all = vec![strategy; table.dims as usize];
                    self.with(table, theirs, ours, &all, strategy)?.result
                }
                Some(Resolution::Bits(bits)) if bits.len() == table.row_bytes() => Some(Some(bits.clone())),
                Some(Resolution::Delete) => Some(None),
                Some(Resolution::Bits(_)) | None => None,
            };
        }
        if let (None, Some(custom)) = (&conflict.result, self.merge.custom) {
            let fits = |row: &Option<Vec<u8>>| row.as_ref().is_none_or(|r| r.len() == table.row_bytes());
            conflict.result = custom(&conflict).filter(fits);
        }
        Ok(conflict)
    }

    fn with(
        &self,
        table: &Arc<Table>,
        theirs: &Difference,
        ours: Option<&[u8]>,
        strategies: &[Strategy],
        whole: Strategy,
    ) -> Result<Conflict> {
        let base = (theirs.change != Change::Insert).then_some(theirs.old.as_slice());
        let states = States { base, ours, theirs: (theirs.change != Change::Delete).then_some(&theirs.new) };
        let error = RefCell::new(None);
        let newer = || match self.theirs_is_newer(table, &theirs.key) {
            Ok(newer) => newer,
            Err(e) => {
                error.replace(Some(e));
                false
            }
        };
        // Whose change is newer is looked up once for each source, and only where it matters.
        let known = std::cell::OnceCell::new();
        let outcome = merge_source(table.element, states, strategies, whole, || *known.get_or_init(newer));
        if let Some(error) = error.into_inner() {
            return Err(error);
        }
        let owned = |row: Option<&[u8]>| row.map(<[u8]>::to_vec);
        Ok(Conflict {
            table: table.clone(),
            key: theirs.key.clone(),
            dims: outcome.conflicts,
            base: owned(states.base),
            ours: owned(states.ours),
            theirs: owned(states.theirs),
            result: outcome.result,
        })
    }

    fn theirs_is_newer(&self, table: &Table, key: &str) -> Result<bool> {
        let time = |side: CommitIndex| -> Result<_> {
            let writer = last_writer(self.repo, side, table, key)?;
            Ok(writer.map(|c| (self.repo.entry(c).time, self.repo.entry(c).id)))
        };
        Ok(time(self.merge.theirs)? > time(self.ours)?)
    }
}

/// Returns the merge that waits on a branch, ready to be continued.
///
/// # Errors
/// When there is none, or the branch has moved since.
pub fn parked_merge(repo: &Repository, branch: &str) -> Result<Merge<'static>> {
    let Parked { ours, theirs, policy, resolved } = park::waiting(repo, branch)?.clone();
    if repo.head(branch) != Some(ours) {
        let text = format!("branch `{branch}` has moved since the merge was parked: abandon it and merge again");
        return Err(VersionError::Refused(text));
    }
    let named = repo.branches().iter().find(|(_, at)| **at == theirs).map(|(name, _)| name.clone());
    let name = named.unwrap_or_else(|| repo.entry(theirs).id.to_hex()[..12].to_owned());
    let policy = Policy::parse(&policy).map_err(|e| VersionError::corrupt("log", format!("a merge policy: {e}")))?;
    Ok(Merge {
        into: branch.to_owned(),
        theirs,
        name,
        policy,
        resolved,
        custom: None,
        fast_forward: false,
        dry_run: false,
        message: String::new(),
    })
}
