//! What decides: a batch of inputs, and what follows from it.

pub mod batch;
pub mod cause;
pub mod dead_letters;
