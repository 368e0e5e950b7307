//! The check of every byte that the store wrote: head, segments, frames, and nothing else beside them.

use super::disk::Disk;
use super::error::{Damage, Result, StoreError};
use super::frame::FrameHeader;
use super::head::{self, HEAD, Head};
use super::recovery;
use super::segment::{self, SEGMENT_HEADER, Scanner, Segment};
use super::{JOURNALS, cursors::CURSORS, letters::LETTERS, wal::WAL};

/// Reads all that was reported and compares it with its hashes; returns the bytes read and what is wrong.
///
/// What lies behind the head in the last segment was never reported: a crash may have left it there.
///
/// # Errors
/// When there is no repository or the disk refuses.
pub fn check_files(disk: &dyn Disk) -> Result<(u64, Vec<Damage>)> {
    let mut problems = Vec::new();
    let Some(slots) = head::read(disk)? else {
        // `Log::open` tells a lost head from a place without a repository.
        return Ok((0, problems));
    };
    let mut note = |offset: Option<u64>, problem: &str| {
        problems.push(Damage { path: disk.display(HEAD), offset, commit: None, problem: problem.to_owned() });
    };
    for offset in slots.damaged() {
        note(Some(offset), "the slot does not match its hash; the next writer restores it from the log");
    }
    if slots.odd_size {
        note(None, "the file has another size than it was written with");
    }
    let mut bytes = 0;
    if let Some(head) = slots.newest() {
        for number in head.first..=head.segment {
            bytes += check_segment(disk, number, &head, &mut problems)?;
            if disk.len(&segment::path(number)).map_err(StoreError::io("look at", disk.display("log")))?.is_none() {
                // One that is missing is enough to tell: a damaged head may name billions.
                break;
            }
        }
        check_names(disk, &head, &mut problems)?;
        for kind in [WAL, CURSORS, LETTERS] {
            super::journal::check(disk, &kind, &mut problems)?;
        }
        if let Some(problem) = recovery::older_than_log(disk, &head)?
            && head::read(disk)?.and_then(|s| s.newest()) == Some(head)
        {
            problems.push(problem);
        }
    }
    Ok((bytes, problems))
}

fn check_segment(disk: &dyn Disk, number: u32, head: &Head, problems: &mut Vec<Damage>) -> Result<u64> {
    let segment = match Segment::open(disk, number, head.first, &head.origin, false) {
        Ok(segment) => segment,
        Err(StoreError::Corrupt(damage)) => {
            problems.push(*damage);
            return Ok(0);
        }
        Err(e) => return Err(e),
    };
    let len = segment.len()?;
    let end = if number == head.segment { head.length } else { len };
    if len < end {
        problems.push(Damage {
            path: segment.display.clone(),
            offset: Some(len),
            commit: None,
            problem: format!("{} bytes are missing at the end", end - len),
        });
    }
    let mut scanner = Scanner::new(&segment, SEGMENT_HEADER as u64, end.min(len));
    while scanner.offset < scanner.end {
        let header: FrameHeader = match scanner.header() {
            Ok(header) => header,
            Err(StoreError::Corrupt(damage)) => {
                // Without its length, where the next frame begins is not known.
                problems.push(*damage);
                break;
            }
            Err(e) => return Err(e),
        };
        match scanner.payload(&header) {
            Ok(_) => {}
            Err(StoreError::Corrupt(damage)) => problems.push(*damage),
            Err(e) => return Err(e),
        }
        scanner.skip(&header);
    }
    Ok(scanner.offset.min(len))
}

/// Notes files that the store did not write.
fn check_names(disk: &dyn Disk, head: &Head, problems: &mut Vec<Damage>) -> Result<()> {
    let list = |dir: &str| disk.list(dir).map_err(StoreError::io("list", disk.display(dir)));
    // A segment behind the last one may have been begun by a writer that was then killed; those of a log before or
    // after `gc` may be left when it was. The next writer removes them.
    let known = |path: &String| {
        let (first, next) = (head.first, head.segment.saturating_add(1));
        let left = |n| segment::is_left_over(disk, n, first, &head.origin);
        segment::number(path).is_some_and(|n| (first..=next).contains(&n) || left(n))
    };
    let stray = list("log")?.into_iter().map(|n| format!("log/{n}")).filter(|p| !known(p));
    let known = |n: &&str| ["cache", "log", HEAD, "head.new"].contains(n) || JOURNALS.contains(n);
    let top = list("")?.into_iter().filter(|n| !known(&n.as_str()));
    for path in stray.chain(top) {
        problems.push(Damage {
            path: disk.display(&path),
            offset: None,
            commit: None,
            problem: "the file does not belong to the repository".to_owned(),
        });
    }
    Ok(())
}
