//! What can be wrong with a table file, and where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What a caller can do about a [`ReadError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadErrorKind {
    /// There is no such file.
    NotFound,
    /// The file was read, and it is not a table that can be taken over.
    BadData,
    /// The operating system could not read the file.
    Io,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A row, from 0.
    Row(u64),
    /// A line of text, from 1.
    Line(u64),
    /// A byte, from 0.
    Offset(u64),
}

/// Why a table file could not be read: the file, the place, what is wrong and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// What a caller can do about it.
    pub kind: ReadErrorKind,
    /// The file; `-` for standard input.
    pub path: PathBuf,
    /// Where in the file, if the fault has a place.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do next, if that is known.
    pub help: Option<String>,
}

impl ReadError {
    /// Returns the row at fault, from 0, if the fault has one.
    pub fn row(&self) -> Option<u64> {
        match self.place {
            Some(Place::Row(row)) => Some(row),
            _ => None,
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        match self.place {
            Some(Place::Row(row)) => write!(f, ", row {row} (counted from 0)")?,
            Some(Place::Line(line)) => write!(f, ", line {line}")?,
            Some(Place::Offset(offset)) => write!(f, ", byte {offset}")?,
            None => {}
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ReadError {}

/// What decoders put in front of their messages, in the order in which they nest.
const PREFIXES: [&str; 8] = [
    "Parquet argument error: ",
    "Parquet error: ",
    "External: ",
    "EOF: ",
    "Invalid argument error: ",
    "Ipc error: ",
    "Io error: ",
    "Parser error: ",
];

/// A [`ReadError`] whose file is not known yet: what the readers of each format return.
#[derive(Debug)]
pub(super) struct Fault {
    kind: ReadErrorKind,
    place: Option<Place>,
    message: String,
    help: Option<String>,
}

impl Fault {
    /// The file holds something that cannot be taken over.
    pub fn data(message: impl Into<String>) -> Self {
        Self { kind: ReadErrorKind::BadData, place: None, message: message.into(), help: None }
    }

    /// A row holds something that cannot be taken over.
    pub fn row(row: u64, message: impl Into<String>) -> Self {
        Self { place: Some(Place::Row(row)), ..Self::data(message) }
    }

    /// A byte is not what the format asks for.
    pub fn offset(offset: u64, message: impl Into<String>) -> Self {
        Self { place: Some(Place::Offset(offset)), ..Self::data(message) }
    }

    /// A decoder of others refused; its text is cut to one short line.
    pub fn decoder(what: &str, error: &dyn fmt::Display) -> Self {
        const CHARS_MAX: usize = 160;
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        // Decoders repeat in front of a message what kind of error it is, some of them twice.
        let line = PREFIXES.iter().fold(line, |line, prefix| line.strip_prefix(prefix).unwrap_or(line));
        let short: String = line.chars().take(CHARS_MAX).collect();
        Self::data(format!("{what} cannot be decoded: {short}")).help("fetch or write the file again")
    }

    /// The operating system refused.
    pub fn io(error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ReadErrorKind::NotFound,
            // Text that is not UTF-8 arrives as this kind.
            io::ErrorKind::InvalidData => ReadErrorKind::BadData,
            _ => ReadErrorKind::Io,
        };
        let message = match kind {
            ReadErrorKind::NotFound => "there is no such file".to_owned(),
            _ => error.to_string(),
        };
        Self { kind, ..Self::data(message) }
    }

    /// Says where it is as a line, for formats in which users count lines.
    pub fn on_line(mut self, line: u64) -> Self {
        self.place = Some(Place::Line(line));
        self
    }

    /// Says at which row the decoder was.
    pub fn on_row(mut self, row: u64) -> Self {
        self.place = Some(Place::Row(row));
        self
    }

    /// Adds the way out.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Returns whether what was read is at fault, and not the reading.
    pub fn is_data(&self) -> bool {
        self.kind == ReadErrorKind::BadData
    }

    /// Returns where it is.
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// Says what is wrong and the way out, without the place.
    pub fn reason(&self) -> String {
        match &self.help {
            Some(help) => format!("{}; {help}", self.message),
            None => self.message.clone(),
        }
    }

    /// Names the file.
    pub fn at(self, path: &Path) -> ReadError {
        ReadError { kind: self.kind, path: path.to_owned(), place: self.place, message: self.message, help: self.help }
    }
}
