//! Blocks in cell coding: the tokens in one entropy-coded plane, the low bits row by row.
//!
//! ```text
//! mode 1   flags   u16 k of the block
//! bytes    n       k of each row less that of the block (wrapping)
//! sparse only:     positions of the changed cells (see positions.rs)
//! bytes            tokens, of all cells or of the changed ones
//! lengths  n       bytes of low bits of each row
//!                  the low bits, each row from a whole byte on, up to the end of the payload
//! ```

use super::bits::BitWriter;
use super::block::Run;
use super::bytes::{encode_bytes, read_bytes_exact};
use super::cells::Grid;
use super::cells32::Scratch;
use super::error::CodecError;
use super::layout::{FROM_OLD, NARROW_SHIFT, NEEDS_BASE, SPARSE, Shape, mode};
use super::level::{self, Level};
use super::numbers::{encode_lengths, read_lengths};
use super::positions::Positions;
use super::precision::Narrow;
use super::reader::Reader;
use super::source::{Source, Values};
use super::spare::SpareVec;
use super::tokens;
use super::word::{Format, Word};
use std::ops::Range;

/// How much room low bits need beyond the size of the values: what a row of the usual lengths may take at most.
const LOW_AHEAD: usize = 32 << 10;

/// Cells of so many runs are fetched at once: these lie apart in memory, and none is then waited for alone.
const SPARSE_RUNS: usize = 32;

/// Cells in coded form, before the planes are written.
pub(super) struct Coded {
    grid: Grid,
    /// Grid exponent of each row less that of the block.
    exponents: Vec<u8>,
    pub(super) tokens: SpareVec<u8>,
    /// Bytes of low bits of each row.
    lengths: Vec<u32>,
    pub(super) low: BitWriter,
}

/// What a grid counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Steps {
    /// Cells of equal width, chosen by row: right for changes that do not depend on the value.
    Even,
    /// Values: right for changes in the last places.
    Values,
}

/// Chooses the grids and codes every row.
pub(super) fn code<W: Word>(source: Source, values: &Values<W>, steps: Steps) -> Coded {
    let n_rows = source.shape.n_rows;
    let levels: Vec<Level> = (0..n_rows).map(|r| values.level(source.format, source.range(r))).collect();
    let mut block = Level::default();
    levels.iter().for_each(|level| block.add(*level));
    let finer = match (source.old, source.positions) {
        (Some(_), _) => 0,
        (None, Some(_)) => level::FINER_FEW,
        (None, None) => level::FINER_FRESH,
    };
    let k = match steps {
        Steps::Even => level::block_exponent(source.format, block, finer),
        Steps::Values => 0,
    };
    let mut coded = Coded {
        grid: Grid { format: source.format, k },
        exponents: Vec::with_capacity(n_rows),
        tokens: SpareVec::with_room(source.len()),
        lengths: Vec::with_capacity(n_rows),
        low: BitWriter::with_room(source.len() * source.shape.element.size() + LOW_AHEAD),
    };
    coded.tokens.resize(source.len(), 0);
    let mut low_end = 0;
    let mut scratch = Scratch::default();
    for (r, level) in levels.into_iter().enumerate() {
        let k = level::row_exponent(coded.grid, block, level);
        coded.exponents.push(k.wrapping_sub(coded.grid.k) as u8);
        let range = source.range(r);
        let (predicted, new) = (&values.predicted[range.clone()], &values.new[range.clone()]);
        let tokens = &mut coded.tokens[range];
        W::encode_row(Grid { k, ..coded.grid }, predicted, new, tokens, &mut coded.low, &mut scratch);
        let end = coded.low.align();
        coded.lengths.push((end - low_end) as u32);
        low_end = end;
    }
    coded
}

/// Appends the payload of a source.
pub(super) fn write<W: Word>(source: Source, steps: Steps, out: &mut Vec<u8>) {
    let coded = code(source, &source.values::<W>(), steps);
    let mut flags = (source.narrow as u8) << NARROW_SHIFT;
    flags |= if source.old.is_some() { FROM_OLD } else { 0 };
    flags |= if source.positions.is_some() { SPARSE } else { 0 };
    flags |= if flags & (FROM_OLD | SPARSE) != 0 { NEEDS_BASE } else { 0 };
    out.extend([mode::CELLS, flags]);
    out.extend((coded.grid.k as u16).to_le_bytes());
    encode_bytes(&coded.exponents, out);
    if let Some(positions) = source.positions {
        positions.write(source.shape.dims, out);
    }
    encode_bytes(&coded.tokens, out);
    encode_lengths(&coded.lengths, out);
    out.extend_from_slice(coded.low.bytes());
}

/// A parsed payload.
pub(super) struct CellBlock<'a> {
    shape: Shape,
    format: Format,
    narrow: Narrow,
    from_old: bool,
    pub(super) needs_base: bool,
    /// The grid of each row.
    grids: Vec<Grid>,
    positions: Option<Positions>,
    tokens: Vec<u8>,
    /// Where the low bits of each row end.
    low_ends: Vec<usize>,
    low: &'a [u8],
    low_at: usize,
}

impl<'a> CellBlock<'a> {
    pub(super) fn read(input: &mut Reader<'a>, shape: Shape) -> Result<Self, CodecError> {
        let flags = input.byte("flags")?;
        let narrow = Narrow::from_code(flags >> NARROW_SHIFT);
        let format = Format::new(shape.element, narrow).filter(|_| narrow.fits(shape.element));
        let needs_base = flags & (FROM_OLD | SPARSE) != 0;
        let (Some(format), true, true) = (format, flags >> 5 == 0, (flags & NEEDS_BASE != 0) == needs_base) else {
            return input.corrupt("flags do not fit the mode");
        };
        let grids = read_grids(input, format, shape)?;
        let sparse = flags & SPARSE != 0;
        let positions = if sparse { Some(Positions::read(input, shape)?) } else { None };
        let count = positions.as_ref().map_or(shape.cells, Positions::len);
        let tokens = read_bytes_exact(input, count, "tokens do not match the block")?;
        let most = tokens.iter().fold(0, |most, &token| most.max(token));
        if usize::from(most) > tokens::TOKENS {
            return input.corrupt("token out of range");
        }
        let mut low_ends = Vec::with_capacity(shape.n_rows);
        let mut end = 0usize;
        for len in read_lengths(input, shape.n_rows, "lengths of low bits")? {
            end = end.saturating_add(len as usize);
            low_ends.push(end);
        }
        let low_at = input.at();
        let low = input.take(end, "low bits")?;
        let from_old = flags & FROM_OLD != 0;
        Ok(Self { shape, format, narrow, from_old, needs_base, grids, positions, tokens, low_ends, low, low_at })
    }

    /// Decodes rows into their old bits, runs of neighbouring ones.
    pub(super) fn apply(&self, runs: &mut [Run<'_>]) -> Result<(), CodecError> {
        if self.format.width == 64 { self.apply_as::<u64>(runs) } else { self.apply_as::<u32>(runs) }
    }

    fn apply_as<W: Word>(&self, runs: &mut [Run<'_>]) -> Result<(), CodecError> {
        let (mut words, mut cells, mut scratch) = (Vec::<W>::new(), Vec::new(), Scratch::default());
        let Some(positions) = &self.positions else {
            for run in runs {
                for (r, row) in (run.first..).zip(run.rows.chunks_exact_mut(self.shape.row_bytes())) {
                    self.apply_dense(r, row, &mut words, &mut scratch)?;
                }
            }
            return Ok(());
        };
        for runs in runs.chunks_mut(SPARSE_RUNS) {
            self.apply_sparse(runs, positions, &mut words, &mut cells, &mut scratch)?;
        }
        Ok(())
    }

    fn apply_dense<W: Word>(
        &self,
        r: usize,
        row: &mut [u8],
        words: &mut Vec<W>,
        scratch: &mut Scratch,
    ) -> Result<(), CodecError> {
        let Shape { element, dims, .. } = self.shape;
        words.clear();
        if self.from_old {
            W::load(element, self.narrow, row, words);
        } else {
            words.resize(dims, W::default());
        }
        self.decode(r, r * dims..(r + 1) * dims, words, scratch)?;
        W::store(element, self.narrow, words, row);
        Ok(())
    }

    fn apply_sparse<W: Word>(
        &self,
        runs: &mut [Run<'_>],
        positions: &Positions,
        words: &mut Vec<W>,
        cells: &mut Vec<u8>,
        scratch: &mut Scratch,
    ) -> Result<(), CodecError> {
        let Shape { element, dims, .. } = self.shape;
        positions.gather(element.size(), dims, runs, cells);
        words.clear();
        W::load(element, self.narrow, cells, words);
        if !self.from_old {
            words.fill(W::default());
        }
        let mut at = 0;
        for run in runs.iter() {
            for r in run.first..run.first + run.rows.len() / self.shape.row_bytes() {
                let range = positions.range(r);
                let end = at + range.len();
                self.decode(r, range, &mut words[at..end], scratch)?;
                at = end;
            }
        }
        W::store(element, self.narrow, words, cells);
        positions.scatter(element.size(), dims, cells, runs);
        Ok(())
    }

    fn decode<W: Word>(
        &self,
        r: usize,
        range: Range<usize>,
        words: &mut [W],
        scratch: &mut Scratch,
    ) -> Result<(), CodecError> {
        let start = if r == 0 { 0 } else { self.low_ends[r - 1] };
        let len = self.low_ends[r] - start;
        let tokens = &self.tokens[range];
        W::decode_row(self.grids[r], tokens, &self.low[start..], len, words, scratch)
            .ok_or(CodecError::Corrupt { what: "low bits contradict the tokens", at: self.low_at + start })
    }
}

fn read_grids(input: &mut Reader, format: Format, shape: Shape) -> Result<Vec<Grid>, CodecError> {
    let k = input.take(2, "grid exponent")?;
    let k = i64::from(u16::from_le_bytes([k[0], k[1]]));
    let exponents = read_bytes_exact(input, shape.n_rows, "grid exponents do not match the block")?;
    let mut grids = Vec::with_capacity(shape.n_rows);
    for away in exponents {
        let k = k + i64::from(away as i8);
        if k < 0 || k >= i64::from(format.exponent_max()) {
            return input.corrupt("grid exponent out of range");
        }
        grids.push(Grid { format, k: k as u32 });
    }
    Ok(grids)
}
