//! The words of choreography: what a [`Participant`] is, how it is tested, and how every
//! interleaving of a saga is tried. Pure: no I/O, no Kafka, no clock, and no order or payment.
//!
//! A saga here is a *choreographed* one (Garcia-Molina and Salem, "Sagas", 1987, without a
//! coordinator): each participant reacts to what it hears and says what it did; a failure is an
//! event like any other, and whoever had already acted undoes it because it heard that event.
//!
//! A participant is a function of what it knows and what it hears:
//!
//! ```
//! use saga::{Hears, Message, Participant, Rows, Step, Stop, hears, ignore, testing::given, to};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Asked {
//!     guest: String,
//! }
//! impl Message for Asked {
//!     const TYPE: &'static str = "Asked";
//!     const TOPIC: &'static str = "guests";
//!     fn key(&self) -> &str {
//!         &self.guest
//!     }
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! struct Seated {
//!     guest: String,
//! }
//! impl Message for Seated {
//!     const TYPE: &'static str = "Seated";
//!     const TOPIC: &'static str = "tables";
//!     fn key(&self) -> &str {
//!         &self.guest
//!     }
//! }
//!
//! /// Seats whoever asks, once.
//! struct Table;
//!
//! impl Participant for Table {
//!     const NAME: &'static str = "table";
//!     type Heard = ();
//!     type State = bool;
//!     type Row = ();
//!
//!     fn hears() -> Vec<Hears<()>> {
//!         vec![hears(|_: Asked| ())]
//!     }
//!
//!     fn decide(&self, guest: &str, seated: &bool, (): &(), _: &Rows<()>) -> Result<Step<Self>, Stop> {
//!         Ok(match seated {
//!             false => to(true).say(Seated { guest: guest.to_owned() }),
//!             true => ignore("seated before"),
//!         })
//!     }
//!
//!     fn ended(seated: &bool) -> bool {
//!         *seated
//!     }
//! }
//!
//! let asked = || Asked { guest: "ann".to_owned() };
//! given(Table).when(asked()).then([Seated { guest: "ann".to_owned() }.into()]).when(asked()).then_nothing();
//! ```

mod decode;
pub mod explorer;
mod hears;
mod json;
pub mod map;
mod message;
mod participant;
mod service;
pub mod testing;

pub use decode::{Data, decode};
pub use hears::{Hears, hears, hears_with_id, timer};
pub use json::{MOST_NESTING, PlainJson, parse};
pub use message::{Message, Said};
pub use participant::{Participant, Rows, Step, Stop, Timer, ignore, to};
pub use service::{AnyParticipant, Arrival, Delivery, Outcome, RowCache, Service, Subscription};
