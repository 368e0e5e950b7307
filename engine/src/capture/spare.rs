//! Memory of rows that goes round: what a batch needed, the next one uses again.
//!
//! Fresh memory costs a page fault every 4 KiB, which for an epoch whose rows all change is a fifth of the work.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

/// How many bytes are kept at most: what the parts of a commit hold of both sides, or a window that is gathered while another one is
/// committed.
const SPARE_BYTES: usize = 256 << 20;

/// A buffer that was not needed while so many others were is given back.
const UNUSED: u64 = 32;

/// A smaller buffer is not worth keeping.
const SPARE_LEAST: usize = 64 << 10;

/// Buffers of rows that are not needed any more.
#[derive(Clone, Debug, Default)]
pub struct Spare(Arc<Mutex<Kept>>);

/// Buffers that are there, and how many were taken before each came.
#[derive(Debug, Default)]
struct Kept {
    buffers: Vec<(Vec<u8>, u64)>,
    bytes: usize,
    taken: u64,
}

/// A buffer that goes home when the last of its bytes is not needed any more.
struct Lent {
    bytes: Vec<u8>,
    home: Spare,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.keep(std::mem::take(&mut self.bytes));
    }
}

impl Spare {
    /// Returns a buffer of at least so many bytes, of any content.
    pub fn take(&self, len: usize) -> Vec<u8> {
        if len < SPARE_LEAST {
            return vec![0; len];
        }
        let found = self.0.lock().expect("no thread panics with it").take(len);
        found.unwrap_or_else(|| vec![0; len.next_multiple_of(SPARE_LEAST)])
    }

    /// Lends the first bytes of a buffer, which comes back when nobody holds any of them.
    pub fn lend(&self, bytes: Vec<u8>, len: usize) -> Bytes {
        if bytes.len() < SPARE_LEAST {
            return Bytes::from(bytes).slice(..len);
        }
        Bytes::from_owner(Lent { bytes, home: self.clone() }).slice(..len)
    }

    /// Keeps a buffer that is not needed any more.
    pub fn keep(&self, bytes: Vec<u8>) {
        // A thread that panicked with the lock takes the memory along.
        if bytes.len() >= SPARE_LEAST
            && let Ok(mut kept) = self.0.lock()
        {
            kept.put(bytes);
        }
    }
}

impl Kept {
    /// Takes out the buffer that came last of those that fit: it may still be in the cache.
    fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        self.taken += 1;
        let at = self.buffers.iter().rposition(|(bytes, _)| bytes.len() >= len && bytes.len() / 4 <= len)?;
        let (bytes, _) = self.buffers.remove(at);
        self.bytes -= bytes.len();
        Some(bytes)
    }

    fn put(&mut self, bytes: Vec<u8>) {
        let old = |(_, taken): &&(Vec<u8>, u64)| taken + UNUSED < self.taken;
        if let Some((old, _)) = self.buffers.first().filter(old) {
            self.bytes -= old.len();
            self.buffers.remove(0);
        }
        if self.bytes + bytes.len() <= SPARE_BYTES {
            self.bytes += bytes.len();
            self.buffers.push((bytes, self.taken));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(spare: &Spare) -> usize {
        let kept = spare.0.lock().unwrap();
        assert_eq!(kept.bytes, kept.buffers.iter().map(|(bytes, _)| bytes.len()).sum::<usize>());
        kept.bytes
    }

    #[test]
    fn what_is_dropped_is_taken_again_and_no_more_is_kept_than_stated() {
        let spare = Spare::default();
        let large = spare.take(100_000);
        let place = large.as_ptr();
        drop(spare.lend(large, 90_000));
        let again = spare.take(80_000);
        assert_eq!(again.as_ptr(), place);
        let held: Vec<Bytes> = (0..300).map(|_| spare.lend(spare.take(1 << 20), 1 << 20)).collect();
        drop(held);
        assert_eq!(kept(&spare), SPARE_BYTES);
        // A small need does not take a large buffer out of use.
        assert_eq!(spare.take(70_000).len(), 2 * SPARE_LEAST);
        // What is not needed any more is given back in time.
        for _ in 0..1_000 {
            drop(spare.lend(spare.take(SPARE_LEAST), 1));
        }
        assert_eq!(kept(&spare), SPARE_LEAST);
    }

    #[test]
    fn a_part_that_is_held_keeps_the_whole() {
        let spare = Spare::default();
        let rows = spare.lend(spare.take(100_000), 100_000);
        let part = rows.slice(5..9);
        drop(rows);
        assert_eq!(kept(&spare), 0);
        drop(part);
        assert_eq!(kept(&spare), 2 * SPARE_LEAST);
    }
}
