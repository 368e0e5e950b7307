//! A driver without files and threads: epochs go through capture and a stage straight into a repository.

use std::sync::Arc;

use bytes::Bytes;
use vecdelta::capture::{Capture, CaptureError, CapturePolicy, Missing};
use vecdelta::delta::{Keys, RowBatch, Table};
use vecdelta::pipeline::PipelineError;
use vecdelta::store::{Disk, MemoryDisk};
use vecdelta::version::{CommitIndex, CommitInfo, Repository, Stage, discard_mirror, open_mirror, save_mirror, verify};

use super::oracle::{Collection, Tables};

/// The origin of the repositories that tests make.
pub const ORIGIN: [u8; 32] = [7; 32];

/// One collection of an epoch: rows that were looked at, and what becomes of those that were not.
#[derive(Clone, Debug)]
pub struct Epoch {
    pub table: Arc<Table>,
    pub rows: Vec<(String, Vec<u8>)>,
    pub missing: Missing,
    /// How many rows are captured at once.
    pub batch_rows: usize,
}

/// Opens for writing; makes the repository when there is none.
pub fn open(disk: &MemoryDisk) -> Result<Repository, PipelineError> {
    Ok(Repository::open_writer(Arc::new(disk.clone()), Some(ORIGIN))?)
}

/// Returns what `verify` finds wrong.
pub fn problems(disk: &MemoryDisk) -> Vec<String> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    match verify(&disk) {
        Ok(report) => report.problems.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// Commits epochs of several collections as one commit, as a pipeline does: a damaged mirror is made anew, once.
pub fn ingest(repo: &mut Repository, branch: &str, now: u64, epochs: &[Epoch]) -> Result<CommitIndex, PipelineError> {
    match attempt(repo, branch, now, epochs) {
        Err(PipelineError::Capture { error: CaptureError::Mirror, .. }) => {
            for epoch in epochs {
                discard_mirror(repo, branch, &epoch.table.collection)?;
            }
            attempt(repo, branch, now, epochs)
        }
        other => other,
    }
}

fn attempt(repo: &mut Repository, branch: &str, now: u64, epochs: &[Epoch]) -> Result<CommitIndex, PipelineError> {
    let info = CommitInfo {
        branch: branch.to_owned(),
        author: "test".to_owned(),
        message: format!("at {now}"),
        ..CommitInfo::default()
    };
    let failed = |error| PipelineError::Capture { file: "epoch".to_owned(), error };
    let mut mirrors = Vec::new();
    let staged = {
        let mut stage = Stage::begin(repo, &info, now)?;
        for epoch in epochs {
            let mirror = open_mirror(repo, branch, epoch.table.clone())?;
            let number = stage.add_collection(mirror.clone())?;
            let policy = CapturePolicy { missing: epoch.missing, ..CapturePolicy::default() };
            let mut capture = Capture::new(mirror.clone(), policy);
            for (i, rows) in epoch.rows.chunks(epoch.batch_rows.max(1)).enumerate() {
                let batch = RowBatch {
                    keys: Keys::from_texts(rows.iter().map(|(k, _)| k.as_str())),
                    rows: Bytes::from(rows.iter().flat_map(|(_, r)| r.clone()).collect::<Vec<u8>>()),
                    first_row: (i * epoch.batch_rows) as u64,
                    notes: vecdelta::delta::Notes::default(),
                };
                let captured = capture.step(&batch).map_err(failed)?;
                stage.count(captured.unchanged, captured.raw_bytes);
                captured.batches.into_iter().try_for_each(|batch| stage.add(number, batch))?;
            }
            for batch in capture.end_epoch().map_err(failed)? {
                stage.add(number, batch)?;
            }
            mirrors.push(mirror);
        }
        stage.finish(info)?
    };
    let commit = repo.take(staged)?;
    for mirror in &mirrors {
        // As in a pipeline: the commit counts without it.
        let _ = save_mirror(repo, branch, mirror);
    }
    Ok(commit)
}

/// Says what an epoch makes of the oracle's table.
pub fn apply(tables: &mut Tables, epochs: &[Epoch]) {
    for epoch in epochs {
        let Table { collection, element, dims } = &*epoch.table;
        let empty = || Collection { element: *element, dims: *dims, rows: Default::default() };
        let own = tables.entry(collection.clone()).or_insert_with(empty);
        if epoch.missing == Missing::Delete {
            own.rows.clear();
        }
        own.rows.extend(epoch.rows.iter().cloned());
    }
    tables.retain(|_, c| !c.rows.is_empty());
}

/// Returns somebody who does something at a time.
pub fn at(now_millis: u64) -> vecdelta::version::Actor {
    vecdelta::version::Actor { author: "test".to_owned(), now_millis }
}
