//! What the window asks the worker, and what it answers: plain values in borsh's canonical encoding.
//!
//! The window never touches a repository. Every ask is small enough to be answered in one go; long work is a row of
//! asks, each naming where it goes on. So a newer wish simply comes next, and nothing needs to be stopped.
//! Floats travel as their bits, since borsh takes no NaN.

mod export;
mod merge;
mod place;
mod projection;
mod stages;

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};

pub use export::{Export, ExportPiece, Format};
pub use merge::{Chosen, Conflict, ConflictRows, MergePreview};
pub use place::{Place, is_address};
pub use projection::{Axes, Basis, Generations, Places, Points, Shifts};
pub use stages::Stages;

/// The number of a commit in the order of the log, as [`vecdelta::version::CommitIndex`].
pub type CommitNumber = u32;

/// No commit.
pub const NONE: CommitNumber = u32::MAX;

/// How many commits one [`Ask::Graph`] is answered with at most.
pub const GRAPH_SLICE: u32 = 65_536;

/// About how many bytes of rows one answer holds.
pub const SLICE_BYTES: usize = 1 << 20;

/// A question to the worker.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Ask {
    /// Open a repository; what was open is closed.
    Open(Place),
    /// The shape of the graph from a commit on, at most [`GRAPH_SLICE`] commits.
    Graph {
        /// The first commit.
        from: CommitNumber,
    },
    /// The records of a few commits.
    Records {
        /// The first.
        from: CommitNumber,
        /// How many.
        count: u32,
    },
    /// One commit in full.
    Commit {
        /// Which.
        commit: CommitNumber,
    },
    /// The sources that a commit changed, against its first parent.
    Changes {
        /// Which commit.
        commit: CommitNumber,
    },
    /// The versions of a source on the way to a commit along first parents, about [`SLICE_BYTES`] of them.
    Versions {
        /// The commit.
        tip: CommitNumber,
        /// The source, `collection/key`.
        source: String,
        /// The number of the first version.
        from: u32,
    },
    /// How far two commits lie apart, of some slots of a collection.
    Drift {
        /// The commit before.
        before: CommitNumber,
        /// The commit after.
        after: CommitNumber,
        /// The collection.
        collection: String,
        /// The first slot.
        from: u32,
    },
    /// How far the sources of some commits moved, as far as it was kept.
    Spread {
        /// The first commit.
        from: CommitNumber,
        /// How many.
        count: u32,
    },
    /// What a merge of two branches would do.
    Merge {
        /// The branch that is merged into.
        ours: String,
        /// The branch that is merged.
        theirs: String,
        /// The strategy for every conflict.
        strategy: String,
        /// Sources with a strategy of their own.
        rows: Vec<(String, String)>,
    },
    /// Make a merge: the one question that writes into a repository.
    MergeNow(Chosen),
    /// The bits of one source in a merge.
    Conflict {
        /// The branch that is merged into.
        ours: String,
        /// The branch that is merged.
        theirs: String,
        /// The source's strategy.
        strategy: String,
        /// The source, `collection/key`.
        source: String,
    },
    /// The axes of a projection; asked again and again, with a number that counts up, until they are found.
    Axes {
        /// What they are made of.
        basis: Basis,
        /// Counts up.
        turn: u32,
    },
    /// Where rows lie at a commit, some slots of them.
    Points {
        /// What the axes are made of.
        basis: Basis,
        /// The commit.
        commit: CommitNumber,
        /// The first slot.
        from: u32,
        /// Every how many slots one row is wanted.
        every: u32,
    },
    /// Which rows a commit moved, and from where to where.
    Shifts {
        /// What the axes are made of.
        basis: Basis,
        /// The commit.
        commit: CommitNumber,
        /// The number of the first change.
        from: u32,
        /// Every how many slots one row is wanted.
        every: u32,
    },
    /// The key of a slot.
    Key {
        /// The commit.
        commit: CommitNumber,
        /// The collection.
        collection: String,
        /// The slot.
        slot: u32,
    },
    /// Which generations were in force on the way to a commit.
    Generations {
        /// The commit.
        commit: CommitNumber,
        /// The collection.
        collection: String,
    },
    /// A piece of a file of rows; the pieces are asked for in order, and one export at a time.
    Export {
        /// Which rows.
        what: Export,
        /// The number of the piece, from 0.
        turn: u32,
    },
    /// What a pipeline does just now, or the record of one; needs no repository.
    Stages {
        /// An address, or a file.
        of: String,
        /// Counts up.
        turn: u32,
    },
    /// Hash some records of the log again.
    Rehash {
        /// The number of the first, from 1.
        from: u64,
    },
}

/// A question with the number that its answer carries.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Request {
    /// Counts up from 1.
    pub number: u64,
    /// The question.
    pub ask: Ask,
}

/// An answer, or why there is none.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Reply {
    /// The number of the request.
    pub number: u64,
    /// The answer.
    pub result: Result<Answer, Trouble>,
    /// What it cost.
    pub cost: Cost,
}

/// What an answer cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Cost {
    /// How many bytes were read.
    pub bytes: u64,
    /// How many reads that took.
    pub reads: u64,
    /// How many deltas were replayed, as far as the question tells.
    pub deltas: u32,
    /// Whether a snapshot was where the replay began.
    pub snapshot: bool,
    /// Microseconds by the worker's clock; 0 without one.
    pub micros: u64,
}

impl Cost {
    /// Returns the sum of two.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            reads: self.reads + other.reads,
            deltas: self.deltas.saturating_add(other.deltas),
            snapshot: self.snapshot || other.snapshot,
            micros: self.micros + other.micros,
        }
    }
}

/// Why a question has no answer, for people.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Trouble {
    /// What went wrong.
    pub text: String,
    /// Whether bytes are not what they were when they were written.
    pub damaged: bool,
    /// What to do about it; may be empty.
    pub advice: String,
}

/// What the worker knows.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Answer {
    /// To [`Ask::Open`].
    Opened(Opened),
    /// To [`Ask::Graph`].
    Graph(GraphSlice),
    /// To [`Ask::Records`].
    Records(RecordSlice),
    /// To [`Ask::Commit`].
    Commit(Box<Commit>),
    /// To [`Ask::Changes`].
    Changes(Changes),
    /// To [`Ask::Versions`].
    Versions(VersionSlice),
    /// To [`Ask::Drift`].
    Drift(Box<DriftSlice>),
    /// To [`Ask::Spread`].
    Spread(Vec<Spread>),
    /// To [`Ask::Merge`].
    Merge(MergePreview),
    /// To [`Ask::MergeNow`]: how many sources changed.
    Merged(u64),
    /// To [`Ask::Conflict`].
    Conflict(ConflictRows),
    /// To [`Ask::Axes`].
    Axes(Box<Axes>),
    /// To [`Ask::Points`].
    Points(Points),
    /// To [`Ask::Shifts`].
    Shifts(Shifts),
    /// To [`Ask::Key`]; `None` where there is none.
    Key(Option<String>),
    /// To [`Ask::Generations`].
    Generations(Generations),
    /// To [`Ask::Export`].
    Export(ExportPiece),
    /// To [`Ask::Stages`].
    Stages(Stages),
    /// To [`Ask::Rehash`].
    Rehash(RehashSlice),
}

/// A repository that was opened.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Opened {
    /// The last part of where it is.
    pub title: String,
    /// How many commits there are.
    pub commits: u32,
    /// Branches and what they point at.
    pub branches: Vec<(String, CommitNumber)>,
    /// Tags and what they point at.
    pub tags: Vec<(String, CommitNumber)>,
    /// Whether reading is dear, so that only what is looked at is read.
    pub distant: bool,
    /// Whether a merge can be written into it.
    pub writable: bool,
}

/// The shape of a piece of the graph, in columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GraphSlice {
    /// The number of its first commit.
    pub from: CommitNumber,
    /// The first eight bytes of each identity, big-endian.
    pub ids: Vec<u64>,
    /// Milliseconds since 1970 UTC.
    pub times: Vec<u64>,
    /// The parents; [`NONE`] where there is none.
    pub parents: Vec<[CommitNumber; 2]>,
    /// The branch that each commit moved, as a number in `branches`; `u16::MAX` for none.
    pub branch: Vec<u16>,
    /// The names of branches in this slice.
    pub branches: Vec<String>,
}

/// The records of commits in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RecordSlice {
    /// The number of the first.
    pub from: CommitNumber,
    /// One for each commit.
    pub records: Vec<Record>,
}

/// What a list shows of a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Record {
    /// Who made it.
    pub author: String,
    /// Why.
    pub message: String,
    /// Sources that came, changed and went.
    pub changed: [u64; 3],
    /// Bytes that were stored for it.
    pub stored: u64,
    /// The size of the vectors that were looked at, in bytes.
    pub raw: u64,
    /// The largest Euclidean length of an update, as the bits of an f64.
    pub l2_max: u64,
    /// Whether a snapshot of it is kept.
    pub snapshot: bool,
    /// What is wrong with the record, if it is damaged; then nothing else is known of it.
    pub damage: String,
}

impl Record {
    /// Returns how many sources it changed.
    pub fn sources(&self) -> u64 {
        self.changed.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Returns the largest Euclidean length of an update.
    pub fn l2(&self) -> f64 {
        f64::from_bits(self.l2_max)
    }
}

/// One commit in full.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Commit {
    /// Its number.
    pub number: CommitNumber,
    /// Its identity, in hex.
    pub id: String,
    /// The identities of its parents.
    pub parents: Vec<(CommitNumber, String)>,
    /// The branch it was made on.
    pub branch: String,
    /// When, as RFC 3339 in UTC.
    pub time: String,
    /// What a list shows.
    pub record: Record,
    /// Sources that were looked at and are the same.
    pub unchanged: u64,
    /// Further keys and values.
    pub metadata: BTreeMap<String, String>,
    /// Its collections.
    pub collections: Vec<Collection>,
    /// The root of the whole table, in hex.
    pub state_root: String,
    /// The commit that a compaction left in its place, if its table is gone.
    pub stands_for: Option<CommitNumber>,
}

/// One collection at a commit.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// The element type.
    pub element: String,
    /// The number of components.
    pub dims: u32,
    /// How many vectors there are.
    pub rows: u64,
    /// The name of what makes the vectors; empty when nobody said.
    pub generation: String,
    /// Rows of other generations, by name.
    pub older: Vec<(String, u64)>,
}

/// What happened to a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Kind {
    /// It came.
    Inserted = 0,
    /// Its bits changed.
    Updated = 1,
    /// It went.
    Deleted = 2,
}

/// The sources that a commit changed, in columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Changes {
    /// The commit.
    pub commit: CommitNumber,
    /// The names of collections.
    pub collections: Vec<String>,
    /// The collection of each source.
    pub collection: Vec<u16>,
    /// What happened.
    pub kind: Vec<Kind>,
    /// How many components changed.
    pub dims: Vec<u32>,
    /// The Euclidean length of the change, as the bits of an f64.
    pub l2: Vec<u64>,
    /// The cosine between old and new, as the bits of an f64; NaN where there is none.
    pub cosine: Vec<u64>,
    /// All keys, one after the other.
    pub keys: String,
    /// Where each key ends in `keys`.
    pub ends: Vec<u32>,
    /// Whether these are all.
    pub complete: bool,
}

impl Changes {
    /// Returns how many sources there are.
    pub fn len(&self) -> usize {
        self.kind.len()
    }

    /// Returns whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.kind.is_empty()
    }

    /// Returns the key of a source.
    pub fn key(&self, source: usize) -> &str {
        let end = |i: usize| self.ends.get(i).map_or(0, |&e| e as usize);
        let start = if source == 0 { 0 } else { end(source - 1) };
        self.keys.get(start..end(source)).unwrap_or("")
    }

    /// Returns the name of a source's collection.
    pub fn collection_of(&self, source: usize) -> &str {
        self.collection.get(source).and_then(|&c| self.collections.get(usize::from(c))).map_or("", String::as_str)
    }
}

/// Versions of a source in a row, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct VersionSlice {
    /// How many versions there are in all.
    pub total: u32,
    /// The number of the first.
    pub from: u32,
    /// Each version.
    pub versions: Vec<Version>,
    /// The bits of all rows, one after the other.
    pub bits: Vec<u8>,
}

/// A version of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Version {
    /// The commit that made it.
    pub commit: CommitNumber,
    /// The code of the element type.
    pub element: u8,
    /// The number of components.
    pub dims: u32,
    /// Whether there is a row; `false` where the commit deleted it.
    pub alive: bool,
}

/// How far some slots of two commits lie apart. Numbers are the bits of an f64.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DriftSlice {
    /// The slot to go on with; 0 at the end.
    pub next: u32,
    /// How many slots there are.
    pub slots: u32,
    /// The number of components on either side.
    pub dims: [u32; 2],
    /// Sources that came, changed and went.
    pub counts: [u64; 3],
    /// The length of each move.
    pub l2: Vec<u64>,
    /// The cosine of each move that has one.
    pub cosine: Vec<u64>,
    /// The farthest moves of this slice: key and length.
    pub farthest: Vec<(String, u64)>,
    /// How many rows either side has.
    pub rows: [u64; 2],
    /// How many of them hold a NaN or an infinity and are in no sum.
    pub not_finite: [u64; 2],
    /// The sums of the finite rows on either side, by component.
    pub sums: [Vec<u64>; 2],
}

/// How far the sources of a commit moved. Lengths are the bits of an f64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Spread {
    /// Whether it was kept.
    pub known: bool,
    /// The median length of an update.
    pub p50: u64,
    /// The length that nine of ten updates do not exceed.
    pub p90: u64,
    /// The largest.
    pub max: u64,
    /// How many components all updates changed together.
    pub dims: u64,
}

/// What some records of the log are like.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RehashSlice {
    /// The record to go on with; 0 at the end.
    pub next: u64,
    /// How many records the log has.
    pub total: u64,
    /// How many were hashed.
    pub records: u64,
    /// How many bytes were hashed.
    pub bytes: u64,
    /// What is wrong, and in which commit.
    pub problems: Vec<(CommitNumber, String)>,
}
