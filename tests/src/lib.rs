//! The harness of the end-to-end tests: starts the program and Kafka as processes, speaks to them
//! with kcat, and judges what stands on the topics.
//!
//! Nothing here knows the program's code: the tests hold it to what its users see. Whatever fails
//! panics and says what was awaited and what was seen; the program then shows its last words.

pub mod admin;
pub mod apt;
pub mod audit;
pub mod compose;
pub mod http;
pub mod kafka;
pub mod kcat;
pub mod lanes;
pub mod log;
pub mod ports;
pub mod process;
pub mod program;
pub mod random;
pub mod saga;
pub mod samples;
pub mod topics;
pub mod wait;
