//! A disk in memory that separates what was written from what is durable, so that crashes can be simulated.
//!
//! It records every operation. [`MemoryDisk::crash`] rebuilds what a machine may find after the power failed at any
//! point of that record: the model of cberner/redb's crash tests, with renames and directory entries added.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::disk::{Disk, DiskFile};
use super::segment::SEGMENT_BYTES;

/// A disk in memory; clones share it.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, usize>,
    contents: Vec<Vec<u8>>,
    trace: Vec<Op>,
    record: bool,
    locked: Vec<String>,
    fault: Option<Fault>,
    calls: u64,
    segment_bytes: Option<u64>,
}

/// A failure to inject: the call counted from 0 at which it happens, and what it looks like.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The number of the failing call, among writes, syncs, renames, removals and openings for writing.
    pub at: u64,
    /// What the caller sees.
    pub kind: FaultKind,
}

/// What a failing call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// An I/O error; nothing is done.
    Io,
    /// The disk is full; half of a write is done.
    Full,
}

#[derive(Clone, Debug)]
enum Op {
    Create(String, usize),
    Write(usize, u64, Vec<u8>),
    SetLen(usize, u64),
    Sync(usize),
    Rename(String, String),
    Remove(String),
    SyncDir(String),
}

/// What becomes of the operations that were not yet durable when the power failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// None of them reached the disk.
    Lost,
    /// All of them did.
    Kept,
    /// All but the n-th newest did.
    Without(usize),
    /// All did, but the newest write only in its first bytes, a multiple of 512.
    Torn(usize),
    /// Data reached the disk, names did not.
    NamesLost,
}

impl MemoryDisk {
    /// Makes an empty disk that records what is done to it.
    pub fn recording() -> Self {
        let disk = Self::default();
        disk.state().record = true;
        disk
    }

    /// Makes the segments of the log this short.
    #[must_use]
    pub fn with_segments_of(self, bytes: u64) -> Self {
        self.state().segment_bytes = Some(bytes);
        self
    }

    /// Arranges for one call to fail; `None` ends it.
    pub fn fail(&self, fault: Option<Fault>) {
        let mut state = self.state();
        state.fault = fault;
        state.calls = 0;
    }

    /// Returns how many calls that can fail were made since [`fail`](Self::fail) was last called.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Returns how many operations are on record.
    pub fn operations(&self) -> usize {
        self.state().trace.len()
    }

    /// Returns how many of the first `n` recorded operations were not durable then.
    pub fn pending(&self, n: usize) -> usize {
        let state = self.state();
        let kept = survivors(&state.trace[..n.min(state.trace.len())], Pending::Lost);
        kept.iter().filter(|k| matches!(k, Keep::No)).count()
    }

    /// Returns the disk as it may be found when the power failed after the first `n` recorded operations.
    pub fn crash(&self, n: usize, pending: Pending) -> Self {
        let state = self.state();
        let trace = &state.trace[..n.min(state.trace.len())];
        let kept = survivors(trace, pending);
        let image = Self::default();
        {
            let mut new = image.state();
            new.contents = vec![Vec::new(); state.contents.len()];
            new.segment_bytes = state.segment_bytes;
            for (op, keep) in trace.iter().zip(kept) {
                match keep {
                    Keep::Yes => replay(&mut new, op, usize::MAX),
                    Keep::First(bytes) => replay(&mut new, op, bytes),
                    Keep::No => {}
                }
            }
            new.record = true;
            // What survived is the durable beginning of the image's own record.
            let files: Vec<_> = new.files.iter().map(|(p, &i)| (p.clone(), i)).collect();
            files.into_iter().for_each(|(path, inode)| new.log_durable(&path, inode));
        }
        image
    }

    /// Returns the bytes of every file, for comparisons and deliberate damage.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        state.files.iter().map(|(p, &i)| (p.clone(), state.contents[i].clone())).collect()
    }

    /// Replaces or adds a file behind the store's back; it is durable at once.
    pub fn put(&self, path: &str, data: Vec<u8>) {
        let mut state = self.state();
        let inode = state.inode(path);
        state.contents[inode] = data;
        if state.record {
            state.log_durable(path, inode);
        }
    }

    /// Removes a file behind the store's back; it is gone for good at once.
    pub fn take(&self, path: &str) {
        let mut state = self.state();
        state.files.remove(path);
        state.log(Op::Remove(path.to_owned()));
        state.log(Op::SyncDir(parent(path).to_owned()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds the disk")
    }
}

#[derive(Clone, Copy)]
enum Keep {
    Yes,
    No,
    First(usize),
}

/// Decides for each operation whether it survives: those followed by their sync always do.
fn survivors(trace: &[Op], pending: Pending) -> Vec<Keep> {
    let mut durable = vec![false; trace.len()];
    for (i, op) in trace.iter().enumerate() {
        match op {
            Op::Sync(inode) => {
                for (d, earlier) in durable.iter_mut().zip(&trace[..i]) {
                    *d |= matches!(earlier, Op::Write(f, ..) | Op::SetLen(f, _) if f == inode);
                }
                durable[i] = true;
            }
            Op::SyncDir(dir) => {
                let within = |p: &str| parent(p) == dir;
                for (d, earlier) in durable.iter_mut().zip(&trace[..i]) {
                    *d |= match earlier {
                        Op::Create(p, _) | Op::Remove(p) | Op::Rename(_, p) => within(p),
                        _ => false,
                    };
                }
                durable[i] = true;
            }
            _ => {}
        }
    }
    let open: Vec<usize> = (0..trace.len()).rev().filter(|&i| !durable[i]).collect();
    let newest_write = open.iter().copied().find(|&i| matches!(trace[i], Op::Write(..)));
    (0..trace.len())
        .map(|i| match pending {
            _ if durable[i] => Keep::Yes,
            Pending::Lost => Keep::No,
            Pending::Kept => Keep::Yes,
            Pending::Without(k) => match open.get(k) {
                Some(&missing) if missing == i => Keep::No,
                _ => Keep::Yes,
            },
            Pending::Torn(bytes) if newest_write == Some(i) => Keep::First(bytes / 512 * 512),
            Pending::Torn(_) => Keep::Yes,
            Pending::NamesLost => match trace[i] {
                Op::Write(..) | Op::SetLen(..) => Keep::Yes,
                _ => Keep::No,
            },
        })
        .collect()
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

fn replay(state: &mut State, op: &Op, bytes: usize) {
    match op {
        Op::Create(path, inode) => {
            state.files.insert(path.clone(), *inode);
        }
        Op::Write(inode, offset, data) => {
            let data = &data[..bytes.min(data.len())];
            write(&mut state.contents[*inode], data, *offset);
        }
        Op::SetLen(inode, len) => state.contents[*inode].resize(*len as usize, 0),
        Op::Rename(from, to) => {
            if let Some(inode) = state.files.remove(from) {
                state.files.insert(to.clone(), inode);
            }
        }
        Op::Remove(path) => {
            state.files.remove(path);
        }
        Op::Sync(_) | Op::SyncDir(_) => {}
    }
}

fn write(content: &mut Vec<u8>, data: &[u8], offset: u64) {
    let (start, end) = (offset as usize, offset as usize + data.len());
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(data);
}

impl State {
    fn inode(&mut self, path: &str) -> usize {
        if let Some(&inode) = self.files.get(path) {
            return inode;
        }
        let inode = self.contents.len();
        self.contents.push(Vec::new());
        self.files.insert(path.to_owned(), inode);
        self.log(Op::Create(path.to_owned(), inode));
        inode
    }

    /// Records a file as it is now, durable.
    fn log_durable(&mut self, path: &str, inode: usize) {
        let data = self.contents[inode].clone();
        self.trace.extend([
            Op::Create(path.to_owned(), inode),
            Op::SetLen(inode, 0),
            Op::Write(inode, 0, data),
            Op::Sync(inode),
            Op::SyncDir(parent(path).to_owned()),
        ]);
    }

    fn log(&mut self, op: Op) {
        if self.record {
            self.trace.push(op);
        }
    }

    /// Counts a call that can fail; returns the failure that was arranged for it.
    fn step(&mut self) -> Result<(), FaultKind> {
        let call = self.calls;
        self.calls += 1;
        match self.fault {
            Some(f) if f.at == call => Err(f.kind),
            _ => Ok(()),
        }
    }
}

fn error(kind: FaultKind) -> io::Error {
    match kind {
        FaultKind::Io => io::Error::other("injected I/O error"),
        FaultKind::Full => io::Error::new(io::ErrorKind::StorageFull, "injected: no space left"),
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &str, write: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        let inode = if write {
            state.step().map_err(error)?;
            state.inode(path)
        } else {
            *state.files.get(path).ok_or(io::ErrorKind::NotFound)?
        };
        Ok(Box::new(MemoryFile { disk: self.clone(), inode }))
    }

    fn len(&self, path: &str) -> io::Result<Option<u64>> {
        let state = self.state();
        Ok(state.files.get(path).map(|&i| state.contents[i].len() as u64))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let prefix = if dir.is_empty() { String::new() } else { format!("{dir}/") };
        let state = self.state();
        let mut names: Vec<String> = state
            .files
            .keys()
            .filter_map(|p| p.strip_prefix(&prefix))
            .map(|rest| rest.split('/').next().unwrap_or_default().to_owned())
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn create_dir(&self, _dir: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step().map_err(error)?;
        state.log(Op::SyncDir(dir.to_owned()));
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step().map_err(error)?;
        let inode = state.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.files.insert(to.to_owned(), inode);
        state.log(Op::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step().map_err(error)?;
        let within = format!("{path}/");
        let gone: Vec<String> = state.files.keys().filter(|p| *p == path || p.starts_with(&within)).cloned().collect();
        for p in gone {
            state.files.remove(&p);
            state.log(Op::Remove(p));
        }
        Ok(())
    }

    fn segment_bytes(&self) -> u64 {
        self.state().segment_bytes.unwrap_or(SEGMENT_BYTES)
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.state();
        if state.locked.iter().any(|p| p == path) {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "1"));
        }
        state.locked.push(path.to_owned());
        Ok(Box::new(MemoryLock { disk: self.clone(), path: path.to_owned() }))
    }

    fn display(&self, path: &str) -> String {
        format!("memory:{path}")
    }
}

struct MemoryLock {
    disk: MemoryDisk,
    path: String,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.disk.state().locked.retain(|p| *p != self.path);
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    inode: usize,
}

impl DiskFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.state();
        let content = &state.contents[self.inode];
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        let bytes = content.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let failure = state.step().err();
        let data = match failure {
            Some(FaultKind::Io) => &data[..0],
            Some(FaultKind::Full) => &data[..data.len() / 2],
            None => data,
        };
        write(&mut state.contents[self.inode], data, offset);
        state.log(Op::Write(self.inode, offset, data.to_vec()));
        failure.map_or(Ok(()), |kind| Err(error(kind)))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().contents[self.inode].len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step().map_err(error)?;
        state.contents[self.inode].resize(len as usize, 0);
        state.log(Op::SetLen(self.inode, len));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step().map_err(error)?;
        state.log(Op::Sync(self.inode));
        Ok(())
    }
}
