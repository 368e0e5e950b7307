//! The records that end a transaction: commits and operations, in borsh's canonical encoding.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::delta::{CommitId, SortedMap, StateRoot, Timestamp, domain};

/// How a record stands in the log: its number and the record before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Link {
    /// The number of the transaction, from 1.
    pub sequence: u64,
    /// The frame hash of the record before; zeros for the first.
    pub previous: [u8; 32],
}

/// How many rows of a collection stem from a generation that is no longer the one in force.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OlderRows {
    /// The generation's name; empty for rows of which nobody said what made them.
    pub generation: String,
    /// How many.
    pub rows: u64,
}

/// The state of one collection at a commit.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CollectionState {
    /// The collection's name.
    pub name: String,
    /// The code of the element type.
    pub element: u8,
    /// The number of components.
    pub dims: u32,
    /// The generation in force: the name of what makes the vectors; empty when nobody said.
    pub generation: String,
    /// What the generation is: provider, model, revision, normalisation, preprocessing, quantisation.
    pub made_by: SortedMap<String, String>,
    /// The rows that stem from other generations, by name.
    pub older: Vec<OlderRows>,
    /// How many vectors there are.
    pub rows: u64,
    /// The root of the collection's state tree.
    pub root: [u8; 32],
}

/// What a commit did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Counts {
    /// Sources that were not there before.
    pub inserted: u64,
    /// Sources whose bits changed.
    pub updated: u64,
    /// Sources that went.
    pub deleted: u64,
    /// Sources that were looked at and are the same.
    pub unchanged: u64,
    /// The size of the vectors that were looked at, in bytes.
    pub raw_bytes: u64,
}

/// Everything a commit means; its hash is the commit's identity.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CommitBody {
    /// The commits it builds on: none, one or two.
    pub parents: Vec<CommitId>,
    /// The branch it was made on.
    pub branch: String,
    /// Hybrid logical time.
    pub time: Timestamp,
    /// Who made it.
    pub author: String,
    /// Why.
    pub message: String,
    /// Further keys and values.
    pub metadata: SortedMap<String, String>,
    /// What it did.
    pub counts: Counts,
    /// Every collection, by name.
    pub collections: Vec<CollectionState>,
    /// The root of the whole table.
    pub state_root: StateRoot,
}

impl CommitBody {
    /// Returns the commit's identity.
    pub fn id(&self) -> CommitId {
        let bytes = borsh::to_vec(self).expect("writing to memory cannot fail");
        CommitId(*blake3::keyed_hash(&domain("vecdelta v1 commit"), &bytes).as_bytes())
    }
}

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum BlockKind {
    /// Keys of new slots, in slot order.
    Keys = 0,
    /// The slots of one part: those written whole, those changed, those deleted.
    Slots = 1,
    /// Rows that stand on their own.
    Fresh = 2,
    /// Rows coded against their old bits.
    Change = 3,
    /// What rows brought besides their vectors.
    Notes = 4,
    /// Which generation rows stem from, where that is not the one in force.
    Generations = 5,
    /// Rows coded against what they were at an earlier commit, past the changes between: see [`Skip`].
    Skip = 6,
}

impl BlockKind {
    /// Returns whether the block holds rows.
    pub fn holds_rows(self) -> bool {
        matches!(self, Self::Fresh | Self::Change | Self::Skip)
    }

    /// Returns whether its rows need other rows to be decoded.
    pub fn needs_base(self) -> bool {
        matches!(self, Self::Change | Self::Skip)
    }
}

/// The commit against whose rows the blocks of kind [`Skip`](BlockKind::Skip) of a collection are coded.
///
/// Source: the skip-deltas of Subversion, which bound the number of changes behind a version in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Skip {
    /// The number of the collection in the record's list.
    pub collection: u16,
    /// The commit, further back along first parents than the parent.
    pub commit: CommitId,
}

/// One block of a transaction. Blocks stand directly before the record, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BlockRef {
    /// The number of its collection in the record's list.
    pub collection: u16,
    /// What it holds.
    pub kind: BlockKind,
    /// How many keys, slots or rows.
    pub rows: u32,
    /// The lowest slot in it.
    pub first_slot: u32,
    /// The highest slot in it.
    pub last_slot: u32,
    /// The payload's size in bytes.
    pub len: u32,
    /// The hash of its frame.
    pub hash: [u8; 32],
}

/// A commit as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CommitRecord {
    /// Its place in the log.
    pub link: Link,
    /// What it means.
    pub body: CommitBody,
    /// How many slots each collection has from this commit on, in the order of the body's list.
    pub slots: Vec<u32>,
    /// Where its data are.
    pub blocks: Vec<BlockRef>,
    /// What its blocks of kind `Skip` are coded against, by collection.
    pub skips: Vec<Skip>,
    /// The largest Euclidean length of an update, as the bits of an f64: a measure, so no part of the identity.
    pub l2_max: u64,
    /// The branch that points at the commit from here on; none when it only arrives from another repository.
    pub moves: Option<String>,
}

/// A way that was made shorter: the deltas of several commits, composed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Span {
    /// The commit at which the way ends.
    pub commit: CommitId,
    /// The commit at which it begins; `None` for the empty table.
    pub base: Option<CommitId>,
    /// The commits between them, oldest first: their data are in the span alone.
    pub stands_for: Vec<CommitId>,
    /// How many of the operation's blocks belong to it.
    pub blocks: u32,
}

/// How one conflict of a parked merge is resolved.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Resolution {
    /// By a strategy, named as on the command line.
    Strategy(String),
    /// With these bits.
    Bits(Vec<u8>),
    /// The source goes.
    Delete,
}

/// What an operation does.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Action {
    /// A branch points elsewhere; from `None` it is new, to `None` it is gone.
    Branch {
        /// Its name.
        name: String,
        /// Where it pointed.
        from: Option<CommitId>,
        /// Where it points now.
        to: Option<CommitId>,
    },
    /// A tag points elsewhere; from `None` it is new, to `None` it is gone.
    Tag {
        /// Its name.
        name: String,
        /// Where it pointed.
        from: Option<CommitId>,
        /// Where it points now.
        to: Option<CommitId>,
    },
    /// The whole state of a commit, so that later reads start there.
    Snapshot {
        /// Which commit.
        commit: CommitId,
        /// Where its data are.
        blocks: Vec<BlockRef>,
    },
    /// Snapshots that are no longer wanted.
    Unsnapshot {
        /// Of which commits.
        commits: Vec<CommitId>,
    },
    /// Long ways were composed to short ones.
    Compact {
        /// The ways; their blocks stand one after another.
        spans: Vec<Span>,
        /// Where the data are.
        blocks: Vec<BlockRef>,
    },
    /// A compaction is taken back: the old ways count again.
    Uncompact {
        /// The sequence of the compaction.
        sequence: u64,
    },
    /// A merge with conflicts waits on a branch.
    Park {
        /// The branch that is merged into.
        branch: String,
        /// Its head.
        ours: CommitId,
        /// What is merged.
        theirs: CommitId,
        /// The merge policy, as text.
        policy: String,
    },
    /// Conflicts of a parked merge are resolved.
    Resolve {
        /// The branch.
        branch: String,
        /// The sources, as `collection/key`.
        sources: Vec<String>,
        /// How.
        resolution: Resolution,
    },
    /// A parked merge is given up.
    Abandon {
        /// The branch.
        branch: String,
    },
    /// A branch or a tag gets another name.
    Rename {
        /// Whether it is a tag.
        tag: bool,
        /// Its name before.
        name: String,
        /// Its name since.
        new: String,
        /// Where it points.
        at: CommitId,
    },
}

/// An operation as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OperationRecord {
    /// Its place in the log.
    pub link: Link,
    /// When it was done.
    pub time: Timestamp,
    /// Who did it.
    pub author: String,
    /// The sequence of the transaction that it takes back; 0 for none.
    pub undoes: u64,
    /// What it did.
    pub action: Action,
}

impl OperationRecord {
    /// Returns the blocks that stand before it.
    pub fn blocks(&self) -> &[BlockRef] {
        match &self.action {
            Action::Snapshot { blocks, .. } | Action::Compact { blocks, .. } => blocks,
            _ => &[],
        }
    }
}
