//! Files as bytes without reading them: the one place that maps memory.

#![allow(unsafe_code)] // mapping a file is unsafe in every crate that offers it; the argument is at the call below

use std::fs::File;
use std::io;

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};

/// Maps a file for reading; the mapping lives as long as any slice of the returned bytes.
///
/// The bytes are as trustworthy as the file: nothing may be assumed of them, and they are never turned into a `&str` or
/// into anything else that has invalid bit patterns without a copy or a check at each use.
///
/// # Errors
/// What the operating system says; a pipe or a device cannot be mapped.
pub fn map_file(file: &File) -> io::Result<Bytes> {
    // The length is taken now: what is appended later is not seen.
    let bytes = usize::try_from(file.metadata()?.len())
        .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "the file is larger than the address space"))?;
    if bytes == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the mapping is private to this process and read-only, so nothing here writes through it. Another program that
    // rewrites the file in place while it is read can change what we see between two looks. That is why the bytes are only
    // ever used as integers and floats, for which all bit patterns are valid, and texts are copied before they are
    // checked. A program that cuts the file while it is read makes the kernel end this process with SIGBUS: the reader
    // stops, nothing is committed. Both hold for `memmap2` in general and are documented where files are opened.
    let map: Mmap = unsafe { MmapOptions::new().len(bytes).map(file)? };
    Ok(Bytes::from_owner(map))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_mapping_outlives_the_file_handle() {
        let path = std::env::temp_dir().join(format!("vecdelta-map-{}", std::process::id()));
        File::create(&path).unwrap().write_all(b"0123456789").unwrap();
        let bytes = map_file(&File::open(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(bytes.slice(3..6), "345");
    }

    #[test]
    fn an_empty_file_has_no_bytes() {
        let path = std::env::temp_dir().join(format!("vecdelta-map-empty-{}", std::process::id()));
        File::create(&path).unwrap();
        assert!(map_file(&File::open(&path).unwrap()).unwrap().is_empty());
        std::fs::remove_file(&path).unwrap();
    }
}
