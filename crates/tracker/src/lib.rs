//! The read model: where every order stands, and how it came there.

mod adding;
mod audit;
mod causes;
mod event;
mod forgetting;
mod ingest;
mod mark;
mod order;
mod reading;
mod said;
mod schema;
mod status;
mod store;
#[cfg(test)]
mod tests;
mod timeline;
mod view;
mod waiting;
mod words;

pub use event::{DEAD_LETTER, DEAD_LETTER_DISCARDED, DEAD_LETTER_EDITED, DEAD_LETTER_REDRIVEN, Event};
pub use ingest::{Handle, NAME, Tracker, TrackerSettings};
pub use runtime::Position;
pub use said::Said;
pub use status::{Status, reason};
pub use store::{Added, Batch, Sequence, Store};
pub use timeline::{Entry, Shown, Summary, Timeline};
pub use view::{Filter, MOST_COUNTED, Page, Place, View};
pub use waiting::Waiting;
pub use words::money;
