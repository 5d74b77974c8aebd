//! The packager's side asks and reads; both sides were written without looking at each other.
