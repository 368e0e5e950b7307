//! Golden files, one per mistake; the table against itself; random damage.

mod golden;
mod mutations;
mod pipeline;
mod table;
