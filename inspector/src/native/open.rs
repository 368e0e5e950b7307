//! Finding what a place stands for on this machine.

use std::path::Path;
use std::sync::Arc;

use vecdelta::store::{Bundle, Disk, LocalDisk, StoreError};
use vecdelta::version::VersionError;

use crate::ask::Place;
use crate::work::{Opener, demo};

/// Returns who finds repositories among the files of this machine.
pub fn opener() -> Opener {
    Box::new(|place| match place {
        Place::Demo => Ok((demo()?, false)),
        Place::Path(path) => Ok((disk(Path::new(path))?, false)),
        Place::Url(url) => Err(VersionError::Refused(format!(
            "{url} is an address on the web; this program opens files. Fetch it with `curl -O`, or open the address in a browser's inspector"
        ))),
        Place::File(_, name) => Err(VersionError::Refused(format!("{name} was given without its place"))),
    })
}

/// Returns what a repository is read from: a directory, or a file that is a bundle.
fn disk(path: &Path) -> Result<Arc<dyn Disk>, VersionError> {
    let (Some(name), true) = (path.file_name(), path.is_file()) else { return Ok(Arc::new(LocalDisk::new(path))) };
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shown = path.display().to_string();
    let file = LocalDisk::new(dir).open(&name.to_string_lossy(), false).map_err(StoreError::io("open", &shown))?;
    let bundle = Bundle::open(file, shown.clone())?;
    if bundle.is_thin() {
        let text = format!(
            "{shown} holds only what came after some commits, so it cannot be read by itself: `vecdelta pull REPO {shown}` takes it over"
        );
        return Err(VersionError::Refused(text));
    }
    Ok(Arc::new(bundle))
}
