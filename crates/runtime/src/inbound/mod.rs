//! What comes in: records, what they are to a service, and reading for those who only read.

pub mod classifier;
pub mod log;
pub mod tail;
