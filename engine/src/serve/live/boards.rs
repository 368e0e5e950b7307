//! What is known of a process: of its run, or of the runs of a worker, one for each of its partitions.

use std::sync::Arc;
use std::time::Instant;

use super::super::api::Parameters;
use super::super::http::Response;
use super::super::metrics::Exposition;
use super::board::{Board, Standing};
use super::shown;
use super::tap::Taps;
use crate::event::Event;
use crate::pipeline::Live;
use crate::pipeline::config::Pipeline;

/// What is known of a process.
pub struct Boards {
    pipeline: String,
    begun: Instant,
    all: Vec<Board>,
    /// Who sees what passes.
    pub(super) taps: Arc<Taps>,
}

impl Boards {
    /// Begins with one run.
    pub fn of_run(pipeline: &Pipeline, live: &Live) -> Self {
        let taps = Arc::<Taps>::default();
        let all = vec![Board::new(pipeline, live, None, taps.clone())];
        Self { pipeline: pipeline.settings.name.clone(), begun: Instant::now(), all, taps }
    }

    /// Begins with the partitions of a worker, none of which it works on yet.
    pub fn of_partitions(pipeline: &Pipeline, partitions: &[u32], live: fn() -> Live) -> Self {
        let taps = Arc::<Taps>::default();
        let board = |&partition| Board::new(pipeline, &live(), Some(partition), taps.clone());
        let all = partitions.iter().map(board).collect();
        Self { pipeline: pipeline.settings.name.clone(), begun: Instant::now(), all, taps }
    }

    /// Returns the partitions of a worker, with what is known of each.
    pub fn partitions(&self) -> impl Iterator<Item = (u32, &Board)> {
        self.all.iter().filter_map(|board| Some((board.partition?, board)))
    }

    /// Takes notice of an event that concerns the whole: in a worker it is none of a partition.
    pub fn on(&self, event: &Event) {
        match self.all.as_slice() {
            [only] if only.partition.is_none() => only.on(event),
            _ => self.taps.tell(event, None),
        }
    }

    /// Returns who says whether there are taps.
    pub fn is_tapped(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        self.taps.any()
    }

    /// Says that the process ends: taps end too.
    pub fn end(&self) {
        self.taps.end();
    }

    /// Returns whether the work is divided.
    pub(super) fn are_partitions(&self) -> bool {
        self.partitions().next().is_some()
    }

    /// Returns the newest commit of the run.
    pub(super) fn newest(&self) -> Option<String> {
        self.all.iter().find_map(|board| board.totals().newest.clone())
    }

    /// Returns the runs that a question is about: that of `partition`, or all.
    pub(super) fn asked(&self, parameters: &Parameters<'_>) -> Result<Vec<&Board>, Response> {
        let Some(wanted) = parameters.number("partition")? else { return Ok(self.all.iter().collect()) };
        let found = self.partitions().find(|(partition, _)| u64::from(*partition) == wanted);
        found.map(|(_, board)| vec![board]).ok_or_else(|| {
            let known: Vec<String> = self.partitions().map(|(partition, _)| partition.to_string()).collect();
            let help = match known.as_slice() {
                [] => "the work of this run is not divided: leave `partition` out".to_owned(),
                known => format!("there is {}", known.join(", ")),
            };
            Response::refused(404, &format!("there is no partition {wanted} here"), &help)
        })
    }

    /// Returns what is wrong.
    pub fn problems(&self) -> Vec<String> {
        let told = |board: &Board| {
            let who = board.partition.map_or_else(String::new, |partition| format!("partition {partition}: "));
            board.problems().into_iter().map(move |problem| format!("{who}{problem}")).collect::<Vec<_>>()
        };
        self.all.iter().flat_map(told).collect()
    }

    /// Describes the run, or all partitions and each of them.
    pub fn stages(&self) -> serde_json::Value {
        let seen: Vec<_> = self.all.iter().map(Board::seen).collect();
        shown::document(&self.pipeline, self.begun.elapsed().as_secs_f64(), &seen, self.taps.len())
    }

    /// Writes the figures of all runs.
    pub fn expose(&self, page: &mut Exposition) {
        for board in self.all.iter().filter(|board| board.has_begun()) {
            if let Some(partition) = board.partition {
                page.common("partition", &partition.to_string());
            }
            board.expose(page);
        }
        page.uncommon();
        if self.are_partitions() {
            let name = "vecdelta_partition_active";
            page.metric(name, "gauge", "1 while this worker works on a partition.");
            for (partition, board) in self.partitions() {
                let active = f64::from(u8::from(board.standing().0 == Standing::Active));
                page.sample(name, &[("partition", &partition.to_string())], active);
            }
        }
    }
}
