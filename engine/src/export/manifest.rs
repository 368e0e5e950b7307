//! What must be in an export directory: `manifest.json`, with a BLAKE3 sum of every file.
//!
//! ```text
//! { "format": "vecdelta-export-1",
//!   "files": [ { "path": "docs-00000.parquet", "bytes": 1234, "blake3": HEX }, ... ],
//!   ... what the caller adds ...,
//!   "manifest_blake3": HEX }        the sum of this file itself, with 64 zeros in this place
//! ```

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};

use super::ExportError;
use super::pending::Pending;

/// The name of the manifest in its directory.
pub const MANIFEST: &str = "manifest.json";

const FORMAT: &str = "vecdelta-export-1";
const SELF: &str = "manifest_blake3";
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A file that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its path, relative to the directory.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its BLAKE3 sum in hex.
    pub blake3: String,
}

impl Listed {
    /// Reads a file of a directory and sums it up.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(directory: &Path, file: &Path) -> Result<Self, ExportError> {
        let relative = file.strip_prefix(directory).unwrap_or(file);
        let path = directory.join(relative);
        let (bytes, blake3) = sum(&path).map_err(|error| ExportError::io(&path, error))?;
        Ok(Self { path: slashed(relative), bytes, blake3 })
    }

    /// Reads an entry of a manifest.
    pub fn from_json(entry: &Value) -> Option<Self> {
        let text = |name: &str| entry[name].as_str().map(str::to_owned);
        Some(Self { path: text("path")?, bytes: entry["bytes"].as_u64()?, blake3: text("blake3")? })
    }
}

/// Something in an export directory that is not as its manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, relative to the directory.
    pub path: String,
    /// Where in the file, if that is known.
    pub offset: Option<u64>,
    /// What is wrong.
    pub problem: String,
}

impl Problem {
    fn new(path: &str, problem: impl Into<String>) -> Self {
        Self { path: path.to_owned(), offset: None, problem: problem.into() }
    }
}

/// Writes the manifest of `files`, which lie in `directory`; `extra` may add any key but those of the format.
///
/// # Errors
/// When a file cannot be read or the manifest not be written.
pub fn write_manifest(directory: &Path, files: &[PathBuf], extra: Map<String, Value>) -> Result<PathBuf, ExportError> {
    let listed = files.iter().map(|file| Listed::of(directory, file)).collect::<Result<Vec<_>, _>>()?;
    write_manifest_of(directory, &listed, extra)
}

/// Writes the manifest of files whose sums are known.
///
/// # Errors
/// When the manifest cannot be written.
pub fn write_manifest_of(
    directory: &Path,
    files: &[Listed],
    extra: Map<String, Value>,
) -> Result<PathBuf, ExportError> {
    let entries = files.iter().map(|f| json!({"path": f.path, "bytes": f.bytes, "blake3": f.blake3})).collect();
    let mut manifest = extra;
    manifest.insert("format".to_owned(), json!(FORMAT));
    manifest.insert("files".to_owned(), Value::Array(entries));
    manifest.insert(SELF.to_owned(), json!(ZEROS));
    let path = directory.join(MANIFEST);
    let text = format!("{:#}\n", Value::Object(manifest));
    let sealed = text.replacen(&self_entry(ZEROS), &self_entry(&blake3::hash(text.as_bytes()).to_hex()), 1);
    let mut file = Pending::create(&path)?;
    file.write_all(sealed.as_bytes()).map_err(|error| ExportError::io(&path, error))?;
    file.finish()?;
    Ok(path)
}

/// Compares a directory with its manifest; no problems means that every byte is as it was written.
///
/// # Errors
/// When the directory or a file in it cannot be read; a manifest that is not there is a problem, not an error.
pub fn check_manifest(directory: &Path) -> Result<Vec<Problem>, ExportError> {
    let path = directory.join(MANIFEST);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && directory.is_dir() => {
            return Ok(vec![Problem::new(MANIFEST, "the manifest is missing")]);
        }
        Err(error) => return Err(ExportError::io(&path, error)),
    };
    let files = match parse(&text) {
        Ok(files) => files,
        Err(problem) => return Ok(vec![Problem::new(MANIFEST, problem)]),
    };
    let mut problems = Vec::new();
    let mut known = BTreeSet::from([MANIFEST.to_owned()]);
    for file in files {
        problems.extend(check_file(directory, &file)?);
        known.insert(file.path);
    }
    let present = list(directory, directory).map_err(|error| ExportError::io(directory, error))?;
    let extra = present.into_iter().filter(|path| !known.contains(path));
    problems.extend(extra.map(|path| Problem::new(&path, "the file is not in the manifest")));
    Ok(problems)
}

struct Entry {
    path: String,
    bytes: u64,
    blake3: String,
}

/// Returns the files of a manifest, if it is whole.
fn parse(text: &[u8]) -> Result<Vec<Entry>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "the manifest is not text")?;
    let manifest: Value = serde_json::from_str(text).map_err(|error| format!("the manifest is damaged: {error}"))?;
    if manifest["format"] != FORMAT {
        return Err(format!("the manifest is not of the format {FORMAT}"));
    }
    let sum = manifest[SELF].as_str().ok_or("the manifest has no sum of itself")?;
    let unsealed = text.replacen(&self_entry(sum), &self_entry(ZEROS), 1);
    if blake3::hash(unsealed.as_bytes()).to_hex().as_str() != sum {
        return Err("the manifest was changed after it was written".to_owned());
    }
    let files = manifest["files"].as_array().ok_or("the manifest lists no files")?;
    files.iter().map(|file| entry(file).ok_or_else(|| format!("the manifest has the bad entry {file}"))).collect()
}

fn entry(file: &Value) -> Option<Entry> {
    let path = file["path"].as_str()?;
    // A manifest names files of its own directory; nothing else is opened because of it.
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    (inside && !path.is_empty()).then_some(Entry {
        path: path.to_owned(),
        bytes: file["bytes"].as_u64()?,
        blake3: file["blake3"].as_str()?.to_owned(),
    })
}

fn check_file(directory: &Path, entry: &Entry) -> Result<Option<Problem>, ExportError> {
    let path = directory.join(&entry.path);
    let problem = |text: String| Some(Problem::new(&entry.path, text));
    let (bytes, sum) = match sum(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(problem("the file is missing".to_owned())),
        Err(error) => return Err(ExportError::io(&path, error)),
    };
    if bytes != entry.bytes {
        return Ok(Some(Problem {
            offset: Some(bytes.min(entry.bytes)),
            ..Problem::new(&entry.path, format!("the file has {bytes} bytes, the manifest says {}", entry.bytes))
        }));
    }
    Ok(match sum == entry.blake3 {
        true => None,
        false => problem("the content was changed after it was written".to_owned()),
    })
}

/// Returns the length and the BLAKE3 sum of a file.
fn sum(path: &Path) -> io::Result<(u64, String)> {
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut io::BufReader::with_capacity(1 << 18, File::open(path)?), &mut hasher)?;
    Ok((hasher.count(), hasher.finalize().to_hex().to_string()))
}

/// Lists the files of a directory, those of folders in it too, relative to `root`.
fn list(directory: &Path, root: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => files.extend(list(&entry.path(), root)?),
            false => files.push(slashed(entry.path().strip_prefix(root).unwrap_or(&entry.path()))),
        }
    }
    files.sort();
    Ok(files)
}

fn slashed(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn self_entry(sum: &str) -> String {
    format!("\"{SELF}\": \"{sum}\"")
}
