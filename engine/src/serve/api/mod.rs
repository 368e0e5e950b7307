//! The questions: one file each, found by the path.

mod bundle;
mod collections;
mod commits;
mod compare;
mod export;
mod parameters;
mod search;
mod vectors;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::guard::Guard;
use super::held::Held;
use super::http::{Request, Response};
use super::metrics::{Exposition, ServerMetrics};
use super::web::Web;
use crate::store::log_bytes;
pub use collections::Writer;
pub use parameters::Parameters;

/// How many of the questions that read whole tables are answered at once.
const HEAVY_MAX: usize = 4;

/// What can be asked: path, methods, and what for. A path that ends in a slash goes on with a name.
const ROUTES: [(&str, &str, &str); 14] = [
    ("/v1", "GET", "this list"),
    ("/v1/repository", "GET", "a summary: branches, tags, collections"),
    (
        "/v1/log",
        "GET",
        "commits, newest first, one a line: ?rev, source, collection, author, text, metadata, since, until, limit",
    ),
    ("/v1/commits/REV", "GET", "one commit"),
    ("/v1/diff", "GET", "what differs, one source a line: ?from, to, source"),
    ("/v1/vectors/COLLECTION/KEY", "GET", "one vector as it was: ?at"),
    ("/v1/search", "POST", "the nearest vectors: {like | vector, at, k, metric, collection, mixed}"),
    ("/v1/drift", "GET", "how far two revisions lie apart: ?from, to, collection, neighbours, sample, seed, top"),
    ("/v1/export", "GET", "a whole table: ?at, collection, format=arrow|parquet"),
    ("/v1/bundle", "GET", "the repository as one file, whole or by ranges"),
    ("/v1/bundle/TAG", "GET", "the same as it was when it had this ETag, for a while"),
    ("/v1/collections/NAME", "POST", "rows become a commit, where writing is allowed: ?missing, mode, branch, message"),
    ("/healthz", "GET", "whether all is well"),
    ("/metrics", "GET", "figures for Prometheus"),
];

/// A repository that is served.
pub struct Site {
    /// The repository.
    pub held: Held,
    /// Its name for people.
    pub name: String,
    /// Who may ask.
    pub guard: Guard,
    /// The inspector.
    pub web: Web,
    /// What is counted.
    pub metrics: ServerMetrics,
    /// Whoever writes, where that is allowed.
    pub writer: Option<Writer>,
    heavy: Arc<AtomicUsize>,
}

impl Site {
    /// Puts a site together.
    pub fn new(held: Held, name: String, guard: Guard, web: Web, writer: Option<Writer>) -> Self {
        Self { held, name, guard, web, metrics: ServerMetrics::default(), writer, heavy: Arc::default() }
    }

    /// Answers a request.
    pub fn answer(&self, request: &mut Request<'_>) -> Response {
        if let Some(refusal) = self.guard.check(&request.head) {
            return refusal.of("refused");
        }
        self.routed(request).unwrap_or_else(|error| error)
    }

    fn routed(&self, request: &mut Request<'_>) -> Result<Response, Response> {
        let path = request.head.path.clone();
        let (route, rest) = split(&path);
        let head = &request.head;
        let reads = || allow(head, &["GET", "HEAD"]);
        let response = match (route, rest) {
            ("/v1", "") => reads().map(|()| listing()),
            ("/v1/repository", "") => reads().and_then(|()| commits::summary(self, head)),
            ("/v1/log", "") => reads().and_then(|()| commits::log(self, head)),
            ("/v1/commits", rev) if !rev.is_empty() => reads().and_then(|()| commits::one(self, head, rev)),
            ("/v1/vectors", source) if !source.is_empty() => reads().and_then(|()| vectors::one(self, head, source)),
            ("/v1/diff", "") => reads().and_then(|()| compare::diff(self, head)),
            ("/v1/drift", "") => reads().and_then(|()| compare::drifted(self, head)),
            ("/v1/export", "") => reads().and_then(|()| export::table_stream(self, head)),
            ("/v1/bundle", tag) => reads().and_then(|()| bundle::pack(self, head, tag)),
            ("/v1/search", "") => allow(head, &["POST"]).and_then(|()| search::nearest(self, request)),
            ("/v1/collections", name) if !name.is_empty() => {
                allow(head, &["POST"]).and_then(|()| collections::post(self, request, name))
            }
            ("/healthz", "") => reads().map(|()| self.health()),
            ("/metrics", "") => reads().map(|()| self.figures()),
            _ if path.starts_with("/v1/") => Err(Response::refused(
                404,
                "there is nothing to ask under this path",
                "`GET /v1` lists what can be asked",
            )),
            _ => reads().map(|()| self.web.answer(head, &format!("Serving {}", self.name))),
        };
        let label = ROUTES.iter().map(|(path, ..)| *path).find(|path| split(path).0 == route).unwrap_or("other");
        let labelled = |response: Response| if response.route == "other" { response.of(label) } else { response };
        response.map(labelled).map_err(labelled)
    }

    fn health(&self) -> Response {
        match self.held.now() {
            Ok(repo) => Response::json(200, &json!({ "status": "ready", "commits": repo.len() })),
            Err(error) => Response::json(503, &json!({ "status": "degraded", "reason": error.to_string() })),
        }
    }

    fn figures(&self) -> Response {
        let mut page = Exposition::default();
        page.build_info();
        let repo = self.held.now();
        page.single("vecdelta_ready", "gauge", "1 when the repository can be read.", f64::from(u8::from(repo.is_ok())));
        if let Ok(repo) = repo {
            page.single("vecdelta_commits", "gauge", "Commits in the repository.", repo.len() as f64);
            let bytes = log_bytes(repo.log()).unwrap_or_default();
            page.single("vecdelta_log_bytes", "gauge", "The length of the repository's log.", bytes as f64);
        }
        self.metrics.expose(&mut page);
        page.response()
    }

    /// Takes a place among those whose questions read whole tables; it is given back when the value is dropped.
    fn heavy(&self) -> Result<Heavy, Response> {
        let place = Heavy(self.heavy.clone());
        match self.heavy.fetch_add(1, Ordering::SeqCst) {
            taken if taken < HEAVY_MAX => Ok(place),
            _ => {
                let text = format!("{HEAVY_MAX} questions that read whole tables are being answered already");
                Err(Response::refused(503, &text, "try again in a moment").header("Retry-After", "1"))
            }
        }
    }
}

/// A place among those whose questions read whole tables.
struct Heavy(Arc<AtomicUsize>);

impl Drop for Heavy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Cuts a path behind its second word; what follows is a name, which may hold slashes.
fn split(path: &str) -> (&str, &str) {
    let Some(rest) = path.strip_prefix("/v1/") else { return (path, "") };
    match rest.split_once('/') {
        Some((word, name)) => (&path[..4 + word.len()], name),
        None => (path, ""),
    }
}

/// Refuses methods that a path does not know.
fn allow(head: &super::http::Head, methods: &[&str]) -> Result<(), Response> {
    if methods.contains(&head.method.as_str()) {
        return Ok(());
    }
    let allowed = methods.join(", ");
    Err(Response::error(405, format!("this path takes {allowed}")).header("Allow", allowed))
}

fn listing() -> Response {
    let routes = ROUTES.iter().map(|(path, methods, what)| json!({ "path": path, "methods": methods, "what": what }));
    Response::json(200, &json!({ "vecdelta": env!("CARGO_PKG_VERSION"), "routes": routes.collect::<Vec<_>>() }))
}
