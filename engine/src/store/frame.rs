//! A frame: the unit of the log, whose header and payload are under one hash.
//!
//! ```text
//!  0        4      5        8                16                              48
//!  | "VDf1" | kind | 0 0 0  | payload length | BLAKE3 of header and payload  | payload ...
//! ```

use std::sync::LazyLock;

use crate::delta::domain;

/// The size of a frame's header in bytes.
pub const FRAME_HEADER: usize = 48;

/// The largest payload, which bounds what a length field may make a reader allocate.
pub const PAYLOAD_MAX: u64 = 1 << 30;

const MAGIC: &[u8; 4] = b"VDf1";

static FRAME: LazyLock<[u8; 32]> = LazyLock::new(|| domain("vecdelta v1 frame"));

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// Part of the data of the commit or snapshot that follows.
    Block = 1,
    /// A commit, which ends a transaction.
    Commit = 2,
    /// A moved name or a snapshot, which ends a transaction.
    Operation = 3,
}

impl FrameKind {
    fn from_code(code: u8) -> Option<Self> {
        [FrameKind::Block, FrameKind::Commit, FrameKind::Operation].into_iter().find(|k| *k as u8 == code)
    }
}

/// A frame's header, as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the frame carries.
    pub kind: FrameKind,
    /// The payload's size in bytes.
    pub len: u64,
    /// The hash of header and payload.
    pub hash: [u8; 32],
}

impl FrameHeader {
    /// Makes the header for a payload.
    pub fn new(kind: FrameKind, payload: &[u8]) -> Self {
        let len = payload.len() as u64;
        let hash = hash(kind, len, payload);
        Self { kind, len, hash }
    }

    /// Returns the bytes as written.
    pub fn to_bytes(self) -> [u8; FRAME_HEADER] {
        let mut out = [0; FRAME_HEADER];
        out[..16].copy_from_slice(&prefix(self.kind, self.len));
        out[16..].copy_from_slice(&self.hash);
        out
    }

    /// Reads a header.
    ///
    /// # Errors
    /// Says what is not as a header should be.
    pub fn parse(bytes: &[u8; FRAME_HEADER]) -> Result<Self, &'static str> {
        if &bytes[..4] != MAGIC || bytes[5..8] != [0; 3] {
            return Err("there is no frame here");
        }
        let kind = FrameKind::from_code(bytes[4]).ok_or("the frame is of an unknown kind")?;
        let len = u64::from_le_bytes(bytes[8..16].try_into().expect("8 bytes"));
        if len > PAYLOAD_MAX {
            return Err("the frame's length is beyond the limit");
        }
        let hash = bytes[16..].try_into().expect("32 bytes");
        Ok(Self { kind, len, hash })
    }

    /// Returns whether the payload is the one this header was made for.
    pub fn matches(&self, payload: &[u8]) -> bool {
        payload.len() as u64 == self.len && hash(self.kind, self.len, payload) == self.hash
    }
}

fn prefix(kind: FrameKind, len: u64) -> [u8; 16] {
    let mut out = [0; 16];
    out[..4].copy_from_slice(MAGIC);
    out[4] = kind as u8;
    out[8..].copy_from_slice(&len.to_le_bytes());
    out
}

/// BLAKE3 has pieces of 1 KiB, and takes as many side by side as came with one call and begin at a multiple of their number.
/// Behind the 16 bytes of a prefix alone it would begin one by one; so much of the message is put together first.
const FRONT: usize = 16 << 10;

fn hash(kind: FrameKind, len: u64, payload: &[u8]) -> [u8; 32] {
    let (prefix, mut hasher) = (prefix(kind, len), blake3::Hasher::new_keyed(&FRAME));
    if payload.len() <= blake3::CHUNK_LEN {
        return *hasher.update(&prefix).update(payload).finalize().as_bytes();
    }
    let (first, rest) = payload.split_at(payload.len().min(FRONT - prefix.len()));
    let mut front = [0; FRONT];
    front[..prefix.len()].copy_from_slice(&prefix);
    front[prefix.len()..][..first.len()].copy_from_slice(first);
    hasher.update(&front[..prefix.len() + first.len()]).update(rest);
    *hasher.finalize().as_bytes()
}
