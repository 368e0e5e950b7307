//! Fields of bits of any widths, one behind the other, each for a word of its own.

use crate::dispatch::dispatch;

/// How many words are treated at once.
pub(crate) const GROUP: usize = 8;
/// The most bits of a field, so that those of a group are counted in a byte, and two of them lie in 57 bits.
pub const FIELD_MAX: u8 = 24;
/// How many bytes must be there from the first field of a group on.
pub(crate) const AHEAD: usize = 32;

/// Ors into each word its field of `bits`, of so many bits as `counts` says; returns how many words it treated, and the
/// position in bits behind their fields.
///
/// Fields lie one behind the other from position `at` on, each with its lowest bit first. Words are treated in groups of
/// eight. It stops before a group with a count above `most`, before one whose first field is followed by less than 32
/// bytes, and where less than a group is left: these are for the caller.
///
/// # Panics
/// If there are not as many counts as words, or `most` is above [`FIELD_MAX`].
pub fn or_fields(words: &mut [u32], counts: &[u8], most: u8, bits: &[u8], at: usize) -> (usize, usize) {
    assert_eq!(words.len(), counts.len(), "each word has a count");
    assert!(most <= FIELD_MAX, "a field is of {FIELD_MAX} bits at most");
    dispatch!(or_fields(words, counts, most, bits, at))
}

/// See [`or_fields`].
pub(crate) fn or_fields_plain(
    words: &mut [u32],
    counts: &[u8],
    most: u8,
    bits: &[u8],
    mut at: usize,
) -> (usize, usize) {
    let mut done = 0;
    let groups = words.as_chunks_mut::<GROUP>().0.iter_mut().zip(counts.as_chunks::<GROUP>().0);
    for (words, counts) in groups {
        if counts.iter().any(|&count| count > most) || bits.len() < at / 8 + AHEAD {
            break;
        }
        for (words, counts) in words.as_chunks_mut::<2>().0.iter_mut().zip(counts.as_chunks::<2>().0) {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bits[at / 8..at / 8 + 8]);
            let fields = u64::from_le_bytes(eight) >> (at % 8);
            words[0] |= fields as u32 & ((1 << counts[0]) - 1);
            words[1] |= (fields >> counts[0]) as u32 & ((1 << counts[1]) - 1);
            at += usize::from(counts[0] + counts[1]);
        }
        done += GROUP;
    }
    (done, at)
}
