//! Files that are written out: under another name until they are whole.

use std::io::Write;
use std::path::{Path, PathBuf};

use vecdelta::export::Pending;

use crate::ui::state::Saved;

/// The file that is being written.
#[derive(Default)]
pub struct Saving(Option<Pending>);

impl Saving {
    /// Writes a piece; returns what people should know.
    pub fn piece(&mut self, piece: &Saved) -> Option<String> {
        if piece.first {
            match Pending::create(Path::new(&piece.to)) {
                Ok(file) => self.0 = Some(file),
                Err(error) => return Some(error.to_string()),
            }
        }
        let file = self.0.as_mut()?;
        if let Err(error) = file.write_all(&piece.bytes) {
            self.0 = None;
            return Some(format!("{}: cannot write: {error}", piece.to));
        }
        let whole = self.0.take_if(|_| piece.last)?;
        Some(match whole.finish() {
            Ok(()) => format!("{} vectors in {}", crate::model::format::count(piece.rows), piece.to),
            Err(error) => error.to_string(),
        })
    }

    /// Leaves nothing of a file that is not whole.
    pub fn give_up(&mut self) {
        self.0 = None;
    }
}

/// Returns the directory where files go unless told otherwise: where the program was started.
pub fn default_dir() -> String {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")).display().to_string()
}
