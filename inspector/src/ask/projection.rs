//! Questions of the projection and what comes back. Numbers are the bits of floats.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{CommitNumber, Kind};

/// The commit and the collection whose main directions are the axes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Basis {
    /// The commit.
    pub commit: CommitNumber,
    /// The collection.
    pub collection: String,
}

/// The two directions in which the rows of a sample vary most, as far as they are found.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Axes {
    /// Whether they are found; until then only `percent` is known.
    pub done: bool,
    /// How much of the work is done.
    pub percent: u8,
    /// How many rows the sample has.
    pub sample: u32,
    /// Every how many slots one row was taken.
    pub every: u32,
    /// The mean row of the sample, f64.
    pub mean: Vec<u64>,
    /// Both directions, of length 1, f64.
    pub axes: [Vec<u64>; 2],
    /// The share of the sample's variance along either, f64 from 0 to 1.
    pub shares: [u64; 2],
    /// The least and the largest coordinate of the sample on either axis, f64.
    pub extent: [[u64; 2]; 2],
}

/// Where rows lie.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Places {
    /// The coordinates and the distance off the plane of each row, f32; a NaN where there is no row,
    /// or none that can be drawn: it holds a NaN or an infinity, or has another width.
    pub at: Vec<[u32; 3]>,
    /// The commit that wrote each row last; [`super::NONE`] where there is no row.
    pub by: Vec<CommitNumber>,
}

/// A piece of all points of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Points {
    /// The first slot.
    pub from: u32,
    /// The slot to go on with; 0 at the end.
    pub next: u32,
    /// How many slots there are.
    pub slots: u32,
    /// Where they lie: one place for every so many slots as was asked for.
    pub places: Places,
}

/// A piece of what one commit did to the points.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Shifts {
    /// The commit that it is compared with; [`super::NONE`] if there is none.
    pub before: CommitNumber,
    /// The number of the change to go on with; 0 at the end.
    pub next: u32,
    /// How many changes there are.
    pub total: u32,
    /// The slots, ascending.
    pub slots: Vec<u32>,
    /// What happened.
    pub kinds: Vec<Kind>,
    /// The length of the change, f64; NaN where there is none.
    pub l2: Vec<u64>,
    /// Where the rows were before.
    pub old: Places,
    /// Where they are after.
    pub new: Places,
}

/// Which generations rows stem from, by the commits that wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Generations {
    /// Commits at which another generation came into force, and its name; ascending.
    pub since: Vec<(CommitNumber, String)>,
}
