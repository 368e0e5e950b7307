//! A proof as a document: JSON whose bytes follow from what it says, drawn in docs/proofs.md.

use serde_json::{Map, Value, json};

use crate::delta::{RowHash, Source, domain, hex};
use crate::store::TreePath;
use crate::version::Checkpoint;

/// What shows that a repository held something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The state of the log that it leads to.
    pub checkpoint: Checkpoint,
    /// What it shows.
    pub shows: Shows,
}

/// What a proof shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shows {
    /// A commit is in the log, and perhaps what one source was at it.
    Commit {
        /// The payload of the record's frame.
        record: Vec<u8>,
        /// The hashes beside the way from the record to the root of the log, from the leaf up.
        path: Vec<[u8; 32]>,
        /// One source at that commit.
        source: Option<SourcePart>,
    },
    /// The log continues an older state of it.
    History {
        /// The older state.
        since: Checkpoint,
        /// The hashes that lead to both roots.
        path: Vec<[u8; 32]>,
    },
}

/// One source in the table of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePart {
    /// Which one.
    pub source: Source,
    /// Its bits; `None` when it is not in the table.
    pub bits: Option<Vec<u8>>,
    /// The way from its place to the root of the collection's state tree.
    pub way: TreePath,
}

impl Proof {
    /// Returns the text of the file.
    pub fn to_text(&self) -> String {
        let mut fields = self.fields();
        let sum = checksum(&fields);
        fields.insert("checksum".to_owned(), json!(sum));
        format!("{:#}\n", Value::Object(fields))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// Says why it is no proof, or not one as it was written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|e| format!("it is not JSON: {e}"))?;
        let proof = Self::read(&Fields(&value))?;
        match proof.to_text() == text {
            true => Ok(proof),
            false => Err("its text is not as it was written: a byte was changed, lost or added".to_owned()),
        }
    }

    fn fields(&self) -> Map<String, Value> {
        let (kind, path) = match &self.shows {
            Shows::Commit { source: None, path, .. } => ("commit", path),
            Shows::Commit { source: Some(_), path, .. } => ("source", path),
            Shows::History { path, .. } => ("history", path),
        };
        let mut fields = Map::new();
        fields.insert("checkpoint".to_owned(), json!(self.checkpoint.to_string()));
        fields.insert("path".to_owned(), hashes(path));
        fields.insert("proof".to_owned(), json!(kind));
        match &self.shows {
            Shows::Commit { record, source, .. } => {
                fields.insert("record".to_owned(), json!(hex(record)));
                if let Some(part) = source {
                    fields.insert("source".to_owned(), part.value());
                }
            }
            Shows::History { since, .. } => {
                fields.insert("since".to_owned(), json!(since.to_string()));
            }
        }
        fields
    }

    fn read(fields: &Fields<'_>) -> Result<Self, String> {
        let checkpoint = Checkpoint::parse(fields.text("checkpoint")?)?;
        let path = fields.list("path")?.iter().map(hash).collect::<Result<_, _>>()?;
        let shows = match fields.text("proof")? {
            "history" => Shows::History { since: Checkpoint::parse(fields.text("since")?)?, path },
            kind @ ("commit" | "source") => Shows::Commit {
                record: bytes(fields.text("record")?)?,
                path,
                source: (kind == "source").then(|| SourcePart::read(&Fields(&fields.0["source"]))).transpose()?,
            },
            other => return Err(format!("nothing is known of proofs of a `{other}`")),
        };
        Ok(Self { checkpoint, shows })
    }
}

impl SourcePart {
    fn value(&self) -> Value {
        let entry = |(key, row): &([u8; 16], RowHash)| json!(hex(&[&key[..], &row.0].concat()));
        json!({
            "bits": self.bits.as_deref().map(hex),
            "collection": self.source.collection,
            "key": self.source.key,
            "leaf": self.way.leaf.iter().map(entry).collect::<Vec<_>>(),
            "nodes": self.way.nodes.iter().map(|n| hashes(n)).collect::<Vec<_>>(),
        })
    }

    fn read(fields: &Fields<'_>) -> Result<Self, String> {
        let entry = |value: &Value| {
            let found = bytes(value.as_str().unwrap_or_default())?;
            let (key, row) = found.split_first_chunk::<16>().ok_or("an entry of a leaf has 48 bytes")?;
            Ok::<_, String>((*key, RowHash(row.try_into().map_err(|_| "an entry of a leaf has 48 bytes")?)))
        };
        let node = |value: &Value| {
            let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let hashes: Vec<[u8; 32]> = list.iter().map(hash).collect::<Result<_, _>>()?;
            hashes.try_into().map_err(|_| "a node has 15 other children".to_owned())
        };
        let name = format!("{}/{}", fields.text("collection")?, fields.text("key")?);
        Ok(Self {
            source: Source::parse(&name).map_err(|e| e.to_string())?,
            bits: match &fields.0["bits"] {
                Value::Null => None,
                _ => Some(bytes(fields.text("bits")?)?),
            },
            way: TreePath {
                leaf: fields.list("leaf")?.iter().map(entry).collect::<Result<_, _>>()?,
                nodes: fields.list("nodes")?.iter().map(node).collect::<Result<_, _>>()?,
            },
        })
    }
}

/// Returns the hash of all fields but itself, as JSON without spaces: finds a byte that changed by accident. Whoever
/// changes a proof on purpose can make it anew, but cannot make the root that was pinned.
fn checksum(fields: &Map<String, Value>) -> String {
    let text = Value::Object(fields.clone()).to_string();
    blake3::keyed_hash(&domain("vecdelta v1 proof"), text.as_bytes()).to_hex().to_string()
}

struct Fields<'v>(&'v Value);

impl Fields<'_> {
    fn text(&self, name: &str) -> Result<&str, String> {
        self.0[name].as_str().ok_or_else(|| format!("it has no text `{name}`"))
    }

    fn list(&self, name: &str) -> Result<&[Value], String> {
        self.0[name].as_array().map(Vec::as_slice).ok_or_else(|| format!("it has no list `{name}`"))
    }
}

fn hashes(list: &[[u8; 32]]) -> Value {
    list.iter().map(|h| json!(hex(h))).collect()
}

fn hash(value: &Value) -> Result<[u8; 32], String> {
    let found = bytes(value.as_str().unwrap_or_default())?;
    found.try_into().map_err(|_| "a hash has 32 bytes, as 64 hex digits".to_owned())
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let digit = |d: &u8| char::from(*d).to_digit(16).map(|d| d as u8);
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect::<Option<_>>().ok_or_else(|| "bytes are pairs of hex digits".to_owned())
}
