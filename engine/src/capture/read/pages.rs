//! What a Parquet file claims about its lengths, checked before the decoder believes it.
//!
//! The decoder allocates what a page header or the schema says. A few wrong bytes in a small file would ask for gigabytes; so
//! a page may claim at most what its compressed bytes can unpack to, and no more values than its column has.

use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;

use super::error::Fault;
use super::thrift::Scan;

/// Checks that no group of the schema claims more children than the schema has elements.
///
/// `footer` is the Thrift struct `FileMetaData`.
pub(super) fn check_schema(footer: &[u8]) -> Result<(), Fault> {
    let mut scan = Scan::new(footer);
    let mut plausible = true;
    let scanned = scan.fields(|scan, id, kind| {
        if id != FILE_SCHEMA {
            return scan.skip(kind);
        }
        let (elements, _) = scan.list()?;
        (0..elements).try_for_each(|_| {
            scan.fields(|scan, id, kind| {
                if id != SCHEMA_CHILDREN {
                    return scan.skip(kind);
                }
                let children = scan.number(kind)?;
                plausible &= u64::try_from(children).is_ok_and(|children| children < elements as u64);
                Some(())
            })
        })
    });
    match scanned {
        Some(()) if plausible => Ok(()),
        _ => Err(Fault::data("the footer is damaged").help("fetch or write the file again")),
    }
}

/// Checks the pages of one column of one row group; the chunk lies within the file.
pub(super) fn check_pages(file: &[u8], column: &ColumnChunkMetaData) -> Result<(), Fault> {
    let (start, length) = column.byte_range();
    let (mut at, end) = (start as usize, (start + length) as usize);
    let mut values = 0i64;
    while at < end {
        let here = at as u64;
        let damaged = |what: &str| {
            Fault::offset(here, format!("a page of column `{}` {what}", column.column_path().string()))
                .help("the file is damaged: fetch or write it again")
        };
        let page = Page::scan(&file[at..end]).ok_or_else(|| damaged("has a damaged header"))?;
        let unpacked_max = (page.packed as u64).saturating_mul(ratio_max(column.compression()));
        if page.unpacked as u64 > unpacked_max {
            return Err(damaged(&format!("of {} bytes claims to unpack to {}", page.packed, page.unpacked)));
        }
        if page.values > column.num_values() - values {
            return Err(damaged(&format!("claims {} values, more than the column has", page.values)));
        }
        values += page.values;
        at = (at + page.header).checked_add(page.packed).ok_or_else(|| damaged("is too long"))?;
        if at > end {
            return Err(damaged("reaches past its end"));
        }
    }
    match values == column.num_values() {
        true => Ok(()),
        false => Err(Fault::offset(
            end as u64,
            format!("column `{}` has {values} of its {} values", column.column_path().string(), column.num_values()),
        )
        .help("the file is damaged: fetch or write it again")),
    }
}

/// Returns how many bytes one byte can unpack to at most.
fn ratio_max(codec: Compression) -> u64 {
    match codec {
        Compression::UNCOMPRESSED => 1,
        // A copy of 64 bytes takes 3.
        Compression::SNAPPY => 22,
        Compression::LZ4 | Compression::LZ4_RAW => 255,
        Compression::GZIP(_) => 1_032,
        // Zstandard repeats a byte 128 Ki times in a block of 4 bytes.
        _ => 32 << 10,
    }
}

/// Numbers of the fields that are looked at.
const FILE_SCHEMA: i16 = 2;
const SCHEMA_CHILDREN: i16 = 5;
const PAGE_UNPACKED: i16 = 2;
const PAGE_PACKED: i16 = 3;
const PAGE_DATA: i16 = 5;
const PAGE_DATA_V2: i16 = 8;
const DATA_VALUES: i16 = 1;

/// The lengths of a page header.
struct Page {
    header: usize,
    packed: usize,
    unpacked: usize,
    values: i64,
}

impl Page {
    fn scan(bytes: &[u8]) -> Option<Self> {
        let mut scan = Scan::new(bytes);
        let (mut packed, mut unpacked, mut values) = (None, None, 0);
        scan.fields(|scan, id, kind| {
            match id {
                PAGE_UNPACKED => unpacked = usize::try_from(scan.number(kind)?).ok(),
                PAGE_PACKED => packed = usize::try_from(scan.number(kind)?).ok(),
                PAGE_DATA | PAGE_DATA_V2 => scan.fields(|scan, id, kind| {
                    match id {
                        DATA_VALUES => values = scan.number(kind).filter(|&values| values >= 0)?,
                        _ => scan.skip(kind)?,
                    }
                    Some(())
                })?,
                _ => scan.skip(kind)?,
            }
            Some(())
        })?;
        Some(Self { header: scan.at(), packed: packed?, unpacked: unpacked?, values })
    }
}
