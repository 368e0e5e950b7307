//! How often bytes occur, as frequencies for the entropy coder, and what that will cost.

use super::error::CodecError;
use super::reader::Reader;
use vecdelta_kernels::RANS_SLOTS;

/// Probabilities are multiples of 1 / 4096: each has so many slots in the table that is decoded with.
pub(super) const SCALE: u32 = RANS_SLOTS as u32;
pub(super) const SCALE_BITS: u32 = SCALE.ilog2();

/// How often each byte occurs.
pub(super) type Counts = [u32; 256];
/// Frequencies that add up to 4096.
pub(super) type Frequencies = [u16; 256];

/// Counts the bytes; four tables, because equal neighbours would wait for each other's increment.
pub(super) fn count(data: &[u8]) -> Counts {
    let mut tables = [[0u32; 256]; 4];
    let (quads, tail) = data.as_chunks::<4>();
    for quad in quads {
        for (table, &byte) in tables.iter_mut().zip(quad) {
            table[usize::from(byte)] += 1;
        }
    }
    let mut counts = tables[0];
    for table in &tables[1..] {
        for (sum, &more) in counts.iter_mut().zip(table) {
            *sum += more;
        }
    }
    for &byte in tail {
        counts[usize::from(byte)] += 1;
    }
    counts
}

/// Scales counts to frequencies: every byte that occurs gets at least 1, and none gets all.
///
/// At least two bytes must occur.
pub(super) fn normalise(counts: &Counts) -> Frequencies {
    let total: u64 = counts.iter().map(|&c| u64::from(c)).sum();
    let mut frequencies = [0u16; 256];
    let mut sum = 0i64;
    for (frequency, &count) in frequencies.iter_mut().zip(counts) {
        if count > 0 {
            let scaled = (u64::from(count) * u64::from(SCALE) + total / 2) / total;
            *frequency = scaled.clamp(1, u64::from(SCALE) - 1) as u16;
            sum += i64::from(*frequency);
        }
    }
    settle(&mut frequencies, i64::from(SCALE) - sum);
    frequencies
}

/// Gives or takes what rounding left over, from the largest down, where one unit matters least.
fn settle(frequencies: &mut Frequencies, mut missing: i64) {
    while missing != 0 {
        let Some(largest) = frequencies.iter_mut().max_by_key(|f| **f) else {
            return;
        };
        let share = (i64::from(*largest) / 64).max(1);
        let step = missing.clamp(-share, share);
        *largest = (i64::from(*largest) + step) as u16;
        missing -= step;
    }
}

/// Fractions of a bit in which costs are counted; whole numbers, so that every machine decides alike.
pub(super) const COST_PARTS: u64 = 1 << 12;

/// Returns the size of data with these counts under these frequencies, tables apart, in 4096ths of a bit.
pub(super) fn cost(counts: &Counts, frequencies: &Frequencies) -> u64 {
    let used = counts.iter().zip(frequencies).filter(|(count, _)| **count > 0);
    used.map(|(&count, &frequency)| u64::from(count) * symbol_cost(frequency)).sum()
}

/// Returns -log2(frequency / 4096), by squaring: each square tells one more bit of the logarithm.
fn symbol_cost(frequency: u16) -> u64 {
    let whole = u64::from(frequency.ilog2());
    let mut mantissa = u64::from(frequency) << (30 - whole);
    let mut log2 = whole;
    for _ in 0..COST_PARTS.ilog2() {
        mantissa = (mantissa * mantissa) >> 30;
        let carry = mantissa >> 31;
        mantissa >>= carry;
        log2 = log2 << 1 | carry;
    }
    u64::from(SCALE_BITS) * COST_PARTS - log2
}

/// Appends a table: first and last byte that occur, then a varint each; 0 is followed by how many more zeros there are.
pub(super) fn write_table(frequencies: &Frequencies, out: &mut Vec<u8>) {
    let used = |f: &u16| *f > 0;
    let first = frequencies.iter().position(used).unwrap_or(0);
    let last = frequencies.iter().rposition(used).unwrap_or(0);
    out.extend([first as u8, last as u8]);
    let mut i = first;
    while i <= last {
        let frequency = frequencies[i];
        i += 1;
        if frequency == 0 {
            let more = frequencies[i..].iter().take_while(|f| !used(f)).count();
            out.extend([0, more as u8]);
            i += more;
        } else {
            super::numbers::put_varint(u64::from(frequency), out);
        }
    }
}

/// Reads what [`write_table`] wrote.
pub(super) fn read_table(input: &mut Reader) -> Result<Frequencies, CodecError> {
    let first = usize::from(input.byte("rANS table")?);
    let last = usize::from(input.byte("rANS table")?);
    let mut frequencies = [0u16; 256];
    let mut sum = 0u32;
    let mut i = first;
    while i <= last {
        let frequency = input.varint("rANS table")?;
        if frequency == 0 {
            i += usize::from(input.byte("rANS table")?);
        } else if frequency < u64::from(SCALE) {
            frequencies[i] = frequency as u16;
            sum += frequency as u32;
        } else {
            return input.corrupt("rANS frequency is 4096 or more");
        }
        i += 1;
    }
    if i != last.max(first) + 1 || sum != SCALE {
        return input.corrupt("rANS frequencies do not add up to 4096");
    }
    Ok(frequencies)
}
