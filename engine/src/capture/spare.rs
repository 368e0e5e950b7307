//! Memory of rows that goes round: what a batch needed, the next one uses again.

use std::sync::{Arc, Mutex};

use crate::delta::Rows;

/// How many bytes are kept: about what a part of a commit holds of both sides, and what is on the way to it.
const SPARE_BYTES: usize = 64 << 20;

/// A smaller buffer is not worth keeping.
const SPARE_LEAST: usize = 64 << 10;

/// Buffers of rows that are not needed any more.
#[derive(Clone, Default)]
pub struct Spare(Arc<Mutex<Vec<Vec<u8>>>>);

impl Spare {
    /// Returns a buffer of at least so many bytes, of any content.
    pub fn take(&self, len: usize) -> Vec<u8> {
        if len < SPARE_LEAST {
            return vec![0; len];
        }
        let mut spare = self.0.lock().expect("no thread panics with it");
        let fits = spare.iter().position(|bytes| bytes.len() >= len && bytes.len() / 4 <= len);
        fits.map(|i| spare.swap_remove(i)).unwrap_or_else(|| vec![0; len.next_multiple_of(SPARE_LEAST)])
    }

    /// Makes rows of the first bytes of a buffer, which comes back when they are dropped.
    pub fn lend(&self, bytes: Vec<u8>, len: usize) -> Rows {
        let spare = self.0.clone();
        let home = move |bytes: Vec<u8>| {
            // A thread that panicked with the lock takes the memory along.
            if bytes.len() >= SPARE_LEAST
                && let Ok(mut spare) = spare.lock()
                && spare.iter().map(Vec::len).sum::<usize>() + bytes.len() <= SPARE_BYTES
            {
                spare.push(bytes);
            }
        };
        Rows::lent(bytes, len, Arc::new(home))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_taken_again_and_no_more_is_kept_than_stated() {
        let spare = Spare::default();
        let large = spare.take(100_000);
        let place = large.as_ptr();
        drop(spare.lend(large, 90_000));
        let again = spare.take(80_000);
        assert_eq!(again.as_ptr(), place);
        let held: Vec<Rows> = (0..100).map(|_| spare.lend(spare.take(1 << 20), 1 << 20)).collect();
        drop(held);
        let kept: usize = spare.0.lock().unwrap().iter().map(Vec::len).sum();
        assert_eq!(kept, SPARE_BYTES);
        // A small need does not take a large buffer out of use.
        assert_eq!(spare.take(70_000).len(), 2 * SPARE_LEAST);
    }
}
