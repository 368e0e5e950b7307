//! A delta: one change of one source, and all that belongs to it, under one hash.

use std::sync::LazyLock;

use super::delta_error::{ChainError, DeltaError};
use super::{
    Change, DeltaId, DeltaVector, RowHash, SortedMap, Source, Table, Timestamp, check_collection, check_key, row_hash,
};

static DELTA: LazyLock<[u8; 32]> = LazyLock::new(|| super::domain("vecdelta v1 delta"));

/// The version of the envelope that is written and read.
const VERSION: u8 = 1;
/// Version and id.
const HEAD_BYTES: usize = 33;

/// One change of one source: where, what, from which state to which, when, after which.
///
/// It never changes, and its id is the hash of all the rest. So equal deltas have one id wherever they are made, and
/// whoever knows an id knows that nothing was altered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    id: DeltaId,
    source: Source,
    change: Change,
    base: Option<RowHash>,
    result: Option<RowHash>,
    vector: DeltaVector,
    info: DeltaInfo,
}

/// What a delta says about itself besides the change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeltaInfo {
    /// When the change was made.
    pub time: Timestamp,
    /// The delta of the same source before this one.
    pub parent: Option<DeltaId>,
    /// Further keys and values.
    pub metadata: SortedMap<String, String>,
}

/// What [`Delta::apply_to`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The row was the base and is the result now.
    Changed,
    /// The row was the result already; nothing was done.
    Already,
}

/// The fields under the hash, in the order of their bytes.
type Fields = (
    (String, String),
    u8,
    Option<RowHash>,
    Option<RowHash>,
    Option<DeltaId>,
    Timestamp,
    SortedMap<String, String>,
    Vec<u8>,
);

impl Delta {
    /// Compares two states of a source and describes the change; `None` is a source that is absent.
    ///
    /// # Errors
    /// If the source cannot have that name, the table has no width, a row has another size, or both are absent.
    pub fn new(
        table: &Table,
        key: &str,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
        info: DeltaInfo,
    ) -> Result<Self, DeltaError> {
        let vector = DeltaVector::between(table.element, table.dims, old, new)?;
        let hash = |row: &[u8]| row_hash(key, table.element, row);
        let source = Source { collection: table.collection.clone(), key: key.to_owned() };
        Self::from_parts(source, old.map(hash), new.map(hash), vector, info)
    }

    /// Joins a delta from parts, such as a composed vector between the base of one delta and the result of another.
    ///
    /// # Errors
    /// If the source cannot have that name, base and result are both absent, or an insert is not a whole row.
    pub fn from_parts(
        source: Source,
        base: Option<RowHash>,
        result: Option<RowHash>,
        vector: DeltaVector,
        info: DeltaInfo,
    ) -> Result<Self, DeltaError> {
        let change = match (base, result) {
            (None, None) => return Err(DeltaError::NoState),
            (None, Some(_)) => Change::Insert,
            (Some(_), Some(_)) => Change::Update,
            (Some(_), None) => Change::Delete,
        };
        let mut delta = Self { id: DeltaId([0; 32]), source, change, base, result, vector, info };
        delta.check_parts()?;
        delta.id = id_of(&delta.body());
        Ok(delta)
    }

    fn check_parts(&self) -> Result<(), DeltaError> {
        check_collection(&self.source.collection)?;
        check_key(&self.source.key)?;
        match self.change == Change::Insert && !self.vector.is_whole() {
            true => Err(DeltaError::InsertOfXor),
            false => Ok(()),
        }
    }

    /// Checks that the id is the hash of everything else.
    ///
    /// # Errors
    /// If anything was altered after the delta was made.
    pub fn verify(&self) -> Result<(), DeltaError> {
        self.check_parts()?;
        let found = id_of(&self.body());
        match self.id == found {
            true => Ok(()),
            false => Err(DeltaError::Id { stated: self.id, found }),
        }
    }

    /// Checks this delta, and that it follows `parent`: named by its id, of the same source, from its result, later.
    ///
    /// Without a parent it must name none: then it begins a chain, with an insert or at a state known from elsewhere.
    ///
    /// # Errors
    /// The first condition that does not hold.
    pub fn verify_chain(&self, parent: Option<&Delta>) -> Result<(), DeltaError> {
        self.verify()?;
        let expected = parent.map(|parent| id_of(&parent.body()));
        if self.info.parent != expected {
            return Err(DeltaError::Parent { named: self.info.parent, given: expected });
        }
        let Some(parent) = parent else { return Ok(()) };
        parent.verify()?;
        let broken = match () {
            () if self.source != parent.source => ChainError::Source,
            () if self.base != parent.result => ChainError::State,
            () if self.info.time <= parent.info.time => ChainError::Time,
            () => return Ok(()),
        };
        Err(DeltaError::Chain(broken))
    }

    /// Changes the state of a source from base to result, or leaves it as it is; `None` is a source that is absent.
    ///
    /// A delta that comes twice does nothing the second time. A source that went on and came back to the very bits of
    /// the base cannot be told from one that never left: whoever must, compares the parent with the last delta applied.
    ///
    /// # Errors
    /// [`DeltaError::Conflict`] if the row is neither base nor result. Nothing is written on any error.
    pub fn apply_to(&self, key: &str, row: &mut Option<Vec<u8>>) -> Result<Applied, DeltaError> {
        if key != self.source.key {
            return Err(DeltaError::OtherKey { delta: self.source.key.clone(), given: key.to_owned() });
        }
        let hash = |row: &Vec<u8>| row_hash(key, self.vector.element(), row);
        let found = row.as_ref().map(hash);
        if found == self.result {
            return Ok(Applied::Already);
        }
        if found != self.base {
            return Err(DeltaError::Conflict { base: self.base, found });
        }
        let mut next = row.clone().unwrap_or_else(|| vec![0; self.vector.whole_bytes()]);
        self.vector.apply(&mut next)?;
        let next = match self.result {
            None => next.iter().any(|byte| *byte != 0).then_some(next),
            Some(_) => Some(next),
        };
        if next.as_ref().map(hash) != self.result {
            return Err(DeltaError::Result);
        }
        *row = next;
        Ok(Applied::Changed)
    }

    /// Returns the bytes which `docs/delta.md` draws; equal deltas have equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = self.body();
        let mut out = Vec::with_capacity(HEAD_BYTES + body.len());
        out.push(VERSION);
        out.extend_from_slice(&self.id.0);
        out.extend_from_slice(&body);
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) returns, and checks that no bit of it was altered.
    ///
    /// # Errors
    /// If the bytes are damaged, not canonical, or not those under the id.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DeltaError> {
        let (head, body) = bytes.split_at_checked(HEAD_BYTES).ok_or(DeltaError::Envelope)?;
        if head[0] != VERSION {
            return Err(DeltaError::Version(head[0]));
        }
        let (mut stated, found) = (DeltaId([0; 32]), id_of(body));
        stated.0.copy_from_slice(&head[1..]);
        if stated != found {
            return Err(DeltaError::Id { stated, found });
        }
        let fields: Fields = borsh::from_slice(body).map_err(|_| DeltaError::Envelope)?;
        let ((collection, key), change, base, result, parent, time, metadata, vector) = fields;
        let vector = DeltaVector::from_bytes(&vector)?;
        let info = DeltaInfo { time, parent, metadata };
        let delta = Self::from_parts(Source { collection, key }, base, result, vector, info)?;
        // An entry of the metadata that comes twice or out of order, or the code of another change, ends here.
        match delta.id == stated && code(delta.change) == change {
            true => Ok(delta),
            false => Err(DeltaError::NotCanonical),
        }
    }

    /// Returns everything but the id: what the id is the hash of.
    fn body(&self) -> Vec<u8> {
        let Self { source, change, base, result, vector, info, .. } = self;
        let (source, DeltaInfo { time, parent, metadata }) = ((&source.collection, &source.key), info);
        borsh::to_vec(&(source, code(*change), base, result, parent, time, metadata, vector.to_bytes()))
            .expect("writing to memory cannot fail, and no part has 4 GiB")
    }

    /// Returns the hash of everything else.
    pub fn id(&self) -> DeltaId {
        self.id
    }

    /// Returns which vector changed.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Returns whether the source came, changed or went.
    pub fn change(&self) -> Change {
        self.change
    }

    /// Returns the state that the delta applies to; `None` if the source is absent.
    pub fn base(&self) -> Option<RowHash> {
        self.base
    }

    /// Returns the state that the delta leads to; `None` if the source is absent.
    pub fn result(&self) -> Option<RowHash> {
        self.result
    }

    /// Returns the changed bits.
    pub fn vector(&self) -> &DeltaVector {
        &self.vector
    }

    /// Returns when the change was made.
    pub fn time(&self) -> Timestamp {
        self.info.time
    }

    /// Returns the delta of the same source before this one.
    pub fn parent(&self) -> Option<DeltaId> {
        self.info.parent
    }

    /// Returns further keys and values.
    pub fn metadata(&self) -> &SortedMap<String, String> {
        &self.info.metadata
    }
}

fn id_of(body: &[u8]) -> DeltaId {
    DeltaId(*blake3::keyed_hash(&DELTA, body).as_bytes())
}

const fn code(change: Change) -> u8 {
    match change {
        Change::Insert => 0,
        Change::Update => 1,
        Change::Delete => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_altered_delta_does_not_verify_and_neither_does_its_child() {
        let table = Table { collection: "c".into(), element: crate::delta::Element::U8, dims: 1 };
        let mut parent = Delta::new(&table, "k", None, Some(&[1]), DeltaInfo::default()).unwrap();
        let time = Timestamp { logical: 1, ..Timestamp::default() };
        let info = DeltaInfo { time, parent: Some(parent.id), ..DeltaInfo::default() };
        let child = Delta::new(&table, "k", Some(&[1]), Some(&[2]), info).unwrap();
        child.verify_chain(Some(&parent)).unwrap();
        parent.info.metadata.insert("author".into(), "somebody else".into());
        assert!(matches!(parent.verify(), Err(DeltaError::Id { .. })));
        assert!(matches!(child.verify_chain(Some(&parent)), Err(DeltaError::Parent { .. })));
    }
}
