//! Places that need no system: the history that is built in.

use std::sync::Arc;

use vecdelta::store::{Disk, MemoryDisk};
use vecdelta::version::VersionError;

/// Makes the history that is built in, in memory.
///
/// # Errors
/// Never in practice: memory does not refuse.
pub fn demo() -> Result<Arc<dyn Disk>, VersionError> {
    let disk = Arc::new(MemoryDisk::default());
    vecdelta::demo::tell(disk.clone())?;
    Ok(disk)
}
