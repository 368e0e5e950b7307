//! The repository as one file.

use super::super::http::{Head, Response};
use super::super::ranges::file_response;
use super::{Parameters, Site};
use crate::answer::Failure;

/// Answers `/v1/bundle`, as of the head; and `/v1/bundle/TAG`, as of an earlier one that is still held.
///
/// Whoever reads by ranges goes on under the address in Content-Location, or with If-Range or If-Match: a repository that
/// grows meanwhile does not disturb it.
pub fn pack(site: &Site, head: &Head, tag: &str) -> Result<Response, Response> {
    Parameters::of(head, &[])?;
    let begun = ["if-range", "if-match"].iter().find_map(|name| head.header(name)).map(|t| t.trim_matches('"'));
    let bundle = match (tag, begun.and_then(|tag| site.held.bundle_of(tag))) {
        ("", Some(begun)) => begun,
        ("", None) => site.held.bundle_now().map_err(Failure::from)?,
        (tag, _) => site.held.bundle_of(tag).ok_or_else(|| {
            Response::refused(410, "this state of the repository is no longer held", "begin again with /v1/bundle")
        })?,
    };
    let kind = "application/octet-stream";
    let response = file_response(head, bundle.file, bundle.len, kind, &bundle.tag);
    Ok(response
        .header("Content-Location", format!("/v1/bundle/{}", bundle.tag))
        .header("Cache-Control", if tag.is_empty() { "no-cache" } else { "private, max-age=31536000, immutable" }))
}
