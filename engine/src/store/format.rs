//! The format of a repository: one number in front of its head, its segments and its bundles, and which program wrote it.
//!
//! Whatever else changes from one format to the next, these stay: where the number stands, where the hash stands
//! that covers it, and where the version stands. So every program can tell a file of another format from a damaged one.

use super::error::StoreError;

/// The format that this program reads and writes.
pub const FORMAT: u32 = 4;

/// The version of this program, in ASCII, with zeros behind it.
pub const VERSION: [u8; 8] = version(env!("CARGO_PKG_VERSION"));

const fn version(text: &str) -> [u8; 8] {
    let (text, mut out, mut i) = (text.as_bytes(), [0; 8], 0);
    while i < text.len() && i < out.len() {
        out[i] = text[i];
        i += 1;
    }
    out
}

/// Returns the first eight bytes of a file of this format: its name, and the number behind it in decimal digits.
pub const fn magic(name: &str) -> [u8; 8] {
    let (name, mut out, mut number, mut i) = (name.as_bytes(), [b'0'; 8], FORMAT, 8);
    while i > name.len() {
        i -= 1;
        out[i] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    while i > 0 {
        i -= 1;
        out[i] = name[i];
    }
    out
}

/// Returns the number of the format that a file's first eight bytes name, when it is another one than this program's.
pub fn other_format(bytes: &[u8], name: &str) -> Option<u32> {
    let digits = bytes.get(..8)?.strip_prefix(name.as_bytes())?;
    let number = digits.iter().try_fold(0, |n, d| d.is_ascii_digit().then(|| n * 10 + u32::from(d - b'0')))?;
    (number != FORMAT).then_some(number)
}

/// Makes the error for a file of another format, whose hash tells that it is whole.
pub fn refuse(path: impl Into<String>, format: u32, version: &[u8]) -> StoreError {
    let len = version.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b".-+".contains(b);
    let mut by = String::new();
    if len > 0 && version[..len].iter().all(plain) {
        by.push(' ');
        version[..len].iter().for_each(|b| by.push(char::from(*b)));
    }
    StoreError::OtherFormat { path: path.into(), format, by }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_behind_the_name_tells_the_format() {
        assert_eq!(&magic("VDHEAD"), format!("VDHEAD{FORMAT:02}").as_bytes());
        assert_eq!(&magic("VDLOG"), format!("VDLOG{FORMAT:03}").as_bytes());
        assert_eq!(other_format(&magic("VDLOG"), "VDLOG"), None);
        assert_eq!(other_format(b"VDHEAD01 and more", "VDHEAD"), Some(1));
        assert_eq!(other_format(b"VDHEAD93", "VDHEAD"), Some(93));
        for no in ["VDHEAD0x", "VDHEAD", "VDLOG001", ""] {
            assert_eq!(other_format(no.as_bytes(), "VDHEAD"), None);
        }
        let said = |version: &[u8]| refuse("t.vd/head", FORMAT + 1, version).to_string();
        assert!(said(b"1.12.0\0\0").contains("vecdelta 1.12.0 "), "{}", said(b"1.12.0\0\0"));
        assert!(said(&[0; 8]).contains("vecdelta "), "{}", said(&[0; 8]));
        assert!(!said(b"\x1b[31m\0\0\0").contains('\x1b'));
    }
}
