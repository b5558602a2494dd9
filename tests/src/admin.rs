//! What people do to a Kafka behind the program's back, and what other programs write to it: with the
//! client library itself, since kcat can't.

use std::time::Duration;

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    producer::{BaseProducer, BaseRecord, Producer},
};
use tokio::runtime::{Builder, Runtime};

use crate::{kafka::Kafka, wait};

const LIMIT: Duration = Duration::from_secs(30);

/// An administrator of a Kafka.
pub struct Admin {
    servers: String,
    client: AdminClient<DefaultClientContext>,
    runtime: Runtime,
}

impl Admin {
    /// Of this one.
    ///
    /// # Panics
    /// When there can be no client.
    pub fn of(kafka: &Kafka) -> Admin {
        let servers = kafka.address().to_owned();
        let client = ClientConfig::new().set("bootstrap.servers", &servers).create();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        Admin { servers, client: client.expect("the settings are valid"), runtime }
    }

    /// Deletes all records of a partition, as retention does; returns where the next one will stand.
    #[track_caller]
    pub fn delete_records(&self, topic: &str, partition: i32) -> i64 {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::End).expect("it is an offset");
        let deleted = self.runtime.block_on(self.client.delete_records(&list, &options()));
        let deleted = deleted.expect("Kafka deletes records");
        match deleted.elements()[0].offset() {
            Offset::Offset(low) => low,
            other => panic!("Kafka says {other:?}"),
        }
    }

    /// Deletes a topic, and makes one of the same name.
    #[track_caller]
    pub fn make_anew(&self, topic: &str, partitions: i32) {
        let deleted = self.runtime.block_on(self.client.delete_topics(&[topic], &options()));
        deleted.expect("Kafka answers")[0].as_ref().expect("the topic is deleted");
        let new = [NewTopic::new(topic, partitions, TopicReplication::Fixed(1))];
        wait::until("the topic to be made anew", LIMIT, || {
            let made = self.runtime.block_on(self.client.create_topics(&new, &options()));
            made.expect("Kafka answers")[0].as_ref().map(|_| ()).map_err(|error| format!("{error:?}"))
        });
    }

    /// Gives a topic more partitions.
    #[track_caller]
    pub fn grow(&self, topic: &str, partitions: usize) {
        let new = [NewPartitions::new(topic, partitions)];
        let grown = self.runtime.block_on(self.client.create_partitions(&new, &options()));
        grown.expect("Kafka answers")[0].as_ref().expect("the topic grows");
    }

    /// Writes records of these keys in one transaction, which is committed or aborted.
    #[track_caller]
    pub fn write_in_transaction(&self, topic: &str, keys: &[&str], value: &str, is_committed: bool) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.servers).set("transactional.id", "a test");
        let producer: BaseProducer = config.create().expect("the settings are valid");
        producer.init_transactions(LIMIT).expect("Kafka knows the producer");
        producer.begin_transaction().expect("a transaction begins");
        for key in keys {
            producer.send(BaseRecord::to(topic).key(*key).payload(value)).expect("the record is sent");
        }
        producer.flush(LIMIT).expect("the records are there");
        let ended = match is_committed {
            true => producer.commit_transaction(LIMIT),
            false => producer.abort_transaction(LIMIT),
        };
        ended.expect("the transaction ends");
    }

    /// Writes a record with this time stamp, in milliseconds since 1970.
    #[track_caller]
    pub fn write_at(&self, topic: &str, key: &str, value: &str, time_ms: i64) {
        let config = ClientConfig::new().set("bootstrap.servers", &self.servers).create();
        let producer: BaseProducer = config.expect("the settings are valid");
        let record = BaseRecord::to(topic).key(key).payload(value).timestamp(time_ms);
        producer.send(record).expect("the record is sent");
        producer.flush(LIMIT).expect("the record is there");
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT))
}
