//! A bundle of what came after a commit: a log of its own that begins where the history of that commit ends.

use super::offer::Sender;
use super::plan::ancestors;
use super::receive::check_rows;
use crate::store::{
    Action, Block, CommitRecord, Disk, FrameHeader, FrameKind, LogWriter, OperationRecord, Record, pack_thin,
};
use crate::version::error::Result;
use crate::version::repository::{CommitIndex, Repository};

/// Writes the commits that lie before no ancestor of `from`, and every branch and tag, into one file for whoever holds
/// `from` and all before it; returns how long the file is and how many commits are in it. `seen` is told how many
/// commits were written.
///
/// # Errors
/// When rows were collected that would have to travel, the history is damaged or the disk refuses; then there is no
/// file.
pub fn bundle_since(
    repo: &Repository,
    from: CommitIndex,
    disk: &dyn Disk,
    name: &str,
    seen: &mut dyn FnMut(u64),
) -> Result<(u64, u64)> {
    let heads: Vec<CommitIndex> = repo.branches().values().chain(repo.tags().values()).copied().collect();
    let (named, held) = (ancestors(repo, &heads), ancestors(repo, &[from]));
    let new: Vec<CommitIndex> = (0..repo.len()).filter(|&c| named[c] && !held[c]).collect();
    check_rows(&Sender::of(repo), &new)?;
    let bytes = pack_thin((disk, name), *repo.origin(), &mut |log| {
        for &commit in &new {
            write_commit(repo, commit, log)?;
            seen(1);
        }
        write_names(repo, log)
    })?;
    Ok((bytes, new.len() as u64))
}

fn write_commit(repo: &Repository, commit: CommitIndex, log: &mut LogWriter<'_>) -> Result<()> {
    let (record, place) = (repo.commit(commit)?, repo.entry(commit).place);
    for (i, block) in record.blocks.iter().enumerate() {
        let payload = repo.log().block(place, &record.blocks, i)?;
        let header = FrameHeader { kind: FrameKind::Block, len: payload.len() as u64, hash: block.hash };
        log.block(&Block { header, payload })?;
    }
    let link = log.link();
    Ok(log.record(&Record::Commit(CommitRecord { link, moves: None, ..record }))?)
}

fn write_names(repo: &Repository, log: &mut LogWriter<'_>) -> Result<()> {
    let time = repo.graph().time;
    let id = |c: &CommitIndex| Some(repo.entry(*c).id);
    let branches = repo.branches().iter().map(|(n, c)| Action::Branch { name: n.clone(), from: None, to: id(c) });
    let tags = repo.tags().iter().map(|(n, c)| Action::Tag { name: n.clone(), from: None, to: id(c) });
    for action in branches.chain(tags) {
        let record = OperationRecord { link: log.link(), time, author: String::new(), undoes: 0, action };
        log.record(&Record::Operation(record))?;
    }
    Ok(())
}
