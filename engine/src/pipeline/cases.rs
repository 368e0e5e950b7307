//! The `[[test]]` cases of a pipeline file: one change each, sent through capture and routing.

use std::sync::{Arc, RwLock};

use bytes::Bytes;

use super::PipelineError;
use super::config::{Pipeline, Test};
use super::run::router;
use crate::apply::transform_rows;
use crate::capture::{Capture, Missing};
use crate::delta::{DeltaBatch, Element, Keys, Note, Notes, RowBatch, Table, key_hash, row_hash};
use crate::route::Look;
use crate::store::{Cost, MemoryDisk, Mirror, Written, row_sum};

/// Runs one case; returns what was otherwise than expected.
///
/// # Errors
/// When the pipeline's routes cannot be used.
pub fn run_case(pipeline: &Pipeline, test: &Test) -> Result<Vec<String>, PipelineError> {
    let batch = capture(pipeline, test)?;
    let router = router(pipeline)?;
    let expect = &test.expect;
    let mut wrong = Vec::new();
    let delta = batch.deltas.first();
    let mut compare = |what: &str, want: Option<String>, got: String| {
        if let Some(want) = want
            && want != got
        {
            wrong.push(format!("{what} is {got}, expected {want}"));
        }
    };
    compare("captured", expect.captured.map(|c| c.to_string()), delta.is_some().to_string());
    let none = || "none".to_owned();
    let kind = delta.map_or_else(none, |d| d.change.name().to_owned());
    compare("change", expect.change.map(|c| c.name().to_owned()), kind);
    let dims = delta.map_or(0, |d| d.changed_dims);
    compare("changed_dims", expect.changed_dims.map(|d| d.to_string()), dims.to_string());
    let note = Note::of(test.given.meta.iter().map(|(name, value)| (name.as_str(), value.as_str())), None);
    let mut notes = Notes::default();
    notes.push_note(&note);
    let (collection, key, millis) = (test.given.collection.as_str(), test.given.id.as_str(), test.given.now_millis);
    let look = |delta| Look { collection, key, delta, notes: &notes, row: 0, millis };
    let mut routes = Vec::new();
    let window = delta.and_then(|delta| router.route(&look(delta), |route| routes.push(route)));
    let window = window.map_or_else(none, |window| pipeline.windows[window].name.clone());
    compare("window", expect.window.clone(), window);
    let first = routes.first().map_or_else(none, |&r| pipeline.routes[r].name.clone());
    compare("route", expect.route.clone(), first);
    let priority = routes.first().map_or_else(none, |&r| pipeline.routes[r].priority.name().to_owned());
    compare("priority", expect.priority.map(|p| p.name().to_owned()), priority);
    let mut to: Vec<String> = routes.iter().flat_map(|&r| pipeline.routes[r].to.clone()).collect();
    to.sort();
    to.dedup();
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names.join(", ")
    };
    compare("to", expect.to.clone().map(sorted), to.join(", "));
    Ok(wrong)
}

/// Sends the change of a case through capture, against a mirror that holds the vector before.
fn capture(pipeline: &Pipeline, test: &Test) -> Result<DeltaBatch, PipelineError> {
    let file = || format!("test `{}`", test.name);
    let fail = |error| PipelineError::Capture { file: file(), error };
    let given = &test.given;
    let dims = given.before.as_ref().or(given.after.as_ref()).map_or(0, Vec::len);
    let table = Arc::new(Table { collection: given.collection.clone(), element: Element::F32, dims: dims as u32 });
    let mut mirror = Mirror::create(Arc::new(MemoryDisk::default()), "cache/case", table)?;
    let bits = |values: &[f64]| -> Vec<u8> { values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect() };
    if let Some(before) = &given.before {
        let row = bits(before);
        let slot = mirror.keys_mut().push(&given.id);
        mirror.write(slot, &row)?;
        let (key, hash) = (key_hash(&given.id), row_hash(&given.id, Element::F32, &row));
        mirror.apply(
            &[Written { slot, key, row: Some(hash), sum: row_sum(slot, &row), cost: Cost::default() }],
            slot + 1,
        );
    }
    let none = || DeltaBatch {
        table: Arc::new(Table { collection: given.collection.clone(), element: Element::F32, dims: dims as u32 }),
        keys: Keys::default(),
        deltas: Vec::new(),
        old: Bytes::new(),
        new: Bytes::new(),
        notes: Notes::default(),
    };
    let policy = pipeline.capture.policy(Missing::Delete);
    let mut capture = Capture::new(Arc::new(RwLock::new(mirror)), policy);
    if let Some(after) = &given.after {
        let rows = RowBatch {
            keys: Keys::from_texts([given.id.as_str()]),
            rows: Bytes::from(bits(after)),
            first_row: 0,
            notes: Notes::default(),
        };
        let rows = transform_rows(&pipeline.apply.transform, Element::F32, rows)
            .map_err(|rejection| PipelineError::Rejected { file: file(), rejection })?;
        let captured = capture.step(&rows).map_err(fail)?;
        return Ok(captured.batches.into_iter().next().unwrap_or_else(none));
    }
    let mut deletes = capture.end_epoch().map_err(fail)?;
    Ok(deletes.pop().unwrap_or_else(none))
}
