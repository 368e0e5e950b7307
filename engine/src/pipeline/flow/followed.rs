//! What servers bring, on its way to capture: rows, ids that are gone, and deltas of somebody else.

use super::{Flow, Stop, Waiting};
use crate::delta::{Applied, Delta, DeltaError, Keys, Notes, RowBatch, Table};
use crate::pipeline::PipelineError;
use crate::pipeline::config::OnReject;
use crate::pipeline::feed::{Refusal, Ticket};
use crate::pipeline::follow::{Changes, What};

/// The place that something leads to, and who is told what becomes of it.
type Owed = (Option<String>, Option<Ticket>);

impl Flow<'_> {
    /// Takes changes that a server brought.
    pub(super) fn followed(&mut self, source: usize, changes: Changes) -> Result<(), Stop> {
        let Changes { what, mark, told } = changes;
        // What is committed with a mark must be all that leads to it.
        self.state.holding = mark.is_some();
        let taken = self.take_changes(source, what, (mark, told));
        self.state.holding = false;
        taken?;
        self.close_due()?;
        self.settle()
    }

    fn take_changes(&mut self, source: usize, what: What, owed: Owed) -> Result<(), Stop> {
        match what {
            What::Nothing => {
                self.numbered(source, owed);
            }
            What::Refused(rows) => {
                let refused = self.unread(source, rows)?;
                self.numbered_refused(source, owed, refused);
            }
            What::Rows(element, dims, batch) => {
                let (mark, told) = owed;
                let Some(why) = self.begin_fed(source, element, dims)? else {
                    return self.arrived(source, batch, told, mark);
                };
                // Whoever sends rows to a socket does not end the run.
                if told.is_none() || self.sources[source].on_reject == OnReject::Stop {
                    return Err(self.refused(source, why));
                }
                let table = Table { collection: self.sources[source].collection.clone(), element, dims };
                let refused = self.refuse_all(source, &table, &batch, &why)?;
                self.numbered_refused(source, (mark, told), refused);
            }
            What::Gone(keys, notes) => {
                if self.begin_known(source)? {
                    // Rows that are held back came before.
                    self.release_source(source)?;
                    let ticket = self.numbered(source, owed);
                    self.remove(source, &keys, notes, ticket)?;
                } else {
                    self.numbered(source, owed);
                }
            }
            What::Deltas(deltas) => {
                if let Some(first) = deltas.first() {
                    self.begun(source, first.vector().element(), first.vector().dims())?;
                }
                let ticket = self.numbered(source, owed);
                self.apply(source, &deltas, ticket)?;
            }
        }
        Ok(())
    }

    /// Returns the number of what is taken next, and notes the place that it leads to and who is told.
    fn numbered(&mut self, source: usize, owed: Owed) -> u64 {
        self.numbered_refused(source, owed, Vec::new())
    }

    fn numbered_refused(&mut self, source: usize, (mark, told): Owed, refused: Vec<Refusal>) -> u64 {
        let ticket = self.state.ticket;
        self.state.ticket += 1;
        if mark.is_some() || told.is_some() {
            self.state.waiting.push_back(Waiting { mark, told, refused, ..Waiting::new(source, ticket) });
        }
        ticket
    }

    /// Begins where rows have not begun yet; another shape than the collection's ends the run.
    fn begun(&mut self, source: usize, element: crate::delta::Element, dims: u32) -> Result<(), Stop> {
        match self.begin_fed(source, element, dims)? {
            None => Ok(()),
            Some(message) => Err(self.refused(source, message)),
        }
    }

    /// Begins with the shape that the collection has; returns whether there is one.
    fn begin_known(&mut self, source: usize) -> Result<bool, Stop> {
        if self.state.current.contains_key(&source) {
            return Ok(true);
        }
        let Some(table) = self.tables.get(&self.sources[source].collection).cloned() else { return Ok(false) };
        self.begun(source, table.element, table.dims).map(|()| true)
    }

    fn refused(&self, source: usize, message: String) -> Stop {
        Stop::Failed(PipelineError::Server { source_name: self.sources[source].name.clone(), message })
    }

    /// Deletes rows.
    fn remove(&mut self, source: usize, keys: &Keys, mut notes: Notes, ticket: u64) -> Result<(), Stop> {
        if !self.meta.is_empty() {
            notes = notes.with_columns(&self.meta, keys.len());
        }
        if self.router.asks_time() {
            notes.stamp(keys.len(), (self.now)());
        }
        let captured = self.look(source, |capture, held| capture.remove(keys, &notes, held.unwrap_or(&|_| None)))?;
        self.state.taking.push(ticket);
        self.captured(source, captured, keys.len(), ticket, None)?;
        self.state.taking.pop();
        Ok(())
    }

    /// Deletes what an epoch says is gone.
    pub(super) fn gone(&mut self, source: usize, ids: &[String]) -> Result<(), Stop> {
        // An epoch is compared with the table alone.
        self.all_committed()?;
        let at = &self.state.current[&source];
        let (file, collection) = (at.input.file.clone(), at.table.collection.clone());
        let capture = self.state.captures.get_mut(&collection).expect("made at the beginning");
        let removed = capture.remove_of_epoch(ids);
        let captured = removed.map_err(|error| Stop::Failed(PipelineError::Capture { file, error }))?;
        let ticket = self.state.ticket;
        self.captured(source, captured, ids.len(), ticket, None)
    }

    /// Applies deltas, of which no two are of one id, to what the collection holds; one that was applied before does nothing.
    fn apply(&mut self, source: usize, deltas: &[Delta], ticket: u64) -> Result<(), Stop> {
        if !self.state.current.contains_key(&source) {
            return Ok(());
        }
        let (mut keys, mut rows, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        let names = self.sources[source].meta.clone();
        let mut notes = Notes::new(names.clone().into());
        let mut left = notes.clone();
        let all = || deltas.iter().map(|delta| delta.source().key.as_str());
        let states = self.look(source, |capture, held| capture.states_of(all(), held.unwrap_or(&|_| None)))?;
        for (delta, mut row) in deltas.iter().zip(states) {
            let key = delta.source().key.as_str();
            match delta.apply_to(key, &mut row) {
                Ok(Applied::Already) => continue,
                Ok(Applied::Changed) => {}
                Err(error) => return Err(self.does_not_fit(source, delta, &error)),
            }
            let note = names.iter().map(|name| delta.metadata().get(name).map(|v| v.as_str().into()));
            match row {
                Some(row) => {
                    keys.push(key);
                    rows.extend(row);
                    notes.push(note);
                }
                None => {
                    gone.push(key);
                    left.push(note);
                }
            }
        }
        if !keys.is_empty() {
            let batch = RowBatch { keys: Keys::from_texts(keys), rows: rows.into(), first_row: 0, notes };
            self.rows(source, &batch, ticket, None)?;
        }
        if gone.is_empty() { Ok(()) } else { self.remove(source, &Keys::from_texts(gone), left, ticket) }
    }

    fn does_not_fit(&self, source: usize, delta: &Delta, error: &DeltaError) -> Stop {
        let branch = "the branch was written by somebody else, or the stream was begun anew";
        let message = format!("a delta of `{}` does not fit the table: {error}; {branch}", delta.source().key);
        self.refused(source, message)
    }
}
