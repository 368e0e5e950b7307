//! A mirror that turns out to be damaged in the midst of a stream: what was handed in cannot be read again, so the mirror is
//! made anew from the log, under what open windows hold. That was compared with rows that were whole.

use super::{Flow, Gone, Reply, Stop, Work};
use crate::capture::{Capture, CaptureError, Pending};
use crate::pipeline::error::PipelineError;
use crate::pipeline::turns;

impl Flow<'_> {
    /// Does what looks into the mirror of a stream's collection and what open windows hold of it; does it again if the
    /// mirror was damaged.
    pub(super) fn look<T>(
        &mut self,
        source: usize,
        mut work: impl FnMut(&mut Capture, Option<Pending<'_>>) -> Result<T, CaptureError>,
    ) -> Result<T, Stop> {
        let at = &self.state.current[&source];
        let (file, collection) = (at.input.file.clone(), at.table.collection.clone());
        let mut mended = false;
        loop {
            let done = {
                let pending = self.windows.pending(&collection);
                let held = |slot: u32| pending.row(slot);
                let held: Option<Pending<'_>> = if pending.is_empty() { None } else { Some(&held) };
                let capture = self.state.captures.get_mut(&collection).expect("made at the beginning");
                self.metrics.busy("capture", || work(capture, held))
            };
            match done {
                Err(CaptureError::Mirror) if !mended => self.mend(&collection)?,
                done => return done.map_err(|error| Stop::Failed(PipelineError::Capture { file, error })),
            }
            mended = true;
        }
    }

    fn mend(&mut self, collection: &str) -> Result<(), Stop> {
        self.all_committed()?;
        self.send(Work::Mend(collection.to_owned()), 0)?;
        match turns::receive(&self.replies) {
            Some(Reply::Mended) => Ok(()),
            _ => Err(Gone.into()),
        }
    }
}
