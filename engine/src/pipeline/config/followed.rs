//! Servers that sources follow: what is asked of them, and what cannot be right about it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check::Checks;
use super::codes::{NOT_WITH_KIND, OPEN, PARTITION, SAME_OUTPUT, URL};
use super::diagnostic::Diagnostic;
use super::servers::{self, NatsStream, SqlTable, StreamKeeps};
use super::types::{Source, SourceKind};
use super::view::View;
use crate::capture::Detector;

/// A source that is followed on a server, or that others connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceServer {
    /// Where, and what is there.
    pub place: Followed,
    /// Whether more is waited for when all that is there was read.
    pub follow: bool,
    /// How long the server may be away; without an end when absent.
    pub patience: Option<Duration>,
}

/// What is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Messages of a stream.
    Nats {
        /// The stream.
        stream: NatsStream,
        /// What the messages hold.
        format: MessageFormat,
        /// What happens when messages were removed before they were read.
        on_gap: OnGap,
        /// The field that says that an id is gone, for JSON lines.
        deleted: Option<String>,
        /// The one partition that is worked on, where the work is divided.
        only: Option<u32>,
    },
    /// What others send.
    Socket {
        /// Where they connect.
        listen: Listen,
        /// What they send: JSON lines or an Arrow stream.
        format: MessageFormat,
        /// What each of them must know.
        token: Option<String>,
        /// The field that says that an id is gone, for JSON lines.
        deleted: Option<String>,
    },
    /// Rows of a table.
    Postgres {
        /// The table.
        table: SqlTable,
        /// The column that grows with every change.
        version: String,
        /// The column that says that a row is gone.
        deleted: Option<String>,
        /// The time between two looks.
        poll: Duration,
        /// How long a transaction may take between taking its version and its end.
        overlap: Duration,
    },
}

/// Where others connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A port of an address of this machine.
    Tcp(SocketAddr),
    /// A socket among the files.
    Unix(PathBuf),
}

impl Listen {
    /// Reads `IP:PORT` or `unix:PATH`.
    fn read(text: &str, base_dir: &Path) -> Option<Self> {
        match text.strip_prefix("unix:") {
            Some("") => None,
            Some(path) => Some(Self::Unix(super::source::absolute(base_dir, path))),
            None => {
                let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
                local.as_deref().unwrap_or(text).parse().ok().map(Self::Tcp)
            }
        }
    }

    /// Returns whether the system chooses the port.
    fn is_any_port(&self) -> bool {
        matches!(self, Self::Tcp(address) if address.port() == 0)
    }

    /// Returns whether other machines reach it.
    fn is_open(&self) -> bool {
        matches!(self, Self::Tcp(address) if !address.ip().is_loopback())
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self::Tcp(SocketAddr::from((IpAddr::from([127, 0, 0, 1]), 0)))
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What messages, or connections, hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageFormat {
    /// Deltas, as the sink writes them.
    #[default]
    Deltas,
    /// JSON lines.
    Jsonl,
    /// An Arrow stream.
    Arrow,
}

/// What happens at a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnGap {
    /// The run ends.
    #[default]
    Stop,
    /// It goes on behind the gap.
    Skip,
}

/// The keys of one kind of source alone.
const OWN_KEYS: &[(&str, &[SourceKind])] = &[
    ("url", &[SourceKind::Nats, SourceKind::Postgres]),
    ("stream", &[SourceKind::Nats]),
    ("subject", &[SourceKind::Nats]),
    ("partitions", &[SourceKind::Nats]),
    ("listen", &[SourceKind::Socket]),
    ("token", &[SourceKind::Socket]),
    ("format", &[SourceKind::Nats, SourceKind::Socket]),
    ("on_gap", &[SourceKind::Nats]),
    ("table", &[SourceKind::Postgres]),
    ("version", &[SourceKind::Postgres]),
    ("deleted", &[SourceKind::Jsonl, SourceKind::Nats, SourceKind::Postgres, SourceKind::Socket]),
    ("poll", &[SourceKind::Postgres]),
    ("overlap", &[SourceKind::Postgres]),
    ("follow", &[SourceKind::Nats, SourceKind::Postgres]),
    ("patience", &[SourceKind::Nats, SourceKind::Postgres]),
];

/// Reads what a source follows; `None` for files.
pub(super) fn read(kind: SourceKind, view: View<'_>, vector: Option<String>, base_dir: &Path) -> Option<SourceServer> {
    let text = |key: &str| view.text(key).unwrap_or_default();
    let place = match kind {
        SourceKind::Nats => Followed::Nats {
            stream: NatsStream {
                url: text("url"),
                stream: text("stream"),
                subject: text("subject"),
                partitions: view.count_32("partitions").unwrap_or(1),
                keeps: StreamKeeps::default(),
            },
            format: view.choice("format").unwrap_or_default(),
            on_gap: view.choice("on_gap").unwrap_or_default(),
            deleted: view.text("deleted"),
            only: None,
        },
        SourceKind::Socket => Followed::Socket {
            listen: Listen::read(&text("listen"), base_dir).unwrap_or_default(),
            format: view.choice("format").unwrap_or(MessageFormat::Jsonl),
            token: view.text("token"),
            deleted: view.text("deleted"),
        },
        SourceKind::Postgres => Followed::Postgres {
            table: SqlTable {
                url: text("url"),
                table: text("table"),
                id: view.text("id").unwrap_or_else(|| "id".to_owned()),
                vector: vector.unwrap_or_else(|| "embedding".to_owned()),
                writer: String::new(),
            },
            version: text("version"),
            deleted: view.text("deleted"),
            poll: view.duration("poll").unwrap_or(Duration::from_secs(1)),
            overlap: view.duration("overlap").unwrap_or(Duration::from_secs(10)),
        },
        _ => return None,
    };
    Some(SourceServer { place, follow: view.bool("follow").unwrap_or(true), patience: view.duration("patience") })
}

/// Checks the settings of what a source follows, and that nobody else has its keys.
pub(super) fn check(checks: &mut Checks<'_, '_>, source: &Source) {
    let section = ["source", source.name.as_str()];
    let kind = source.kind.name();
    for (key, kinds) in OWN_KEYS {
        if !kinds.contains(&source.kind) {
            servers::check_not_here(checks, &section, key, kind);
        }
    }
    let Some(server) = &source.server else { return };
    servers::check_built(checks, &section, kind);
    for key in ["path", "order", "watch"] {
        servers::check_not_here(checks, &section, key, kind);
    }
    if checks.is_true(&["source", &source.name, "epoch"]) {
        refuse(checks, source, "epoch", "what is followed is a stream of changes", "remove `epoch`");
    }
    servers::check_scheme(checks, &section, kind);
    match &server.place {
        Followed::Socket { listen, format, token, .. } => check_socket(checks, source, (listen, *format, token)),
        Followed::Postgres { .. } => servers::check_needs(
            checks,
            &section,
            &[
                ("url", "an address such as \"postgres://ann@db.example/vectors\""),
                ("table", "the table that is followed"),
                ("version", "a column that grows with every change, such as one of the type xid8"),
            ],
        ),
        Followed::Nats { stream, format, .. } => {
            servers::check_needs(
                checks,
                &section,
                &[
                    ("url", "an address such as \"nats://127.0.0.1:4222\""),
                    ("stream", "the stream's name"),
                    ("subject", "the subjects' first words, as the sink has them; for JSON lines a subject"),
                ],
            );
            servers::check_names(checks, &section, stream, *format != MessageFormat::Deltas);
            match format {
                MessageFormat::Deltas => check_deltas(checks, source, &section),
                MessageFormat::Arrow => refuse(
                    checks,
                    source,
                    "format",
                    "a stream of NATS holds messages, not one Arrow stream",
                    "set `format = \"jsonl\"`",
                ),
                MessageFormat::Jsonl => {
                    if checks.place(&["source", &source.name, "partitions"]).is_some() {
                        refuse(
                            checks,
                            source,
                            "partitions",
                            "messages of others are not divided by us",
                            "remove `partitions`",
                        );
                    }
                }
            }
        }
    }
}

/// Whoever connects from elsewhere must know something.
fn check_socket(
    checks: &mut Checks<'_, '_>,
    source: &Source,
    (listen, format, token): (&Listen, MessageFormat, &Option<String>),
) {
    let section = ["source", source.name.as_str()];
    servers::check_needs(checks, &section, &[("listen", "where others connect, such as \"127.0.0.1:7880\"")]);
    let path = ["source", &source.name, "listen"];
    let text = checks.text(&path).map(str::to_owned);
    if text.is_some_and(|text| Listen::read(&text, Path::new("")).is_none()) {
        let message = format!("`listen` of source \"{}\" is no place to listen at", source.name);
        let diagnostic = Diagnostic::error(URL, message)
            .label("expected IP:PORT or unix:PATH")
            .help("write an address such as \"127.0.0.1:7880\", or a path such as \"unix:run/rows.sock\"");
        checks.report_at(&path, diagnostic);
    }
    if listen.is_open() && token.is_none() {
        let message = format!("source \"{}\" would take rows from every machine that reaches it", source.name);
        let diagnostic = Diagnostic::error(OPEN, message)
            .label("other machines reach this address")
            .help("add `token = { env = \"NAME\" }`, or listen at 127.0.0.1 or unix:PATH");
        checks.report_at(&path, diagnostic);
    }
    if format == MessageFormat::Deltas {
        let help = "set `format = \"jsonl\"` or `format = \"arrow\"`";
        refuse(checks, source, "format", "a socket takes rows, not deltas", help);
    }
    if format == MessageFormat::Arrow && checks.place(&["source", &source.name, "deleted"]).is_some() {
        refuse(checks, source, "deleted", "only JSON lines say that an id is gone", "set `format = \"jsonl\"`");
    }
    let pipeline = checks.pipeline;
    let same = |other: &&Source| {
        let place = other.server.as_ref().map(|server| &server.place);
        matches!(place, Some(Followed::Socket { listen: taken, .. }) if taken == listen && !taken.is_any_port())
    };
    let before = pipeline.sources.iter().take_while(|other| other.name != source.name);
    if let Some(other) = before.filter(|other| same(other)).last() {
        let message = format!("sources \"{}\" and \"{}\" listen at the same place", other.name, source.name);
        let diagnostic =
            Diagnostic::error(SAME_OUTPUT, message).label("already taken").help("give each source its own `listen`");
        checks.report_at(&path, diagnostic);
    }
}

/// Deltas fit the exact state that they name: nothing may come between.
fn check_deltas(checks: &mut Checks<'_, '_>, source: &Source, section: &[&str; 2]) {
    servers::check_needs(checks, section, &[("partitions", "into how many subjects the sink divides, such as 8")]);
    for key in ["id", "vector", "deleted"] {
        if checks.place(&["source", &source.name, key]).is_some() {
            refuse(checks, source, key, "a delta says it itself", "remove it, or set `format = \"jsonl\"`");
        }
    }
    if checks.place(&["source", &source.name, "on_gap"]).is_some() {
        refuse(
            checks,
            source,
            "on_gap",
            "the deltas behind a gap fit no state",
            "remove `on_gap`, or set `format = \"jsonl\"`",
        );
    }
    let pipeline = checks.pipeline;
    let lossy = pipeline.capture.epsilon > 0.0 || matches!(pipeline.capture.detect, Detector::Any(_));
    let wrong = [
        (lossy, ["capture", "detect"], "thresholds"),
        (pipeline.capture.min_interval.is_some(), ["capture", "min_interval"], "`min_interval`"),
        (!pipeline.apply.transform.is_empty(), ["apply", "transform"], "`transform`"),
    ];
    for (_, path, what) in wrong.into_iter().filter(|(is, _, _)| *is) {
        let message = format!("{what} cannot be honoured with the deltas of source \"{}\"", source.name);
        let diagnostic = Diagnostic::error(NOT_WITH_KIND, message)
            .label("each delta fits the exact bits that the one before it left")
            .help("let the pipeline that publishes do it, or set `format = \"jsonl\"`");
        checks.report_at(&path, diagnostic);
    }
}

fn refuse(checks: &mut Checks<'_, '_>, source: &Source, key: &str, why: &str, help: &str) {
    let message = format!("`{key}` cannot be honoured in source \"{}\"", source.name);
    let diagnostic = Diagnostic::error(NOT_WITH_KIND, message).label(why).help(help);
    checks.report_at(&["source", &source.name, key], diagnostic);
}

/// `{partition}` in a store needs sources that are divided.
pub(super) fn check_partition(checks: &mut Checks<'_, '_>) {
    let pipeline = checks.pipeline;
    if !pipeline.is_divided() {
        for sink in pipeline.sinks.iter().filter(|sink| sink.names_partition()) {
            let message = format!("sink \"{}\" has no partitions", sink.name);
            let diagnostic = Diagnostic::error(PARTITION, message)
                .label("`{partition}` stands here, but not in `store`")
                .help("put `{partition}` into `store` as well, or remove it here");
            checks.report_key(&["sink", &sink.name], diagnostic);
        }
        return;
    }
    let divided = |source: &&Source| source.partitions().is_none();
    if let Some(source) = pipeline.sources.iter().find(divided) {
        let message = format!("source \"{}\" is not divided into partitions", source.name);
        let diagnostic = Diagnostic::error(PARTITION, message)
            .label("every repository of `store` would get all of it")
            .help("use a source with `kind = \"nats\"` and `partitions`, or remove `{partition}` from `store`");
        return checks.report_at(&["pipeline", "store"], diagnostic);
    }
    let mut counts: Vec<u32> = pipeline.sources.iter().filter_map(Source::partitions).collect();
    counts.dedup();
    if counts.len() > 1 {
        let diagnostic = Diagnostic::error(PARTITION, "the sources are divided into different numbers of partitions")
            .label(format!("{} and {}", counts[0], counts[1]))
            .help("give all sources the same `partitions`, or make two files of it");
        checks.report_at(&["pipeline", "store"], diagnostic);
    }
    for sink in &pipeline.sinks {
        if !sink.is_divided() {
            let message = format!("the workers would write sink \"{}\" at once", sink.name);
            let diagnostic = Diagnostic::error(PARTITION, message)
                .label("the partitions share this place")
                .help("put `{partition}` into its path or subject");
            checks.report_key(&["sink", &sink.name], diagnostic);
        }
    }
}
