//! Finding what a place stands for: files of this machine, and bundles on servers.

use std::path::Path;
use std::sync::Arc;

use vecdelta::serve::open_bundle;
use vecdelta::store::{Bundle, Disk, LocalDisk, StoreError};
use vecdelta::version::VersionError;

use crate::ask::Place;
use crate::work::{Opener, Writer, demo};

/// Returns who finds repositories for this machine's user.
pub fn opener() -> Opener {
    Box::new(|place| match place {
        Place::Demo => Ok((demo()?, false)),
        Place::Path(path) => Ok((disk(Path::new(path))?, false)),
        Place::Url(url) => Ok((served(url)?, true)),
        Place::File(_, name) => Err(VersionError::Refused(format!("{name} was given without its place"))),
    })
}

/// Returns who finds where merges are written: only directories are.
pub fn writer() -> Writer {
    Box::new(|place| match place {
        Place::Path(path) if Path::new(path).is_dir() => {
            Some((Arc::new(LocalDisk::new(path)) as Arc<dyn Disk>, vecdelta::cli::actor()))
        }
        _ => None,
    })
}

/// Returns what a repository is read from: a directory, or a file that is a bundle.
fn disk(path: &Path) -> Result<Arc<dyn Disk>, VersionError> {
    let (Some(name), true) = (path.file_name(), path.is_file()) else { return Ok(Arc::new(LocalDisk::new(path))) };
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shown = path.display().to_string();
    let file = LocalDisk::new(dir).open(&name.to_string_lossy(), false).map_err(StoreError::io("open", &shown))?;
    whole(Bundle::open(file, shown.clone())?, &shown)
}

/// Returns a bundle on a server, or the repository that it serves; both are read by ranges.
fn served(url: &str) -> Result<Arc<dyn Disk>, VersionError> {
    // Somebody named this place, so that its server may have the token, as with the command line.
    let token = std::env::var("VECDELTA_TOKEN").ok().filter(|token| !token.is_empty());
    let bundle = open_bundle(url, token).map_err(|failure| {
        let hint = failure.hint.map_or_else(String::new, |hint| format!("; {hint}"));
        VersionError::Refused(format!("{}{hint}", failure.message))
    })?;
    whole(bundle, url)
}

fn whole(bundle: Bundle, shown: &str) -> Result<Arc<dyn Disk>, VersionError> {
    if bundle.is_thin() {
        let text = format!(
            "{shown} holds only what came after some commits, so it cannot be read by itself: `vecdelta pull REPO {shown}` takes it over"
        );
        return Err(VersionError::Refused(text));
    }
    Ok(Arc::new(bundle))
}
