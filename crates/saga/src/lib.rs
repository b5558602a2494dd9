//! The words of choreography: what a [`Participant`] is, how it is tested, and how every
//! interleaving of a saga is tried. Pure: no I/O, no Kafka, no clock, and no order or payment.
//!
//! A saga here is a *choreographed* one (Garcia-Molina and Salem, "Sagas", 1987, without a
//! coordinator): each participant reacts to what it hears and says what it did; a failure is an
//! event like any other, and whoever had already acted undoes it because it heard that event.

pub mod explorer;
mod hears;
pub mod map;
mod message;
mod participant;
mod service;
pub mod testing;

pub use hears::{Hears, decode, hears, hears_with_id, timer};
pub use message::{Message, Said};
pub use participant::{Participant, Rows, Step, Stop, Timer, ignore, to};
pub use service::{AnyParticipant, Arrival, Delivery, Ear, Outcome, RowCache, Service};
