//! As much of Thrift's compact protocol as it takes to look at lengths before a decoder allocates them.
//!
//! A struct is a list of fields, each a byte (id step << 4 | type) and a value, up to a zero byte. Numbers are zigzag varints.

/// Types of values.
const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

/// Deeper than Parquet's own structs ever are.
const DEPTH_MAX: u32 = 32;

/// Bytes that are being scanned; every method returns nothing where they make no sense.
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The type of a value that stands next.
#[derive(Clone, Copy)]
pub(super) struct Kind(u8);

impl<'a> Scan<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Returns how many bytes have been scanned.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Goes over the fields of a struct; `field` must scan or skip each value.
    pub fn fields(&mut self, mut field: impl FnMut(&mut Self, i16, Kind) -> Option<()>) -> Option<()> {
        let mut id = 0i16;
        loop {
            let head = self.byte()?;
            let kind = Kind(head & 0x0F);
            if kind.0 == STOP {
                return Some(());
            }
            id = match i16::from(head >> 4) {
                0 => i16::try_from(self.integer()?).ok()?,
                step => id.checked_add(step)?,
            };
            field(self, id, kind)?;
        }
    }

    /// Scans a number; any other value is no number.
    pub fn number(&mut self, kind: Kind) -> Option<i64> {
        match kind.0 {
            I16 | I32 | I64 => self.integer(),
            _ => None,
        }
    }

    /// Scans the head of a list; returns its length, which is at most the bytes that are left, and the type of its items.
    pub fn list(&mut self) -> Option<(usize, Kind)> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => usize::try_from(self.varint()?).ok()?,
            short => usize::from(short),
        };
        (length <= self.bytes.len() - self.at).then_some((length, Kind(head & 0x0F)))
    }

    /// Passes over a value.
    pub fn skip(&mut self, kind: Kind) -> Option<()> {
        self.skip_within(kind, false, DEPTH_MAX)
    }

    fn skip_within(&mut self, kind: Kind, in_list: bool, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind.0 {
            // A truth value of a field is its type; in a list it is a byte.
            TRUE | FALSE => in_list.then(|| self.byte()).map_or(Some(()), |byte| byte.map(drop)),
            BYTE => self.byte().map(drop),
            I16 | I32 | I64 => self.integer().map(drop),
            DOUBLE => self.pass(8),
            BINARY => {
                let length = self.varint()?;
                self.pass(usize::try_from(length).ok()?)
            }
            LIST | SET => {
                let (length, kind) = self.list()?;
                (0..length).try_for_each(|_| self.skip_within(kind, true, depth))
            }
            MAP => self.skip_map(depth),
            STRUCT => self.fields(|scan, _, kind| scan.skip_within(kind, false, depth)),
            _ => None,
        }
    }

    fn skip_map(&mut self, depth: u32) -> Option<()> {
        let length = usize::try_from(self.varint()?).ok()?;
        if length == 0 {
            return Some(());
        }
        let kinds = self.byte()?;
        (0..length).try_for_each(|_| {
            self.skip_within(Kind(kinds >> 4), true, depth)?;
            self.skip_within(Kind(kinds & 0x0F), true, depth)
        })
    }

    fn pass(&mut self, length: usize) -> Option<()> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len())?;
        self.at = end;
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn integer(&mut self) -> Option<i64> {
        let zigzag = self.varint()?;
        Some((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }
}
