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
    use super::prelude::*;

    #[test]
    fn it_does_what_rayon_does() {
        let numbers: Vec<u32> = (0..1000).map(|n: u32| n.wrapping_mul(0x9e37_79b9) % 97).collect();
        let serial = (
            numbers.par_chunks(7).flat_map_iter(|c| c.iter().rev().copied()).collect::<Vec<_>>(),
            numbers.par_iter().find_map_first(|&n| (n > 90).then_some(n)),
            (0..9).into_par_iter().map(|n| if n < 9 { Ok(n) } else { Err(n) }).collect::<Result<Vec<_>, _>>(),
        );
        let mut sorted = [numbers.clone(), numbers.clone(), numbers.clone()];
        sorted[0].par_sort_unstable();
        sorted[1].par_sort_unstable_by(|a, b| b.cmp(a));
        sorted[2].par_sort_unstable_by_key(|n| n ^ 5);
        let mut doubled = numbers.clone();
        doubled.par_iter_mut().for_each(|n| *n *= 2);
        doubled.par_chunks_mut(3).for_each(<[u32]>::reverse);
        let mut longer = vec![1];
        longer.par_extend((2..5).into_par_iter());
        let mut done = 0;
        let answer = super::in_place_scope(|scope| {
            scope.spawn(|_| done = 1);
            super::join(|| 2, || 3)
        });
        assert_eq!((done, answer, super::current_num_threads(), longer), (1, (2, 3), 1, vec![1, 2, 3, 4]));

        use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};
        use rayon::slice::{ParallelSlice, ParallelSliceMut};
        let rayons = (
            ParallelSlice::par_chunks(&numbers[..], 7).flat_map_iter(|c| c.iter().rev().copied()).collect::<Vec<_>>(),
            ParallelIterator::find_map_first(IntoParallelRefIterator::par_iter(&numbers[..]), |&n| {
                if n > 90 { Some(n) } else { None }
            }),
            IntoParallelIterator::into_par_iter(0..9).map(|n| if n < 9 { Ok(n) } else { Err(n) }).collect(),
        );
        assert_eq!(serial, rayons);
        let mut by_rayon = [numbers.clone(), numbers.clone(), numbers.clone()];
        ParallelSliceMut::par_sort_unstable(&mut by_rayon[0][..]);
        ParallelSliceMut::par_sort_unstable_by(&mut by_rayon[1][..], |a, b| b.cmp(a));
        ParallelSliceMut::par_sort_unstable_by_key(&mut by_rayon[2][..], |n| n ^ 5);
        assert_eq!(sorted, by_rayon);
        let mut by_rayon: Vec<u32> = numbers.iter().map(|n| n * 2).collect();
        ParallelSliceMut::par_chunks_mut(&mut by_rayon[..], 3).enumerate().for_each(|(_, c)| c.reverse());
        assert_eq!(doubled, by_rayon);
    }
}
