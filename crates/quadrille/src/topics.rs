//! The topics in Kafka: made, verified, printed.

use std::{
    collections::HashMap,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use contract::topics::{Description, PARTITIONS, descriptions};
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    config::FromClientConfigAndContext,
    metadata::MetadataTopic,
    types::RDKafkaErrorCode,
};
use runtime::{AllTopicSettings, Connection, KafkaSettings};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::{
    cli::{Topics, TopicsCommand},
    output,
};

const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const NO_SETTINGS: &str = "Kafka does not tell the topics' settings (a sandbox has none to tell)";
/// Kafka's name for the largest batch that a topic takes.
const MAX_MESSAGE_BYTES: &str = "max.message.bytes";
/// What Kafka takes by itself, unless its brokers are set otherwise.
const USUAL_MESSAGE_BYTES: &str = "1048588";

/// `quadrille topics`.
pub async fn run(topics: Topics, json: bool) -> Result<ExitCode> {
    if let TopicsCommand::List = topics.command {
        list(json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let servers = topics.kafka.required("topics apply and topics check need");
    let kafka = topics.kafka.at(servers.to_owned());
    match topics.command {
        TopicsCommand::List => {}
        TopicsCommand::Apply { partitions, replication_factor } => {
            let made = apply(&kafka, partitions, replication_factor).await?;
            tell_applied(&made, &there(&admin(&kafka)?)?, json)?;
        }
        TopicsCommand::Check => {
            let differences = check(&kafka).await?;
            if json {
                output::data(json!({"as_described": differences.is_empty(), "differences": differences}))?;
            } else if differences.is_empty() {
                output::data(format_args!("all {} topics are as described", descriptions().len()))?;
            }
            for difference in differences.iter().filter(|_| !json) {
                output::data(difference)?;
            }
            if !differences.is_empty() {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(json: bool) -> Result<()> {
    if json {
        let topic = |topic: &Description| {
            json!({
                "topic": topic.name,
                "partitions": topic.partitions,
                "retention_ms": topic.retention_ms,
                "cleanup_policy": topic.cleanup_policy,
                "retention_bytes": topic.retention_bytes,
                "message_timestamp_type": topic.message_timestamp_type,
                "least_message_bytes": topic.least_message_bytes,
                "written_by": topic.written_by,
                "holds": topic.holds,
                "about": topic.about,
            })
        };
        return output::data(Value::from_iter(descriptions().iter().map(topic)));
    }
    output::data(format_args!(
        "{:<20} {:<14} {:<12} partitions if not there yet",
        "topic", "written by", "retention"
    ))?;
    for topic in descriptions() {
        let days = topic.retention_ms / (24 * 60 * 60 * 1000);
        let retention = if topic.retention_ms < 0 { "for ever".to_owned() } else { format!("{days} days") };
        output::data(format_args!(
            "{:<20} {:<14} {retention:<12} {}",
            topic.name, topic.written_by, topic.partitions
        ))?;
    }
    Ok(())
}

fn tell_applied(made: &[&str], there: &HashMap<String, i32>, json: bool) -> Result<()> {
    let partitions = |topic: &Description| *there.get(topic.name).unwrap_or(&0);
    if json {
        let topic = |topic: &Description| json!({"topic": topic.name, "made": made.contains(&topic.name), "partitions": partitions(topic)});
        return output::data(Value::from_iter(descriptions().iter().map(topic)));
    }
    for topic in descriptions() {
        let how = if made.contains(&topic.name) { "made" } else { "was there, and is left as it is" };
        output::data(format_args!("{:<20} {how}: {} partitions", topic.name, partitions(topic)))?;
    }
    Ok(())
}

/// Makes the topics that are missing, with the number of partitions that the others have, as soon
/// as Kafka can be reached.
pub async fn apply_when_reachable(kafka: &KafkaSettings, connection: &Connection) -> Result<()> {
    loop {
        let admin = admin(kafka)?;
        // Asked on a thread of its own, so that a signal is heard meanwhile.
        match spawn_blocking(move || there(&admin)).await? {
            Ok(there) => {
                connection.found();
                let partitions = descriptions().iter().find_map(|topic| there.get(topic.name)).copied();
                let partitions = partitions.unwrap_or(PARTITIONS);
                let made = apply(kafka, partitions, None).await?;
                if !made.is_empty() {
                    tracing::info!("made topics of {partitions} partitions: {}", made.join(", "));
                }
                return Ok(());
            }
            Err(_) => connection.lost(),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Makes the topics that are missing; returns their names.
async fn apply(
    kafka: &KafkaSettings,
    partitions: i32,
    replication: Option<i32>,
) -> Result<Vec<&'static str>> {
    let admin = admin(kafka)?;
    let there = there(&admin)?;
    let missing: Vec<&Description> =
        descriptions().iter().filter(|topic| !there.contains_key(topic.name)).collect();
    let settings: Vec<_> = missing.iter().map(|topic| described_settings(topic)).collect();
    let new: Vec<NewTopic> = missing
        .iter()
        .zip(&settings)
        .map(|(topic, settings)| {
            // -1 asks for the broker's default.
            let replication = TopicReplication::Fixed(replication.unwrap_or(-1));
            let new = NewTopic::new(topic.name, partitions, replication);
            let new = new.set(MAX_MESSAGE_BYTES, USUAL_MESSAGE_BYTES);
            settings.iter().fold(new, |new, (name, value)| new.set(name, value))
        })
        .collect();
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let options =
        AdminOptions::new().operation_timeout(Some(ANSWER_LIMIT)).request_timeout(Some(ANSWER_LIMIT));
    let mut made = Vec::new();
    let results = admin.create_topics(&new, &options).await.context("the topics can't be made")?;
    for (topic, result) in missing.iter().zip(results) {
        match result {
            Ok(_) => made.push(topic.name),
            // Somebody else has made it meanwhile.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, error)) => bail!("the topic {topic} can't be made: {error}"),
        }
    }
    wait_until_all_are_there(admin).await?;
    Ok(made)
}

/// A broker answers that a topic is made before all of them know it.
async fn wait_until_all_are_there(admin: AdminClient<Connection>) -> Result<()> {
    let admin = Arc::new(admin);
    let until = Instant::now() + ANSWER_LIMIT;
    loop {
        let asked = Arc::clone(&admin);
        let there = spawn_blocking(move || there(&asked)).await??;
        if descriptions().iter().all(|topic| there.get(topic.name).is_some_and(|partitions| *partitions > 0))
        {
            return Ok(());
        }
        if Instant::now() > until {
            bail!(
                "the topics are made, and Kafka does not show them yet: look with `quadrille topics check`"
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Every difference between the topics and their description.
async fn check(kafka: &KafkaSettings) -> Result<Vec<String>> {
    let admin = admin(kafka)?;
    let there = there(&admin)?;
    let mut differences = Vec::new();
    let (present, missing): (Vec<&Description>, Vec<_>) =
        descriptions().iter().partition(|topic| there.contains_key(topic.name));
    for topic in missing {
        differences.push(format!("{}: missing", topic.name));
    }
    if let Some(first) = present.first() {
        for topic in present.iter().filter(|topic| there[topic.name] != there[first.name]) {
            differences.push(format!(
                "{}: has {} partitions, and {} has {}",
                topic.name, there[topic.name], first.name, there[first.name]
            ));
        }
    }
    let resources: Vec<ResourceSpecifier> =
        present.iter().map(|topic| ResourceSpecifier::Topic(topic.name)).collect();
    let options = AdminOptions::new().request_timeout(Some(ANSWER_LIMIT));
    let described = if resources.is_empty() {
        Vec::new()
    } else {
        admin.describe_configs(&resources, &options).await.context(NO_SETTINGS)?
    };
    for (topic, described) in present.iter().zip(described) {
        let described =
            described.map_err(|e| anyhow::anyhow!("the settings of {} can't be read: {e}", topic.name))?;
        let actual = described.entry_map();
        let found = |name: &str| actual.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default();
        for (name, value) in described_settings(topic) {
            if found(name) != value {
                differences.push(format!("{}: {name} is {}, and should be {value}", topic.name, found(name)));
            }
        }
        let (most, least) = (found(MAX_MESSAGE_BYTES), topic.least_message_bytes);
        if most.parse().is_ok_and(|most: usize| most < least) {
            differences.push(format!(
                "{}: {MAX_MESSAGE_BYTES} is {most}, and should be at least {least}",
                topic.name
            ));
        }
    }
    Ok(differences)
}

/// In words, a topic that takes less than the largest record that has a place there.
pub fn limit_that_is_too_low(settings: &AllTopicSettings) -> Option<String> {
    let most = |topic: &Description| settings.of(topic.name).map(|settings| settings.max_message_bytes);
    descriptions().iter().find_map(|topic| {
        let most = most(topic).filter(|most| *most < topic.least_message_bytes)?;
        Some(format!(
            "the topic {} has {MAX_MESSAGE_BYTES}={most}, and records that have a place there need {}: raise it",
            topic.name, topic.least_message_bytes
        ))
    })
}

/// Its settings that have to be so, by Kafka's names.
fn described_settings(topic: &Description) -> [(&'static str, String); 4] {
    [
        ("cleanup.policy", topic.cleanup_policy.to_owned()),
        ("retention.ms", topic.retention_ms.to_string()),
        ("retention.bytes", topic.retention_bytes.to_string()),
        ("message.timestamp.type", topic.message_timestamp_type.to_owned()),
    ]
}

fn admin(kafka: &KafkaSettings) -> Result<AdminClient<Connection>> {
    let connection = Connection::new(&kafka.bootstrap_servers);
    AdminClient::from_config_and_context(&kafka.client(), connection)
        .context("the settings for Kafka are not valid")
}

/// The number of partitions of each topic that is there; 0 while one of them has no leader.
fn there(admin: &AdminClient<Connection>) -> Result<HashMap<String, i32>> {
    let metadata = admin
        .inner()
        .fetch_metadata(None, Duration::from_secs(5))
        .context("Kafka does not answer; is KAFKA_BOOTSTRAP_SERVERS right?")?;
    let partitions = |topic: &MetadataTopic| {
        let all_lead = topic.partitions().iter().all(|partition| partition.leader() >= 0);
        if all_lead { i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX) } else { 0 }
    };
    Ok(metadata.topics().iter().map(|topic| (topic.name().to_owned(), partitions(topic))).collect())
}
