//! One file as rows of bytes: pieces that do not overlap, in any lengths up to a limit.
//!
//! What is appended becomes pieces of its own, so a small commit costs a small row. What is changed in place is changed
//! within its piece. Where no piece is, the file is zero.

use std::io;
use std::sync::Arc;

use super::link::Link;
use super::schema::Tables;
use crate::store::disk::DiskFile;

/// So many bytes go to the server, or come from it, in one statement.
const STATEMENT: usize = 8 << 20;

/// An open file.
pub struct PostgresFile {
    pub link: Arc<Link>,
    pub id: i64,
    pub tables: Tables,
}

impl PostgresFile {
    fn read_some(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let (from, to) = (offset as i64, offset as i64 + buffer.len() as i64);
        let rows = self.link.with(|session| session.query(&self.tables.read(), &[&self.id, &from, &to]))?;
        let Some(first) = rows.first() else { return Err(gone()) };
        if to > first.get::<_, i64>(0) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends before"));
        }
        buffer.fill(0);
        for row in &rows {
            let Some(start) = row.get::<_, Option<i64>>(1) else { continue };
            let Some(data) = row.get::<_, Option<&[u8]>>(2) else { continue };
            let at = (start - from) as usize;
            let piece = buffer.get_mut(at..at + data.len());
            piece.ok_or_else(|| io::Error::other("the server sent more than it was asked for"))?.copy_from_slice(data);
        }
        Ok(())
    }

    fn write_some(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let (from, to) = (offset as i64, offset as i64 + data.len() as i64);
        let pieces: Vec<&[u8]> = data.chunks(self.tables.chunk_bytes).collect();
        let starts: Vec<i64> = (0..pieces.len()).map(|i| from + (i * self.tables.chunk_bytes) as i64).collect();
        self.link.with(|session| {
            session.dirty |= self.tables.durable;
            if session.execute(&self.tables.append(), &[&self.id, &from, &to, &starts, &pieces])? > 0 {
                return Ok(());
            }
            let inside = data.len() <= self.tables.chunk_bytes;
            if inside && session.execute(&self.tables.overwrite(), &[&self.id, &from, &to, &data])? > 0 {
                return Ok(());
            }
            self.write_across(session, data, from)
        })
    }

    /// Changes the pieces that are there, and adds those that are not.
    fn write_across(&self, session: &mut super::link::Session, data: &[u8], from: i64) -> io::Result<()> {
        let (tables, to) = (&self.tables, from + data.len() as i64);
        let mut changes = session.begin()?;
        let found = changes.query(&tables.length_locked(), &[&self.id])?;
        let len: i64 = found.first().ok_or_else(gone)?.get(0);
        let held: Vec<(i64, i64)> = changes
            .query(&tables.pieces(), &[&self.id, &from, &to])?
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        let mut at = from;
        for (start, end) in held.into_iter().chain([(to, to)]) {
            while at < start {
                let upto = start.min(at + tables.chunk_bytes as i64);
                let piece = &data[(at - from) as usize..(upto - from) as usize];
                changes.execute(&tables.insert(), &[&self.id, &at, &piece])?;
                at = upto;
            }
            let upto = end.min(to);
            if at < upto {
                let piece = &data[(at - from) as usize..(upto - from) as usize];
                changes.execute(&tables.overwrite(), &[&self.id, &at, &upto, &piece])?;
                at = upto;
            }
        }
        if to > len {
            changes.execute(&tables.set_length(), &[&self.id, &to])?;
        }
        changes.commit()
    }
}

impl DiskFile for PostgresFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        for (i, piece) in buffer.chunks_mut(STATEMENT).enumerate() {
            self.read_some(piece, offset + (i * STATEMENT) as u64)?;
        }
        Ok(())
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        for (i, piece) in data.chunks(STATEMENT).enumerate() {
            self.write_some(piece, offset + (i * STATEMENT) as u64)?;
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let rows = self.link.with(|session| session.query(&self.tables.length(), &[&self.id]))?;
        Ok(rows.first().ok_or_else(gone)?.get::<_, i64>(0) as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = len as i64;
        self.link.with(|session| {
            session.dirty |= self.tables.durable;
            let mut changes = session.begin()?;
            changes.execute(&self.tables.cut(), &[&self.id, &len])?;
            changes.execute(&self.tables.cut_last(), &[&self.id, &len])?;
            if changes.execute(&self.tables.set_length(), &[&self.id, &len])? == 0 {
                return Err(gone());
            }
            changes.commit()
        })
    }

    fn sync(&self) -> io::Result<()> {
        // The cache is not kept through a crash of the server anyway.
        if self.tables.durable { self.link.sync() } else { Ok(()) }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the file was removed from the database")
}
