//! The runtime's tests: each part alone, the lanes without Kafka, and the whole worker against a scripted
//! broker. What crashes do to all of it is tried in simulator.

mod broker;
mod classifier;
mod cloudevents;
mod decoder;
mod kit;
mod lanes;
mod onboarding;
mod redrive;
mod requests;
#[path = "../../../contract/tests/spoilt/mod.rs"]
mod spoilt;
mod store;
mod worker;
