//! The list of places that were opened, in a small file of the user's.

use std::fs;
use std::path::PathBuf;

use crate::ask::Place;

/// How many places are kept.
const KEPT: usize = 10;

/// Returns the file, if the system says where such files belong.
fn file() -> Option<PathBuf> {
    let env = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let dir = env("XDG_STATE_HOME")
        .or_else(|| env("LOCALAPPDATA"))
        .or_else(|| env("HOME").map(|home| home.join(".local/state")))?;
    Some(dir.join("vecdelta").join("recent.json"))
}

/// Reads the list; a file that cannot be read is an empty list.
pub fn read() -> Vec<Place> {
    let bytes = file().and_then(|file| fs::read(file).ok()).unwrap_or_default();
    let places: Vec<String> = serde_json::from_slice(&bytes).unwrap_or_default();
    places.iter().take(KEPT).filter_map(|text| Place::parse(text)).collect()
}

/// Keeps the list; that it cannot be kept is no reason to stop.
pub fn keep(places: &[Place]) {
    let places: Vec<&str> = places.iter().filter_map(Place::text).collect();
    let (Some(file), Ok(bytes)) = (file(), serde_json::to_vec(&places)) else { return };
    if let Some(dir) = file.parent() {
        let _ = fs::create_dir_all(dir);
    }
    let beside = file.with_extension("new");
    if fs::write(&beside, bytes).is_ok() {
        let _ = fs::rename(beside, file);
    }
}
