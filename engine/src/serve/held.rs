//! A repository that is held open, as it is now: whole commits only, and those that other processes make as well.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::store::{Bundle, Disk, DiskFile, SegmentHashes, log_start};
use crate::version::{Repository, Result, live_bundle};

/// How many bundles of earlier heads can still be read by whoever has begun to.
const BUNDLES: usize = 4;

/// Origin, first segment and number of transactions: what changes when anything does.
type Start = ([u8; 32], u32, u64);

/// A repository that is read again when its head has moved.
pub struct Held {
    disk: Arc<dyn Disk>,
    open: Mutex<Option<(Option<Start>, Arc<Repository>)>>,
    bundles: Mutex<Bundles>,
    /// The bundle that the repository is in, if it is in one.
    file: Option<HeldBundle>,
}

/// What was handed out, and what the next one can go on from.
#[derive(Default)]
struct Bundles {
    hashes: SegmentHashes,
    /// The newest last.
    held: VecDeque<(Start, HeldBundle)>,
}

/// A bundle that is read by ranges.
#[derive(Clone)]
pub struct HeldBundle {
    /// Its bytes.
    pub file: Arc<dyn DiskFile>,
    /// How long it is.
    pub len: u64,
    /// What tells it from every other one.
    pub tag: String,
}

impl HeldBundle {
    fn new(file: Arc<dyn DiskFile>, len: u64, hash: &[u8; 32]) -> Self {
        Self { file, len, tag: crate::delta::hex(&hash[..16]) }
    }
}

impl Held {
    /// Holds the repository on a disk.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, open: Mutex::default(), bundles: Mutex::default(), file: None }
    }

    /// Holds the repository in a bundle.
    pub fn bundle(bundle: Bundle) -> Self {
        let (file, len, hash) = bundle.whole();
        let file = HeldBundle::new(file, len, &hash);
        Self { disk: Arc::new(bundle), open: Mutex::default(), bundles: Mutex::default(), file: Some(file) }
    }

    /// Returns whether nothing can be written into it.
    pub fn is_bundle(&self) -> bool {
        self.file.is_some()
    }

    /// Returns the disk below.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Returns the repository as it is reported now.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn now(&self) -> Result<Arc<Repository>> {
        self.open().map(|(repo, _)| repo)
    }

    fn open(&self) -> Result<(Arc<Repository>, Option<Start>)> {
        let mut open = self.open.lock().expect("no thread panics with it");
        // A bundle never changes, so one look at it is enough. A head that is being written has no start for a moment.
        let start = match (&*open, &self.file) {
            (Some((start, _)), Some(_)) => *start,
            _ => log_start(self.disk.as_ref())?,
        };
        if let Some((known, repo)) = &*open
            && start.is_some()
            && *known == start
        {
            return Ok((repo.clone(), start));
        }
        let repo = Arc::new(Repository::open(self.disk.clone())?);
        // Between the look at the head and the opening there may have been another commit: then it is opened again.
        *open = Some((start, repo.clone()));
        Ok((repo, start))
    }

    /// Returns the repository as it is reported now, as a bundle.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn bundle_now(&self) -> Result<HeldBundle> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        // One at a time: the second one finds what the first one has made.
        let mut bundles = self.bundles.lock().expect("no thread panics with it");
        let (repo, start) = self.open()?;
        if let Some((known, bundle)) = bundles.held.back()
            && Some(*known) == start
        {
            return Ok(bundle.clone());
        }
        let pack = live_bundle(&repo, &mut bundles.hashes)?;
        let (len, hash) = (DiskFile::len(&pack).unwrap_or(0), *pack.hash());
        let bundle = HeldBundle::new(Arc::new(pack), len, &hash);
        if let Some(start) = start {
            bundles.held.retain(|(_, held)| held.tag != bundle.tag);
            bundles.held.push_back((start, bundle.clone()));
            while bundles.held.len() > BUNDLES {
                bundles.held.pop_front();
            }
        }
        Ok(bundle)
    }

    /// Returns a bundle that was handed out, as long as it is held.
    pub fn bundle_of(&self, tag: &str) -> Option<HeldBundle> {
        let bundles = self.bundles.lock().expect("no thread panics with it");
        let mut own = self.file.iter().chain(bundles.held.iter().map(|(_, bundle)| bundle));
        own.rfind(|bundle| bundle.tag == tag).cloned()
    }
}
