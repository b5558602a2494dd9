//! The service around it: its lanes, the loop that turns them, how it is, what people ask of it.

pub mod broker;
pub mod health;
pub mod lanes;
pub mod requests;
pub mod timers;
pub mod turn;
pub mod worker;
