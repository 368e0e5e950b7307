//! Rows of bits that travel with deltas.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Who takes the memory of rows back when they are not needed any more.
pub type Home = Arc<dyn Fn(Vec<u8>) + Send + Sync>;

/// Rows of one table, one behind the other.
///
/// Fresh memory costs a page fault every 4 KiB, which for an epoch whose rows all change is a fifth of the work. Rows that
/// were lent therefore go home when they are dropped.
#[derive(Default)]
pub struct Rows {
    bytes: Vec<u8>,
    len: usize,
    home: Option<Home>,
}

impl Rows {
    /// Makes rows of the first bytes of a buffer, which goes home when they are dropped.
    ///
    /// # Panics
    /// If the buffer is shorter.
    pub fn lent(bytes: Vec<u8>, len: usize, home: Home) -> Self {
        assert!(len <= bytes.len(), "rows lie within their buffer");
        Self { bytes, len, home: Some(home) }
    }

    /// Makes room for so many bytes.
    pub fn with_capacity(len: usize) -> Self {
        Vec::with_capacity(len).into()
    }

    /// Adds bytes at the end.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.bytes.truncate(self.len);
        self.bytes.extend_from_slice(bytes);
        self.len = self.bytes.len();
    }

    /// Adds zeros at the end.
    pub fn extend_zeros(&mut self, len: usize) {
        self.bytes.truncate(self.len);
        self.len += len;
        self.bytes.resize(self.len, 0);
    }
}

impl Deref for Rows {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl From<Vec<u8>> for Rows {
    fn from(bytes: Vec<u8>) -> Self {
        Self { len: bytes.len(), bytes, home: None }
    }
}

impl Clone for Rows {
    fn clone(&self) -> Self {
        self.to_vec().into()
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            home(std::mem::take(&mut self.bytes));
        }
    }
}
