//! Buffers that stay with their thread: memory that is asked for anew for each block has to be cleared for each.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::thread::LocalKey;

/// How many buffers of a type a thread keeps, and how long they may be.
const KEPT: usize = 6;
const KEPT_BYTES: usize = 1 << 20;

/// What buffers are kept of.
pub(super) trait Kept: Sized + 'static {
    /// Buffers that this thread has no use for now.
    fn kept() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>>;
}

macro_rules! kept {
    ($($item:ty),*) => {$(
        impl Kept for $item {
            fn kept() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>> {
                thread_local! {
                    static BUFFERS: RefCell<Vec<Vec<$item>>> = const { RefCell::new(Vec::new()) };
                }
                &BUFFERS
            }
        }
    )*};
}

kept!(u8, u32, u64);

/// A buffer with what it held before, which goes back to the thread that drops it.
pub(super) struct SpareVec<T: Kept>(Vec<T>);

impl<T: Kept> SpareVec<T> {
    /// Returns a buffer of this thread which has room for so many items.
    pub(super) fn with_room(len: usize) -> Self {
        let kept = T::kept().with_borrow_mut(|kept| {
            let at = kept.iter().rposition(|buffer| buffer.capacity() >= len)?;
            Some(kept.swap_remove(at))
        });
        Self(kept.unwrap_or_else(|| Vec::with_capacity(len)))
    }

    /// Returns an empty buffer with room for so many items.
    pub(super) fn empty(len: usize) -> Self {
        let mut taken = Self::with_room(len);
        taken.clear();
        taken
    }
}

impl<T: Kept> Default for SpareVec<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Kept> Drop for SpareVec<T> {
    fn drop(&mut self) {
        let is_worth_it = (1..=KEPT_BYTES / size_of::<T>()).contains(&self.0.capacity());
        T::kept().with_borrow_mut(|kept| {
            if is_worth_it && kept.len() < KEPT {
                kept.push(std::mem::take(&mut self.0));
            }
        });
    }
}

impl<T: Kept> Deref for SpareVec<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T: Kept> DerefMut for SpareVec<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}
