//! The runtime's tests: each part alone, the lanes without Kafka, a simulation that crashes them at
//! every point, and the whole worker against a scripted broker.

mod broker;
mod classifier;
mod cloudevents;
mod crashes;
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
