//! Store: the only room that touches the disk.

mod bundle;
mod collect;
mod copy;
mod cost;
mod cursors;
mod disk;
mod error;
mod format;
mod frame;
mod generation_block;
mod generations;
mod head;
pub mod index_file;
mod index_records;
mod journal;
mod keytable;
mod letters;
mod live_pack;
mod lock;
mod log;
#[cfg(feature = "native")]
pub mod map;
mod measures;
mod memory;
mod mirror;
mod mirror_state;
mod note_block;
mod pack;
mod paged;
mod part;
mod payloads;
mod place;
#[cfg(feature = "postgres")]
pub mod postgres;
mod record;
mod recovery;
mod segment;
mod thin;
mod transaction;
mod tree;
mod tree_path;
mod verify;
mod wal;

pub use bundle::Bundle;
pub use collect::collect;
pub use copy::{copy_log, log_bytes};
pub use cost::Cost;
pub use cursors::CursorFile;
pub use disk::{Disk, DiskFile, LocalDisk, sync_dir};
pub use error::{Damage, Result, StoreError};
pub use format::FORMAT;
pub use frame::{FRAME_HEADER, FrameHeader, FrameKind};
pub use generation_block::{GENERATIONS, SlotGenerations, hash as generations_hash};
pub use generations::RowGenerations;
pub use head::{HEAD, log_start};
pub use index_records::Records;
pub use journal::{Journal, JournalKind};
pub use keytable::KeyTable;
pub use letters::{DeathReason, LETTERS, Letter, LetterBox, Letters};
pub use live_pack::{LivePack, SegmentHashes, in_memory};
pub use log::{Block, Known, Log, Place, Record};
pub use measures::{KeptMeasures, Measures, keep as keep_measures, recall as recall_measures};
pub use memory::{Fault, FaultKind, MemoryDisk, Pending};
pub use mirror::{Mirror, Written, row_sum};
pub use note_block::{NOTES, SlotNotes, hash as notes_hash};
pub use pack::{PackWriter, Section, pack_log};
pub use paged::{PAGE_BYTES, PagedFile};
pub use part::{
    BLOCK_BYTES, Earlier, KEYS_PER_BLOCK, PartBlock, PartIndex, PartRow, SlotLists, check_part, encode_keys,
    encode_part, gather, parts,
};
pub use payloads::Payloads;
pub use place::{disk_at, is_address, is_taken, place_from, probe, rename_in_database};
pub use record::{
    Action, BlockKind, BlockRef, CollectionState, CommitBody, CommitRecord, Counts, Link, OlderRows, OperationRecord,
    Resolution, Skip, Span,
};
pub use thin::{LogWriter, pack_thin};
pub use transaction::Transaction;
pub use tree::{EntryChange, StateTree};
pub use tree_path::TreePath;
pub use verify::check_files;
pub use wal::{Recovered, WAL, Wal, last_of_each_id};

/// The directories of a repository that are neither the log nor derived.
pub const JOURNALS: [&str; 3] = [WAL.directory, cursors::CURSORS.directory, LETTERS.directory];
