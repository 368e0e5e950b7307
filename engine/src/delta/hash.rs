//! Identities: every one is a BLAKE3 hash of a canonical, length-framed encoding, keyed by the kind of object.

use std::fmt;
use std::sync::LazyLock;

use borsh::{BorshDeserialize, BorshSerialize};

use super::{Element, Source};

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// Returns the lower-case hex form.
            pub fn to_hex(self) -> String {
                blake3::Hash::from_bytes(self.0).to_hex().to_string()
            }

            /// Reads the hex form.
            pub fn from_hex(text: &str) -> Option<Self> {
                blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), &self.to_hex()[..12])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }
    };
}

hash_type!(
    /// The identity of a commit: the hash of everything it means.
    CommitId
);
hash_type!(
    /// The identity of a delta: the hash of source, base, result, payload, time and metadata.
    ///
    /// A delta in a repository goes by its commit and its source, see [`DeltaId::in_commit`]: under the commit's hash
    /// stand the tables before and after, and so all of these.
    DeltaId
);
hash_type!(
    /// The identity of one source's exact state: its key, shape and bits.
    RowHash
);
hash_type!(
    /// The root of the whole table: every collection, key and bit pattern.
    StateRoot
);

/// A key for BLAKE3's keyed mode, derived from the name of a kind of object, so that no two kinds share a hash.
pub(crate) fn domain(context: &'static str) -> [u8; 32] {
    blake3::derive_key(context, b"")
}

static ROW: LazyLock<[u8; 32]> = LazyLock::new(|| domain("vecdelta v1 row"));
static KEY: LazyLock<[u8; 32]> = LazyLock::new(|| domain("vecdelta v1 key"));

/// Returns the hash of one source's state: its key, element type and bits.
///
/// The collection is bound one level up, in the [`StateRoot`].
pub fn row_hash(key: &str, element: Element, row: &[u8]) -> RowHash {
    let mut hasher = blake3::Hasher::new_keyed(&ROW);
    // One short header, then the bits: key length, element, key, row.
    let mut head = [0u8; 5];
    head[..4].copy_from_slice(&(key.len() as u32).to_le_bytes());
    head[4] = element.code();
    hasher.update(&head).update(key.as_bytes()).update(row);
    RowHash(*hasher.finalize().as_bytes())
}

static COLLECTION: LazyLock<[u8; 32]> = LazyLock::new(|| domain("vecdelta v1 collection"));

impl DeltaId {
    /// Returns the identity of what a commit did to a source.
    ///
    /// It is made of the first half of the commit's hash and of the source's, 128 bits each, so that whoever has it
    /// finds both without a list of all deltas.
    pub fn in_commit(commit: &CommitId, source: &Source) -> Self {
        let place = place_in(&source.collection, &key_hash(&source.key));
        Self(std::array::from_fn(|i| if i < 16 { commit.0[i] } else { place[i - 16] }))
    }

    /// Returns the first half of the commit's hash, if it is the identity of what a commit did.
    pub fn commit_half(&self) -> [u8; 16] {
        std::array::from_fn(|i| self.0[i])
    }

    /// Returns the hash of the key, if the source is of this collection.
    pub fn key_in(&self, collection: &str) -> [u8; 16] {
        place_in(collection, &std::array::from_fn(|i| self.0[16 + i]))
    }
}

/// Turns the hash of a key into that of a source, and back.
fn place_in(collection: &str, key: &[u8; 16]) -> [u8; 16] {
    let mask = blake3::keyed_hash(&COLLECTION, collection.as_bytes());
    std::array::from_fn(|i| key[i] ^ mask.as_bytes()[i])
}

/// Returns the place of a key in the state tree: the first 16 bytes of its hash.
pub fn key_hash(key: &str) -> [u8; 16] {
    let hash = blake3::keyed_hash(&KEY, key.as_bytes());
    let mut out = [0; 16];
    out.copy_from_slice(&hash.as_bytes()[..16]);
    out
}

/// Returns bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]);
    digits.map(char::from).collect()
}
