//! Cursors: how far a subscriber is along a branch's history.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::delta::{CommitId, hex};

/// How far a subscriber is: everything before it is done.
///
/// The rows of a commit are counted in the order of the log: by collection, then by slot. That order, and so a cursor,
/// depends on nothing but the commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Cursor {
    /// The last commit that is done as a whole; `None` at the beginning of history.
    pub after: Option<CommitId>,
    /// How many rows of the commit after it are done too.
    pub rows: u32,
    /// Rows behind that which are done already, because they were more urgent: commit and row, in order.
    pub ahead: Vec<(CommitId, u32)>,
    /// The commit that `rows` are of: the branch may be pointed elsewhere before the rest of it is done.
    pub within: Option<CommitId>,
}

impl Cursor {
    /// Makes the cursor at the end of a commit.
    pub fn after(commit: CommitId) -> Self {
        Self { after: Some(commit), ..Self::default() }
    }

    /// Writes it as text: commit, rows, and what is done ahead.
    pub fn to_text(&self) -> String {
        hex(&borsh::to_vec(self).expect("writing to memory cannot fail"))
    }

    /// Reads what [`to_text`](Self::to_text) wrote.
    pub fn from_text(text: &str) -> Option<Self> {
        let digits = text.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        });
        let bytes = digits.collect::<Option<Vec<u8>>>()?;
        // One that was written before it named the commit ends without.
        borsh::from_slice(&bytes).or_else(|_| borsh::from_slice(&[&bytes[..], &[0]].concat())).ok()
    }
}

/// A place in what a subscriber is offered: the number of a commit as it was offered, from 0, and a row of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Which commit.
    pub commit: u64,
    /// Which row.
    pub row: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_written_and_read() {
        let within = Some(CommitId([8; 32]));
        let cursor = Cursor { after: Some(CommitId([7; 32])), rows: 3, ahead: vec![(CommitId([8; 32]), 9)], within };
        for cursor in [cursor.clone(), Cursor::default()] {
            assert_eq!(Cursor::from_text(&cursor.to_text()), Some(cursor));
        }
        let before = Cursor { within: None, ..cursor };
        let text = before.to_text();
        assert_eq!(Cursor::from_text(&text[..text.len() - 2]), Some(before), "as it was written before");
        assert!(["", "0", "zz", "00", "é"].iter().all(|text| Cursor::from_text(text).is_none()));
    }
}
