//! Planning: the same run over a copy of the repository that is thrown away.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::config::Pipeline;
use super::{Context, PipelineError, RunReport, run};
use crate::event::Event;
use crate::store::{Disk, LocalDisk, StoreError, disk_at, is_address, is_taken};
use crate::version::{Repository, VersionError, clone_into, new_origin};

/// What a run would do.
pub struct Forecast {
    /// The repository as it would be; it is in a temporary directory.
    pub repo: Repository,
    /// What the run would report.
    pub report: RunReport,
    /// How many deltas each route would take.
    pub routed: BTreeMap<String, u64>,
}

/// Runs a pipeline over a copy of its repository in `scratch`; the repository itself is not touched.
///
/// # Errors
/// Whatever the run would fail with, or when the copy cannot be made.
pub fn plan(pipeline: &Pipeline, scratch: &Path, context: &Context<'_>) -> Result<Forecast, PipelineError> {
    let copy = scratch.join("plan.vd");
    let store = &pipeline.settings.store;
    if store.to_str().is_some_and(is_address) {
        if is_taken(store).map_err(VersionError::from)? {
            let there = Repository::open(disk_at(store).map_err(VersionError::from)?)?;
            let disk: Arc<dyn Disk> = Arc::new(LocalDisk::new(&copy));
            clone_into(&there, &disk, *there.log().origin(), &mut |_| {})?;
        }
    } else if store.exists() {
        copy_dir(store, &copy).map_err(StoreError::io("copy", scratch.display().to_string()))?;
    }
    let origin = new_origin((context.now)(), 0);
    let mut repo = Repository::open_writer(Arc::new(LocalDisk::new(&copy)), Some(origin))?;
    let routed = Mutex::new(BTreeMap::new());
    let listener = |event: &Event| {
        if let Event::DeltaRouted { route, deltas } = event {
            *routed.lock().expect("no thread panics with it").entry(route.clone()).or_insert(0) += deltas;
        }
        (context.listener)(event);
    };
    let inner = Context {
        now: context.now,
        stop: context.stop,
        listener: &listener,
        author: context.author.clone(),
        resume: context.resume,
        live: super::Live { silent: true, ..context.live.clone() },
    };
    // What is on servers now, and no more.
    let mut pipeline = pipeline.clone();
    for server in pipeline.sources.iter_mut().filter_map(|source| source.server.as_mut()) {
        (server.follow, server.patience) = (false, Some(Duration::ZERO));
    }
    let report = run(&pipeline, &mut repo, &inner)?;
    let routed = routed.into_inner().expect("no thread panics with it");
    Ok(Forecast { repo, report, routed })
}

fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else if entry.file_name() != "lock" {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
