//! What rows bring besides their vectors: the columns that a source names as metadata, and when they were captured.

use std::sync::Arc;

/// Notes of the rows of a batch, row by row; usually there are none at all, which costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    names: Arc<[String]>,
    /// One cell a row and name; `None` where the row has no such value.
    cells: Vec<Cell>,
    /// When each row was captured, in milliseconds since 1970; empty when nobody asked.
    millis: Vec<u64>,
}

/// One value of a row's metadata.
pub type Cell = Option<Arc<str>>;

/// The notes of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    names: Arc<[String]>,
    cells: Vec<Cell>,
    millis: Option<u64>,
}

impl Notes {
    /// Makes notes of no rows with these columns.
    pub fn new(names: Arc<[String]>) -> Self {
        Self { names, ..Self::default() }
    }

    /// Makes notes of columns, cells row by row, and times.
    ///
    /// # Panics
    /// If there are not as many cells as columns in every row.
    pub fn from_parts(names: Arc<[String]>, cells: Vec<Cell>, millis: Vec<u64>) -> Self {
        assert!(names.is_empty() || cells.len().is_multiple_of(names.len()), "one cell a column");
        Self { names, cells, millis }
    }

    /// Returns whether nothing is noted of any row.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.millis.is_empty()
    }

    /// Returns the columns.
    pub fn names(&self) -> &Arc<[String]> {
        &self.names
    }

    /// Adds the cells of a row, one a column.
    ///
    /// # Panics
    /// If there are more or fewer of them than columns.
    pub fn push(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let before = self.cells.len();
        self.cells.extend(cells);
        assert_eq!(self.cells.len() - before, self.names.len(), "one cell a column");
    }

    /// Adds the notes of a row; those of a batch have the same columns.
    pub fn push_note(&mut self, note: &Note) {
        if self.names.is_empty() && self.cells.is_empty() {
            self.names = note.names.clone();
        }
        self.cells.extend(note.cells.iter().cloned());
        self.millis.extend(note.millis);
    }

    /// Returns the same notes of `rows` rows with other columns: those that are new hold nothing.
    pub fn with_columns(&self, names: &Arc<[String]>, rows: usize) -> Self {
        if self.names == *names {
            return self.clone();
        }
        let from: Vec<Option<usize>> = names.iter().map(|name| self.names.iter().position(|n| n == name)).collect();
        let cell = |row: usize, column: Option<usize>| self.cells(row).get(column?).cloned().flatten();
        let cells = (0..rows).flat_map(|row| from.iter().map(move |&column| cell(row, column))).collect();
        Self { names: names.clone(), cells, millis: self.millis.clone() }
    }

    /// Returns the note of a row that brought nothing, captured at a time.
    pub fn blank(&self, millis: u64) -> Note {
        let millis = (!self.millis.is_empty()).then_some(millis);
        Note { names: self.names.clone(), cells: vec![None; self.names.len()], millis }
    }

    /// Says when all `rows` rows were captured.
    pub fn stamp(&mut self, rows: usize, millis: u64) {
        self.millis = vec![millis; rows];
    }

    /// Returns a value of a row's metadata.
    pub fn get(&self, row: usize, name: &str) -> Option<&str> {
        let column = self.names.iter().position(|n| n == name)?;
        self.cells.get(row * self.names.len() + column)?.as_deref()
    }

    /// Returns the cells of a row, one a column; none when the rows have no metadata.
    pub fn cells(&self, row: usize) -> &[Cell] {
        let width = self.names.len();
        self.cells.get(row * width..(row + 1) * width).unwrap_or(&[])
    }

    /// Returns when a row was captured, if that was noted.
    pub fn millis(&self, row: usize) -> Option<u64> {
        self.millis.get(row).copied()
    }

    /// Returns what is noted of a row.
    pub fn note(&self, row: usize) -> Note {
        Note { names: self.names.clone(), cells: self.cells(row).to_vec(), millis: self.millis(row) }
    }

    /// Returns the notes of some rows, in this order.
    pub fn pick(&self, rows: impl Iterator<Item = usize>) -> Self {
        let mut picked = Self::new(self.names.clone());
        if self.is_empty() {
            return picked;
        }
        for row in rows {
            picked.cells.extend(self.cells(row).iter().cloned());
            picked.millis.extend(self.millis(row));
        }
        picked
    }
}

impl Note {
    /// Returns a value of the row's metadata.
    pub fn get(&self, name: &str) -> Option<&str> {
        let column = self.names.iter().position(|n| n == name)?;
        self.cells.get(column)?.as_deref()
    }

    /// Returns when the row was captured, if that was noted.
    pub fn millis(&self) -> Option<u64> {
        self.millis
    }

    /// Makes a note of names and values.
    pub fn of<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>, millis: Option<u64>) -> Self {
        let (names, cells): (Vec<String>, Vec<Cell>) =
            values.into_iter().map(|(name, value)| (name.to_owned(), Some(Arc::from(value)))).unzip();
        Self { names: names.into(), cells, millis }
    }

    /// Goes over names and values.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names.iter().zip(&self.cells).filter_map(|(name, cell)| Some((name.as_str(), cell.as_deref()?)))
    }
}
