//! `[sink.NAME]`, `[[test]]`.

use super::super::keys::Need::{Default, Optional, Required};
use super::super::keys::{Kind, Section, Word};
use super::{CHANGES, PRIORITIES, SOME_TIME, key, section, word};

/// The formats of a sink.
pub(in crate::pipeline::config) static SINK_KINDS: &[Word] = &[
    word("parquet", "Parquet"),
    word("arrow", "Arrow IPC"),
    word("npy", "NumPy with a side-car `.ids.txt`; whole tables only"),
    word("jsonl", "JSON lines"),
    word("webhook", "JSON lines in `POST` requests to `url`; deltas only"),
    word("nats", "messages in a stream of NATS JetStream; deltas only; needs a program built with `--features nats`"),
    word(
        "postgres",
        "rows of a table that is kept in step; deltas only; needs a program built with `--features postgres`",
    ),
    word(
        "ruvector",
        "an index of ruvector-core that is kept in step; deltas only; needs a program built with `--features ruvector`",
    ),
];

/// By what an index tells how near vectors are.
pub(in crate::pipeline::config) static INDEX_METRICS: &[Word] =
    &[word("cosine", "the angle between them"), word("euclidean", "the distance"), word("dot", "the product")];

/// What a sink writes.
pub(in crate::pipeline::config) static SINK_CONTENTS: &[Word] =
    &[word("deltas", "what changed"), word("table", "the whole table after the last commit")];

/// The fields of a JSON line.
pub(in crate::pipeline::config) static SINK_FIELDS: &[Word] = &[
    word("source", "`collection/key`"),
    word("collection", "the collection"),
    word("id", "the key"),
    word("change", "`insert`, `update` or `delete`"),
    word("changed_dims", "how many components differ"),
    word("l2", "Euclidean distance"),
    word("cosine", "the cosine between the vectors before and after"),
    word("max_abs", "the largest move of a component"),
    word("route", "the route"),
    word("commit", "the commit's hash"),
    word("time", "the commit's time, RFC 3339 in UTC"),
    word("base", "the hash of the row before"),
    word("result", "the hash of the row after"),
    word("vector", "the new vector, as numbers; brings `bits` along"),
    word("bits", "the new vector, as little-endian bytes in hex"),
    word("delta", "what tells the delta from all others: commit and row"),
    word("meta", "the metadata of the row"),
];

/// What is promised of a delivery.
pub(in crate::pipeline::config) static GUARANTEES: &[Word] = &[
    word("at_most_once", "a delta may be lost, but never comes twice"),
    word("at_least_once", "a delta is never lost, but may come twice; its `delta` field tells"),
    word(
        "exactly_once",
        "the place in the history is stored with what is written: nothing is lost, nothing counts twice",
    ),
];

/// What happens when a sink is slow.
pub(in crate::pipeline::config) static ON_SLOW: &[Word] = &[
    word("spill", "it reads the log later; nobody waits"),
    word("block", "the pipeline waits for it"),
    word("drop_oldest", "the oldest deltas that wait are left out, and counted; only with `at_most_once`"),
    word("detach", "it is given up until the next run, which goes on where it was"),
];

/// `[sink.NAME]`.
pub(in crate::pipeline::config) static SINK: Section = section(
    "[sink.NAME]",
    "sink",
    "Where results are written besides the repository.",
    &[
        key("kind", Kind::Word(SINK_KINDS), Required, "The format."),
        key(
            "path",
            Kind::Template(&["branch", "collection", "partition"]),
            Optional("required for files"),
            "The directory or file, relative to this file.",
        ),
        key("what", Kind::Word(SINK_CONTENTS), Default("\"deltas\""), "What to write."),
        key(
            "fields",
            Kind::List(&Kind::Word(SINK_FIELDS), 1),
            Optional("those that fit `what`"),
            "The fields of a line; for `jsonl` and `webhook` only.",
        ),
        key(
            "url",
            Kind::Url,
            Optional("required for servers"),
            "The server: `http://` for `webhook`, `nats://` for `nats`, `postgres://USER@HOST/DATABASE` for `postgres`; never with a password.",
        ),
        key(
            "stream",
            Kind::Template(&["branch", "collection", "partition"]),
            Optional("required for `kind = \"nats\"`"),
            "The stream's name; it is made when absent, and holds `SUBJECT.*`.",
        ),
        key(
            "subject",
            Kind::Template(&["branch", "collection", "partition"]),
            Optional("required for `kind = \"nats\"`"),
            "The subjects' first words: deltas go to `SUBJECT.0` and so on, the place to go on at to `SUBJECT.cursor`.",
        ),
        key(
            "partitions",
            Kind::Count { min: 1, max: 1024 },
            Optional("required for `kind = \"nats\"`"),
            "Into how many subjects the sources are divided, by the hash of the key; it cannot be changed later.",
        ),
        key(
            "limits",
            Kind::Table(&LIMITS),
            Optional("the stream keeps everything"),
            "How much the stream keeps. Who follows it and was away for longer has a gap, and is told so.",
        ),
        key(
            "replicas",
            Kind::Count { min: 1, max: 5 },
            Optional("1 where the stream is made"),
            "On how many servers of a cluster the stream is.",
        ),
        key(
            "table",
            Kind::Template(&["branch", "collection", "partition"]),
            Optional("required for `kind = \"postgres\"`"),
            "`TABLE` or `SCHEMA.TABLE`; it is made when absent.",
        ),
        key("id", Kind::Text, Optional("`id`"), "The table's column of the id, which has a unique index."),
        key(
            "vector",
            Kind::Text,
            Optional("`embedding`"),
            "The table's column of the vector: `real[]`, `double precision[]`, or pgvector's `vector`.",
        ),
        key(
            "metric",
            Kind::Word(INDEX_METRICS),
            Optional("`cosine`"),
            "By what the index of `ruvector` tells how near vectors are; it cannot be changed later.",
        ),
        key(
            "roll",
            Kind::Size,
            Default("\"128MiB\""),
            "About how large a part file grows before the next one is begun; for deltas as `parquet` or `arrow`.",
        ),
        key(
            "guarantee",
            Kind::Word(GUARANTEES),
            Optional("`exactly_once`, but `at_least_once` for `webhook`"),
            "What is promised about each delta.",
        ),
        key(
            "on_slow",
            Kind::Word(ON_SLOW),
            Default("\"spill\""),
            "What happens when more waits for the sink than its share of `memory`.",
        ),
    ],
);

/// `limits = { .. }`.
pub(in crate::pipeline::config) static LIMITS: Section = section(
    "limits",
    "limits",
    "How much a stream keeps; what is older, or beyond, is removed by the server.",
    &[
        key("age", SOME_TIME, Optional("for ever"), "The age of the oldest message."),
        key("bytes", Kind::Size, Optional("without an end"), "The size of all messages."),
    ],
);

/// `[[test]]`.
pub(in crate::pipeline::config) static TEST: Section = section(
    "[[test]]",
    "test",
    "A case that `vecdelta test` runs without reading any input.",
    &[
        key("name", Kind::Text, Required, "What is claimed."),
        key("given", Kind::Table(&GIVEN), Required, "The change of one id."),
        key("expect", Kind::Table(&EXPECT), Required, "What must become of it; what is left out is not compared."),
    ],
);

/// `given = { .. }`.
pub(in crate::pipeline::config) static GIVEN: Section = section(
    "given",
    "given",
    "The change of one id: without `before` an insert, without `after` a delete.",
    &[
        key("id", Kind::Text, Required, "The id."),
        key("collection", Kind::Name, Optional("the only collection of the file"), "The collection."),
        key("before", Kind::List(&Kind::AnyNumber, 1), Optional("the id is new"), "The vector before."),
        key("after", Kind::List(&Kind::AnyNumber, 1), Optional("the id is deleted"), "The vector after."),
        key("meta", Kind::Map(&Kind::Text), Optional("no metadata"), "The metadata of the row."),
        key("now", Kind::Moment, Optional("the beginning of 1970"), "When it is captured."),
    ],
);

/// `expect = { .. }`.
pub(in crate::pipeline::config) static EXPECT: Section = section(
    "expect",
    "expect",
    "What must become of the change.",
    &[
        key("captured", Kind::Bool, Optional("not compared"), "Whether capture makes a delta of it."),
        key("change", Kind::Word(CHANGES), Optional("not compared"), "The kind of the delta."),
        key(
            "changed_dims",
            Kind::Count { min: 0, max: u32::MAX as u64 },
            Optional("not compared"),
            "How many components differ.",
        ),
        key("route", Kind::Name, Optional("not compared"), "The first route that takes it."),
        key("to", Kind::List(&Kind::Name, 0), Optional("not compared"), "The sinks that receive it."),
        key(
            "priority",
            Kind::Word(PRIORITIES),
            Optional("not compared"),
            "How urgent the first route that takes it is.",
        ),
        key("window", Kind::Name, Optional("not compared"), "The window that collects it."),
    ],
);
