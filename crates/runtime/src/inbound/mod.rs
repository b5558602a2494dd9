//! What comes in: what a record is to a service, and reading for those who only read.

pub mod follower;
pub mod intake;
