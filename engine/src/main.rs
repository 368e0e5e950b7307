//! The `vecdelta` program.

fn main() {}
