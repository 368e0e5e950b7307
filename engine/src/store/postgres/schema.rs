//! The tables of all repositories in one database, and what is asked of them.

use std::io;

use super::link::{Session, failed};

/// So much of a file of the log is one row at most.
const CHUNK: usize = 256 << 10;

/// So much of a file that is changed in place.
const CACHE_CHUNK: usize = 32 << 10;

/// Removed files stay for whoever has them open.
const GRACE: &str = "10 minutes";

/// The server's version, whether it flushes, and whether a writer has the rights it needs.
pub const PROBE: &str = "SELECT current_setting('server_version'), current_setting('fsync'), \
     CASE WHEN to_regclass('vecdelta.cache_chunk') IS NULL THEN has_database_privilege(current_database(), 'CREATE') \
     ELSE (SELECT bool_and(has_table_privilege(t, p)) FROM unnest(ARRAY['vecdelta.repository', 'vecdelta.file', \
     'vecdelta.chunk', 'vecdelta.cache_file', 'vecdelta.cache_chunk']) t, \
     unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p) END";

/// A pair of tables: files and their bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tables {
    file: &'static str,
    chunk: &'static str,
    /// How many bytes one row holds at most.
    pub chunk_bytes: usize,
    /// Whether the server's crash leaves them as they were.
    pub durable: bool,
}

/// What has to outlive a crash.
pub const DURABLE: Tables =
    Tables { file: "vecdelta.file", chunk: "vecdelta.chunk", chunk_bytes: CHUNK, durable: true };

/// What can be made anew.
pub const CACHE: Tables =
    Tables { file: "vecdelta.cache_file", chunk: "vecdelta.cache_chunk", chunk_bytes: CACHE_CHUNK, durable: false };

impl Tables {
    pub fn find(&self) -> String {
        format!("SELECT id, length FROM {} WHERE repository = $1 AND path = $2", self.file)
    }

    pub fn create(&self) -> String {
        format!("INSERT INTO {} (repository, path) VALUES ($1, $2) ON CONFLICT DO NOTHING", self.file)
    }

    pub fn list(&self) -> String {
        format!("SELECT path FROM {} WHERE repository = $1 AND starts_with(path, $2)", self.file)
    }

    pub fn rename(&self) -> String {
        format!("UPDATE {} SET path = $3 WHERE repository = $1 AND path = $2", self.file)
    }

    /// Whoever has the file open goes on reading it.
    pub fn remove(&self) -> String {
        format!(
            "UPDATE {} SET path = NULL, removed = now() \
             WHERE repository = $1 AND (path = $2 OR starts_with(path, $2 || '/'))",
            self.file
        )
    }

    pub fn purge(&self) -> String {
        format!(
            "DELETE FROM {} WHERE repository = $1 AND path IS NULL AND removed < now() - interval '{GRACE}'",
            self.file
        )
    }

    pub fn length(&self) -> String {
        format!("SELECT length FROM {} WHERE id = $1", self.file)
    }

    /// The length, and the pieces of a stretch of `$2` up to `$3`.
    pub fn read(&self) -> String {
        format!(
            "SELECT f.length, greatest(c.start, $2::bigint), substring(c.data \
             FROM greatest($2::bigint - c.start, 0)::int + 1 FOR (least($3::bigint, c.start + length(c.data)) - greatest(c.start, $2::bigint))::int) \
             FROM {} f LEFT JOIN {} c ON c.file = f.id AND c.start > $2::bigint - {} AND c.start < $3::bigint \
             AND c.start + length(c.data) > $2::bigint WHERE f.id = $1",
            self.file, self.chunk, self.chunk_bytes
        )
    }

    /// New pieces, if the file ends at `$2`; it ends at `$3` then.
    pub fn append(&self) -> String {
        format!(
            "WITH f AS (UPDATE {} SET length = $3 WHERE id = $1 AND length = $2 RETURNING id) \
             INSERT INTO {} (file, start, data) SELECT f.id, t.start, t.data \
             FROM f, unnest($4::bigint[], $5::bytea[]) AS t(start, data)",
            self.file, self.chunk
        )
    }

    /// New bytes `$4` within the one piece that reaches from before `$2` to behind `$3`.
    pub fn overwrite(&self) -> String {
        format!(
            "UPDATE {} SET data = overlay(data PLACING $4::bytea FROM ($2::bigint - start)::int + 1 FOR length($4::bytea)) \
             WHERE file = $1 AND start > $2::bigint - {} AND start <= $2::bigint AND start + length(data) >= $3::bigint",
            self.chunk, self.chunk_bytes
        )
    }

    pub fn length_locked(&self) -> String {
        format!("SELECT length FROM {} WHERE id = $1 FOR UPDATE", self.file)
    }

    pub fn pieces(&self) -> String {
        format!(
            "SELECT start, start + length(data) FROM {} WHERE file = $1 AND start > $2::bigint - {} AND start < $3::bigint \
             AND start + length(data) > $2::bigint ORDER BY start",
            self.chunk, self.chunk_bytes
        )
    }

    pub fn insert(&self) -> String {
        format!("INSERT INTO {} (file, start, data) VALUES ($1, $2, $3)", self.chunk)
    }

    pub fn set_length(&self) -> String {
        format!("UPDATE {} SET length = $2 WHERE id = $1", self.file)
    }

    pub fn cut(&self) -> String {
        format!("DELETE FROM {} WHERE file = $1 AND start >= $2::bigint", self.chunk)
    }

    pub fn cut_last(&self) -> String {
        format!(
            "UPDATE {} SET data = substring(data FOR ($2::bigint - start)::int) WHERE file = $1 AND start < $2::bigint \
             AND start > $2::bigint - {} AND start + length(data) > $2::bigint",
            self.chunk, self.chunk_bytes
        )
    }
}

/// Makes the tables where they are absent. Bytes are not compressed again: they are small already.
///
/// # Errors
/// As the server says.
pub fn create(session: &mut Session) -> io::Result<()> {
    let mut sql = "BEGIN; SET LOCAL client_min_messages = warning; SELECT pg_advisory_xact_lock(1986356324, 0); \
         CREATE SCHEMA IF NOT EXISTS vecdelta; \
         CREATE TABLE IF NOT EXISTS vecdelta.repository (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
         name text COLLATE \"C\" NOT NULL UNIQUE, syncs bigint NOT NULL DEFAULT 0);"
        .to_owned();
    for (tables, kind) in [(DURABLE, ""), (CACHE, "UNLOGGED")] {
        let Tables { file, chunk, .. } = tables;
        sql += &format!(
            "CREATE {kind} TABLE IF NOT EXISTS {file} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
             repository int NOT NULL REFERENCES vecdelta.repository ON DELETE CASCADE, path text COLLATE \"C\", \
             length bigint NOT NULL DEFAULT 0, removed timestamptz, UNIQUE (repository, path)); \
             CREATE {kind} TABLE IF NOT EXISTS {chunk} (file bigint NOT NULL REFERENCES {file} ON DELETE CASCADE, \
             start bigint NOT NULL, data bytea NOT NULL, PRIMARY KEY (file, start)); \
             ALTER TABLE {chunk} ALTER COLUMN data SET STORAGE EXTERNAL;"
        );
    }
    session.client.batch_execute(&(sql + "COMMIT")).map_err(failed)
}
