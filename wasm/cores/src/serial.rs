//! The part of rayon that the engine uses, on one thread.

use std::iter::FlatMap;
use std::slice::{Chunks, ChunksMut, Iter, IterMut};

pub mod prelude {
    //! What rayon's prelude brings.
    pub use super::{Several, SeveralMut, Spread, SpreadExtend, Whole};
}

/// What can be gone through by value.
pub trait Whole: IntoIterator + Sized {
    /// Goes through it.
    fn into_par_iter(self) -> Self::IntoIter {
        self.into_iter()
    }
}

impl<I: IntoIterator> Whole for I {}

/// What can be gone through by reference, whole or in pieces.
pub trait Several<T> {
    /// Goes through it.
    fn par_iter(&self) -> Iter<'_, T>;
    /// Goes through pieces of it.
    fn par_chunks(&self, size: usize) -> Chunks<'_, T>;
}

impl<T> Several<T> for [T] {
    fn par_iter(&self) -> Iter<'_, T> {
        self.iter()
    }

    fn par_chunks(&self, size: usize) -> Chunks<'_, T> {
        self.chunks(size)
    }
}

/// What can be changed while it is gone through, or sorted.
pub trait SeveralMut<T> {
    /// Goes through it.
    fn par_iter_mut(&mut self) -> IterMut<'_, T>;
    /// Goes through pieces of it.
    fn par_chunks_mut(&mut self, size: usize) -> ChunksMut<'_, T>;
    /// Sorts it.
    fn par_sort_unstable(&mut self)
    where
        T: Ord;
    /// Sorts it by an order.
    fn par_sort_unstable_by(&mut self, order: impl FnMut(&T, &T) -> std::cmp::Ordering);
    /// Sorts it by keys.
    fn par_sort_unstable_by_key<K: Ord>(&mut self, key: impl FnMut(&T) -> K);
}

impl<T> SeveralMut<T> for [T] {
    fn par_iter_mut(&mut self) -> IterMut<'_, T> {
        self.iter_mut()
    }

    fn par_chunks_mut(&mut self, size: usize) -> ChunksMut<'_, T> {
        self.chunks_mut(size)
    }

    fn par_sort_unstable(&mut self)
    where
        T: Ord,
    {
        self.sort_unstable();
    }

    fn par_sort_unstable_by(&mut self, order: impl FnMut(&T, &T) -> std::cmp::Ordering) {
        self.sort_unstable_by(order);
    }

    fn par_sort_unstable_by_key<K: Ord>(&mut self, key: impl FnMut(&T) -> K) {
        self.sort_unstable_by_key(key);
    }
}

/// What rayon's iterators can do beside those of the standard library.
pub trait Spread: Iterator + Sized {
    /// Maps each to several.
    fn flat_map_iter<U: IntoIterator, F: FnMut(Self::Item) -> U>(self, f: F) -> FlatMap<Self, U, F> {
        self.flat_map(f)
    }

    /// Finds the first for which there is an answer.
    fn find_map_first<R>(mut self, f: impl FnMut(Self::Item) -> Option<R>) -> Option<R> {
        self.find_map(f)
    }
}

impl<I: Iterator> Spread for I {}

/// What can be made longer.
pub trait SpreadExtend<T>: Extend<T> {
    /// Adds all.
    fn par_extend(&mut self, more: impl IntoIterator<Item = T>) {
        self.extend(more);
    }
}

impl<T, C: Extend<T>> SpreadExtend<T> for C {}

/// Does one after the other.
pub fn join<A, B>(a: impl FnOnce() -> A, b: impl FnOnce() -> B) -> (A, B) {
    (a(), b())
}

/// Returns 1.
pub fn current_num_threads() -> usize {
    1
}

/// Where tasks are begun.
pub struct Scope;

impl Scope {
    /// Does a task at once.
    pub fn spawn(&self, task: impl FnOnce(&Scope)) {
        task(self);
    }
}

/// Runs with a place where tasks are begun.
pub fn in_place_scope<R>(run: impl FnOnce(&Scope) -> R) -> R {
    run(&Scope)
}

#[cfg(test)]
mod tests {
    /// What either makes of some numbers.
    #[derive(Debug, PartialEq)]
    struct Made {
        reversed: Vec<u32>,
        found: Option<u32>,
        results: Result<Vec<u32>, u32>,
        sorted: [Vec<u32>; 3],
        changed: Vec<u32>,
        longer: Vec<u32>,
        joined: (u32, (u32, u32)),
    }

    macro_rules! made {
        ($numbers:expr, $in_place_scope:path, $join:path) => {{
            let numbers: &[u32] = $numbers;
            let mut sorted = [numbers.to_vec(), numbers.to_vec(), numbers.to_vec()];
            sorted[0].par_sort_unstable();
            sorted[1].par_sort_unstable_by(|a, b| b.cmp(a));
            sorted[2].par_sort_unstable_by_key(|n| n ^ 5);
            let mut changed = numbers.to_vec();
            changed.par_iter_mut().for_each(|n| *n *= 2);
            changed.par_chunks_mut(3).for_each(|c| c.reverse());
            let mut longer = vec![1];
            longer.par_extend((2..5_u32).into_par_iter());
            let mut done = 0;
            let joined = $in_place_scope(|scope| {
                scope.spawn(|_| done = 1);
                $join(|| 2, || 3)
            });
            Made {
                reversed: numbers.par_chunks(7).flat_map_iter(|c| c.iter().rev().copied()).collect(),
                found: numbers.par_iter().find_map_first(|&n| (n > 90).then_some(n)),
                results: (0..9_u32).into_par_iter().map(|n| if n < 9 { Ok(n) } else { Err(n) }).collect(),
                sorted,
                changed,
                longer,
                joined: (done, joined),
            }
        }};
    }

    fn serial(numbers: &[u32]) -> Made {
        use crate::serial::prelude::*;
        made!(numbers, crate::serial::in_place_scope, crate::serial::join)
    }

    fn spread(numbers: &[u32]) -> Made {
        use rayon::prelude::*;
        made!(numbers, rayon::in_place_scope, rayon::join)
    }

    #[test]
    fn one_thread_makes_what_many_make() {
        let numbers: Vec<u32> = (0..1000).map(|n: u32| n.wrapping_mul(0x9e37_79b9) % 97).collect();
        let made = serial(&numbers);
        assert_eq!(made, spread(&numbers));
        assert_eq!((made.joined, made.longer.as_slice()), ((1, (2, 3)), &[1, 2, 3, 4][..]));
        assert_eq!(crate::serial::current_num_threads(), 1);
    }
}
