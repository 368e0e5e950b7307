//! What the flow tells about its work.

use super::Flow;
use crate::capture::Captured;
use crate::event::Event;

impl Flow<'_> {
    pub(super) fn tell_captured(&self, source: usize, captured: &Captured, rows: u64) {
        let source = || self.sources[source].name.clone();
        let lengths = || captured.batches.iter().flat_map(|batch| batch.deltas.iter().map(|delta| delta.l2));
        let deltas = captured.deltas() as u64;
        (self.listener)(&Event::ChangeDetected { source: source(), rows, changed: deltas });
        if captured.unchanged > 0 {
            (self.listener)(&Event::DeltaFiltered { source: source(), rows: captured.unchanged });
        }
        if deltas > 0 {
            let l2_max = lengths().fold(0.0, f64::max);
            (self.listener)(&Event::DeltaExtracted { source: source(), deltas, l2_max });
            let bytes = captured.bytes();
            (self.listener)(&Event::DeltaCaptured { source: source(), deltas, bytes });
        }
        self.metrics.update(|f| {
            let figures = f.sources.entry(source()).or_default();
            figures.status = "active";
            figures.rows += rows;
            figures.bytes += captured.raw_bytes;
            figures.captured += deltas;
            figures.filtered += captured.unchanged;
            figures.lengths.add(lengths());
        });
    }

    pub(super) fn tell_routed(&self, route: usize, deltas: u64) {
        let route = self.router.routes()[route].name.clone();
        self.metrics.update(|f| *f.routes.entry(route.clone()).or_default() += deltas);
        (self.listener)(&Event::DeltaRouted { route, deltas });
    }

    pub(super) fn tell_opened(&self, window: usize, collection: &str) {
        let (window, collection) = (self.windows.policies()[window].0.clone(), collection.to_owned());
        self.metrics.update(|f| f.windows.entry(window.clone()).or_default().open = 1);
        (self.listener)(&Event::WindowOpened { window, collection });
    }

    pub(super) fn tell_closed(&self, window: usize, deltas: u64, reason: &'static str) {
        let window = self.windows.policies()[window].0.clone();
        self.metrics.update(|f| *f.windows.entry(window.clone()).or_default().closed.entry(reason).or_default() += 1);
        (self.listener)(&Event::WindowClosed { window, deltas, reason });
    }

    /// Tells of a window that was closed, and that its deltas go on.
    pub(super) fn tell_window(&self, window: &str, before: u64, deltas: u64, bytes: u64, reason: &'static str) {
        self.metrics.update(|f| {
            let figures = f.windows.entry(window.to_owned()).or_default();
            figures.open = 0;
            *figures.closed.entry(reason).or_default() += 1;
            figures.composed = (figures.composed.0 + before, figures.composed.1 + deltas);
        });
        let window = window.to_owned();
        (self.listener)(&Event::WindowClosed { window: window.clone(), deltas, reason });
        (self.listener)(&Event::CaptureBufferFlushed { window, deltas, bytes });
    }

    pub(super) fn tell_flushed(&self, window: usize, deltas: u64, bytes: u64) {
        let window = self.windows.policies()[window].0.clone();
        (self.listener)(&Event::CaptureBufferFlushed { window, deltas, bytes });
    }
}
