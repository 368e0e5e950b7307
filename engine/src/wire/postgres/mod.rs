//! Tables of PostgreSQL that hold vectors: one row an id.

mod array;
mod columns;
mod reader;
mod writer;

pub use columns::{Target, check};
pub use reader::{Polled, Row, TableReader, check_readable};
pub use writer::{Rows, TableWriter};

use postgres::Client;

use super::error::{Result, WireError};
use crate::store::postgres::Address;

/// Connects to the database of an address.
fn connect(address: &str) -> Result<Client> {
    let address = Address::of_database(address).map_err(WireError::Refused)?;
    let shown = address.to_string();
    address.config().connect(postgres::NoTls).map_err(failed(&shown))
}

/// Says what the server said, and whether the connection is lost.
fn failed(what: &str) -> impl Fn(postgres::Error) -> WireError {
    move |e| match e.as_db_error() {
        // A server that is shut down, crashed, or starts up again.
        Some(db) if db.code().code().starts_with("57P") => WireError::Away(format!("{what}: {}", db.message())),
        Some(db) => WireError::Refused(format!("{what}: {}", db.message())),
        None => WireError::Away(format!("{what}: {e}")),
    }
}
