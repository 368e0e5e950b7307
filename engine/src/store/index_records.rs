//! Records of a table of the index in order: from memory, from files, and merged, without a copy of each.

use super::index_file::{GROUP, IndexFile};

/// Records of one width in ascending order, from any number of ascending runs.
pub struct Records<'a> {
    width: usize,
    runs: Vec<Run<'a>>,
    /// The run whose first record was handed out last.
    taken: Option<usize>,
    damaged: bool,
}

/// One ascending run.
enum Run<'a> {
    Memory(&'a [u8]),
    File {
        file: &'a IndexFile,
        table: usize,
        next_page: u64,
        held: Vec<u8>,
        /// Where the first record lies that was not taken yet.
        at: usize,
    },
}

impl<'a> Records<'a> {
    /// A table that a file does without.
    pub fn left_out() -> Self {
        Self { width: 0, runs: Vec::new(), taken: None, damaged: false }
    }

    /// Returns sorted records in memory.
    pub fn of<const N: usize>(rows: &'a [[u8; N]]) -> Self {
        Self { width: N, runs: vec![Run::Memory(rows.as_flattened())], taken: None, damaged: false }
    }

    /// Returns the records of a table of a file.
    pub(super) fn in_file(file: &'a IndexFile, table: usize, width: usize) -> Self {
        let run = Run::File { file, table, next_page: 0, held: Vec::new(), at: 0 };
        Self { width, runs: vec![run], taken: None, damaged: false }
    }

    /// Merges two tables of one width; with another width one of them is damaged.
    pub fn and(mut self, mut other: Self) -> Self {
        self.damaged |= other.damaged || self.width != other.width;
        self.runs.append(&mut other.runs);
        self
    }

    /// Returns how many bytes a record has; 0 for a table that is left out.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the next record; `None` at the end, and where a file is [damaged](Self::is_damaged).
    #[allow(clippy::should_implement_trait, reason = "what is handed out is lent")]
    pub fn next(&mut self) -> Option<&[u8]> {
        if self.damaged {
            return None;
        }
        if let Some(run) = self.taken.take() {
            self.runs[run].advance(self.width);
        }
        let mut least: Option<(usize, &[u8])> = None;
        for (i, run) in self.runs.iter_mut().enumerate() {
            if run.fill(self.width).is_none() {
                self.damaged = true;
                return None;
            }
            let Some(record) = run.first(self.width) else { continue };
            if least.is_none_or(|(_, held)| record < held) {
                least = Some((i, record));
            }
        }
        let (run, record) = least?;
        self.taken = Some(run);
        Some(record)
    }

    /// Returns whether records are missing because a file is damaged.
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }
}

impl Run<'_> {
    /// Reads on where all that was read is taken; `None` when the file is damaged there.
    fn fill(&mut self, width: usize) -> Option<()> {
        let Run::File { file, table, next_page, held, at } = self else { return Some(()) };
        if held.len() >= *at + width {
            return Some(());
        }
        held.clear();
        *at = 0;
        let end = file.pages(*table).min(*next_page + GROUP as u64);
        while *next_page < end {
            held.extend_from_slice(&file.page(*table, *next_page).ok()?);
            *next_page += 1;
        }
        Some(())
    }

    fn first(&self, width: usize) -> Option<&[u8]> {
        match self {
            Run::Memory(rows) => rows.get(..width),
            Run::File { held, at, .. } => held.get(*at..*at + width),
        }
    }

    fn advance(&mut self, width: usize) {
        match self {
            Run::Memory(rows) => *rows = &rows[width..],
            Run::File { at, .. } => *at += width,
        }
    }
}
