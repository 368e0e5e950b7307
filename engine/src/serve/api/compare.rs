//! What differs between two revisions, and how far they lie apart.

use std::io;

use super::super::http::{Head, Response};
use super::{Parameters, Site};
use crate::answer::{Failure, change_json, drift_json};
use crate::delta::Source;
use crate::version::{DriftOptions, compare, drift, generations_at, resolve, table};

/// How many sources are asked for their neighbours at most.
const SAMPLE_MAX: usize = 100_000;

/// Answers `/v1/diff`: one source a line.
pub fn diff(site: &Site, head: &Head) -> Result<Response, Response> {
    let parameters = Parameters::of(head, &["from", "to", "source"])?;
    let repo = site.held.now().map_err(Failure::from)?;
    let revision = |name: &str| -> Result<usize, Response> {
        Ok(resolve(&repo, parameters.needed(name)?).map_err(Failure::from)?)
    };
    let (from, to) = (revision("from")?, revision("to")?);
    for commit in [from, to] {
        repo.check_held(commit).map_err(Failure::from)?;
    }
    let source = parameters.text("source")?.map(Source::parse).transpose();
    let source = source.map_err(|e| Response::error(400, e.to_string()))?;
    let place = site.heavy()?;
    let repo = repo.clone();
    Ok(Response::lines(Box::new(move |out| {
        let _place = place;
        let only = source.as_ref().map(|s| (s.collection.as_str(), Some(s.key.as_str())));
        let mut sent = Ok(());
        let compared = compare::<Failure>(&repo, from, to, only, &mut |table, measure| {
            sent = writeln!(out, "{}", change_json(table, measure));
            let gone = |_| Failure::new(crate::answer::IO, "the client is gone");
            sent.as_ref().copied().map_err(gone)
        });
        sent?;
        compared.map_err(|failure| io::Error::other(failure.message))
    })))
}

/// Answers `/v1/drift`.
pub fn drifted(site: &Site, head: &Head) -> Result<Response, Response> {
    let known = ["from", "to", "collection", "neighbours", "sample", "seed", "top"];
    let parameters = Parameters::of(head, &known)?;
    let repo = site.held.now().map_err(Failure::from)?;
    let revision = |name: &str| -> Result<usize, Response> {
        Ok(resolve(&repo, parameters.needed(name)?).map_err(Failure::from)?)
    };
    let (from, to) = (revision("from")?, revision("to")?);
    let collection = table(&repo, to, parameters.text("collection")?).map_err(Failure::from)?.collection;
    let options = DriftOptions {
        neighbours: parameters.count("neighbours")?,
        sample: parameters.count("sample")?.unwrap_or(1000).min(SAMPLE_MAX),
        seed: parameters.number("seed")?.unwrap_or(0),
        top: parameters.number("top")?.map_or(5, |n| usize::try_from(n).unwrap_or(usize::MAX)).min(1000),
    };
    let _place = site.heavy()?;
    let found = drift(&repo, (from, to), &collection, options, &mut |_| {}).map_err(Failure::from)?;
    let made = |commit| generations_at(&repo, commit, &collection).map_err(Failure::from);
    Ok(Response::json(200, &drift_json(&found, options.seed, &[made(from)?, made(to)?])))
}
