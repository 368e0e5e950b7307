//! Rows that are written out.

use borsh::{BorshDeserialize, BorshSerialize};

use super::CommitNumber;

/// What a table is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Format {
    /// Lines of text whose numbers read back to the same bits.
    #[default]
    Csv,
    /// Parquet; not in the browser.
    Parquet,
}

impl Format {
    /// Returns the extension of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Parquet => "parquet",
        }
    }
}

/// Which rows are written out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Export {
    /// The commit at which the rows are read.
    pub commit: CommitNumber,
    /// The collection.
    pub collection: String,
    /// The keys; empty for all.
    pub keys: Vec<String>,
    /// Only rows that came or changed after this commit.
    pub since: Option<CommitNumber>,
    /// As what.
    pub format: Format,
}

/// A piece of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ExportPiece {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How many rows were written so far.
    pub rows: u64,
    /// How much of the table was looked at, of a hundred.
    pub percent: u8,
    /// Whether it is the last.
    pub done: bool,
}
