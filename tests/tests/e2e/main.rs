//! The end-to-end tests: the program as its users see it.
//!
//! One binary, so that it is linked once. Every test starts what it needs, on free ports and in
//! temporary directories, and leaves nothing behind. Tests with a Kafka take turns.
//!
//! `QUADRILLE_BIN=FILE` tests that program instead of building one; `E2E_SEED=N` repeats the random
//! choices of a run that printed this seed.

mod alone;
mod bad_records;
mod commands;
mod compose;
mod contact;
mod dead_letters;
mod dead_letters_by_hand;
mod demo;
mod endings;
mod harness;
mod http;
mod kafka;
mod kafka_away;
mod kills;
mod load;
mod nobody_reads;
mod publishing;
mod readme;
mod restarts;
mod sandbox;
mod settings;
mod stories;
mod topics;
mod tutorial;
