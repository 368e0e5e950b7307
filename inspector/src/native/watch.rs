//! Where a pipeline is told of: a server, or a file that was recorded.

use std::fs;

use vecdelta::serve::{Client, Url, is_loopback};
use vecdelta::version::VersionError;

use crate::ask::Stages;
use crate::work::Watcher;

/// The largest record that is read.
const RECORD_MAX: u64 = 256 << 20;

fn is_own(authority: &str) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(is_loopback)
}

/// Returns who asks pipelines.
pub fn watcher() -> Watcher {
    Box::new(|of| {
        if of.starts_with("http://") || of.starts_with("https://") {
            let url = Url::parse(of).map_err(|e| VersionError::Refused(e.to_string()))?;
            // An address may come out of a link, so that only this machine gets the token.
            let own = is_own(&url.authority);
            let token = std::env::var("VECDELTA_TOKEN").ok().filter(|_| own);
            let bytes = Client::new(url, token).fetch("/v1/stages").map_err(|e| {
                VersionError::Refused(format!("{e}; run one with `vecdelta run PIPELINE --listen 127.0.0.1:7879`"))
            })?;
            let lines = String::from_utf8_lossy(&bytes).replace('\n', " ");
            return Ok(Stages { lines, live: true });
        }
        let refused = |e: std::io::Error| VersionError::Refused(format!("{of}: {e}"));
        let size = fs::metadata(of).map_err(refused)?.len();
        if size > RECORD_MAX {
            return Err(VersionError::Refused(format!(
                "{of}: {size} bytes are too much; at most {RECORD_MAX} are read"
            )));
        }
        let bytes = fs::read(of).map_err(refused)?;
        Ok(Stages { lines: String::from_utf8_lossy(&bytes).into_owned(), live: false })
    })
}
