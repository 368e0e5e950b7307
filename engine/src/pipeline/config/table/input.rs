//! `[pipeline]`, `[source.NAME]`, `[capture]`.

use super::super::keys::Need::{Default, Optional, Required};
use super::super::keys::{Kind, Section, Word};
use super::{ANY_NUMBER_FROM_0, COUNT_32, SOME_TIME, THREADS, key, section, word};

/// `[pipeline]`.
pub(in crate::pipeline::config) static PIPELINE: Section = section(
    "[pipeline]",
    "pipeline",
    "What holds for the whole pipeline.",
    &[
        key(
            "name",
            Kind::Text,
            Optional("the file's name without `.toml`"),
            "The name in messages, graphs and metrics.",
        ),
        key(
            "store",
            Kind::Path,
            Required,
            "The repository's directory, or `postgres://USER@HOST/DATABASE?repo=NAME`; it is created when absent. With `{partition}` each partition has its own, see `run --partition`.",
        ),
        key(
            "memory",
            Kind::Size,
            Default("\"2GiB\""),
            "One byte budget over every queue and open window; when it is used up, sources wait.",
        ),
        key(
            "drain",
            Kind::Duration { zero: true },
            Default("\"30s\""),
            "How long a stop may take to close windows and commit; exit code 75 when it takes longer.",
        ),
        key(
            "author",
            Kind::Text,
            Optional("the author that `vecdelta ingest` would write"),
            "The author on the commits.",
        ),
        key("threads", THREADS, Optional("one per core"), "How many threads to use. Results do not depend on it."),
    ],
);

/// The formats of a source.
pub(in crate::pipeline::config) static SOURCE_KINDS: &[Word] = &[
    word("parquet", "Parquet"),
    word("arrow", "Arrow IPC, file or stream; a stream can be read from standard input"),
    word("npy", "NumPy, two dimensions; ids are row numbers or a side-car `.ids.txt`"),
    word("fvecs", "`.fvecs` and `.bvecs`; ids are row numbers"),
    word("safetensors", "a tensor of two dimensions; ids are row numbers"),
    word("jsonl", "JSON lines; a file, or standard input"),
    word("files", "any of these, told by content"),
    word("feed", "rows that the program around the pipeline hands in; it has no `path`"),
    word(
        "socket",
        "rows that others send to an address of this machine, as JSON lines or an Arrow stream; see `listen`",
    ),
    word("nats", "messages of a stream of NATS JetStream; needs a program built with `--features nats`"),
    word("postgres", "changed rows of a table of PostgreSQL; needs a program built with `--features postgres`"),
];

/// What messages, or connections, hold.
pub(in crate::pipeline::config) static MESSAGE_FORMATS: &[Word] = &[
    word("deltas", "deltas, as a sink of `kind = \"nats\"` writes them"),
    word("jsonl", "JSON lines of any program: one or more objects a message"),
    word("arrow", "an Arrow IPC stream; only for `kind = \"socket\"`"),
];

/// What happens at a gap.
pub(in crate::pipeline::config) static ON_GAP: &[Word] = &[
    word("stop", "the run ends and says which messages are lacking"),
    word("skip", "it goes on behind the gap; only for `format = \"jsonl\"`"),
];

/// The orders of files.
pub(in crate::pipeline::config) static FILE_ORDERS: &[Word] = &[
    word("file_name", "by path, byte by byte"),
    word("given", "as `path` lists them, by path within one glob"),
    word("modified", "oldest modification first"),
];

/// What becomes of missing ids.
pub(in crate::pipeline::config) static MISSING: &[Word] =
    &[word("keep", "they stay"), word("delete", "they are deleted")];

/// `[source.NAME]`.
pub(in crate::pipeline::config) static SOURCE: Section = section(
    "[source.NAME]",
    "source",
    "Where vectors are read. NAME is made of letters, digits, `_`, `-` and `.`; several sources may fill one collection.",
    &[
        key("kind", Kind::Word(SOURCE_KINDS), Required, "The format of the input."),
        key(
            "path",
            Kind::Either(&[Kind::PathGlob, Kind::List(&Kind::PathGlob, 1)]),
            Optional("required for files"),
            "A path, a glob, or a list of them, relative to this file; `-` is standard input.",
        ),
        key(
            "order",
            Kind::Word(FILE_ORDERS),
            Default("\"file_name\""),
            "The order in which files are read, hence the order of the commits.",
        ),
        key("id", Kind::Text, Optional("found, when one column can be it"), "The column or field that holds the id."),
        key(
            "vector",
            Kind::Either(&[Kind::Text, Kind::Table(&VECTOR)]),
            Optional("found, when one column can be it"),
            "The column, field or tensor that holds the vector.",
        ),
        key("collection", Kind::Name, Optional("the source's NAME"), "The collection that receives the rows."),
        key(
            "url",
            Kind::Url,
            Optional("required for servers"),
            "The server: `nats://HOST:PORT` or `postgres://USER@HOST/DATABASE`; never with a password.",
        ),
        key("stream", Kind::Text, Optional("required for `kind = \"nats\"`"), "The stream that is followed."),
        key(
            "subject",
            Kind::Text,
            Optional("required for `kind = \"nats\"`"),
            "The subjects' first words, as the sink has them; for `jsonl` a subject of the stream, which may have wildcards.",
        ),
        key(
            "partitions",
            Kind::Count { min: 1, max: 1024 },
            Optional("required for deltas from `nats`"),
            "Into how many subjects the sink divides; `run --partition` shares them between workers.",
        ),
        key(
            "listen",
            Kind::Text,
            Optional("required for `kind = \"socket\"`"),
            "Where others connect: `IP:PORT` or `unix:PATH`, relative to this file. An address that other machines reach needs `token`.",
        ),
        key(
            "token",
            Kind::Text,
            Optional("none is asked for"),
            "What a connection must say in its first line, for `kind = \"socket\"`; better as `{ env = \"NAME\" }`.",
        ),
        key(
            "format",
            Kind::Word(MESSAGE_FORMATS),
            Optional("`deltas` for `nats`, `jsonl` for `socket`"),
            "What the messages of a stream, or the connections of a socket, hold.",
        ),
        key(
            "on_gap",
            Kind::Word(ON_GAP),
            Optional("`stop`"),
            "What happens when the stream's limits removed messages before they were read.",
        ),
        key("table", Kind::Text, Optional("required for `kind = \"postgres\"`"), "`TABLE`, `SCHEMA.TABLE`, or a view."),
        key(
            "version",
            Kind::Text,
            Optional("required for `kind = \"postgres\"`"),
            "The column that grows with every change. Of the type `xid8`, filled by `pg_current_xact_id()`, it is exact; integers and timestamps need `overlap`.",
        ),
        key(
            "deleted",
            Kind::Text,
            Optional("nothing is deleted"),
            "The boolean column or field that says that an id is gone.",
        ),
        key("poll", SOME_TIME, Optional("`1s`"), "The time between two looks at a table."),
        key(
            "overlap",
            Kind::Duration { zero: true },
            Optional("`10s`"),
            "How long a transaction may take between taking its version and its end. Versions of this time are looked at again; `xid8` needs none.",
        ),
        key(
            "follow",
            Kind::Bool,
            Optional("true"),
            "Whether a server is waited for to have more; with `false` the run ends when all that is there was read.",
        ),
        key(
            "patience",
            SOME_TIME,
            Optional("without an end"),
            "How long a server may be away before the run ends; it is tried again with growing waits.",
        ),
        key(
            "meta",
            Kind::List(&Kind::Text, 1),
            Optional("no metadata"),
            "Columns or fields whose values travel with the row: routes and windows can ask for them, and the commit keeps them.",
        ),
        key(
            "watch",
            Kind::Bool,
            Default("false"),
            "Whether to wait for more files that fit `path`, and read each as it appears, until the run is asked to stop. A file is read when it has stayed the same for half a second; one that is written with longer pauses must appear whole: write it under another name and rename it.",
        ),
        key("missing", Kind::Word(MISSING), Default("\"keep\""), "What becomes of ids that an epoch does not hold."),
        key(
            "epoch",
            Kind::Bool,
            Default("true"),
            "Whether each file is a whole epoch. With `false` rows are a stream of changes, as those of servers always are.",
        ),
        key(
            "on_reject",
            Kind::Word(ON_REJECT),
            Optional(
                "`dead_letter` for a stream from standard input, of rows that are handed in or sent, or from a server; `stop` for files",
            ),
            "What becomes of a row that cannot be read, or that `[apply]` refuses.",
        ),
    ],
);

/// What becomes of a row that is refused.
pub(in crate::pipeline::config) static ON_REJECT: &[Word] = &[
    word("dead_letter", "it is kept as it came, with the reason, and the stream goes on; see `vecdelta dlq`"),
    word("stop", "the run ends; nothing of a file's epoch is committed"),
];

/// `vector = { .. }`.
pub(in crate::pipeline::config) static VECTOR: Section = section(
    "vector",
    "vector",
    "The vector column of a source, with the width it must have.",
    &[
        key("column", Kind::Text, Optional("found, when one column can be it"), "The column, field or tensor."),
        key(
            "dims",
            COUNT_32,
            Optional("the width that the first file has"),
            "The width; a row of another width is refused.",
        ),
    ],
);

/// `[capture]`.
pub(in crate::pipeline::config) static CAPTURE: Section = section(
    "[capture]",
    "capture",
    "When a difference between a row and the repository's state is worth a delta. The comparison is always with what the deltas rebuild, so a tolerance bounds the error for ever.",
    &[
        key(
            "detect",
            Kind::Either(&[Kind::Word(ANY_BIT), Kind::Table(&DETECT)]),
            Default("\"any_bit\""),
            "What counts as changed.",
        ),
        key(
            "epsilon",
            ANY_NUMBER_FROM_0,
            Default("0.0"),
            "Components that moved by at most this much keep their old bits. 0 keeps replay bit-exact.",
        ),
        key(
            "buffer_limit",
            Kind::Size,
            Optional("half of `memory`"),
            "Bytes of changed rows, before and after, that open windows may hold together. When it is reached they are closed early and committed; windows of epochs are not, because an epoch is one commit.",
        ),
        key(
            "min_interval",
            SOME_TIME,
            Optional("every row is compared"),
            "The least time between two captures of one id from a stream: rows that come sooner are held back, and only the last of them is compared when the time is over.",
        ),
        key(
            "heartbeat",
            SOME_TIME,
            Optional("no heartbeats"),
            "How often a quiet live source reports that it is alive. Needs a source that is live: standard input, or one that watches.",
        ),
    ],
);

/// The word for the detector without thresholds.
pub(in crate::pipeline::config) static ANY_BIT: &[Word] = &[word("any_bit", "a row is captured when any bit differs")];

/// `detect = { .. }`.
pub(in crate::pipeline::config) static DETECT: Section = section(
    "detect",
    "detect",
    "Thresholds of change.",
    &[key("any", Kind::List(&Kind::Table(&DETECTOR), 1), Required, "A row is captured when any of these is reached.")],
);

/// One entry of `detect.any`.
pub(in crate::pipeline::config) static DETECTOR: Section = Section {
    header: "detect.any",
    noun: "detector",
    doc: "One threshold: exactly one of these keys.",
    choose_one: true,
    keys: &[
        key("l2", ANY_NUMBER_FROM_0, Optional("not compared"), "Euclidean distance of at least this."),
        key(
            "cosine",
            Kind::Number { min: 0.0, max: 2.0 },
            Optional("not compared"),
            "Cosine distance (one minus the cosine) of at least this.",
        ),
        key("max_abs", ANY_NUMBER_FROM_0, Optional("not compared"), "One component that moved by at least this."),
        key("bits", Kind::True, Optional("not compared"), "Any bit that differs."),
    ],
};
