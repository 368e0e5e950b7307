//! Files as bytes without reading them: the one place that maps memory.

#![allow(unsafe_code)] // mapping a file is unsafe in every crate that offers it; the argument is at the calls below

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};

/// A file mapped for reading.
///
/// Its bytes are as trustworthy as the file: nothing may be assumed of them, and they are never turned into a `&str` or into
/// anything else that has invalid bit patterns without a copy, or a check at each use.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Nothing for an empty file, which cannot be mapped.
    map: Option<Arc<Mmap>>,
}

impl Mapping {
    /// Maps a file as long as it is now; what is appended later is not seen.
    ///
    /// # Errors
    /// What the operating system says; a pipe or a device cannot be mapped.
    pub fn of(file: &File) -> io::Result<Self> {
        let bytes = usize::try_from(file.metadata()?.len())
            .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "the file is larger than the address space"))?;
        if bytes == 0 {
            return Ok(Self { map: None });
        }
        // SAFETY: the mapping is read-only, so nothing here writes through it. Another program that rewrites the file in
        // place while it is read can change what we see between two looks. That is why the bytes are only ever used as
        // integers and floats, for which all bit patterns are valid, and texts are copied before they are checked. A
        // program that cuts the file while it is read makes the kernel end this process with SIGBUS: nothing more is
        // committed. Both hold for every use of `memmap2` and are documented where files are opened.
        let map = unsafe { MmapOptions::new().len(bytes).map(file)? };
        Ok(Self { map: Some(Arc::new(map)) })
    }

    /// Returns the bytes; they keep the mapping alive.
    pub fn bytes(&self) -> Bytes {
        struct Owner(Arc<Mmap>);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        self.map.clone().map_or_else(Bytes::new, |map| Bytes::from_owner(Owner(map)))
    }

    /// Gives the memory of a range back to the system, which would else count it as ours until the file is closed.
    ///
    /// The bytes can still be used: they are fetched from the file again.
    pub fn forget(&self, range: Range<usize>) {
        #[cfg(target_os = "linux")]
        if let Some(map) = self.map.as_ref().filter(|map| range.start < range.end && range.end <= map.len()) {
            use memmap2::UncheckedAdvice::DontNeed;
            // SAFETY: the pages belong to a file and were never written to, so dropping them loses nothing; the next look
            // finds the file's bytes again. A refusal changes nothing, and is not worth an error.
            let _ = unsafe { map.unchecked_advise_range(DontNeed, range.start, range.len()) };
        }
        #[cfg(not(target_os = "linux"))]
        let _ = range;
    }
}

/// Maps a file for reading; the mapping lives as long as any slice of the returned bytes.
///
/// # Errors
/// As [`Mapping::of`].
pub fn map_file(file: &File) -> io::Result<Bytes> {
    Ok(Mapping::of(file)?.bytes())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_mapping_outlives_the_file_handle_and_being_forgotten() {
        let path = std::env::temp_dir().join(format!("vecdelta-map-{}", std::process::id()));
        let content: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        File::create(&path).unwrap().write_all(&content).unwrap();
        let mapping = Mapping::of(&File::open(&path).unwrap()).unwrap();
        let bytes = mapping.bytes();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(bytes, content);
        mapping.forget(0..content.len());
        mapping.forget(5_000..9_001);
        assert_eq!(bytes, content);
        drop(mapping);
        assert_eq!(bytes.slice(8..12), content[8..12]);
    }

    #[test]
    fn an_empty_file_has_no_bytes() {
        let path = std::env::temp_dir().join(format!("vecdelta-map-empty-{}", std::process::id()));
        File::create(&path).unwrap();
        assert!(map_file(&File::open(&path).unwrap()).unwrap().is_empty());
        std::fs::remove_file(&path).unwrap();
    }
}
