//! Version vectors: for each node, the time up to which its commits are held.
//!
//! A node is the machine and directory where commits are made; its number is in the time of each. Of two histories, one
//! that holds as much of every node as the other is not behind it; if each holds more of some node, both went on.
//!
//! Source: Parker et al., "Detection of Mutual Inconsistency in Distributed Systems" (1983).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::delta::Timestamp;

/// The latest time of each node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionVector(BTreeMap<u32, Timestamp>);

impl VersionVector {
    /// Takes notice of a commit.
    pub fn note(&mut self, time: Timestamp) {
        let known = self.0.entry(time.node).or_insert(time);
        *known = time.max(*known);
    }

    /// Returns the nodes in ascending order and the latest time of each.
    pub fn nodes(&self) -> impl Iterator<Item = (u32, Timestamp)> + '_ {
        self.0.iter().map(|(node, time)| (*node, *time))
    }

    /// Returns the nodes of which this one holds more than another one.
    pub fn beyond<'v>(&'v self, other: &'v Self) -> impl Iterator<Item = (u32, Timestamp)> + 'v {
        self.nodes().filter(|(node, time)| other.0.get(node).is_none_or(|known| known < time))
    }
}

impl FromIterator<Timestamp> for VersionVector {
    fn from_iter<I: IntoIterator<Item = Timestamp>>(times: I) -> Self {
        let mut vector = Self::default();
        times.into_iter().for_each(|time| vector.note(time));
        vector
    }
}

impl PartialOrd for VersionVector {
    /// Compares what is held; `None` when each holds something that the other lacks.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.beyond(other).next().is_some(), other.beyond(self).next().is_some()) {
            (false, false) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Greater),
            (false, true) => Some(Ordering::Less),
            (true, true) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(times: &[(u32, u64)]) -> VersionVector {
        let time = |&(node, physical_millis)| Timestamp { physical_millis, logical: 0, node };
        times.iter().map(time).collect()
    }

    #[test]
    fn ahead_behind_and_both() {
        let old = vector(&[(1, 10), (2, 5), (1, 7)]);
        let cases = [
            (vector(&[(1, 10), (2, 5)]), Some(Ordering::Equal)),
            (vector(&[(1, 10)]), Some(Ordering::Greater)),
            (vector(&[(1, 10), (2, 5), (3, 1)]), Some(Ordering::Less)),
            (vector(&[(1, 11), (2, 4)]), None),
            (vector(&[(3, 9)]), None),
        ];
        for (other, want) in cases {
            assert_eq!(old.partial_cmp(&other), want, "{other:?}");
        }
        assert_eq!(vector(&[(1, 11), (2, 4)]).beyond(&old).map(|(n, _)| n).collect::<Vec<_>>(), [1]);
    }
}
