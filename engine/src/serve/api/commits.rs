//! The repository at a glance, its log, and single commits.

use serde_json::json;

use super::super::http::{Head, Payload, Response};
use super::{Parameters, Site};
use crate::answer::{Failure, LogQuestion, commit, commit_json, list_commits, time};
use crate::delta::SortedMap;
use crate::store::log_bytes;
use crate::version::{CommitIndex, default_head, resolve};

/// How many commits are listed unless the question says more.
const LIMIT: usize = 100;

/// How many are listed at most.
const LIMIT_MAX: usize = 10_000;

/// Answers `/v1/repository`.
pub fn summary(site: &Site, head: &Head) -> Result<Response, Response> {
    Parameters::of(head, &[])?;
    let repo = site.held.now().map_err(Failure::from)?;
    let names = |names: &SortedMap<String, CommitIndex>| {
        let one = |(name, &commit): (&String, &CommitIndex)| {
            let entry = repo.entry(commit);
            json!({ "name": name, "commit": entry.id.to_hex(), "time": time(entry.time) })
        };
        names.iter().map(one).collect::<Vec<_>>()
    };
    let newest = default_head(&repo);
    let latest = newest.map(|commit| commit_json(&repo, commit)).transpose()?;
    Ok(Response::json(
        200,
        &json!({
            "repository": site.name,
            "bundle": site.held.is_bundle(),
            "writable": site.writer.is_some(),
            "origin": crate::delta::hex(repo.origin()),
            "commits": repo.len(),
            "log_bytes": log_bytes(repo.log()).map_err(Failure::from)?,
            "head": newest.map(|commit| repo.entry(commit).id.to_hex()),
            "branches": names(repo.branches()),
            "tags": names(repo.tags()),
            "collections": latest.map(|mut latest| latest["collections"].take()),
        }),
    ))
}

/// Answers `/v1/log`: one commit a line.
pub fn log(site: &Site, head: &Head) -> Result<Response, Response> {
    let known = ["rev", "source", "collection", "author", "text", "metadata", "since", "until", "limit"];
    let parameters = Parameters::of(head, &known)?;
    let owned = |name: &str| parameters.text(name).map(|text| text.map(str::to_owned));
    let limit = parameters.number("limit")?.map_or(LIMIT, |n| usize::try_from(n).unwrap_or(usize::MAX));
    if limit > LIMIT_MAX {
        let help = "go on with the last commit's parent as `rev`";
        return Err(Response::refused(400, &format!("`limit` is at most {LIMIT_MAX}"), help));
    }
    let question = LogQuestion {
        source: owned("source")?,
        collection: owned("collection")?,
        author: owned("author")?,
        text: owned("text")?,
        metadata: parameters.all("metadata"),
        since: parameters.millis("since")?,
        until: parameters.millis("until")?,
        limit: Some(limit),
    };
    let repo = site.held.now().map_err(Failure::from)?;
    let mut lines = Vec::new();
    if let Some(start) = commit(&repo, parameters.text("rev")?)? {
        list_commits::<Failure>(&repo, start, &question, &mut |commit| {
            lines.extend_from_slice(format!("{}\n", commit_json(&repo, commit)?).as_bytes());
            Ok(())
        })?;
    }
    Ok(Response::new(200, "application/x-ndjson", Payload::Bytes(lines)))
}

/// Answers `/v1/commits/REV`.
pub fn one(site: &Site, head: &Head, revision: &str) -> Result<Response, Response> {
    Parameters::of(head, &[])?;
    let repo = site.held.now().map_err(Failure::from)?;
    let commit = resolve(&repo, revision).map_err(Failure::from)?;
    Ok(Response::json(200, &commit_json(&repo, commit)?))
}
