//! Journeys against real servers, which `scripts/servers.sh start` starts; without them every test fails.

#![allow(clippy::unwrap_used, reason = "a test may end with a panic")]
#![allow(dead_code, reason = "what the other journeys need of what they share is not all needed here")]

#[path = "../conformance.rs"]
mod conformance;
#[path = "../support/mod.rs"]
mod support;

mod commands;
mod deletes;
mod pauses;
mod repository;
mod servers;
mod shipped;
mod sinks;
mod sources;
mod stream;
mod table;
mod workers;
