//! A repository in a PostgreSQL database: its files as rows of bytes, its writer's lock as a session's lock.
//!
//! What a local disk promises is kept by these means:
//!
//! - **Written** is a committed transaction that the server has not flushed yet (`synchronous_commit = off`): everybody
//!   sees it, and only the server's own crash loses it, together with all that came later. **Durable** is one more
//!   transaction that waits for the flush: the server's log is one sequence, so it takes everything before it along.
//! - **The lock** is an advisory lock of the session that also does all writing. Whoever loses the connection has lost
//!   both, so that no two writers ever meet.
//! - **A file that is removed** stays readable to those who have it open for some minutes, as on a local disk.
//! - `cache/` is in unlogged tables, which a crash of the server empties: it can be made anew.
//!
//! ```text
//!  vecdelta.repository | id | name |           vecdelta.file | id | repository | path | length |
//!  vecdelta.chunk      | file | start | data |               the same two, unlogged, as cache_file and cache_chunk
//! ```

mod address;
mod file;
mod link;
mod password;
mod schema;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

pub use address::Address;
pub use password::find as find_password;

use super::disk::{Disk, DiskFile};
use file::PostgresFile;
use link::{Link, Session};
use schema::{CACHE, DURABLE, Tables};

/// A repository in a PostgreSQL database.
pub struct PostgresDisk {
    link: Arc<Link>,
    shown: String,
}

impl PostgresDisk {
    /// Connects to the database that holds a repository, or will hold it.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub fn connect(address: Address) -> io::Result<Self> {
        let shown = address.to_string();
        Ok(Self { link: Arc::new(Link::connect(address)?), shown })
    }

    /// Asks the server whether a writer could do its work; returns its version. Nothing is changed.
    ///
    /// # Errors
    /// When it could not.
    pub fn probe(&self) -> io::Result<String> {
        let row = self.link.with(|session| session.query(schema::PROBE, &[]))?;
        let (version, fsync, may): (String, String, bool) = (row[0].get(0), row[0].get(1), row[0].get(2));
        match (fsync.as_str(), may) {
            ("off", _) => Err(io::Error::other("the server runs with fsync = off, so nothing on it would be safe")),
            (_, false) => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the user may neither make the schema vecdelta (CREATE on the database) nor write its tables",
            )),
            (_, true) => Ok(format!("PostgreSQL {version}")),
        }
    }

    /// Gives the repository another name, once it is whole.
    ///
    /// # Errors
    /// When there is one of that name.
    pub fn rename_repository(self, name: &str) -> io::Result<()> {
        let sql = "UPDATE vecdelta.repository SET name = $2 WHERE id = $1";
        self.link.with(|session| {
            let repository = session.repository()?;
            session.execute(sql, &[&repository, &name])
        })?;
        self.link.sync()
    }
}

/// Returns the tables that a path is kept in.
fn tables(path: &str) -> Tables {
    if path == "cache" || path.starts_with("cache/") { CACHE } else { DURABLE }
}

/// Returns the number of a file, if there is one.
fn find(session: &mut Session, path: &str) -> io::Result<Option<(i64, u64)>> {
    let Some(repository) = session.repository()? else { return Ok(None) };
    let found = session.query(&tables(path).find(), &[&repository, &path])?;
    Ok(found.first().map(|row| (row.get(0), row.get::<_, i64>(1) as u64)))
}

impl Disk for PostgresDisk {
    fn open(&self, path: &str, write: bool) -> io::Result<Box<dyn DiskFile>> {
        let id = self.link.with(|session| {
            if let Some((id, _)) = find(session, path)? {
                return Ok(id);
            }
            if !write {
                return Err(io::Error::new(io::ErrorKind::NotFound, "there is no such file in the database"));
            }
            let repository = session.repository_or_new()?;
            session.execute(&tables(path).create(), &[&repository, &path])?;
            session.dirty = true;
            find(session, path)?.map(|(id, _)| id).ok_or_else(|| io::Error::other("it was removed while it was made"))
        })?;
        Ok(Box::new(PostgresFile { link: self.link.clone(), id, tables: tables(path) }))
    }

    fn len(&self, path: &str) -> io::Result<Option<u64>> {
        self.link.with(|session| Ok(find(session, path)?.map(|(_, len)| len)))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let front = if dir.is_empty() { String::new() } else { format!("{dir}/") };
        let paths = self.link.with(|session| {
            let Some(repository) = session.repository()? else { return Ok(Vec::new()) };
            let mut paths: Vec<String> = Vec::new();
            for tables in [DURABLE, CACHE] {
                let rows = session.query(&tables.list(), &[&repository, &front])?;
                paths.extend(rows.iter().map(|row| row.get::<_, String>(0)));
            }
            Ok(paths)
        })?;
        let names = paths.iter().filter_map(|p| p.strip_prefix(&front)?.split('/').next().map(str::to_owned));
        Ok(names.collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn create_dir(&self, _dir: &str) -> io::Result<()> {
        // A directory is what its files' paths begin with; here the repository begins to be.
        self.link.with(|session| session.repository_or_new().map(drop))
    }

    fn sync_dir(&self, _dir: &str) -> io::Result<()> {
        self.link.sync()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if tables(from) != tables(to) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a file of the cache stays in it"));
        }
        self.link.with(|session| {
            let Some(repository) = session.repository()? else { return Err(io::ErrorKind::NotFound.into()) };
            session.dirty = true;
            let mut transaction = session.begin()?;
            let absent = transaction.query(&tables(from).find(), &[&repository, &from])?.is_empty();
            if absent {
                return Err(io::Error::new(io::ErrorKind::NotFound, "there is no such file in the database"));
            }
            transaction.execute(&tables(to).remove(), &[&repository, &to])?;
            transaction.execute(&tables(from).rename(), &[&repository, &from, &to])?;
            transaction.commit()
        })
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.link.with(|session| {
            let Some(repository) = session.repository()? else { return Ok(()) };
            session.dirty = true;
            if path.is_empty() {
                session.execute("DELETE FROM vecdelta.repository WHERE id = $1", &[&repository])?;
                return Ok(());
            }
            session.execute(&tables(path).remove(), &[&repository, &path])?;
            Ok(())
        })
    }

    fn lock(&self, _path: &str) -> io::Result<Box<dyn Send + Sync>> {
        link::lock(&self.link)
    }

    fn display(&self, path: &str) -> String {
        if path.is_empty() { self.shown.clone() } else { format!("{}#{path}", self.shown) }
    }
}
