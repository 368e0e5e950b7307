//! A target: one vector in memory, under deltas.

use super::history::{Entry, History};
use super::{
    Application, ApplicationPolicy, ApplicationStatus, ApplyError, ConflictDetected, LastApplied, Rejection, Saved,
    transform,
};
use crate::delta::{Delta, DeltaError, DeltaId, DeltaVector, RowHash, Source, Table, row_hash};

/// A row and its hash, both absent or both there.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) row: Option<Vec<u8>>,
    pub(super) hash: Option<RowHash>,
}

/// What a target was before a window.
pub(super) struct Checkpoint {
    sent: State,
    kept: Option<State>,
    last: Option<LastApplied>,
    held: usize,
}

/// One vector under deltas.
///
/// Deltas follow each other by their bases: the hash of a state is computed once, when it is made. With transformers
/// the target holds two rows, the sender's, which the next delta builds on, and the one that is kept.
///
/// ```
/// use vecdelta::apply::{ApplicationPolicy, ApplicationStatus, Target, Validator};
/// use vecdelta::delta::{Delta, DeltaInfo, Element, Table};
///
/// let row = |values: [f32; 2]| values.map(f32::to_le_bytes).concat();
/// let table = Table { collection: "docs".into(), element: Element::F32, dims: 2 };
/// let insert = Delta::new(&table, "intro", None, Some(&row([0.6, 0.8])), DeltaInfo::default())?;
/// let info = DeltaInfo { parent: Some(insert.id()), ..DeltaInfo::default() };
/// let update = Delta::new(&table, "intro", Some(&row([0.6, 0.8])), Some(&row([0.8, 0.6])), info)?;
///
/// let policy = ApplicationPolicy { validators: vec![Validator::Finite], ..ApplicationPolicy::default() };
/// let mut target = Target::absent(table, "intro", policy);
/// target.apply(&insert)?;
/// assert_eq!(target.apply(&update)?.status, ApplicationStatus::Applied);
/// assert_eq!(target.apply(&update)?.status, ApplicationStatus::Already);
/// assert_eq!(target.rollback(1)?, [update.id()]);
/// assert_eq!(target.row(), Some(&row([0.6, 0.8])[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Target {
    pub(super) source: Source,
    pub(super) table: Table,
    pub(super) policy: ApplicationPolicy,
    pub(super) sent: State,
    kept: Option<State>,
    pub(super) last: Option<LastApplied>,
    pub(super) history: History,
}

impl Target {
    /// Makes a target for a source that is absent.
    pub fn absent(table: Table, key: &str, policy: ApplicationPolicy) -> Self {
        let source = Source { collection: table.collection.clone(), key: key.to_owned() };
        let nothing = State { row: None, hash: None };
        let kept = (!policy.transformers.is_empty()).then(|| nothing.clone());
        Self { source, table, policy, sent: nothing, kept, last: None, history: History::default() }
    }

    /// Makes a target in a known state.
    ///
    /// # Errors
    /// [`ApplyError::TargetStateCorrupted`] when the row has not the hash that was saved with it, or when it has another
    /// size or cannot be transformed.
    pub fn restore(table: Table, key: &str, saved: Saved, policy: ApplicationPolicy) -> Result<Self, ApplyError> {
        let mut target = Self::absent(table, key, policy);
        if let Some(row) = &saved.row {
            // The only way to a row of a wrong size: every delta is of the table's shape.
            DeltaVector::between(target.table.element, target.table.dims, Some(row), None).map_err(DeltaError::from)?;
        }
        target.sent = State { row: saved.row, hash: saved.hash };
        target.verify()?;
        target.kept = target.transformed(&target.sent)?;
        target.last = saved.last;
        Ok(target)
    }

    /// Returns what a target needs to go on elsewhere.
    pub fn saved(&self) -> Saved {
        Saved { row: self.sent.row.clone(), hash: self.sent.hash, last: self.last }
    }

    /// Returns the vector's name.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Returns the row that is kept; nothing when the source is absent.
    pub fn row(&self) -> Option<&[u8]> {
        self.state().row.as_deref()
    }

    /// Returns the hash of the row that is kept.
    pub fn hash(&self) -> Option<RowHash> {
        self.state().hash
    }

    /// Returns the last applied delta.
    pub fn last_applied(&self) -> Option<LastApplied> {
        self.last
    }

    /// Returns how many applied deltas can be rolled back.
    pub fn held(&self) -> usize {
        self.history.len()
    }

    /// Applies a delta, once: the same one again does nothing.
    ///
    /// # Errors
    /// When the delta is of another source or shape, does not continue the state, breaks a rule or contradicts itself.
    /// Nothing has changed then.
    pub fn apply(&mut self, delta: &Delta) -> Result<Application, ApplyError> {
        let done = self.step(delta)?;
        self.cut_history();
        Ok(done)
    }

    /// Takes back the last applied deltas and returns them, the newest first. State, hash and last applied delta are
    /// those from before, to the bit; a delta that was taken back may be applied again.
    ///
    /// # Errors
    /// [`ApplyError::NothingToRollback`] when fewer are held, and [`ApplyError::TargetStateCorrupted`] when the bits that
    /// come out are not those that were there. Nothing has changed then.
    pub fn rollback(&mut self, count: usize) -> Result<Vec<DeltaId>, ApplyError> {
        let held = self.history.len();
        if count > held {
            return Err(ApplyError::NothingToRollback { target: self.source.clone(), asked: count, held });
        }
        let (mut sent, mut last, mut ids) = (self.sent.clone(), self.last, Vec::with_capacity(count));
        for entry in self.history.newest().take(count) {
            let row = entry.take_back(sent.row).map_err(DeltaError::from)?;
            sent = State { row, hash: entry.before };
            last = entry.previous;
            ids.push(entry.id);
        }
        if count > 0 {
            self.check(&sent)?;
        }
        let kept = self.transformed(&sent)?;
        (self.sent, self.kept, self.last) = (sent, kept, last);
        self.history.forget(count);
        Ok(ids)
    }

    /// Checks that the state's bits are those that were written.
    ///
    /// # Errors
    /// [`ApplyError::TargetStateCorrupted`] when they are not.
    pub fn verify(&self) -> Result<(), ApplyError> {
        self.check(&self.sent)?;
        self.kept.as_ref().map_or(Ok(()), |kept| self.check(kept))
    }

    /// Applies a delta and lets the history grow above its limit, so that the step can be taken back.
    pub(super) fn step(&mut self, delta: &Delta) -> Result<Application, ApplyError> {
        self.check_shape(delta)?;
        let known =
            |id: DeltaId| self.last.is_some_and(|last| last.id == id) || self.history.newest().any(|e| e.id == id);
        let follows = delta.base() == self.sent.hash && self.is_child(delta);
        if known(delta.id()) || (!follows && delta.result() == self.sent.hash) {
            return Ok(self.outcome(delta, ApplicationStatus::Already, None));
        }
        if follows {
            let next = self.next(delta)?;
            self.take(delta, next, None)?;
            return Ok(self.outcome(delta, ApplicationStatus::Applied, None));
        }
        let (conflict, next) = self.resolve(delta)?;
        let Some((next, theirs)) = next else {
            return Ok(self.outcome(delta, ApplicationStatus::Skipped, Some(conflict)));
        };
        let theirs = theirs.filter(|(hash, _)| Some(*hash) != next.hash);
        self.take(delta, next, theirs)?;
        Ok(self.outcome(delta, ApplicationStatus::Merged, Some(conflict)))
    }

    /// Flips a bit of the state, as a fault of the memory would.
    #[cfg(test)]
    pub(super) fn corrupt(&mut self, byte: usize) {
        self.sent.row.as_mut().expect("a state to corrupt")[byte] ^= 1;
    }

    /// Notes what a window may have to be taken back to.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { sent: self.sent.clone(), kept: self.kept.clone(), last: self.last, held: self.history.len() }
    }

    /// Takes back a window whose history was not cut.
    pub(super) fn go_back(&mut self, to: Checkpoint) {
        self.history.forget(self.history.len() - to.held);
        (self.sent, self.kept, self.last) = (to.sent, to.kept, to.last);
    }

    /// Cuts the history to its limit.
    pub(super) fn cut_history(&mut self) {
        self.history.cut(self.policy.history_limit);
    }

    fn state(&self) -> &State {
        self.kept.as_ref().unwrap_or(&self.sent)
    }

    fn outcome(&self, delta: &Delta, status: ApplicationStatus, conflict: Option<ConflictDetected>) -> Application {
        let transformed = self.kept.as_ref().is_some_and(|kept| kept.hash != self.sent.hash);
        Application { delta: delta.id(), status, state: self.hash(), transformed, conflict }
    }

    fn check_shape(&self, delta: &Delta) -> Result<(), ApplyError> {
        if *delta.source() != self.source {
            return Err(ApplyError::OtherSource { delta: delta.source().clone(), target: self.source.clone() });
        }
        let (vector, table) = (delta.vector(), &self.table);
        if (vector.dims(), vector.element()) != (table.dims, table.element) {
            return Err(ApplyError::OtherShape {
                target: self.source.clone(),
                expected: format!("{} x {}", table.dims, table.element.name()),
                delta: format!("{} x {}", vector.dims(), vector.element().name()),
            });
        }
        Ok(())
    }

    fn is_child(&self, delta: &Delta) -> bool {
        !self.policy.verify_chain || delta.parent() == self.last.map(|last| last.id)
    }

    pub(super) fn state_of(&self, row: Option<Vec<u8>>) -> State {
        let hash = row.as_ref().map(|row| row_hash(&self.source.key, self.table.element, row));
        State { row, hash }
    }

    fn check(&self, state: &State) -> Result<(), ApplyError> {
        let actual = self.state_of(state.row.clone()).hash;
        match actual == state.hash {
            true => Ok(()),
            false => {
                let (target, expected) = (self.source.clone(), state.hash);
                Err(ApplyError::TargetStateCorrupted { target, expected, actual })
            }
        }
    }

    /// Returns the state that a delta makes of the present one.
    fn next(&self, delta: &Delta) -> Result<State, ApplyError> {
        match self.result(delta, self.sent.row.clone()) {
            // Either the delta contradicts itself, or the bits under it are not those that were written.
            Err(ApplyError::Delta(DeltaError::Result)) => {
                self.verify()?;
                Err(DeltaError::Result.into())
            }
            other => other,
        }
    }

    /// Returns the state that a delta makes of a row, which must be the one that it promises.
    pub(super) fn result(&self, delta: &Delta, base: Option<Vec<u8>>) -> Result<State, ApplyError> {
        let row_bytes = self.table.row_bytes();
        let mut row = base.unwrap_or_else(|| vec![0; row_bytes]);
        delta.vector().apply(&mut row).map_err(DeltaError::from)?;
        let there = delta.result().is_some() || row.iter().any(|byte| *byte != 0);
        let state = self.state_of(there.then_some(row));
        if state.hash == delta.result() { Ok(state) } else { Err(DeltaError::Result.into()) }
    }

    /// Takes over a state, if transformers and validators let it.
    fn take(&mut self, delta: &Delta, next: State, theirs: Option<(RowHash, Vec<u8>)>) -> Result<(), ApplyError> {
        let kept = self.transformed(&next)?;
        if let Some(row) = &kept.as_ref().unwrap_or(&next).row {
            for validator in &self.policy.validators {
                validator.check(self.table.element, self.row(), row).map_err(|reason| self.refused(reason))?;
            }
        }
        // An XOR between these very states is its own way back.
        let exact = delta.base() == self.sent.hash && delta.result() == next.hash && !delta.vector().is_whole();
        let undo = match (&self.sent.row, &next.row) {
            (None, _) => None,
            (Some(_), _) if exact => Some(delta.vector().clone()),
            (Some(old), None) => Some(self.vector(old, None)?),
            (Some(old), Some(new)) => Some(self.vector(new, Some(old))?),
        };
        let (id, time) = (delta.id(), delta.time());
        self.history.push(Entry { id, previous: self.last, before: self.sent.hash, undo, theirs });
        (self.sent, self.kept, self.last) = (next, kept, Some(LastApplied { id, time }));
        Ok(())
    }

    fn vector(&self, old: &[u8], new: Option<&[u8]>) -> Result<DeltaVector, DeltaError> {
        Ok(DeltaVector::between(self.table.element, self.table.dims, Some(old), new)?)
    }

    fn refused(&self, reason: String) -> ApplyError {
        ApplyError::ValidationFailed(Rejection { key: self.source.key.clone(), reason })
    }

    /// Returns the state that is kept of one that was sent; nothing without transformers.
    fn transformed(&self, sent: &State) -> Result<Option<State>, ApplyError> {
        let transformers = &self.policy.transformers;
        if transformers.is_empty() {
            return Ok(None);
        }
        let mut row = sent.row.clone();
        if let Some(row) = &mut row {
            transform(transformers, self.table.element, row).map_err(|reason| self.refused(reason))?;
        }
        Ok(Some(self.state_of(row)))
    }
}
