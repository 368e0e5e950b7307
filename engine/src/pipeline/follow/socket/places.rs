//! How far each named stream of a source is: how much was taken of it, and how much is known to be durable.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::pipeline::feed::Ticket;

/// How many streams one source keeps the places of: they stand in every commit.
pub const STREAMS_MAX: usize = 64;

/// The longest name of a stream, in bytes.
pub const NAME_MAX: usize = 64;

/// The places of all streams of a source.
#[derive(Default)]
pub struct Places(BTreeMap<String, Place>);

/// The place of one stream.
#[derive(Default)]
struct Place {
    /// How many lines or rows were taken.
    taken: u64,
    /// How many of them are durable.
    durable: u64,
    /// The connection that sends it.
    guest: u64,
    /// Tells when all that was taken is durable.
    last: Option<Ticket>,
}

/// What a connection is told that goes on with a stream.
pub struct Begun {
    /// How many lines or rows were taken; it goes on behind them.
    pub taken: u64,
    /// How many of them are durable.
    pub durable: u64,
    /// Tells when all that was taken is durable, where that is not known yet.
    pub last: Option<Ticket>,
}

impl Places {
    /// Reads the mark of a source.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(mark: &str) -> Result<Self, String> {
        let bad = || format!("`{mark}` in the history does not say how far streams are");
        let places: Map<String, Value> = serde_json::from_str(mark).map_err(|_| bad())?;
        let place = |(name, value): (String, Value)| {
            let durable = value.as_u64().ok_or_else(bad)?;
            Ok((name, Place { taken: durable, durable, ..Place::default() }))
        };
        places.into_iter().map(place).collect::<Result<_, _>>().map(Self)
    }

    /// Begins a turn of the run: what was taken and is not durable counts no more.
    pub fn begin(&mut self, history: Self) {
        for (name, place) in history.0 {
            let own = self.0.entry(name).or_default();
            own.durable = own.durable.max(place.durable);
        }
        for place in self.0.values_mut() {
            (place.taken, place.last) = (place.durable, None);
        }
    }

    /// Lets a connection go on with a stream, and no other one any more. It may know of more that is durable: what changed
    /// nothing stands in no commit.
    ///
    /// # Errors
    /// When there is no room for another stream.
    pub fn go_on(&mut self, name: &str, guest: u64, known: u64) -> Result<Begun, String> {
        if !self.0.contains_key(name) && self.0.len() >= STREAMS_MAX {
            return Err(format!("the places of {STREAMS_MAX} streams are kept already"));
        }
        let place = self.0.entry(name.to_owned()).or_default();
        place.guest = guest;
        if known > place.taken {
            (place.taken, place.durable, place.last) = (known, known, None);
        }
        Ok(Begun { taken: place.taken, durable: place.durable, last: place.last.clone() })
    }

    /// Notes that more of a stream is taken; returns the mark that says how far all streams are.
    ///
    /// # Errors
    /// When another connection goes on with it.
    pub fn take(&mut self, name: &str, guest: u64, taken: Option<(u64, &Ticket)>) -> Result<Option<String>, String> {
        let Some(place) = self.0.get_mut(name).filter(|place| place.guest == guest) else {
            return Err(format!("another connection goes on with the stream `{name}`"));
        };
        let Some((taken, ticket)) = taken else { return Ok(None) };
        (place.taken, place.last) = (taken, Some(ticket.clone()));
        let places = self.0.iter().map(|(name, place)| (name.clone(), Value::from(place.taken)));
        Ok(Some(Value::Object(places.collect()).to_string()))
    }

    /// Notes that a stream is durable up to a place.
    pub fn durable(&mut self, name: &str, durable: u64) {
        if let Some(place) = self.0.get_mut(name) {
            place.durable = place.durable.max(durable);
        }
    }
}
