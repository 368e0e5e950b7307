//! The long text of every code.

/// Returns what `vecdelta explain CODE` prints: what the error means, why it is one, and the way out.
///
/// `code` is compared without regard to case.
pub fn explain(code: &str) -> Option<&'static str> {
    TEXTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, text)| *text)
}

/// Returns all codes, in order.
pub fn codes() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().map(|(code, _)| *code)
}

const TEXTS: &[(&str, &str)] = &[
    ("VD0101", "The file is not TOML at this place.

Texts need quotes, lists need `]`, inline tables need `}`. One run shows every statement that cannot be read; what stands
in the other statements is checked as well. What is absent is only reported once the whole file can be read."),
    ("VD0102", "The file is written for another version of the format.

This program reads `config_version = 1`. A newer version may mean something else by the same key, so nothing is guessed.
Use a newer program, or rewrite the file for version 1."),
    ("VD0103", "A key that has no default is missing.

The reference page lists for every key whether it is required. The help line shows what to add."),
    ("VD0104", "The key does not exist.

A key that nobody reads would be a setting that nobody honours, so it is refused rather than passed over. Mostly it is a
slip of the pen: the label names the nearest key, the note lists all keys of the section."),
    ("VD0105", "The setting is known by name, but this version cannot honour it.

It is refused, so that no one relies on it. The help line says what does the job today."),
    ("VD0106", "The key exists, but in another section.

The label names the sections that take it. Often a `[section]` line is missing above it, or the key slid below the next
one: in TOML a key belongs to the last header above it."),
    ("VD0107", "Two things have the same name.

TOML allows every key once. Routes and tests are told apart by `name`, in messages, tests and metrics."),
    ("VD0108", "A `--set KEY=VALUE` argument cannot be applied.

KEY is a dotted path: `pipeline.memory`, `window.live.close.count`, `route.0.to` (routes count from 0) or
`route.NAME.to`. VALUE is read as TOML, or else as a text, so that `4GiB` needs no quotes. The value goes through the same
checks as the file."),
    ("VD0109", "The file asks for an environment variable that is not set.

`{ env = \"NAME\" }` stands for the text of the variable NAME, wherever a text is expected. There is no default, so that a
missing variable never turns into an empty value."),
    ("VD0110", "The name cannot be used.

Names of sources, collections, routes, windows and sinks are 1 to 128 letters, digits, `_`, `-` or `.`, without `.` in
front. They become parts of paths and metrics. The name of a branch has no spaces and none of the signs that revisions use,
and it is not a row of hex digits, which could be taken for a hash."),
    ("VD0111", "The file is right, but this program cannot do what it asks for.

NATS, PostgreSQL and RuVector are left out of the default build, which so stays small. The help line says how to build a program
that has them. `vecdelta check` of such a program finds what else is wrong."),
    ("VD0201", "The value has another type than the key needs.

Texts stand in quotes; numbers, `true` and `false` do not. Sizes and durations are texts with a unit: \"64MiB\", \"30s\".
Lists stand in `[ ]`. A section that may occur once is written `[name]`, a named one `[name.NAME]`, a row `[[name]]`."),
    ("VD0202", "The text is not a size.

A size is a number and a unit: B, KB, MB, GB, TB (thousands) or KiB, MiB, GiB, TiB (1,024). Upper and lower case matter.
Decimals are fine when they come to whole bytes: \"1.5KiB\"."),
    ("VD0203", "The text is not a duration.

A duration is a number and a unit: ms, s, m (minutes), h, d. Decimals are fine when they come to whole milliseconds:
\"1.5s\"."),
    ("VD0204", "The pattern cannot be read.

`*` and `?` stay within one segment, `**` crosses segments, `{a,b}` is either, `[ab]` is one of the characters. Put `\\` in
front of a character to take it as it is. Routes match against `collection/key`."),
    ("VD0205", "The value is not one of the words that this key knows.

The note lists the words. The reference page says what each means."),
    ("VD0206", "The number is outside of what makes sense.

Thresholds are finite and not negative; counts, sizes and times are above 0. NaN would make every comparison false."),
    ("VD0207", "The text is not a range of dimensions.

\"0..8\" means the components 0 to 7: the end is not part of it, and must be above the start."),
    ("VD0208", "The text holds braces that stand for nothing.

Only the placeholders listed for this key are filled in. Anything else in braces would end up in a file name or a message
as it is, which is rarely meant."),
    ("VD0209", "The value is empty.

An empty text, list or table says nothing. Remove the key to get its default."),
    ("VD0210", "The data has another width than `dims` says.

Either the number is wrong, or the source reads the wrong column, or the model has changed. Only the heads of the files
were read to find out; nothing was written."),
    ("VD0211", "Keys that exclude each other stand together, or none of them is given.

A detector or validator is one condition, a transformer one step: write `[{ l2 = 0.1 }, { cosine = 0.01 }]` for two. A window closes either by
`epoch = true`, one commit per file, or by the other triggers, whichever comes first."),
    ("VD0212", "The text is not a time of day, or not a moment.

A time of day has a zone, because it would mean another time on another machine: \"06:00-22:00Z\", or
\"22:00-06:00+02:00\" over midnight. The end is not part of it."),
    ("VD0213", "The address cannot be used.

A webhook is posted to over plain HTTP, a stream is `nats://HOST:PORT`, a table `postgres://USER@HOST/DATABASE`. TLS is not
built in: a proxy on the same machine can speak it, and keeps the keys out of this file. A password in an address would
be seen by everybody who reads the file: put it into PGPASSWORD or ~/.pgpass, into NATS_USER and NATS_PASSWORD, or
NATS_TOKEN. What is shown of the line has the password crossed out."),
    ("VD0302", "A route names a window that does not exist.

Define it as `[window.NAME]`, or use `epoch`, which exists without being defined."),
    ("VD0303", "A route names a sink that does not exist.

Define it as `[sink.NAME]`. The repository itself is no sink: it is always written."),
    ("VD0304", "The setting makes no sense for this format.

`npy` and `fvecs` files have no columns, and their ids are row numbers; `npy` cannot tell an update from a delete, so it
holds whole tables only; `fields` shapes JSON lines, while the columns of other formats are fixed."),
    ("VD0305", "Standard input cannot be read like this.

`path = \"-\"` needs `kind = \"jsonl\"`, stands alone in its source, and can be used by one source only. Other formats need
files that can be read at any offset."),
    ("VD0306", "`missing = \"delete\"` needs whole epochs.

It deletes the ids that an epoch does not hold. A stream of changes (`epoch = false`) holds only what changed, so every
other row would be deleted."),
    ("VD0307", "There is nothing to send heartbeats about.

A heartbeat says that a quiet source is alive. Files end, so only a source that reads standard input can be quiet."),
    ("VD0308", "The source has nothing to wait for.

`watch = true` waits for more files that fit the pattern in `path`, and reads each as it appears. A plain path names one
file, which is there or not."),
    ("VD0310", "Capture is lossy.

With `epsilon` above 0, or with thresholds, some changes are left out on purpose. What is captured is still exact, and the
error stays within the tolerance for ever, because the comparison is with the repository and not with the previous input.
The commits are marked. Use `epsilon = 0.0` and `detect = \"any_bit\"` to keep every bit."),
    ("VD0311", "The setting has no effect.

`bits = true` captures every change, so the other thresholds of `any` never decide anything."),
    ("VD0320", "The window has no trigger.

Its deltas would never be committed. Give at least one of `after`, `count`, `bytes`, or `epoch = true`."),
    ("VD0321", "The window waits for more changes, without a limit of time.

When the stream falls quiet, the last changes stay uncommitted until more arrive or the pipeline stops. They are safe, but
no one sees them. `after` bounds the wait."),
    ("VD0322", "The window closes at the end of an epoch, and the source has none.

With `epoch = false` rows are a stream of changes. Route it to a window with `after`, `count` or `bytes`."),
    ("VD0323", "Several windows are defined, and no route says which to use.

Add `[[route]]` sections that name a window each, or keep a single window."),
    ("VD0324", "The clock of the window does not make sense.

A clock of events runs by a time that each row brings along, in a column that the source names in `meta`. It needs `idle`,
or the last window would never close. Rows are put in order before they are routed, so there is one such clock a file."),
    ("VD0331", "The sink cannot keep what `guarantee` promises.

Exactly once means that the place in the history is stored with what is written, both or neither. A server that is told
of deltas stores no place for us; it can pass over a `delta` that it has. `drop_oldest` leaves deltas out, so it goes
with `at_most_once` only."),
    ("VD0332", "`min_interval` would have no effect.

It bounds how often one id of a stream is captured. An epoch holds each id once."),
    ("VD0351", "The route is never reached.

The first route that matches takes a delta. An earlier one matches everything that this one would. Put the special route
first, or set `continue = true` in the earlier one."),
    ("VD0352", "No route leads to the sink.

It would never write anything. Add it to the `to` of a route; a route without `to` leads to every sink."),
    ("VD0353", "No route uses the window.

It does no harm, but is probably not meant."),
    ("VD0354", "The route matches no source.

`match` is compared with `collection/key`, so it starts with a collection or with `**`. The collection is the source's name
unless `collection` says otherwise."),
    ("VD0355", "No route takes the rows of the source.

A delta that no route takes is not committed. Put a route with `match = \"**\"` last to catch the rest."),
    ("VD0356", "No source reads this column.

Conditions and clocks can ask for the columns that a source names in `meta`. A condition on another one never holds."),
    ("VD0360", "A window, or all of them, may hold more bytes than the whole budget.

`memory` bounds all queues and open windows together, so this limit could never be reached."),
    ("VD0361", "The deltas of this route are too old before anybody can get them.

A delta waits for its window to close and be committed. `ttl` counts from its capture, so it must be longer than the
window stays open."),
    ("VD0370", "The locked or masked dimensions reach outside of the vectors.

\"0..8\" stands for the components 0 to 7; with `dims = 4` there are only 0 to 3."),
    ("VD0371", "Two outputs would overwrite each other.

Two sinks have the same path, or a sink writes into the repository's directory, which belongs to the repository alone."),
    ("VD0372", "Tables of several collections would go into one file.

They may differ in width. Put `{collection}` into the path: one file for each."),
    ("VD0373", "The work cannot be divided like this.

With `{partition}` in `store` each partition of a stream has a repository of its own, and `vecdelta run --partition K/N`
shares them between workers. All sources must be divided into the same number of partitions, and each sink needs a place
for each partition: `{partition}` in its path or subject. The rows of a table of PostgreSQL never meet."),
    ("VD0374", "Anybody could send rows.

A source of `kind = \"socket\"` takes what comes. At an address of this machine alone, or at a socket among its files, that is
what its users may do anyway. At any other address `token` is needed, which every connection says in its first line."),
    ("VD0380", "The test cannot pass, whatever the pipeline does.

It names a route, sink or collection that does not exist, its vectors do not fit together, or its expectations contradict
each other."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_and_used() {
        let source = include_str!("codes.rs");
        let declared: Vec<&str> = source.split('"').filter(|part| part.starts_with("VD") && part.len() == 6).collect();
        assert!(declared.is_sorted());
        assert_eq!(declared, codes().collect::<Vec<_>>());
        assert!(explain("vd0104").is_some_and(|text| text.contains("slip")));
        assert_eq!(explain("VD9999"), None);
    }
}
