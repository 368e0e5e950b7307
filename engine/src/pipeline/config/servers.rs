//! Servers that sinks write to: where they are, what is made there, and what cannot be right about it.

use std::time::Duration;

use super::check::Checks;
use super::codes::{MISSING_KEY, NAME, NOT_BUILT, NOT_WITH_KIND, SAME_OUTPUT, URL};
use super::diagnostic::Diagnostic;
use super::table::LIMITS;
use super::types::{Sink, SinkKind};
use super::view::View;

/// A stream of NATS JetStream, divided into partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NatsStream {
    /// `nats://HOST:PORT`.
    pub url: String,
    /// The stream's name.
    pub stream: String,
    /// The subjects' first words; for messages of others a subject, which may have wildcards.
    pub subject: String,
    /// How many partitions there are.
    pub partitions: u32,
    /// How much the stream keeps, where it is made here.
    pub keeps: StreamKeeps,
}

/// How much a stream keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamKeeps {
    /// The age of the oldest message; without an end when absent.
    pub age: Option<Duration>,
    /// The bytes of all messages; without an end when absent.
    pub bytes: Option<u64>,
    /// On how many servers; 0 where the file does not say.
    pub replicas: u32,
}

/// A table of PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqlTable {
    /// `postgres://USER@HOST:PORT/DATABASE`.
    pub url: String,
    /// `TABLE` or `SCHEMA.TABLE`.
    pub table: String,
    /// The column of the id.
    pub id: String,
    /// The column of the vector.
    pub vector: String,
    /// Under which name the place in the history is kept.
    pub writer: String,
}

/// What a server is asked for by a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkServer {
    /// To keep deltas in a stream.
    Nats(NatsStream),
    /// To keep a table in step.
    Postgres(SqlTable),
}

impl SinkServer {
    /// Returns the same with `{name}` replaced in what names the place.
    pub fn filled(&self, name: &str, value: &str) -> Self {
        let fill = |text: &str| text.replace(&format!("{{{name}}}"), value);
        match self {
            SinkServer::Nats(to) => {
                let (stream, subject) = (fill(&to.stream), fill(&to.subject));
                SinkServer::Nats(NatsStream { stream, subject, ..to.clone() })
            }
            SinkServer::Postgres(to) => SinkServer::Postgres(SqlTable { table: fill(&to.table), ..to.clone() }),
        }
    }

    /// Returns the same for one partition.
    pub(super) fn of_partition(&self, partition: u32) -> Self {
        let mut own = self.filled("partition", &partition.to_string());
        if let SinkServer::Postgres(to) = &mut own {
            to.writer = format!("{} {partition}", to.writer);
        }
        own
    }

    /// Returns the text that tells the places of collections apart.
    pub(super) fn place(&self) -> (&'static str, &str) {
        match self {
            SinkServer::Nats(to) => ("subject", &to.subject),
            SinkServer::Postgres(to) => ("table", &to.table),
        }
    }
}

/// What this program was built to speak with.
#[derive(Clone, Copy, Debug)]
pub struct Built {
    /// NATS.
    pub nats: bool,
    /// PostgreSQL.
    pub postgres: bool,
    /// Indexes of ruvector-core.
    pub ruvector: bool,
}

impl Built {
    /// What is in this program.
    pub const HERE: Self = Self {
        nats: cfg!(feature = "nats"),
        postgres: cfg!(feature = "postgres"),
        ruvector: cfg!(feature = "ruvector"),
    };

    fn has(self, kind: &str) -> bool {
        match kind {
            "nats" => self.nats,
            "postgres" => self.postgres,
            "ruvector" => self.ruvector,
            _ => true,
        }
    }
}

/// The keys that belong to a kind of server alone: key, and the kinds that take it.
const OWN_KEYS: &[(&str, &[SinkKind])] = &[
    ("url", &[SinkKind::Webhook, SinkKind::Nats, SinkKind::Postgres]),
    ("stream", &[SinkKind::Nats]),
    ("subject", &[SinkKind::Nats]),
    ("partitions", &[SinkKind::Nats]),
    ("limits", &[SinkKind::Nats]),
    ("replicas", &[SinkKind::Nats]),
    ("table", &[SinkKind::Postgres]),
    ("id", &[SinkKind::Postgres]),
    ("vector", &[SinkKind::Postgres]),
    ("metric", &[SinkKind::RuVector]),
];

/// Reads what a sink asks a server for; `None` for a file.
pub(super) fn read_sink(name: &str, kind: SinkKind, view: View<'_>) -> Option<SinkServer> {
    let text = |key: &str| view.text(key).unwrap_or_default();
    match kind {
        SinkKind::Nats => Some(SinkServer::Nats(NatsStream {
            url: text("url"),
            stream: text("stream"),
            subject: text("subject"),
            partitions: view.count_32("partitions").unwrap_or(1),
            keeps: keeps(view),
        })),
        SinkKind::Postgres => Some(SinkServer::Postgres(SqlTable {
            url: text("url"),
            table: text("table"),
            id: view.text("id").unwrap_or_else(|| "id".to_owned()),
            vector: view.text("vector").unwrap_or_else(|| "embedding".to_owned()),
            writer: name.to_owned(),
        })),
        _ => None,
    }
}

fn keeps(view: View<'_>) -> StreamKeeps {
    let limits = view.table("limits", &LIMITS);
    StreamKeeps {
        age: limits.and_then(|limits| limits.duration("age")),
        bytes: limits.and_then(|limits| limits.size("bytes")),
        replicas: view.count_32("replicas").unwrap_or(0),
    }
}

/// Checks the settings of a sink's server.
pub(super) fn check_sink(checks: &mut Checks<'_, '_>, sink: &Sink) {
    let section = ["sink", sink.name.as_str()];
    check_built(checks, &section, sink.kind.name());
    let needs: &[(&str, &str)] = match sink.kind {
        SinkKind::Nats => &[
            ("url", "an address such as \"nats://127.0.0.1:4222\""),
            ("stream", "the stream's name"),
            ("subject", "the subjects' first words"),
            ("partitions", "into how many subjects the sources are divided, such as 8"),
        ],
        SinkKind::Postgres => &[
            ("url", "an address such as \"postgres://ann@db.example/vectors\""),
            ("table", "the table that is kept in step"),
        ],
        SinkKind::Webhook => &[("url", "an address such as \"http://127.0.0.1:8080/hook\"")],
        _ => &[("path", "the directory or file")],
    };
    check_needs(checks, &section, needs);
    let file = needs[0].0 == "path";
    if !file {
        check_not_here(checks, &section, "path", sink.kind.name());
    }
    for (key, kinds) in OWN_KEYS {
        if !kinds.contains(&sink.kind) {
            check_not_here(checks, &section, key, sink.kind.name());
        }
    }
    if let Some(SinkServer::Nats(to)) = &sink.server {
        check_names(checks, &section, to, false);
    }
    check_scheme(checks, &section, sink.kind.name());
}

/// Refuses two sinks that write to one place of a server.
pub(super) fn check_same_place(checks: &mut Checks<'_, '_>, index: usize, sink: &Sink) {
    let pipeline = checks.pipeline;
    let place = |server: &SinkServer| match server {
        SinkServer::Nats(to) => format!("{} {} {}", to.url, to.stream, to.subject),
        SinkServer::Postgres(to) => format!("{} {}", to.url, to.table),
    };
    let Some(own) = &sink.server else { return };
    let same = |other: &&Sink| other.server.as_ref().is_some_and(|other| place(other) == place(own));
    if let Some(other) = pipeline.sinks[..index].iter().find(same) {
        let (key, what) =
            (own.place().0, format!("sinks \"{}\" and \"{}\" write to the same place", other.name, sink.name));
        let diagnostic =
            Diagnostic::error(SAME_OUTPUT, what).label("already taken").help(format!("give each sink its own `{key}`"));
        checks.report_at(&["sink", &sink.name, key], diagnostic);
    }
}

/// Refuses a kind that this program was not built for.
pub(super) fn check_built(checks: &mut Checks<'_, '_>, section: &[&str; 2], kind: &'static str) {
    if checks.built.has(kind) {
        return;
    }
    let diagnostic = Diagnostic::error(NOT_BUILT, format!("this program was built without `{kind}`"))
        .label(format!("{} \"{}\" needs it", section[0], section[1]))
        .help(format!("build it with `cargo build --release -p vecdelta --features {kind}`"));
    checks.report_at(&[section[0], section[1], "kind"], diagnostic);
}

pub(super) fn check_needs(checks: &mut Checks<'_, '_>, section: &[&str; 2], needs: &[(&str, &str)]) {
    for (key, what) in needs {
        if checks.place(&[section[0], section[1], key]).is_none() {
            let name = format!("`{key}` is missing in {} \"{}\"", section[0], section[1]);
            let diagnostic = Diagnostic::error(MISSING_KEY, name)
                .label(format!("no `{key}` here"))
                .help(format!("add `{key} = ..`: {what}"));
            checks.report_key(section, diagnostic);
        }
    }
}

/// Refuses a key that means nothing for a kind.
pub(super) fn check_not_here(checks: &mut Checks<'_, '_>, section: &[&str; 2], key: &str, kind: &str) {
    let path = [section[0], section[1], key];
    if checks.place(&path).is_some() {
        let what = format!("`{key}` cannot be honoured in {} \"{}\"", section[0], section[1]);
        let diagnostic = Diagnostic::error(NOT_WITH_KIND, what)
            .label(format!("`{kind}` has no `{key}`"))
            .help(format!("remove `{key}`"));
        checks.report_at(&path, diagnostic);
    }
}

/// Checks that the address is one of the kind's servers.
pub(super) fn check_scheme(checks: &mut Checks<'_, '_>, section: &[&str; 2], kind: &str) {
    let path = [section[0], section[1], "url"];
    let (schemes, example): (&[&str], _) = match kind {
        "nats" => (&["nats://"], "nats://127.0.0.1:4222"),
        "postgres" => (&["postgres://", "postgresql://"], "postgres://ann@db.example/vectors"),
        "webhook" => (&["http://"], "http://127.0.0.1:8080/hook"),
        _ => return,
    };
    if checks.text(&path).is_some_and(|url| !schemes.iter().any(|scheme| url.starts_with(scheme))) {
        let what = format!("`url` of {} \"{}\" leads to another kind of server", section[0], section[1]);
        let diagnostic = Diagnostic::error(URL, what)
            .label(format!("`{kind}` needs {}", schemes[0]))
            .help(format!("write an address such as \"{example}\""));
        checks.report_at(&path, diagnostic);
    }
}

/// Checks what the server would refuse as a name.
pub(super) fn check_names(checks: &mut Checks<'_, '_>, section: &[&str; 2], to: &NatsStream, wildcards: bool) {
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '*' | '>' | '/' | '\\');
    if to.stream.contains(|c: char| odd(c) || c == '.') {
        let diagnostic =
            Diagnostic::error(NAME, format!("`stream` of {} \"{}\" cannot be a name", section[0], section[1]))
                .label("a stream's name has no dots, spaces, slashes and wildcards")
                .help("write a name such as \"DELTAS\"");
        checks.report_at(&[section[0], section[1], "stream"], diagnostic);
    }
    let word = |word: &str| wildcards && (word == "*" || word == ">") || !word.is_empty() && !word.contains(odd);
    if !to.subject.is_empty() && !to.subject.split('.').all(word) {
        let diagnostic =
            Diagnostic::error(NAME, format!("`subject` of {} \"{}\" cannot be used", section[0], section[1]))
                .label("a subject is words with a dot between them")
                .help("write one such as \"delta.catalog\"; the number of the partition is added behind it");
        checks.report_at(&[section[0], section[1], "subject"], diagnostic);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_keys_of_servers_are_keys_of_sinks() {
        assert!(super::OWN_KEYS.iter().all(|(key, _)| super::super::table::SINK.key(key).is_some()));
    }
}
