//! Where subscribers are that cannot keep it themselves: `channels/`, one journal a subscriber.

use std::sync::Arc;

use super::disk::Disk;
use super::error::Result;
use super::journal::{Journal, JournalKind};

/// What a cursor file is among the journals.
pub const CURSORS: JournalKind =
    JournalKind { magic: b"VDCUR001", domain: "vecdelta v1 cursor", directory: "channels" };

/// A cursor file is written anew when it has grown to this size.
const BYTES_MAX: u64 = 64 << 10;

/// The cursor of one subscriber; the last record counts.
pub struct CursorFile(Journal);

impl CursorFile {
    /// Opens the cursor of a subscriber and returns what was kept last.
    ///
    /// # Errors
    /// When the disk refuses, or the file is damaged.
    pub fn open(disk: &Arc<dyn Disk>, subscriber: &str) -> Result<(Self, Option<Vec<u8>>)> {
        let (journal, mut records) = Journal::open(disk, CURSORS, &CURSORS.path(subscriber))?;
        Ok((Self(journal), records.pop()))
    }

    /// Keeps a cursor: it is durable when this returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn keep(&mut self, cursor: &[u8]) -> Result<()> {
        if self.0.bytes() + cursor.len() as u64 > BYTES_MAX {
            return self.0.replace([cursor]);
        }
        self.0.append(cursor)
    }
}
