//! The topics in Kafka.

use anyhow::{Result, bail};
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    types::RDKafkaErrorCode,
};
use runtime::KafkaSettings;
use saga::Message;

use crate::messages::{AccountMade, AccountRequested, IdentityCreated, SeatTaken, SignUp};

/// Where what can't be used is put.
pub const DEAD_LETTERS: &str = "onboarding.dead-letters";

/// Every topic.
pub const ALL: [&str; 6] = [
    SignUp::TOPIC,
    IdentityCreated::TOPIC,
    SeatTaken::TOPIC,
    AccountRequested::TOPIC,
    AccountMade::TOPIC,
    DEAD_LETTERS,
];

/// How many partitions each of them has: all the same number, which stays as it is.
const PARTITIONS: i32 = 4;

/// Makes the topics that are missing, with the broker's default replication and retention.
///
/// # Errors
/// When Kafka does not make one.
pub async fn make_missing(kafka: &KafkaSettings) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = kafka.client().create()?;
    let topics = ALL.map(|topic| NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(-1)));
    for made in admin.create_topics(&topics, &AdminOptions::new()).await? {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, error)) => bail!("the topic {topic} can't be made: {error}"),
        }
    }
    Ok(())
}
