//! The way out: hands what was committed to Kafka, in order, and keeps track of what has arrived.
//!
//! The outbox in the store is read only when a lane is taken over; otherwise a batch's records are
//! handed over right after its commit.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rdkafka::{
    ClientContext, Message,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    error::KafkaError,
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
    types::RDKafkaErrorCode,
};

use super::{Connection, KafkaSettings};
use crate::{
    outbound::{in_flight::InFlight, sink::Sink},
    store::Outgoing,
};

/// How long it waits for room in the producer's queue before it looks again.
const NO_ROOM: Duration = Duration::from_millis(5);

/// Publishes what a service has said, with a producer of its own.
pub struct KafkaSink {
    producer: BaseProducer<Deliveries>,
    deliveries: Deliveries,
}

/// What becomes of the records that were handed over.
#[derive(Clone)]
struct Deliveries {
    connection: Connection,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    in_flight: InFlight,
    failed: Option<String>,
}

/// A record's lane and its place there, as the client carries them along.
#[derive(Debug, Clone, Copy)]
struct Ticket(usize);

impl Ticket {
    /// How many bits of it are the place: enough for 280 million millions.
    const PLACE_BITS: u32 = 48;

    fn of(record: &Outgoing) -> Result<Ticket> {
        let (lane, place) = (usize::try_from(record.lane)?, usize::try_from(record.place)?);
        if lane >> (usize::BITS - Self::PLACE_BITS) != 0 || place >> Self::PLACE_BITS != 0 {
            bail!("place {place} of lane {lane} is beyond what can be counted");
        }
        Ok(Ticket(lane << Self::PLACE_BITS | place))
    }

    /// It was made of an i32 and an i64.
    #[expect(clippy::cast_possible_wrap, clippy::cast_possible_truncation, reason = "see above")]
    fn lane_and_place(self) -> (i32, i64) {
        let place = self.0 & ((1 << Self::PLACE_BITS) - 1);
        ((self.0 >> Self::PLACE_BITS) as i32, place as i64)
    }
}

impl KafkaSink {
    /// A sink that Kafka knows by this name, whose batches have no more than so many bytes.
    ///
    /// # Errors
    /// When the settings are not valid.
    pub fn new(
        kafka: &KafkaSettings,
        connection: Connection,
        name: &str,
        most_batch_bytes: usize,
    ) -> Result<Self> {
        let deliveries = Deliveries { connection, state: Arc::default() };
        let mut config = kafka.producer(name);
        // A batch is taken or refused as a whole.
        config.set("batch.size", most_batch_bytes.to_string());
        let producer = BaseProducer::from_config_and_context(&config, deliveries.clone())
            .context("the Kafka producer can't be made from the settings")?;
        Ok(KafkaSink { producer, deliveries })
    }

    fn hand_over(&self, record: &Outgoing) -> Result<()> {
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new_with_capacity(record.headers.len()), |headers, (key, value)| {
                headers.insert(Header { key, value: value.as_deref() })
            });
        let ticket = Ticket::of(record)?;
        let mut message: BaseRecord<[u8], [u8], usize> =
            BaseRecord::with_opaque_to(&record.topic, ticket.0).partition(record.partition).headers(headers);
        if let Some(key) = &record.key {
            message = message.key(key);
        }
        if let Some(value) = &record.value {
            message = message.payload(value);
        }
        loop {
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    message = back;
                    self.check()?;
                    std::thread::sleep(NO_ROOM);
                }
                Err((e, _)) => {
                    return Err(e)
                        .with_context(|| format!("a record for {} can't be published", record.topic));
                }
            }
        }
    }

    /// Hears what has become of records, and whether everything that was handed over may still arrive.
    fn check(&self) -> Result<()> {
        self.hear();
        match &self.deliveries.lock().failed {
            Some(why) => bail!("Kafka did not take a record that was to be published: {why}"),
            None => Ok(()),
        }
    }

    /// The client has no thread of its own that hears: it would look ten times a second, and busily
    /// for the last millisecond of each wait.
    fn hear(&self) {
        let count = || self.deliveries.lock().in_flight.count();
        let mut before = count();
        loop {
            // Hears one event, which may tell of many records.
            self.producer.poll(Duration::ZERO);
            let now = count();
            if now == before {
                return;
            }
            before = now;
        }
    }
}

impl Sink for KafkaSink {
    fn send(&mut self, records: &[Outgoing]) -> Result<()> {
        {
            let in_flight = &mut self.deliveries.lock().in_flight;
            records.iter().for_each(|record| in_flight.sent(record.lane, record.place));
        }
        records.iter().try_for_each(|record| self.hand_over(record))
    }

    fn acknowledged(&mut self) -> Result<Vec<(i32, i64)>> {
        self.check()?;
        Ok(self.deliveries.lock().in_flight.acknowledged())
    }

    fn flush(&mut self, limit: Duration) -> usize {
        let until = Instant::now() + limit;
        let count = || self.deliveries.lock().in_flight.count();
        while self.check().is_ok() && count() > 0 && Instant::now() < until {
            // An error only says that the time is up, which the loop looks at itself.
            let _ = self.producer.flush(Duration::from_millis(50));
        }
        count()
    }
}

impl Deliveries {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.connection.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.connection.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult, ticket: usize) {
        match result {
            Ok(_) => {
                self.connection.found();
                let (lane, place) = Ticket(ticket).lane_and_place();
                self.lock().in_flight.arrived(lane, place);
            }
            Err((error, message)) => {
                let why = format!("{} to {}", error, message.topic());
                self.lock().failed.get_or_insert(why);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_tells_lane_and_place() {
        let record = |lane, place| Outgoing {
            lane,
            place,
            topic: "users".into(),
            partition: 0,
            key: None,
            headers: vec![],
            value: None,
        };
        for (lane, place) in [(0, 1), (3, 1_000_000_007), (65_535, (1 << 48) - 1)] {
            assert_eq!(Ticket::of(&record(lane, place)).unwrap().lane_and_place(), (lane, place));
        }
        for (lane, place) in [(65_536, 1), (0, 1 << 48), (-1, 1)] {
            assert!(Ticket::of(&record(lane, place)).is_err());
        }
    }
}
