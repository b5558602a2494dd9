//! Where the engine meets the world: what the simulator puts a scripted world behind, and drives step by
//! step. Programs need none of it; they start a [`Worker`](crate::Worker).

pub use crate::{
    clock::Clock,
    decide::changes::{ChangedInstance, ChangedLane, ChangedRow, Changes},
    inbound::log::{Log, Place, Polled, Reported},
    outbound::{in_flight::InFlight, sink::Sink},
    record::fingerprint,
    service::{
        broker::Broker,
        lanes::Lanes,
        requests::{Request, Requested},
        turn::{Running, Turner},
    },
    store::{DueTimer, Instance, Lane, Outgoing, SqliteStore, Store, Taken, Timer, Transaction},
};
