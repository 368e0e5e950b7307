//! A running pipeline over HTTP: figures, stages, and what passes.
//!
//! A worker has a board for each of its partitions. Everything is made from the events of the runs ([`event`](crate::event)), once a batch; nobody who looks can hold it up.

mod board;
mod boards;
mod exposed;
mod figures;
mod measured;
mod rows;
mod shown;
mod switch;
mod tap;
#[cfg(test)]
mod tests;

use serde_json::json;

use super::guard::Guard;
use super::http::{Head, Request, Response};
use super::metrics::ServerMetrics;
pub use board::{Board, Standing};
pub use boards::Boards;
pub use rows::{Doors, doors};
pub use tap::STAGES;

/// What can be asked: path and what for.
const ROUTES: [(&str, &str); 8] = [
    ("/v1", "this list"),
    ("/v1/stages", "stages, sources, routes, windows: totals and rates"),
    ("/v1/stages/NAME/pause", "POST: a source or sink is to wait: ?kind, partition"),
    ("/v1/stages/NAME/resume", "POST: it goes on: ?kind, partition"),
    ("/v1/tap", "what passes, one event a line: ?stage, partition, limit, rate"),
    ("/v1/collections/NAME", "POST: rows for a source of kind = \"feed\": ?wait"),
    ("/healthz", "whether all is well"),
    ("/metrics", "figures for Prometheus"),
];

/// A pipeline that is looked at while it runs, or a worker's partitions of it.
pub struct LiveSite {
    /// What is known of it.
    pub boards: Boards,
    /// Who may ask.
    pub guard: Guard,
    /// What is counted of requests.
    pub metrics: ServerMetrics,
    /// Where rows can be sent.
    pub doors: Doors,
}

impl LiveSite {
    /// Puts a site together.
    pub fn new(boards: Boards, guard: Guard, doors: Doors) -> Self {
        Self { boards, guard, metrics: ServerMetrics::default(), doors }
    }

    /// Answers a request.
    pub fn answer(&self, request: &mut Request<'_>) -> Response {
        if let Some(refusal) = self.guard.check(&request.head) {
            return refusal.of("refused");
        }
        let only_post = || Response::error(405, "this path takes POST").header("Allow", "POST");
        let posted = request.head.method == "POST";
        if let Some(name) = request.head.path.strip_prefix("/v1/collections/").map(str::to_owned) {
            let answer = if posted { self.doors.post(&self.boards, request, &name) } else { Err(only_post()) };
            return answer.unwrap_or_else(|refusal| refusal).of("/v1/collections/NAME");
        }
        if let Some((name, order)) = switch::order(&request.head.path) {
            let answer =
                if posted { switch::answer(&self.boards, &request.head, name, order) } else { Err(only_post()) };
            return answer.unwrap_or_else(|refusal| refusal).of(order.route());
        }
        let head = &request.head;
        let route = ROUTES.iter().find(|(path, _)| *path == head.path).map_or("other", |(path, _)| path);
        let response = if ["GET", "HEAD"].contains(&head.method.as_str()) {
            self.routed(head)
        } else {
            Response::error(405, "this path takes GET, HEAD").header("Allow", "GET, HEAD")
        };
        response.of(route)
    }

    fn routed(&self, head: &Head) -> Response {
        match head.path.as_str() {
            "/v1/stages" => Response::json(200, &self.boards.stages()),
            "/v1/tap" => tap::answer(&self.boards, head).unwrap_or_else(|refusal| refusal),
            "/metrics" => self.figures(),
            "/healthz" => {
                let problems = self.boards.problems();
                match problems.is_empty() {
                    true => Response::json(200, &json!({ "status": "ready" })),
                    false => Response::json(503, &json!({ "status": "degraded", "reason": problems.join("; ") })),
                }
            }
            "/v1" | "/" => {
                let routes = ROUTES.iter().map(|(path, what)| json!({ "path": path, "what": what }));
                let routes: Vec<_> = routes.collect();
                Response::json(200, &json!({ "vecdelta": env!("CARGO_PKG_VERSION"), "routes": routes }))
            }
            _ => Response::refused(404, "there is nothing to ask under this path", "`GET /v1` lists what can be asked"),
        }
    }

    fn figures(&self) -> Response {
        let mut page = super::metrics::Exposition::default();
        page.build_info();
        self.boards.expose(&mut page);
        self.metrics.expose(&mut page);
        page.response()
    }
}
