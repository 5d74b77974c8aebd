//! The packorigin program; see `packorigin::cli`.

fn main() {}
