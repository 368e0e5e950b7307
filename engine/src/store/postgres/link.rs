//! The connection to the server, made again when it was lost and nobody relies on it.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use postgres::types::ToSql;
use postgres::{Client, Error, NoTls, Row, Statement, Transaction};

use super::address::Address;
use super::schema::{self, CACHE, DURABLE};

/// The first half of the numbers of our advisory locks: "vecd".
const LOCK: i32 = 1_986_356_324;

/// A connection that threads share.
pub struct Link {
    state: Mutex<State>,
}

struct State {
    address: Address,
    session: Session,
    /// Whether the writer's lock is held in this session.
    locked: bool,
}

impl State {
    fn with<T>(&mut self, work: impl Fn(&mut Session) -> io::Result<T>) -> io::Result<T> {
        if !self.session.client.is_closed() {
            match work(&mut self.session) {
                Err(_) if self.session.client.is_closed() => {}
                done => return done,
            }
        }
        if self.locked {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the connection to the server was lost, and with it the writer's lock",
            ));
        }
        self.session = Session::connect(&self.address)?;
        work(&mut self.session)
    }
}

/// One session with the server.
pub struct Session {
    pub(super) client: Client,
    statements: HashMap<String, Statement>,
    name: String,
    repository: Option<i32>,
    /// Whether the tables are there.
    ready: bool,
    /// Whether something was written that may not be durable.
    pub dirty: bool,
    durably: String,
}

impl Link {
    /// Connects.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub fn connect(address: Address) -> io::Result<Self> {
        let session = Session::connect(&address)?;
        Ok(Self { state: Mutex::new(State { address, session, locked: false }) })
    }

    /// Does something in the session; once more in a new one if the old one turns out to be lost.
    ///
    /// # Errors
    /// As the server says; also when the session was lost that holds the writer's lock.
    pub fn with<T>(&self, work: impl Fn(&mut Session) -> io::Result<T>) -> io::Result<T> {
        self.state()?.with(work)
    }

    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        self.state.lock().map_err(|_| io::Error::other("a thread broke off in the middle of its work"))
    }

    /// Makes all that was written durable.
    ///
    /// # Errors
    /// As the server says.
    pub fn sync(&self) -> io::Result<()> {
        self.with(|session| {
            if let Some(repository) = session.repository()?.filter(|_| session.dirty) {
                // The server's log is flushed up to the end of this transaction, and all others came before.
                let durably = &session.durably;
                let sql = format!(
                    "BEGIN; SET LOCAL synchronous_commit = {durably}; \
                     UPDATE vecdelta.repository SET syncs = syncs + 1 WHERE id = {repository}; COMMIT"
                );
                session.client.batch_execute(&sql).map_err(failed)?;
                session.dirty = false;
            }
            Ok(())
        })
    }
}

impl Session {
    fn connect(address: &Address) -> io::Result<Self> {
        let mut client = address.config().connect(NoTls).map_err(|e| cannot_connect(address, &e))?;
        let row = client
            .query_one(
                "SELECT to_regclass('vecdelta.cache_chunk') IS NOT NULL, current_setting('synchronous_commit')",
                &[],
            )
            .map_err(failed)?;
        let configured: String = row.get(1);
        // What the server was told about its standbys is kept; only `off` would not be durable.
        let durably = if configured == "off" { "on".to_owned() } else { configured };
        client.batch_execute("SET synchronous_commit = off").map_err(failed)?;
        Ok(Self {
            client,
            statements: HashMap::new(),
            name: address.repo.clone(),
            repository: None,
            ready: row.get(0),
            dirty: true,
            durably,
        })
    }

    /// Returns the repository's number, if there is one.
    ///
    /// # Errors
    /// As the server says.
    pub fn repository(&mut self) -> io::Result<Option<i32>> {
        if self.repository.is_none() && self.ready {
            let name = self.name.clone();
            let found = self.query("SELECT id FROM vecdelta.repository WHERE name = $1", &[&name])?;
            self.repository = found.first().map(|row| row.get(0));
        }
        Ok(self.repository)
    }

    /// Returns the repository's number; it is made where there is none, and so are the tables.
    ///
    /// # Errors
    /// As the server says.
    pub fn repository_or_new(&mut self) -> io::Result<i32> {
        if let Some(repository) = self.repository()? {
            return Ok(repository);
        }
        if !self.ready {
            schema::create(self)?;
            self.ready = true;
        }
        let name = self.name.clone();
        self.execute("INSERT INTO vecdelta.repository (name) VALUES ($1) ON CONFLICT DO NOTHING", &[&name])?;
        self.repository()?.ok_or_else(|| io::Error::other("the repository was removed while it was made"))
    }

    /// Asks with a statement that is prepared once.
    ///
    /// # Errors
    /// As the server says.
    pub fn query(&mut self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> io::Result<Vec<Row>> {
        let statement = self.statement(sql)?;
        self.client.query(&statement, values).map_err(failed)
    }

    /// Changes something with a statement that is prepared once; returns how many rows.
    ///
    /// # Errors
    /// As the server says.
    pub fn execute(&mut self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> io::Result<u64> {
        let statement = self.statement(sql)?;
        self.client.execute(&statement, values).map_err(failed)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// As the server says.
    pub fn begin(&mut self) -> io::Result<Changes<'_>> {
        self.client.transaction().map(Changes).map_err(failed)
    }

    fn statement(&mut self, sql: &str) -> io::Result<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).map_err(failed)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// A transaction; it is taken back unless it is committed.
pub struct Changes<'a>(Transaction<'a>);

impl Changes<'_> {
    pub fn query(&mut self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> io::Result<Vec<Row>> {
        self.0.query(sql, values).map_err(failed)
    }

    pub fn execute(&mut self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> io::Result<u64> {
        self.0.execute(sql, values).map_err(failed)
    }

    pub fn commit(self) -> io::Result<()> {
        self.0.commit().map_err(failed)
    }
}

/// Takes the writer's lock, or says who has it.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] with the holder; or as the server says, also when it would not keep what it was given.
pub fn lock(link: &Arc<Link>) -> io::Result<Box<dyn Send + Sync>> {
    let mut state = link.state()?;
    if state.locked {
        // A session may take its own lock as often as it likes.
        return Err(io::Error::new(io::ErrorKind::WouldBlock, std::process::id().to_string()));
    }
    state.with(|session| {
        let fsync = session.query("SELECT current_setting('fsync')", &[])?;
        if fsync[0].get::<_, &str>(0) == "off" {
            return Err(io::Error::other("the server runs with fsync = off, so nothing on it would be safe"));
        }
        let repository = session.repository_or_new()?;
        let taken = session.query("SELECT pg_try_advisory_lock($1, $2)", &[&LOCK, &repository])?;
        if !taken[0].get::<_, bool>(0) {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, holder(session, repository)?));
        }
        for tables in [DURABLE, CACHE] {
            session.execute(&tables.purge(), &[&repository])?;
        }
        Ok(())
    })?;
    state.locked = true;
    Ok(Box::new(Guard(link.clone())))
}

/// Asks the server who has the lock.
fn holder(session: &mut Session, repository: i32) -> io::Result<String> {
    let sql = "SELECT coalesce(a.application_name, ''), coalesce(host(a.client_addr), '') FROM pg_locks l \
         JOIN pg_stat_activity a USING (pid) JOIN pg_database d ON d.oid = l.database \
         WHERE l.locktype = 'advisory' AND l.granted AND l.classid::bigint = $1 AND l.objid::bigint = $2 \
         AND d.datname = current_database()";
    let found = session.query(sql, &[&i64::from(LOCK), &i64::from(repository)])?;
    let Some(row) = found.first() else { return Ok("that has just ended".to_owned()) };
    let (program, host): (&str, &str) = (row.get(0), row.get(1));
    let process = program.strip_prefix("vecdelta ").unwrap_or("of another user");
    Ok(if host.is_empty() { process.to_owned() } else { format!("{process} at {host}") })
}

struct Guard(Arc<Link>);

impl Drop for Guard {
    fn drop(&mut self) {
        let Ok(mut state) = self.0.state.lock() else { return };
        state.locked = false;
        if let Some(repository) = state.session.repository {
            // A session that is lost has lost it already.
            let _ = state.session.execute("SELECT pg_advisory_unlock($1, $2)", &[&LOCK, &repository]);
        }
    }
}

/// Says what the server said.
pub fn failed(error: Error) -> io::Error {
    let kind = if error.is_closed() { io::ErrorKind::ConnectionAborted } else { io::ErrorKind::Other };
    match error.as_db_error() {
        Some(db) if db.code().code() == "53100" => io::Error::new(io::ErrorKind::StorageFull, db.message().to_owned()),
        Some(db) => io::Error::new(kind, db.message().to_owned()),
        None => io::Error::new(kind, full(&error)),
    }
}

/// Returns an error with its causes.
fn full(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text += &format!(": {inner_text}");
        }
        cause = inner.source();
    }
    text
}

fn cannot_connect(address: &Address, error: &Error) -> io::Error {
    let said = error.as_db_error().map_or_else(|| full(error), |db| db.message().to_owned());
    let kind =
        if error.as_db_error().is_some() { io::ErrorKind::PermissionDenied } else { io::ErrorKind::NotConnected };
    let mut database = address.clone();
    database.repo.clear();
    io::Error::new(kind, format!("{database}: {said}"))
}
