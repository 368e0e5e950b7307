//! The totals of a run as figures for Prometheus.

use super::super::metrics::Exposition;
use super::board::{Board, now_millis};
use super::figures::SourceTotals;
use super::measured;

impl Board {
    /// Writes the figures of the run.
    pub(super) fn expose(&self, page: &mut Exposition) {
        let totals = self.totals().clone();
        let sources = |page: &mut Exposition, name: &str, help: &str, value: fn(&SourceTotals) -> u64| {
            page.metric(name, "counter", help);
            totals.sources.iter().for_each(|(source, s)| page.sample(name, &[("source", source)], value(s) as f64));
        };
        sources(page, "vecdelta_source_records_total", "Rows that were compared.", |s| s.rows);
        sources(page, "vecdelta_source_bytes_total", "Bytes of the vectors of captured deltas.", |s| s.bytes);
        sources(page, "vecdelta_deltas_captured_total", "Deltas that were captured.", |s| s.captured);
        let name = "vecdelta_deltas_filtered_total";
        page.metric(name, "counter", "Rows that made no delta, and deltas that no route took.");
        for (source, s) in &totals.sources {
            page.sample(name, &[("source", source), ("reason", "unchanged")], s.filtered as f64);
        }
        page.sample(name, &[("reason", "unrouted")], totals.unrouted as f64);
        let name = "vecdelta_route_deltas_total";
        page.metric(name, "counter", "Deltas by route.");
        totals.routes.iter().for_each(|(route, n)| page.sample(name, &[("route", route)], *n as f64));
        let name = "vecdelta_windows_open";
        page.metric(name, "gauge", "1 while a window holds deltas.");
        totals.windows.iter().for_each(|(w, own)| page.sample(name, &[("window", w)], f64::from(u8::from(own.open))));
        let name = "vecdelta_windows_closed_total";
        page.metric(name, "counter", "Windows that were closed, by what closed them.");
        for (window, own) in &totals.windows {
            own.closed.iter().for_each(|(r, n)| page.sample(name, &[("window", window), ("reason", r)], *n as f64));
        }
        let name = "vecdelta_apply_total";
        page.metric(name, "counter", "Deltas by what became of them.");
        page.sample(name, &[("reason", "applied")], totals.applied as f64);
        page.sample(name, &[("reason", "rejected")], totals.rejected as f64);
        let name = "vecdelta_conflicts_total";
        page.metric(name, "counter", "Deltas that did not continue the state of their target.");
        page.sample(name, &[("reason", "skipped")], totals.conflicts.0 as f64);
        page.sample(name, &[("reason", "merged")], totals.conflicts.1 as f64);
        page.single("vecdelta_commits_total", "counter", "Commits.", totals.commits.0 as f64);
        page.single("vecdelta_committed_deltas_total", "counter", "Deltas in them.", totals.commits.1 as f64);
        page.single(
            "vecdelta_stored_bytes_total",
            "counter",
            "Bytes that they take in the log.",
            totals.encoded.1 as f64,
        );
        let failures = totals.corrupted as f64;
        page.single("vecdelta_chain_verify_failures_total", "counter", "Mirrors that were found damaged.", failures);
        measured::expose(&self.metrics.figures(), now_millis(), page);
    }
}
