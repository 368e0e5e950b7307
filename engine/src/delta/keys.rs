//! Many keys in two buffers.

use bytes::Bytes;

/// A list of keys: their bytes one after another, and where each ends.
///
/// The bytes may be shared with the file they were read from.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    bytes: Bytes,
    /// `len + 1` offsets into `bytes`.
    offsets: Vec<u32>,
}

impl Keys {
    /// Joins keys to a list.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut bytes = Vec::new();
        let mut offsets = vec![0];
        for text in texts {
            bytes.extend_from_slice(text.as_bytes());
            offsets.push(u32::try_from(bytes.len()).expect("a batch of keys stays under 4 GiB"));
        }
        Self { bytes: bytes.into(), offsets }
    }

    /// Takes over shared bytes; returns `None` unless the offsets rise within the bytes and cut them into UTF-8 texts.
    pub fn from_parts(bytes: Bytes, offsets: Vec<u32>) -> Option<Self> {
        let text = std::str::from_utf8(&bytes).ok()?;
        let rising = offsets.windows(2).all(|w| w[0] <= w[1]);
        let cut = offsets.iter().all(|&o| text.is_char_boundary(o as usize));
        (rising && cut && !offsets.is_empty()).then_some(Self { bytes, offsets })
    }

    /// Returns how many keys there are.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns key `i`.
    ///
    /// # Panics
    /// If `i` is out of bounds.
    pub fn get(&self, i: usize) -> &str {
        let range = self.offsets[i] as usize..self.offsets[i + 1] as usize;
        std::str::from_utf8(&self.bytes[range]).expect("checked when the list was made")
    }

    /// Returns some of the keys; the bytes stay shared.
    ///
    /// # Panics
    /// If the range is out of bounds.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Self {
        Self { bytes: self.bytes.clone(), offsets: self.offsets[range.start..=range.end].to_vec() }
    }

    /// Goes over the keys in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|i| self.get(i))
    }
}
