//! Figures as Prometheus reads them: base units, `_total` on counters, and few labels.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

use super::http::{Entry, Payload, Response};

/// A page of figures in the making: metrics in the order in which they were begun, each with all of its samples.
#[derive(Default)]
pub struct Exposition {
    metrics: Vec<Metric>,
    /// The metric to which samples are added.
    at: usize,
    /// The label that every sample gets from now on, as it is written.
    common: Option<String>,
}

struct Metric {
    name: String,
    text: String,
}

impl Exposition {
    /// Begins a metric, or goes on with the one of this name; samples follow.
    pub fn metric(&mut self, name: &str, kind: &str, help: &str) {
        self.at = self.metrics.iter().position(|metric| metric.name == name).unwrap_or_else(|| {
            let text = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
            self.metrics.push(Metric { name: name.to_owned(), text });
            self.metrics.len() - 1
        });
    }

    /// Gives every sample a label until [`Exposition::uncommon`].
    pub fn common(&mut self, label: &str, text: &str) {
        self.common = Some(labelled(label, text));
    }

    /// Ends what [`Exposition::common`] began.
    pub fn uncommon(&mut self) {
        self.common = None;
    }

    /// Adds a sample to the metric that was begun last.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let Some(metric) = self.metrics.get_mut(self.at) else { return };
        let own = labels.iter().map(|(label, text)| labelled(label, text));
        let labels: Vec<String> = self.common.iter().cloned().chain(own).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(metric.text, "{name}{labels} {value}");
    }

    /// Adds a metric of one sample without labels.
    pub fn single(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.metric(name, kind, help);
        self.sample(name, &[], value);
    }

    /// Says which program this is.
    pub fn build_info(&mut self) {
        self.metric("vecdelta_build_info", "gauge", "1; the version is in the label.");
        self.sample("vecdelta_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    }

    /// Makes the page a response.
    pub fn response(self) -> Response {
        Response::new(200, "text/plain; version=0.0.4; charset=utf-8", Payload::Bytes(self.text().into_bytes()))
    }

    pub(super) fn text(&self) -> String {
        self.metrics.iter().map(|metric| metric.text.as_str()).collect()
    }
}

fn labelled(label: &str, text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{label}=\"{escaped}\"")
}

/// What a server counts of its requests.
#[derive(Default)]
pub struct ServerMetrics(Mutex<BTreeMap<&'static str, RouteFigures>>);

#[derive(Default)]
struct RouteFigures {
    requests: u64,
    seconds: f64,
    bytes: u64,
    /// Those that were not answered with what was asked for, by status; `gone` where the client did not wait.
    refused: BTreeMap<String, u64>,
}

impl ServerMetrics {
    /// Counts a request.
    pub fn count(&self, entry: &Entry<'_>) {
        let mut routes = self.0.lock().expect("no thread panics with it");
        let figures = routes.entry(entry.route).or_default();
        figures.requests += 1;
        figures.seconds += entry.took.as_secs_f64();
        figures.bytes += entry.bytes;
        if entry.status >= 400 {
            *figures.refused.entry(entry.status.to_string()).or_default() += 1;
        } else if entry.failed.is_some() {
            *figures.refused.entry("gone".to_owned()).or_default() += 1;
        }
    }

    /// Writes what was counted.
    pub fn expose(&self, page: &mut Exposition) {
        let routes = self.0.lock().expect("no thread panics with it");
        let mut all = |name: &str, help: &str, value: fn(&RouteFigures) -> f64| {
            page.metric(name, "counter", help);
            routes.iter().for_each(|(route, figures)| page.sample(name, &[("route", route)], value(figures)));
        };
        all("vecdelta_http_requests_total", "Requests.", |f| f.requests as f64);
        all("vecdelta_http_request_seconds_total", "Time from the first lines to the last byte.", |f| f.seconds);
        all("vecdelta_http_sent_bytes_total", "Bytes that were sent.", |f| f.bytes as f64);
        let name = "vecdelta_http_refused_total";
        page.metric(name, "counter", "Requests that were not answered with what was asked for, by status.");
        for (route, figures) in routes.iter() {
            for (reason, count) in &figures.refused {
                page.sample(name, &[("route", route), ("reason", reason)], *count as f64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Exposition::default();
        page.metric("a_total", "counter", "Things.");
        page.sample("a_total", &[("source", "a\"b\\c\nd"), ("reason", "x")], 3.0);
        page.single("b", "gauge", "One.", 0.25);
        let text = "# HELP a_total Things.\n# TYPE a_total counter\na_total{source=\"a\\\"b\\\\c\\nd\",reason=\"x\"} 3\n\
                    # HELP b One.\n# TYPE b gauge\nb 0.25\n";
        assert_eq!(page.text(), text);
    }

    /// A page on which the samples of one metric stand apart is refused by its readers.
    #[test]
    fn samples_of_a_metric_stay_together() {
        let mut page = Exposition::default();
        for partition in ["0", "1"] {
            page.common("partition", partition);
            page.metric("a_total", "counter", "Things.");
            page.sample("a_total", &[("source", "s")], 3.0);
            page.single("b", "gauge", "One.", 1.0);
        }
        page.uncommon();
        page.single("c", "gauge", "One.", 1.0);
        let text = "# HELP a_total Things.\n# TYPE a_total counter\na_total{partition=\"0\",source=\"s\"} 3\n\
                    a_total{partition=\"1\",source=\"s\"} 3\n\
                    # HELP b One.\n# TYPE b gauge\nb{partition=\"0\"} 1\nb{partition=\"1\"} 1\n\
                    # HELP c One.\n# TYPE c gauge\nc 1\n";
        assert_eq!(page.text(), text);
    }
}
