//! A pipeline as it is told by `/v1/stages`: samples over time, whatever the documents hold or lack.

use std::collections::VecDeque;

use serde_json::Value;

/// How many samples are kept.
pub const KEPT: usize = 3600;

/// A stage at some time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// What went through in all.
    pub total: u64,
    /// Of what.
    pub unit: String,
    /// How much a second.
    pub rate: f64,
    /// The share of the time that it works, from 0 to 1, where that is known.
    pub busy: Option<f64>,
    /// How many bytes wait for it, where that is known.
    pub queue: Option<u64>,
    /// What it waits for.
    pub blocked_on: String,
}

/// A source, a window or a sink: a name, how it is, and figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// How it is.
    pub status: String,
    /// What is wrong; empty when nothing is.
    pub problem: String,
    /// Figures with what they count.
    pub figures: Vec<(&'static str, u64)>,
    /// How many seconds its watermark lies behind, where that is known.
    pub lag: Option<f64>,
}

/// A pipeline at some time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// The pipeline's name.
    pub pipeline: String,
    /// For how many seconds it runs.
    pub seconds: f64,
    /// Its stages, in order.
    pub stages: Vec<Stage>,
    /// Sources.
    pub sources: Vec<Part>,
    /// Sinks.
    pub sinks: Vec<Part>,
    /// Partitions, where the work of a worker is divided.
    pub partitions: Vec<Part>,
    /// Windows that hold deltas, and how many were closed.
    pub windows: (u64, u64),
    /// Deltas by route.
    pub routes: Vec<(String, u64)>,
    /// Dead letters by reason.
    pub letters: Vec<(String, u64)>,
    /// Commits.
    pub commits: u64,
    /// Deltas that were refused.
    pub rejected: u64,
    /// Bytes that are held, and how many may be.
    pub memory: (u64, u64),
}

/// Samples, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Series {
    samples: VecDeque<Sample>,
    unread: usize,
}

impl Series {
    /// Takes lines in, one sample each; a sample of an earlier time begins anew: there is another run.
    pub fn take(&mut self, lines: &str) {
        for line in lines.lines().filter(|l| !l.trim().is_empty()) {
            match Sample::parse(line) {
                Some(sample) => self.push(sample),
                None => self.unread += 1,
            }
        }
    }

    fn push(&mut self, sample: Sample) {
        if self.samples.back().is_some_and(|last| last.seconds > sample.seconds || last.pipeline != sample.pipeline) {
            self.samples.clear();
        }
        if self.samples.len() == KEPT {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// Returns how many samples there are.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Returns a sample.
    pub fn get(&self, i: usize) -> Option<&Sample> {
        self.samples.get(i)
    }

    /// Returns how many lines could not be read.
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// Returns the rates of a stage up to a sample, at most `most` of the last ones.
    pub fn rates(&self, stage: &str, until: usize, most: usize) -> Vec<f64> {
        let end = (until + 1).min(self.samples.len());
        let of = |s: &Sample| s.stages.iter().find(|x| x.name == stage).map_or(0.0, |x| x.rate);
        self.samples.range(end.saturating_sub(most)..end).map(of).collect()
    }
}

impl Sample {
    /// Reads an answer of `/v1/stages`; `None` for what is none.
    pub fn parse(line: &str) -> Option<Self> {
        let document: Value = serde_json::from_str(line).ok()?;
        let stages = document["stages"].as_array()?;
        let windows = list(&document["windows"]);
        let closed = windows.iter().filter_map(|w| w["closed"].as_object()).flat_map(|c| c.values()).map(number);
        let memory = &document["memory_bytes"];
        Some(Self {
            pipeline: text(&document["pipeline"]),
            seconds: share(&document["seconds"]).unwrap_or(0.0),
            stages: stages.iter().map(stage).collect(),
            sources: list(&document["sources"]).iter().map(source).collect(),
            sinks: list(&document["sinks"]).iter().map(sink).collect(),
            partitions: list(&document["partitions"]).iter().map(partition).collect(),
            windows: (
                windows.iter().filter(|w| w["open"].as_bool() == Some(true)).count() as u64,
                closed.fold(0, u64::saturating_add),
            ),
            routes: counts(&document["routes"]),
            letters: counts(&document["dead_letters"]),
            commits: number(&document["commits"]),
            rejected: number(&document["rejected"]),
            memory: (number(&memory["held"]), number(&memory["budget"])),
        })
    }

    /// Returns the stage that the others wait for: the busiest one, if it is busy most of the time.
    pub fn bottleneck(&self) -> Option<usize> {
        let busy = |s: &Stage| s.busy.filter(|b| b.is_finite()).unwrap_or(0.0);
        let most = (0..self.stages.len()).max_by(|&a, &b| busy(&self.stages[a]).total_cmp(&busy(&self.stages[b])))?;
        (busy(&self.stages[most]) >= 0.7).then_some(most)
    }

    /// Returns how far the watermark that is furthest behind lies behind, in seconds.
    pub fn lag(&self) -> Option<f64> {
        self.sources.iter().filter_map(|s| s.lag).filter(|l| l.is_finite()).max_by(f64::total_cmp)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn share(value: &Value) -> Option<f64> {
    value.as_f64().filter(|v| v.is_finite() && *v >= 0.0)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn counts(value: &Value) -> Vec<(String, u64)> {
    value.as_object().into_iter().flatten().map(|(name, n)| (name.clone(), number(n))).collect()
}

fn stage(value: &Value) -> Stage {
    Stage {
        name: text(&value["stage"]),
        total: number(&value["total"]),
        unit: text(&value["unit"]),
        rate: share(&value["per_second"]).unwrap_or(0.0),
        busy: share(&value["busy"]).map(|b| b.min(1.0)),
        queue: value["queue_bytes"].as_u64(),
        blocked_on: text(&value["blocked_on"]),
    }
}

fn source(value: &Value) -> Part {
    let of = |key| number(&value[key]);
    Part {
        name: named(value, "source"),
        status: text(&value["status"]),
        problem: text(&value["problem"]),
        figures: vec![("rows", of("rows")), ("captured", of("captured")), ("unchanged", of("filtered"))],
        lag: share(&value["watermark_lag_seconds"]),
    }
}

fn sink(value: &Value) -> Part {
    let of = |key| number(&value[key]);
    Part {
        name: named(value, "sink"),
        status: text(&value["status"]),
        problem: text(&value["problem"]),
        figures: vec![("taken", of("acked")), ("waiting", of("pending")), ("again", of("retried"))],
        lag: None,
    }
}

fn partition(value: &Value) -> Part {
    let read = list(&value["stages"]).first().map_or(0, |stage| number(&stage["total"]));
    let waits = text(&value["status"]) == "waiting";
    Part {
        name: number(&value["partition"]).to_string(),
        status: text(&value["status"]),
        // That another worker has it is no problem.
        problem: if waits { String::new() } else { text(&value["problem"]) },
        figures: vec![("rows", read), ("commits", number(&value["commits"]))],
        lag: None,
    }
}

/// Names a source or sink, with its partition where the work is divided.
fn named(value: &Value, kind: &str) -> String {
    match value["partition"].as_u64() {
        Some(partition) => format!("{}/{partition}", text(&value[kind])),
        None => text(&value[kind]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(seconds: u32, rate: u32) -> String {
        format!(
            r#"{{"pipeline":"p","seconds":{seconds},"stages":[{{"stage":"capture","total":5,"unit":"deltas","per_second":{rate},
            "busy":0.9,"queue_bytes":7,"blocked_on":"window"}}],"dead_letters":{{"late":3}},"windows":[{{"open":true,"closed":{{"count":4}}}}]}}"#
        )
        .replace('\n', " ")
    }

    #[test]
    fn samples_are_read_and_a_new_run_begins_anew() {
        let mut series = Series::default();
        series.take(&format!("{}\n{}\nnonsense\n\n", line(1, 10), line(2, 20)));
        assert_eq!((series.len(), series.unread()), (2, 1));
        let last = series.get(1).expect("two");
        assert_eq!((last.windows, last.letters[0].1, last.bottleneck()), ((1, 4), 3, Some(0)));
        assert_eq!(last.stages[0].blocked_on, "window");
        assert_eq!(series.rates("capture", 9, 5), [10.0, 20.0]);
        assert_eq!(series.rates("nothing", 0, 5), [0.0]);
        series.take(&line(1, 30));
        assert_eq!(series.len(), 1);
        (0..2 * KEPT as u32).for_each(|i| series.take(&line(i + 2, 1)));
        assert_eq!(series.len(), KEPT);
    }

    #[test]
    fn partitions_of_a_worker_are_told_apart() {
        let own = |n, status| serde_json::json!({ "partition": n, "status": status, "problem": "why", "commits": 3, "stages": [{ "total": 7 }] });
        let source = |n| serde_json::json!({ "source": "t", "partition": n });
        let line = serde_json::json!({ "stages": [], "sources": [source(0), source(2)],
            "partitions": [own(0, "error"), own(2, "waiting")] });
        let sample = Sample::parse(&line.to_string()).expect("a document");
        let names = |parts: &[Part]| parts.iter().map(|part| part.name.clone()).collect::<Vec<_>>();
        assert_eq!(
            (names(&sample.sources), names(&sample.partitions)),
            (vec!["t/0".into(), "t/2".into()], vec!["0".into(), "2".into()])
        );
        assert_eq!(sample.partitions[0].figures, [("rows", 7), ("commits", 3)]);
        assert_eq!((sample.partitions[0].problem.as_str(), sample.partitions[1].problem.as_str()), ("why", ""));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>(), busy in any::<f64>(), n in any::<u64>()) {
            let mut series = Series::default();
            series.take(&text);
            let busy = serde_json::json!({ "stages": [{ "busy": busy, "total": n, "stage": text }, 3, null], "sources": { "a": 1 } });
            series.take(&busy.to_string());
            prop_assert!(series.get(series.len() - 1).is_some_and(|s| s.stages.len() == 3));
        }
    }
}
