//! Letting others look at a run while it goes on: `--listen`.

use std::io::{self, Write};

use serde_json::json;

use super::error::CliError;
use super::logbook::{Level, Logbook};
use crate::serve::http::{Request, Server};
use crate::serve::{Boards, Doors, Guard, LiveSite, beside};

/// Where others look.
pub struct Lookout {
    server: Server,
    token: Option<String>,
}

impl Lookout {
    /// Listens at an address.
    pub fn open(address: &str, token: Option<String>) -> Result<Self, CliError> {
        let token = token.or_else(super::open::token);
        let server = super::serve::listen(address, token.as_deref())?;
        Ok(Self { server, token })
    }

    /// Lets others look at the boards while work is done.
    pub fn beside<T>(self, boards: Boards, doors: Doors, log: &Logbook, work: impl FnOnce(&Boards) -> T) -> T {
        let site = LiveSite::new(boards, Guard::new(self.token.as_deref()), doors);
        let url = format!("http://{}/", self.server.address());
        let text = format!("looked at under {url}");
        log.say(Level::Info, "run", &text, json!({ "url": url }));
        if !log.is_on_stderr() {
            let _ = writeln!(io::stderr(), "{text}");
        }
        let answer = |request: &mut Request<'_>| site.answer(request);
        beside(&self.server, &answer, &|entry| site.metrics.count(entry), || {
            let done = work(&site.boards);
            site.boards.end();
            done
        })
    }
}
