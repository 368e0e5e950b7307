//! Values of some commits, found by the commit's number.

use super::repository::CommitIndex;

/// A map from commits to small values. A commit's number is its place, so nothing is hashed or compared.
pub struct ByCommit<V> {
    /// By commit, the place of its value counted from 1; 0 where there is none.
    places: Vec<u32>,
    /// With their commits; those that were removed stay until all are.
    values: Vec<(CommitIndex, V)>,
}

impl<V> Default for ByCommit<V> {
    fn default() -> Self {
        Self { places: Vec::new(), values: Vec::new() }
    }
}

impl<V> ByCommit<V> {
    /// Returns the value of a commit.
    pub fn get(&self, commit: CommitIndex) -> Option<&V> {
        self.values.get((*self.places.get(commit)? as usize).wrapping_sub(1)).map(|(_, value)| value)
    }

    /// Sets the value of a commit.
    pub fn insert(&mut self, commit: CommitIndex, value: V) {
        if commit >= self.places.len() {
            self.places.resize(commit + 1, 0);
        }
        self.values.push((commit, value));
        self.places[commit] = self.values.len() as u32;
    }

    /// Removes the value of a commit.
    pub fn remove(&mut self, commit: CommitIndex) {
        if let Some(place) = self.places.get_mut(commit) {
            *place = 0;
        }
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.places.clear();
        self.values.clear();
    }

    /// Returns the commits that have a value, in no order, with it.
    pub fn iter(&self) -> impl Iterator<Item = (CommitIndex, &V)> {
        let active = |(place, (commit, _)): &(u32, &(CommitIndex, V))| self.places[*commit] == *place;
        (1..).zip(&self.values).filter(active).map(|(_, (commit, value))| (*commit, value))
    }
}
