//! Integers: varints, strictly ascending lists, and short lists of lengths.

use super::bits::{BitReader, BitWriter};
use super::bytes::{encode_bytes, read_bytes_exact};
use super::error::CodecError;
use super::reader::Reader;
use super::tokens;

/// Appends a number as LEB128: 7 bits a byte, low bits first, the top bit set on all but the last.
pub fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads a LEB128 number from the front of `input` and advances it.
///
/// # Errors
/// If the input ends early, or the form is overlong or above 64 bits.
pub fn get_varint(input: &mut &[u8]) -> Result<u64, CodecError> {
    let mut reader = Reader::new(input);
    let value = reader.varint("varint")?;
    *input = reader.rest();
    Ok(value)
}

/// Appends a strictly ascending list: varint count, varint first, tokens of the gaps less 1, low bits of the gaps.
///
/// A run costs a few bytes in all, a random choice about its entropy.
///
/// # Panics
/// If the list does not ascend strictly.
pub fn encode_sorted(values: &[u32], out: &mut Vec<u8>) {
    put_varint(values.len() as u64, out);
    let Some(&first) = values.first() else {
        return;
    };
    put_varint(u64::from(first), out);
    let mut low = BitWriter::default();
    low.make_room(values.len());
    let mut tokens = Vec::with_capacity(values.len());
    for pair in values.windows(2) {
        assert!(pair[0] < pair[1], "the list ascends strictly");
        let skipped = u64::from(pair[1] - pair[0] - 1);
        let token = tokens::token(skipped);
        tokens.push(token);
        low.put(tokens::low(skipped, token), u32::from(tokens::LOW_BITS[usize::from(token)]));
    }
    encode_bytes(&tokens, out);
    low.align();
    out.extend_from_slice(low.bytes());
}

/// Decodes a list from the front of `input` and advances it.
///
/// # Errors
/// If the list is longer than `len_max` (nothing is allocated then), ends early, or leaves the 32-bit range.
pub fn decode_sorted(input: &mut &[u8], len_max: usize) -> Result<Vec<u32>, CodecError> {
    let mut reader = Reader::new(input);
    let values = read_sorted(&mut reader, len_max)?;
    *input = reader.rest();
    Ok(values)
}

pub(super) fn read_sorted(input: &mut Reader, len_max: usize) -> Result<Vec<u32>, CodecError> {
    let len = input.length(len_max, "ascending list")?;
    if len == 0 {
        return Ok(Vec::new());
    }
    let Ok(first) = u32::try_from(input.varint("ascending list")?) else {
        return input.corrupt("ascending list leaves the 32-bit range");
    };
    let tokens = read_bytes_exact(input, len - 1, "gaps of an ascending list do not match its length")?;
    if tokens.iter().all(|&token| token == 0)
        && let Some(end) = u32::try_from(len).ok().and_then(|len| first.checked_add(len))
    {
        return Ok((first..end).collect()); // a run
    }
    let low_bits: usize = tokens.iter().map(|&t| usize::from(tokens::LOW_BITS[usize::from(t)])).sum();
    let mut low = BitReader::new(input.take(low_bits.div_ceil(8), "gaps of an ascending list")?);
    if tokens.iter().any(|&token| tokens::FIRST[usize::from(token)] > u64::from(u32::MAX) || token == tokens::HUGE) {
        return input.corrupt("ascending list leaves the 32-bit range");
    }
    let mut values = Vec::with_capacity(len);
    values.push(first);
    // Every value is or-ed, so that one look at the end tells whether one of them was too large.
    let (mut last, mut all) = (u64::from(first), 0);
    values.extend(tokens.iter().map(|&token| {
        let (least, count) = (tokens::FIRST[usize::from(token)], tokens::LOW_BITS[usize::from(token)]);
        last = last.wrapping_add(least + low.take(u32::from(count)) + 1);
        all |= last;
        last as u32
    }));
    if all > u64::from(u32::MAX) {
        return input.corrupt("ascending list leaves the 32-bit range");
    }
    Ok(values)
}

/// Appends a list whose length the reader knows: varint least, bytes per number, then a plane for each byte, low first.
///
/// Meant for row lengths and counts, which lie close together.
pub(super) fn encode_lengths(values: &[u32], out: &mut Vec<u8>) {
    let least = values.iter().copied().min().unwrap_or(0);
    let spread = values.iter().copied().max().unwrap_or(0) - least;
    let planes = (u32::BITS - spread.leading_zeros()).div_ceil(8);
    put_varint(u64::from(least), out);
    out.push(planes as u8);
    for plane in 0..planes {
        let bytes: Vec<u8> = values.iter().map(|v| ((v - least) >> (8 * plane)) as u8).collect();
        encode_bytes(&bytes, out);
    }
}

/// Reads `len` numbers.
pub(super) fn read_lengths(input: &mut Reader, len: usize, what: &'static str) -> Result<Vec<u32>, CodecError> {
    let Ok(least) = u32::try_from(input.varint(what)?) else {
        return input.corrupt("length leaves the 32-bit range");
    };
    let planes = input.byte(what)?;
    if planes > 4 {
        return input.corrupt("lengths have more than 4 bytes");
    }
    let mut values = vec![0u32; len];
    for plane in 0..planes {
        let bytes = read_bytes_exact(input, len, what)?;
        for (value, byte) in values.iter_mut().zip(bytes) {
            *value |= u32::from(byte) << (8 * plane);
        }
    }
    for value in &mut values {
        let Some(sum) = value.checked_add(least) else {
            return input.corrupt("length leaves the 32-bit range");
        };
        *value = sum;
    }
    Ok(values)
}
