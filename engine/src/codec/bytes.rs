//! A byte string, entropy coded: constant, raw, or rANS, whichever is smallest.
//!
//! ```text
//! varint (len << 2 | kind)
//! kind 0  raw       len bytes
//! kind 1  constant  1 byte
//! kind 2  rANS      table, varint coded length, states and words     (1, 4 or 32 states, by the length)
//! ```
//! Never longer than `len` and its own header of at most 10 bytes (3 up to 500 KB).

use super::error::CodecError;
use super::frequencies::{self, COST_PARTS, Counts, cost, normalise, read_table, write_table};
use super::numbers::put_varint;
use super::rans;
use super::reader::Reader;
use super::spare::SpareVec;

const RAW: u64 = 0;
const CONSTANT: u64 = 1;
const RANS: u64 = 2;
/// From this length on four states take turns; below, their 16 bytes would weigh more than their speed is worth.
const LANES_4_LEN_MIN: usize = 1024;
/// From this length on 32 states take turns, which are decoded in vectors.
const LANES_32_LEN_MIN: usize = 8192;

/// Appends `data`, coded; the coding carries its own lengths.
pub fn encode_bytes(data: &[u8], out: &mut Vec<u8>) {
    let header = |kind| (data.len() as u64) << 2 | kind;
    let start = out.len();
    let counts = frequencies::count(data);
    if counts.iter().filter(|c| **c > 0).count() == 1 {
        put_varint(header(CONSTANT), out);
        out.push(data[0]);
        return;
    }
    if data.len() > 8 {
        put_varint(header(RANS), out);
        let body = out.len();
        encode_rans(data, &counts, out);
        if out.len() - body < data.len() {
            return;
        }
        out.truncate(start);
    }
    put_varint(header(RAW), out);
    out.extend_from_slice(data);
}

fn encode_rans(data: &[u8], counts: &Counts, out: &mut Vec<u8>) {
    let frequencies = normalise(counts);
    if cost(counts, &frequencies) > (8 * data.len() as u64 - 64) * COST_PARTS {
        // Cannot win; what is appended here only has to be as long as the data, so that the caller takes it back.
        out.extend_from_slice(data);
        return;
    }
    write_table(&frequencies, out);
    let mut coded = SpareVec::empty(data.len() + 64);
    match data.len() {
        LANES_32_LEN_MIN.. => rans::encode::<32>(data, &frequencies, &mut coded),
        LANES_4_LEN_MIN.. => rans::encode::<4>(data, &frequencies, &mut coded),
        _ => rans::encode::<1>(data, &frequencies, &mut coded),
    }
    put_varint(coded.len() as u64, out);
    out.extend_from_slice(&coded);
}

/// Decodes one byte string from the front of `input` and advances it; offsets in errors count from there.
///
/// # Errors
/// If the string is longer than `len_max` (nothing is allocated then), the input ends early, or the coding is corrupt.
pub fn decode_bytes(input: &mut &[u8], len_max: usize) -> Result<Vec<u8>, CodecError> {
    let mut reader = Reader::new(input);
    let data = read_bytes(&mut reader, len_max)?;
    *input = reader.rest();
    Ok(data)
}

pub(super) fn read_bytes(input: &mut Reader, len_max: usize) -> Result<Vec<u8>, CodecError> {
    let at = input.at();
    let header = input.varint("length of a byte string")?;
    let len = match usize::try_from(header >> 2) {
        Ok(len) if len <= len_max => len,
        _ => {
            let (len, max) = (header >> 2, len_max as u64);
            return Err(CodecError::TooLong { what: "byte string", len, max, at });
        }
    };
    match header & 3 {
        RAW => Ok(input.take(len, "byte string")?.to_vec()),
        CONSTANT => Ok(vec![input.byte("byte string")?; len]),
        RANS => read_rans(input, len),
        _ => Err(CodecError::Corrupt { what: "unknown kind of byte string", at }),
    }
}

/// Reads a byte string that must have exactly `len` bytes.
pub(super) fn read_bytes_exact(input: &mut Reader, len: usize, what: &'static str) -> Result<Vec<u8>, CodecError> {
    let at = input.at();
    let data = read_bytes(input, len)?;
    if data.len() == len { Ok(data) } else { Err(CodecError::Corrupt { what, at }) }
}

fn read_rans(input: &mut Reader, len: usize) -> Result<Vec<u8>, CodecError> {
    let frequencies = read_table(input)?;
    let coded_len = input.length(input.rest().len(), "rANS stream")?;
    match len {
        LANES_32_LEN_MIN.. => rans::decode::<32>(input, &frequencies, len, coded_len),
        LANES_4_LEN_MIN.. => rans::decode::<4>(input, &frequencies, len, coded_len),
        _ => rans::decode::<1>(input, &frequencies, len, coded_len),
    }
}
