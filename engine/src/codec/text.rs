//! Texts such as row keys: front coding, then each plane entropy coded.
//!
//! ```text
//! varint count
//! bytes  shared lengths   one number a text: how many leading bytes it shares with the text before
//! bytes  suffix lengths   one number a text: how many bytes follow
//! bytes  suffixes         one after another
//! ```
//! A number below 255 is one byte; otherwise 255, then the number less 255 as a varint.

use super::bytes::{encode_bytes, read_bytes};
use super::error::CodecError;
use super::numbers::put_varint;
use super::reader::Reader;

/// Appends a list of texts; neighbours with a common beginning cost least.
pub fn encode_texts<'a>(texts: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
    let (mut shared, mut lengths, mut suffixes) = (Vec::new(), Vec::new(), Vec::new());
    let mut before: &[u8] = &[];
    let mut count = 0;
    for text in texts {
        let text = text.as_bytes();
        let common = before.iter().zip(text).take_while(|(a, b)| a == b).count();
        put_short(common, &mut shared);
        put_short(text.len() - common, &mut lengths);
        suffixes.extend_from_slice(&text[common..]);
        before = text;
        count += 1;
    }
    put_varint(count, out);
    for plane in [shared, lengths, suffixes] {
        encode_bytes(&plane, out);
    }
}

fn put_short(number: usize, out: &mut Vec<u8>) {
    match u8::try_from(number) {
        Ok(byte) if byte < u8::MAX => out.push(byte),
        _ => {
            out.push(u8::MAX);
            put_varint(number as u64 - 255, out);
        }
    }
}

/// Decodes a list from the front of `input` and advances it; text `i` is `bytes[offsets[i]..offsets[i + 1]]`.
///
/// # Errors
/// If there are more than `count_max` texts or `bytes_max` bytes (checked before they are allocated), the input ends early,
/// a length does not fit, or a text is not UTF-8.
pub fn decode_texts(input: &mut &[u8], count_max: usize, bytes_max: usize) -> Result<(Vec<u8>, Vec<u32>), CodecError> {
    let mut reader = Reader::new(input);
    let texts = read_texts(&mut reader, count_max, bytes_max)?;
    *input = reader.rest();
    Ok(texts)
}

fn read_texts(input: &mut Reader, count_max: usize, bytes_max: usize) -> Result<(Vec<u8>, Vec<u32>), CodecError> {
    let bytes_max = bytes_max.min(u32::MAX as usize);
    let count = input.length(count_max, "list of texts")?;
    let shared = read_shorts(input, count)?;
    let lengths = read_shorts(input, count)?;
    let suffixes = read_bytes(input, bytes_max)?;
    let Some(total) = total(&shared, &lengths).filter(|t| *t <= bytes_max) else {
        return input.corrupt("texts are longer than allowed");
    };
    let mut bytes: Vec<u8> = Vec::with_capacity(total);
    let mut offsets = Vec::with_capacity(count + 1);
    offsets.push(0);
    let (mut start, mut suffix) = (0, suffixes.as_slice());
    for (&common, &len) in shared.iter().zip(&lengths) {
        let end = bytes.len();
        if common > end - start || len > suffix.len() {
            return input.corrupt("text is longer than what it is made of");
        }
        bytes.extend_from_within(start..start + common);
        let (own, rest) = suffix.split_at(len);
        bytes.extend_from_slice(own);
        offsets.push(bytes.len() as u32);
        (start, suffix) = (end, rest);
    }
    if !suffix.is_empty() {
        return input.corrupt("bytes left over after the last text");
    }
    // All at once, which is fast; then no text may begin within a character.
    let parted = |all: &str| offsets.iter().all(|&at| all.is_char_boundary(at as usize));
    if !std::str::from_utf8(&bytes).is_ok_and(parted) {
        return input.corrupt("text is not UTF-8");
    }
    Ok((bytes, offsets))
}

fn total(shared: &[usize], lengths: &[usize]) -> Option<usize> {
    shared.iter().chain(lengths).try_fold(0usize, |sum, len| sum.checked_add(*len))
}

fn read_shorts(input: &mut Reader, count: usize) -> Result<Vec<usize>, CodecError> {
    let plane = read_bytes(input, count.saturating_mul(11))?;
    match shorts(&plane, count) {
        Some(numbers) => Ok(numbers),
        None => input.corrupt("lengths of texts do not match their count"),
    }
}

fn shorts(plane: &[u8], count: usize) -> Option<Vec<usize>> {
    let mut plane = Reader::new(plane);
    let mut numbers = Vec::with_capacity(count);
    for _ in 0..count {
        let mut number = u64::from(plane.byte("length").ok()?);
        if number == 255 {
            number = plane.varint("length").ok()?.checked_add(255)?;
        }
        numbers.push(usize::try_from(number).ok()?);
    }
    plane.rest().is_empty().then_some(numbers)
}
