//! Dead letters of rows that somebody wants to be tried again: they come before the rows of their source, whatever their
//! time, and stop being dead letters when they are committed.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::{Flow, Stop, Waiting};
use crate::capture::read::{ReadOptions, RefusedRow, Refuser, RowForm, read_sound};
use crate::delta::{Element, Keys, Note, Notes, RowBatch, Table};
use crate::pipeline::config::Input;
use crate::store::{Letter, Letters};

impl Flow<'_> {
    /// Begins the sources that are handed rows and have letters to be tried again: they need not wait for a row.
    pub(super) fn begin_again(&mut self) -> Result<(), Stop> {
        for source in 0..self.sources.len() {
            if !self.sources[source].inputs.contains(&Input::Feed) {
                continue;
            }
            if let Some(table) = self.shape_to_try_again(source)? {
                self.begin_fed(source, table.element, table.dims)?;
            }
        }
        Ok(())
    }

    /// Returns the shape of the first row of a source that is to be tried again and can be.
    pub(super) fn shape_to_try_again(&self, source: usize) -> Result<Option<Table>, Stop> {
        let letters = self.to_try_again(source)?;
        Ok(letters.iter().find_map(|(_, letter)| Some(self.row_of(source, letter).ok()?.0)))
    }

    /// Tries the dead letters of a source again that somebody has marked.
    pub(super) fn again(&mut self, source: usize) -> Result<(), Stop> {
        for (id, letter) in self.to_try_again(source)? {
            let (table, row) = match self.row_of(source, &letter) {
                Ok(row) => row,
                Err(refused) => {
                    self.unread(source, refused)?;
                    continue;
                }
            };
            let own = &self.state.current[&source].table;
            if table != *own {
                let (shape, of) = (|t: &Table| format!("{} x {}", t.dims, t.element.name()), Letter::clone(&letter));
                let message = format!("it is {}, the collection holds {}", shape(&table), shape(own));
                self.bury(source, vec![Letter { message, ..of }])?;
                continue;
            }
            let ticket = self.state.ticket;
            self.state.ticket += 1;
            self.state.waiting.push_back(Waiting { letters: vec![id], ..Waiting::new(source, ticket) });
            let millis = self.state.current[&source].clock.as_ref().and(self.watermark());
            self.state.replaying = true;
            let done = self.rows(source, &row, ticket, millis);
            self.state.replaying = false;
            done?;
        }
        self.settle()
    }

    fn to_try_again(&self, source: usize) -> Result<Vec<(String, Letter)>, Stop> {
        if self.sources[source].epoch {
            return Ok(Vec::new());
        }
        let letters = Letters::read(self.disk.as_ref())?;
        let name = &self.sources[source].name;
        let own = letters
            .iter()
            .filter(|(_, letter, again)| *again && letter.subscriber.is_empty() && letter.source == *name);
        Ok(own.map(|(id, letter, _)| (id.to_owned(), letter.clone())).collect())
    }

    /// Makes the row of a letter again, with its shape; or says once more why it cannot be read.
    fn row_of(&self, source: usize, letter: &Letter) -> Result<(Table, RowBatch), Vec<RefusedRow>> {
        let settings = &self.sources[source];
        let collection = settings.collection.clone();
        if letter.change == "row" {
            let element = Element::from_code(letter.element).unwrap_or(Element::F32);
            let mut notes = Notes::default();
            notes.push_note(&Note::of(letter.metadata.iter().map(|(n, v)| (n.as_str(), v.as_str())), None));
            let rows = RowBatch {
                keys: Keys::from_texts([letter.key.as_str()]),
                rows: Bytes::copy_from_slice(&letter.bits),
                first_row: 0,
                notes: notes.with_columns(&settings.meta.clone().into(), 1),
            };
            return Ok((Table { collection, element, dims: letter.dims }, rows));
        }
        let open = self.state.current.get(&source).map(|at| at.table.dims).filter(|&dims| dims > 0);
        let options = ReadOptions { dims: settings.dims.or(open), ..settings.read_options() };
        let refused = Arc::new(Mutex::new(Vec::new()));
        let into = refused.clone();
        let refuser: Refuser = Box::new(move |row| into.lock().expect("no thread panics with it").push(row));
        // A line that is no JSON does not look like one.
        let name = if letter.change == RowForm::Json.name() { "letter.jsonl" } else { "letter.arrow" };
        let read = read_sound(name, letter.bits.clone().into(), &options, refuser);
        let row = read.and_then(|mut reader| Ok((reader.element(), reader.dims(), reader.next()?)));
        match row {
            Ok((element, dims, Some(rows))) => Ok((Table { collection, element, dims }, rows)),
            _ => Err(std::mem::take(&mut refused.lock().expect("no thread panics with it"))),
        }
    }
}
