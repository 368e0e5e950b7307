//! A source: one vector, named `collection/key`.

use std::fmt;

/// The longest key, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 1024;

/// One vector's name: a collection and a key in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    /// The collection, a name without `/`.
    pub collection: String,
    /// The key: any UTF-8 text of 1 to 1,024 bytes, `/` included.
    pub key: String,
}

/// Why a text does not name a source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No `/` between collection and key.
    #[error("`{0}` is not a source: write collection/key")]
    NoCollection(String),
    /// The key has no bytes.
    #[error("the id is empty: an id is 1 to 1,024 bytes of UTF-8")]
    EmptyKey,
    /// The key has more than [`KEY_BYTES_MAX`] bytes.
    #[error("the id is {0} bytes long: an id is 1 to 1,024 bytes of UTF-8")]
    LongKey(usize),
    /// The collection's name cannot be used.
    #[error("`{0}` cannot name a collection: use 1 to 128 letters, digits, `_`, `-` or `.`, and no `.` in front")]
    Collection(String),
}

impl Source {
    /// Parses `collection/key`; the key may hold further slashes.
    ///
    /// # Errors
    /// When there is no slash, or either part is not allowed.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let (collection, key) = text.split_once('/').ok_or_else(|| SourceError::NoCollection(text.to_owned()))?;
        check_collection(collection)?;
        check_key(key)?;
        Ok(Self { collection: collection.to_owned(), key: key.to_owned() })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.key)
    }
}

/// Checks that a key is 1 to 1,024 bytes long.
///
/// # Errors
/// Says which bound is broken.
pub fn check_key(key: &str) -> Result<(), SourceError> {
    match key.len() {
        0 => Err(SourceError::EmptyKey),
        n if n > KEY_BYTES_MAX => Err(SourceError::LongKey(n)),
        _ => Ok(()),
    }
}

/// Checks that a collection's name is 1 to 128 letters, digits, `_`, `-` or `.`, without `.` in front.
///
/// # Errors
/// Names the text.
pub fn check_collection(name: &str) -> Result<(), SourceError> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.len() > 128 || name.starts_with('.') || !name.chars().all(allowed) {
        return Err(SourceError::Collection(name.to_owned()));
    }
    Ok(())
}
