//! Several targets, and windows of deltas over them.

use std::collections::BTreeMap;

use super::target::Checkpoint;
use super::{Application, ApplicationStatus, ApplyError, Target, WindowFailed};
use crate::delta::{Delta, DeltaId, Source};

/// Targets by their source.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    targets: BTreeMap<Source, Target>,
}

impl Targets {
    /// Adds a target; one of the same source is replaced and returned.
    pub fn add(&mut self, target: Target) -> Option<Target> {
        self.targets.insert(target.source().clone(), target)
    }

    /// Returns a target.
    ///
    /// # Errors
    /// [`ApplyError::TargetNotFound`] when there is none of that source.
    pub fn get(&self, source: &Source) -> Result<&Target, ApplyError> {
        self.targets.get(source).ok_or_else(|| ApplyError::TargetNotFound(source.clone()))
    }

    /// Applies a delta to its target.
    ///
    /// # Errors
    /// When there is no such target, or as [`Target::apply`]. Nothing has changed then.
    pub fn apply(&mut self, delta: &Delta) -> Result<Application, ApplyError> {
        self.get_mut(delta.source())?.apply(delta)
    }

    /// Applies the deltas of a window in their order: all of them, or none.
    ///
    /// # Errors
    /// The first delta that cannot be applied; every target is then as it was before.
    pub fn apply_all(&mut self, deltas: &[Delta]) -> Result<Vec<Application>, WindowFailed> {
        let mut checkpoints: BTreeMap<&Source, Checkpoint> = BTreeMap::new();
        let mut done: Vec<Application> = Vec::with_capacity(deltas.len());
        for (at, delta) in deltas.iter().enumerate() {
            let applied = self.get_mut(delta.source()).and_then(|target| {
                checkpoints.entry(delta.source()).or_insert_with(|| target.checkpoint());
                target.step(delta)
            });
            match applied {
                Ok(application) => done.push(application),
                Err(error) => {
                    self.go_back(checkpoints);
                    let statuses = statuses(&done, deltas.len());
                    return Err(WindowFailed { at, statuses, error: Box::new(error) });
                }
            }
        }
        for source in checkpoints.into_keys() {
            self.get_mut(source).map(Target::cut_history).expect("it was there a moment ago");
        }
        Ok(done)
    }

    /// Takes back the last applied deltas of a target.
    ///
    /// # Errors
    /// When there is no such target, or as [`Target::rollback`]. Nothing has changed then.
    pub fn rollback(&mut self, source: &Source, count: usize) -> Result<Vec<DeltaId>, ApplyError> {
        self.get_mut(source)?.rollback(count)
    }

    fn go_back(&mut self, checkpoints: BTreeMap<&Source, Checkpoint>) {
        for (source, checkpoint) in checkpoints {
            self.get_mut(source).map(|target| target.go_back(checkpoint)).expect("it was there a moment ago");
        }
    }

    fn get_mut(&mut self, source: &Source) -> Result<&mut Target, ApplyError> {
        self.targets.get_mut(source).ok_or_else(|| ApplyError::TargetNotFound(source.clone()))
    }
}

/// Returns what has become of the deltas of a window that was taken back.
fn statuses(done: &[Application], deltas: usize) -> Vec<ApplicationStatus> {
    let taken_back = |application: &Application| match application.status {
        ApplicationStatus::Applied | ApplicationStatus::Merged => ApplicationStatus::RolledBack,
        other => other,
    };
    let mut statuses: Vec<ApplicationStatus> = done.iter().map(taken_back).collect();
    statuses.push(ApplicationStatus::Failed);
    statuses.resize(deltas, ApplicationStatus::Pending);
    statuses
}
