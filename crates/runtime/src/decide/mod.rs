//! What decides: inputs, and what follows from them as data. Nothing here reads or writes anything.

pub mod cause;
pub mod changes;
pub mod dead_letters;
pub mod decider;
pub mod inputs;
pub mod say;
