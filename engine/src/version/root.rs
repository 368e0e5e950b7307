//! The state root: one hash for the whole table.

use std::sync::LazyLock;

use crate::delta::domain;
use crate::store::CollectionState;

static STATE: LazyLock<[u8; 32]> = LazyLock::new(|| domain("vecdelta v1 state"));

/// Returns the hash of every collection that has rows: name, element type, width, number of rows, tree.
///
/// Collections come in the order of their names. One without rows leaves no trace, so that the root follows from the
/// table alone.
pub fn state_root(collections: &[CollectionState]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(&STATE);
    for c in collections.iter().filter(|c| c.rows > 0) {
        hasher.update(&(c.name.len() as u32).to_le_bytes());
        hasher.update(c.name.as_bytes());
        hasher.update(&[c.element]);
        hasher.update(&c.dims.to_le_bytes());
        hasher.update(&c.rows.to_le_bytes());
        hasher.update(&c.root);
    }
    *hasher.finalize().as_bytes()
}
