//! Where a repository is: a directory, or a database that an address names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, LocalDisk};
use super::error::{Result, StoreError};
use super::log::Log;
#[cfg(feature = "postgres")]
use super::postgres;

/// Returns whether a text is the address of a database rather than a path.
pub fn is_address(text: &str) -> bool {
    ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme))
}

/// Returns the address that a path is, if it is one.
fn address(place: &Path) -> Option<&str> {
    place.to_str().filter(|text| is_address(text))
}

/// Returns a place as it is named from a directory; an address is the same everywhere.
pub fn place_from(dir: &Path, text: &str) -> PathBuf {
    if is_address(text) { PathBuf::from(text) } else { dir.join(text).components().collect() }
}

/// Returns the disk of a place: of a directory, or of a database that is connected to.
///
/// # Errors
/// When the address is wrong or this program has no way to it, or the server cannot be reached.
pub fn disk_at(place: &Path) -> Result<Arc<dyn Disk>> {
    match address(place) {
        Some(address) => database(address),
        None => Ok(Arc::new(LocalDisk::new(place))),
    }
}

/// Returns whether there is something at a place.
///
/// # Errors
/// As [`disk_at`].
pub fn is_taken(place: &Path) -> Result<bool> {
    match address(place) {
        Some(address) => Log::exists(database(address)?.as_ref()),
        None => Ok(place.exists()),
    }
}

/// Asks the server of a place whether a writer could do its work; returns what answers. `None` for a directory.
///
/// # Errors
/// When it could not, or cannot be asked.
pub fn probe(place: &Path) -> Result<Option<String>> {
    address(place).map(probe_database).transpose()
}

#[cfg(feature = "postgres")]
fn probe_database(address: &str) -> Result<String> {
    connect(address)?.probe().map_err(StoreError::io("write", address))
}

#[cfg(not(feature = "postgres"))]
fn probe_database(address: &str) -> Result<String> {
    database(address).map(|_| String::new())
}

/// Gives a repository in a database its name, once it is whole.
///
/// # Errors
/// When there is one of that name, or the server refuses.
#[cfg(feature = "postgres")]
pub fn rename_in_database(from: &str, to: &str) -> Result<()> {
    let name = postgres::Address::of_repository(to).map_err(StoreError::BadAddress)?.repo;
    connect(from)?.rename_repository(&name).map_err(StoreError::io("create", to))
}

/// As with PostgreSQL built in.
///
/// # Errors
/// Always.
#[cfg(not(feature = "postgres"))]
pub fn rename_in_database(from: &str, _to: &str) -> Result<()> {
    database(from).map(drop)
}

#[cfg(feature = "postgres")]
fn connect(address: &str) -> Result<postgres::PostgresDisk> {
    let address = postgres::Address::of_repository(address).map_err(StoreError::BadAddress)?;
    let shown = address.to_string();
    postgres::PostgresDisk::connect(address).map_err(StoreError::io("open", shown))
}

#[cfg(feature = "postgres")]
fn database(address: &str) -> Result<Arc<dyn Disk>> {
    Ok(Arc::new(connect(address)?))
}

#[cfg(not(feature = "postgres"))]
fn database(_address: &str) -> Result<Arc<dyn Disk>> {
    Err(StoreError::BadAddress(
        "this program was built without PostgreSQL: build it with `--features postgres`".to_owned(),
    ))
}
