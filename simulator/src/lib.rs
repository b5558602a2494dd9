//! Production code over a scripted world: the five services as they run, in one thread, over a broker, a
//! store and a clock of which a seed decides everything, what goes wrong included.
//!
//! A run lets people order, cancel and deposit while processes die, commits fail, records arrive late and
//! clocks jump; then nothing goes wrong any more, and when all is quiet everything must have come out right.
//! A seed gives the same run again, and one that fails is made a short story.

pub mod broker;
pub mod checks;
pub mod disaster;
pub mod log;
pub mod mutant;
pub mod partition;
pub mod party;
pub mod people;
pub mod plan;
pub mod random;
pub mod run;
pub mod shrink;
pub mod simulate;
pub mod sink;
pub mod store;
pub mod world;
