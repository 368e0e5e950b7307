//! Settings of the design that this version refuses by name.

/// A setting that is known by name and refused, because this version could not honour it.
#[derive(Debug)]
pub(in crate::pipeline::config) struct Later {
    /// The section's header; empty for any.
    pub(in crate::pipeline::config) section: &'static str,
    pub(in crate::pipeline::config) key: &'static str,
    /// The value, when the key itself is supported.
    pub(in crate::pipeline::config) value: Option<&'static str>,
    /// What to do instead.
    pub(in crate::pipeline::config) instead: &'static str,
}

impl Later {
    /// Returns the section's noun, for example `sink`.
    pub(in crate::pipeline::config) fn noun(&self) -> &'static str {
        let noun = self.section.trim_start_matches('[');
        noun.split(['.', ']']).next().unwrap_or(noun)
    }
}

const fn later(section: &'static str, key: &'static str, instead: &'static str) -> Later {
    Later { section, key, value: None, instead }
}

const fn later_value(section: &'static str, key: &'static str, value: &'static str, instead: &'static str) -> Later {
    Later { section, key, value: Some(value), instead }
}

/// The settings that are refused by name.
pub(in crate::pipeline::config) static LATER: &[Later] = &[
    later("[pipeline]", "checkpoint", "remove it"),
    later("[capture]", "encode", "remove it: deltas are differences of bit patterns, which replay and undo exactly"),
    later("close", "idle", "use `gap`, which closes a window when nothing has come for so long"),
    later("[apply]", "conflict", "remove it: a delta for another state is refused; `vecdelta merge` has strategies"),
    later("[apply]", "base", "remove it: a delta applies only to the state that it names"),
    later("[version]", "commit", "remove it: every closed window is a commit"),
    later(
        "[sink.NAME]",
        "retention",
        "remove it: the place to go on at is read back, so a stream keeps its messages; see `limits`",
    ),
    later("[sink.NAME]", "compression", "remove it: nats-server 2.9 answers OK and does nothing"),
    later("[sink.NAME]", "message_ttl", "use `limits = { age = .. }`: nats-server 2.9 answers OK and does nothing"),
    later("given", "at", "use `collection` and `id`"),
    later("expect", "applied", "use `captured`"),
    later_value("[sink.NAME]", "kind", "kafka", "use `nats`, or `webhook` with a bridge"),
    later_value("[source.NAME]", "kind", "kafka", "use `jsonl` with `path = \"-\"` and pipe the messages in"),
    later_value("[source.NAME]", "kind", "csv", "convert the file to Parquet or JSON lines"),
];
