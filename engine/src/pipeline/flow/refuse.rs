//! Rows that are refused: of live sources they become dead letters, and the stream goes on.

use std::collections::HashMap;
use std::ops::Range;

use super::{Flow, Stop};
use crate::apply::{Rejection, refusals};
use crate::capture::Captured;
use crate::capture::read::{Place, RefusedRow};
use crate::delta::{Element, RowBatch, Table};
use crate::event::Event;
use crate::pipeline::PipelineError;
use crate::pipeline::config::OnReject;
use crate::pipeline::feed::Refusal;
use crate::store::{DeathReason, Letter};

impl Flow<'_> {
    /// Makes dead letters of rows that could not be read; returns what is told of them.
    pub(super) fn unread(&mut self, source: usize, rows: Vec<RefusedRow>) -> Result<Vec<Refusal>, Stop> {
        let collection = &self.sources[source].collection;
        let letter = |row: &RefusedRow| {
            let place = match row.place {
                Some(Place::Line(line)) => format!("line {line}: "),
                Some(Place::Row(row)) => format!("row {row} (counted from 0): "),
                Some(Place::Offset(_)) | None => String::new(),
            };
            let key = row.id.clone().unwrap_or_default();
            let shape = Table { collection: collection.clone(), element: Element::F32, dims: 0 };
            let letter = self.letter(source, &shape, DeathReason::Invalid, key, place + &row.reason);
            Letter { change: row.form.name().to_owned(), bits: row.bytes.clone(), ..letter }
        };
        let letters: Vec<Letter> = rows.iter().map(letter).collect();
        let told = rows.iter().zip(&letters).map(|(row, letter)| Refusal {
            place: row.place,
            id: row.id.clone(),
            reason: row.reason.clone(),
            letter: letter.id(),
        });
        let told = told.collect();
        self.bury(source, letters)?;
        Ok(told)
    }

    /// Begins the dead letter of a row; change and bits are that of nothing.
    pub(super) fn letter(
        &self,
        source: usize,
        table: &Table,
        reason: DeathReason,
        key: String,
        message: String,
    ) -> Letter {
        Letter {
            reason,
            message,
            millis: (self.now)(),
            source: self.sources[source].name.clone(),
            subscriber: String::new(),
            commit: String::new(),
            collection: table.collection.clone(),
            key,
            change: "row".to_owned(),
            element: table.element.code(),
            dims: table.dims,
            bits: Vec::new(),
            metadata: Default::default(),
        }
    }

    /// Keeps dead letters of a source, and tells of them.
    pub(super) fn bury(&mut self, source: usize, letters: Vec<Letter>) -> Result<(), Stop> {
        let Some(first) = letters.first() else { return Ok(()) };
        let (reason, message, deltas) = (first.reason, first.message.clone(), letters.len() as u64);
        if reason == DeathReason::Invalid {
            for letter in &letters {
                let target = format!("{}/{}", letter.collection, letter.key);
                (self.listener)(&Event::DeltaRejected { target, reason: letter.message.clone() });
            }
            let observer = &mut self.observers[source].metrics;
            observer.rejected += deltas;
            observer.last_error = Some(message.clone());
        }
        let subscriber = self.sources[source].name.clone();
        self.metrics.update(|f| *f.dead_letters.entry(reason.name()).or_default() += deltas);
        self.letters.put(letters)?;
        (self.listener)(&Event::DeltaDead { subscriber, deltas, reason: reason.name(), message });
        Ok(())
    }

    /// Leaves the rows out that the transformers refuse, of those that came and of those that they became.
    pub(super) fn leave_out(
        &mut self,
        source: usize,
        (came, batch): (&RowBatch, RowBatch),
        refused: Vec<(usize, Rejection)>,
        ticket: u64,
    ) -> Result<(Option<RowBatch>, RowBatch), Stop> {
        if refused.is_empty() {
            return Ok((None, batch));
        }
        let good = but(&refused, batch.keys.len());
        self.refuse(source, came, refused, ticket)?;
        Ok((Some(came.pick(&good)), batch.pick(&good)))
    }

    /// Leaves the deltas out that the validators refuse; those of `rows` of the rows that came, each id once.
    pub(super) fn admit(
        &mut self,
        source: usize,
        (came, rows): (&RowBatch, Range<usize>),
        mut captured: Captured,
        ticket: u64,
    ) -> Result<Captured, Stop> {
        let mut refused = Vec::new();
        for batch in &mut captured.batches {
            let own: Vec<(usize, Rejection)> = refusals(self.validators, batch).collect();
            if !own.is_empty() {
                *batch = batch.pick(&but(&own, batch.deltas.len()));
                refused.extend(own);
            }
        }
        if refused.is_empty() {
            return Ok(captured);
        }
        let places: HashMap<&str, usize> = rows.map(|row| (came.keys.get(row), row)).collect();
        let place = |(_, rejection): (usize, Rejection)| Some((*places.get(rejection.key.as_str())?, rejection));
        self.refuse(source, came, refused.into_iter().filter_map(place).collect(), ticket)?;
        Ok(captured)
    }

    /// Makes dead letters of rows, or ends the run with the first of them.
    fn refuse(
        &mut self,
        source: usize,
        came: &RowBatch,
        refused: Vec<(usize, Rejection)>,
        ticket: u64,
    ) -> Result<(), Stop> {
        let at = &self.state.current[&source];
        if self.sources[source].on_reject == OnReject::Stop && !self.state.replaying {
            let Some((_, rejection)) = refused.into_iter().next() else { return Ok(()) };
            let (target, reason) = (format!("{}/{}", at.table.collection, rejection.key), rejection.reason.clone());
            (self.listener)(&Event::DeltaRejected { target, reason });
            return Err(Stop::Failed(PipelineError::Rejected { file: at.input.file.clone(), rejection }));
        }
        let table = at.table.clone();
        let (letters, told) = self.of_rows(source, &table, came, refused);
        if let Some(waiting) = self.state.waiting.iter_mut().find(|waiting| waiting.ticket == ticket) {
            // One that is refused again stays a dead letter.
            waiting.letters.retain(|id| !told.iter().any(|refusal| refusal.letter == *id));
            waiting.refused.extend(told);
        }
        self.bury(source, letters)
    }

    /// Makes dead letters of all rows of a batch.
    pub(super) fn refuse_all(
        &mut self,
        source: usize,
        table: &Table,
        came: &RowBatch,
        why: &str,
    ) -> Result<Vec<Refusal>, Stop> {
        let rejection = |key: &str| Rejection { key: key.to_owned(), reason: why.to_owned() };
        let refused = came.keys.iter().map(rejection).enumerate().collect();
        let (letters, told) = self.of_rows(source, table, came, refused);
        self.bury(source, letters)?;
        Ok(told)
    }

    /// Makes the dead letters of rows, and what is told of them.
    fn of_rows(
        &self,
        source: usize,
        table: &Table,
        came: &RowBatch,
        refused: Vec<(usize, Rejection)>,
    ) -> (Vec<Letter>, Vec<Refusal>) {
        let size = came.rows.len() / came.keys.len().max(1);
        let letter = |(row, rejection): &(usize, Rejection)| {
            let key = rejection.key.clone();
            let letter = self.letter(source, table, DeathReason::Invalid, key, rejection.reason.clone());
            let note = came.notes.note(*row);
            Letter {
                bits: came.rows[row * size..(row + 1) * size].to_vec(),
                metadata: note.values().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
                ..letter
            }
        };
        let letters: Vec<Letter> = refused.iter().map(letter).collect();
        let told = letters.iter().zip(refused).map(|(letter, (_, rejection))| Refusal {
            place: None,
            id: Some(rejection.key),
            reason: rejection.reason,
            letter: letter.id(),
        });
        let told = told.collect();
        (letters, told)
    }
}

/// Returns the numbers up to `count` but for those that are refused.
fn but(refused: &[(usize, Rejection)], count: usize) -> Vec<usize> {
    let mut bad = vec![false; count];
    refused.iter().for_each(|(number, _)| bad[*number] = true);
    (0..count).filter(|&number| !bad[number]).collect()
}
