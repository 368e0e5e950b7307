//! Single vectors.

use super::super::http::{Head, Response};
use super::{Parameters, Site};
use crate::answer::{Failure, NOT_FOUND, commit, vector_json};
use crate::delta::Source;
use crate::version::value;

/// Answers `/v1/vectors/COLLECTION/KEY`.
pub fn one(site: &Site, head: &Head, source: &str) -> Result<Response, Response> {
    let parameters = Parameters::of(head, &["at"])?;
    let source = Source::parse(source).map_err(|e| Response::error(400, e.to_string()))?;
    let repo = site.held.now().map_err(Failure::from)?;
    let at = commit(&repo, parameters.text("at")?)?;
    let at = at.ok_or_else(|| Failure::new(NOT_FOUND, "the repository has no commit yet"))?;
    let found = value(&repo, at, &source).map_err(Failure::from)?;
    Ok(Response::json(200, &vector_json(&repo, &source, &found)))
}
