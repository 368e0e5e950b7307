//! What the journeys share: random tables, a plain oracle, and a driver that commits them.

pub mod drive;
pub mod files;
pub mod forge;
pub mod ledger;
pub mod merge;
pub mod oracle;
pub mod random;
