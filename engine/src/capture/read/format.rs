//! Which format a file has: by its first bytes, and by its name where those say nothing.

use std::path::Path;

use super::error::Fault;
use super::safetensors;

/// A format of table files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Parquet,
    ArrowFile,
    ArrowStream,
    Npy,
    Fvecs,
    Bvecs,
    SafeTensors,
    JsonLines,
}

impl Format {
    /// Returns the format's name; layouts of one format share it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::ArrowFile | Self::ArrowStream => "arrow",
            Self::Npy => "npy",
            Self::Fvecs | Self::Bvecs => "fvecs",
            Self::SafeTensors => "safetensors",
            Self::JsonLines => "jsonl",
        }
    }

    /// Checks that the format is the one that a caller expects, if any.
    pub(super) fn expect(self, name: Option<&str>) -> Result<Self, Fault> {
        match name.filter(|name| *name != self.name()) {
            Some(name) => {
                let have = self.name();
                let fault = Fault::data(format!("this is `{have}`, but the `kind` of its source is `{name}`"));
                Err(fault.help(format!("set `kind = \"{have}\"`, or `files` for any format")))
            }
            None => Ok(self),
        }
    }
}

/// Returns the format of a file.
pub(super) fn detect(path: &Path, file: &[u8]) -> Result<Format, Fault> {
    by_content(file).or_else(|| by_name(path)).or_else(|| by_first_character(file)).ok_or_else(unknown)
}

fn by_content(file: &[u8]) -> Option<Format> {
    match file {
        [b'P', b'A', b'R', b'1', ..] => Some(Format::Parquet),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Some(Format::ArrowFile),
        [0xFF, 0xFF, 0xFF, 0xFF, ..] => Some(Format::ArrowStream),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(Format::Npy),
        _ if safetensors::looks_like(file) => Some(Format::SafeTensors),
        _ => None,
    }
}

fn by_name(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "parquet" | "pq" => Some(Format::Parquet),
        "arrow" | "feather" | "ipc" => Some(Format::ArrowFile),
        "arrows" => Some(Format::ArrowStream),
        "npy" => Some(Format::Npy),
        "fvecs" => Some(Format::Fvecs),
        "bvecs" => Some(Format::Bvecs),
        "safetensors" => Some(Format::SafeTensors),
        "jsonl" | "ndjson" | "json" => Some(Format::JsonLines),
        _ => None,
    }
}

/// Returns JSON lines for text that begins an object; asked last, because so little says so.
fn by_first_character(file: &[u8]) -> Option<Format> {
    let first = file.iter().find(|byte| !byte.is_ascii_whitespace());
    (first == Some(&b'{')).then_some(Format::JsonLines)
}

fn unknown() -> Fault {
    Fault::data("neither the first bytes nor the name tell the format")
        .help("give it the extension of its format: parquet, arrow, arrows, npy, fvecs, bvecs, safetensors or jsonl")
}
