//! Identities: every one is a BLAKE3 hash of a canonical, length-framed encoding, keyed by the kind of object.

use std::fmt;
use std::sync::LazyLock;

use borsh::{BorshDeserialize, BorshSerialize};

use vecdelta_kernels::{HASH_LANES, Message, keyed_hashes};

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
    hasher.update(&row_head(key, element)).update(key.as_bytes()).update(row);
    RowHash(*hasher.finalize().as_bytes())
}

/// What stands before key and row: the key's length and the element.
fn row_head(key: &str, element: Element) -> [u8; 5] {
    let mut head = [0u8; 5];
    head[..4].copy_from_slice(&(key.len() as u32).to_le_bytes());
    head[4] = element.code();
    head
}

/// Returns the [`row_hash`] of many sources, in their order: side by side, which is several times as fast.
pub fn row_hashes<'a>(element: Element, rows: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<RowHash> {
    let put = |key: &str, head: &mut Vec<u8>| {
        head.extend_from_slice(&row_head(key, element));
        head.extend_from_slice(key.as_bytes());
    };
    hash_each(&ROW, rows, put).into_iter().map(RowHash).collect()
}

/// Returns the [`key_hash`] of many keys, in their order.
pub fn key_hashes<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<[u8; 16]> {
    let keys = keys.map(|key| ("", key.as_bytes()));
    hash_each(&KEY, keys, |_, _| {}).iter().map(|hash| *hash.first_chunk().expect("it has 32 bytes")).collect()
}

/// Hashes bytes, each behind what `put` writes for a name.
fn hash_each<'a>(
    key: &[u8; 32],
    items: impl Iterator<Item = (&'a str, &'a [u8])>,
    put: impl Fn(&str, &mut Vec<u8>),
) -> Vec<[u8; 32]> {
    let mut out = Vec::with_capacity(items.size_hint().0);
    let mut heads: [Vec<u8>; HASH_LANES] = Default::default();
    let mut bodies: Vec<&[u8]> = Vec::with_capacity(HASH_LANES);
    let mut flush = |heads: &mut [Vec<u8>; HASH_LANES], bodies: &mut Vec<&[u8]>| {
        hash_side_by_side(key, heads.iter().zip(&*bodies).map(|(head, body)| Message { head, body }), &mut out);
        heads.iter_mut().for_each(Vec::clear);
        bodies.clear();
    };
    for (name, body) in items {
        put(name, &mut heads[bodies.len()]);
        bodies.push(body);
        if bodies.len() == HASH_LANES {
            flush(&mut heads, &mut bodies);
        }
    }
    flush(&mut heads, &mut bodies);
    out
}

/// Appends the keyed hashes of messages.
pub(crate) fn hash_side_by_side<'a>(
    key: &[u8; 32],
    messages: impl Iterator<Item = Message<'a>>,
    out: &mut Vec<[u8; 32]>,
) {
    let messages: Vec<Message<'a>> = messages.collect();
    // In a browser bytes of program count for more: the hashes are the same, and 10 KiB less have to be loaded. One alone is hashed
    // faster alone.
    if cfg!(target_arch = "wasm32") || messages.len() == 1 {
        let hash = |message: &Message<'_>| {
            let mut hasher = blake3::Hasher::new_keyed(key);
            *hasher.update(message.head).update(message.body).finalize().as_bytes()
        };
        out.extend(messages.iter().map(hash));
    } else {
        keyed_hashes(key, &messages, out);
    }
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
