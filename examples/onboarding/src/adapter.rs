//! The adapter: follows provisioning's topic, asks the provider, and says what it answered.
//!
//! It decides nothing and remembers nothing. Kafka's consumer group remembers how far it is, and that
//! is told only after the answer is safely in Kafka: what it was about when it stopped is done again.

use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::{
    Message as _,
    consumer::{CommitMode, Consumer, StreamConsumer},
};
use runtime::{Catalog, Commands, Connection, KafkaSettings, now_ms};
use saga::{Message, Said, decode};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    messages::{AccountMade, AccountRefused, AccountRemoved, AccountRequested, AccountWithdrawn},
    provider::{Answer, Call, Provider},
};

/// How long it waits before it tries again what did not work.
const PAUSE: Duration = Duration::from_millis(200);

/// Between Kafka and the provider.
pub struct Adapter {
    requests: StreamConsumer,
    answers: Commands,
    provider: Provider,
}

/// A record of provisioning's topic, as far as the adapter looks at it.
#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Value,
}

/// What the provider is to be asked for, and under which key.
struct Request {
    key: String,
    sign_up_id: String,
    call: Call,
}

impl Adapter {
    /// An adapter that follows nothing yet.
    ///
    /// # Errors
    /// When the settings are not valid.
    pub fn new(
        kafka: &KafkaSettings,
        connection: Connection,
        catalog: &Catalog,
        provider: Provider,
    ) -> Result<Self> {
        let requests: StreamConsumer = kafka
            .client()
            .set("group.id", catalog.group("provider"))
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .create()
            .context("the Kafka consumer can't be made from the settings")?;
        requests.subscribe(&[AccountRequested::TOPIC])?;
        let answers = Commands::new(kafka, connection, catalog, "provider")?;
        Ok(Adapter { requests, answers, provider })
    }

    /// Asks the provider for what is requested, one after the other, for ever.
    pub async fn run(&self) {
        loop {
            let record = match self.requests.recv().await {
                Ok(record) => record,
                Err(error) => {
                    tracing::debug!("the adapter can't read at the moment: {error}");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            match read(record.payload().unwrap_or_default()) {
                Ok(request) => self.handle(&request).await,
                Err(error) => tracing::error!("the adapter passes over a record: {error:#}"),
            }
            if let Err(error) = self.requests.commit_message(&record, CommitMode::Async) {
                tracing::debug!("Kafka is not told how far the adapter is: {error}");
            }
        }
    }

    async fn handle(&self, request: &Request) {
        let answer = ask(&self.provider, request).await;
        // The same answer has the same id, however often it is said.
        let id = format!("{}-answer", request.key);
        while let Err(error) = self.answers.write(&answer, &id, now_ms()).await {
            tracing::warn!("the provider's answer is not in Kafka yet: {error:?}");
            sleep(PAUSE).await;
        }
    }
}

/// Asks until there is an answer. That the key is the event's id makes all of it one call.
async fn ask(provider: &Provider, request: &Request) -> Said {
    let answer = loop {
        match provider.call(&request.key, &request.call).await {
            Ok(answer) => break answer,
            Err(error) => tracing::warn!("asking the provider again: {error:?}"),
        }
        sleep(PAUSE).await;
    };
    let sign_up_id = request.sign_up_id.clone();
    match (&request.call, answer) {
        (Call::Make { .. }, Answer::Done) => AccountMade { sign_up_id }.into(),
        (Call::Make { .. }, Answer::Refused(reason)) => AccountRefused { sign_up_id, reason }.into(),
        (Call::Remove { .. }, Answer::Done | Answer::Refused(_)) => AccountRemoved { sign_up_id }.into(),
    }
}

/// What a record asks for. It was written by the runtime, which writes one form.
fn read(value: &[u8]) -> Result<Request> {
    let Event { id, kind, data } = serde_json::from_slice(value)?;
    let (sign_up_id, call) = match kind.as_str() {
        AccountRequested::TYPE => {
            let AccountRequested { sign_up_id, user } = decode(&data).map_err(anyhow::Error::msg)?;
            (sign_up_id.clone(), Call::Make { account: sign_up_id, user })
        }
        AccountWithdrawn::TYPE => {
            let AccountWithdrawn { sign_up_id } = decode(&data).map_err(anyhow::Error::msg)?;
            (sign_up_id.clone(), Call::Remove { account: sign_up_id })
        }
        other => anyhow::bail!("it knows no {other}"),
    };
    Ok(Request { key: id, sign_up_id, call })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(kind: &str, user: &str) -> Request {
        let data = json!({"sign_up_id": "s-1", "user": user});
        let event = json!({"specversion": "1.0", "id": format!("event-{kind}"), "type": kind, "data": data});
        read(event.to_string().as_bytes()).unwrap()
    }

    fn made() -> Said {
        AccountMade { sign_up_id: "s-1".to_owned() }.into()
    }

    #[tokio::test]
    async fn a_request_whose_answer_is_lost_is_one_effect() {
        let provider = Provider::losing_answers(2);
        assert_eq!(ask(&provider, &request("AccountRequested", "ada")).await, made());
        assert_eq!(provider.calls("event-AccountRequested"), 3);
        assert_eq!(provider.effects(), ["made account s-1"]);
    }

    #[tokio::test]
    async fn a_request_that_is_read_again_after_its_withdrawal_does_nothing_more() {
        let provider = Provider::default();
        let (make, remove) = (request("AccountRequested", "ada"), request("AccountWithdrawn", "ada"));
        for _ in 0..2 {
            assert_eq!(ask(&provider, &make).await, made());
            let removed = AccountRemoved { sign_up_id: "s-1".to_owned() };
            assert_eq!(ask(&provider, &remove).await, removed.into());
        }
        assert_eq!(provider.calls("event-AccountRequested"), 2);
        assert_eq!(provider.effects(), ["made account s-1", "removed account s-1"]);
    }

    #[tokio::test]
    async fn what_the_provider_refuses_is_an_event() {
        let provider = Provider::default();
        let refused = AccountRefused { sign_up_id: "s-1".to_owned(), reason: "name_taken".to_owned() };
        assert_eq!(ask(&provider, &request("AccountRequested", "root")).await, refused.into());
        assert_eq!(provider.effects(), [""; 0]);
    }

    #[test]
    fn what_can_not_be_read_says_why() {
        assert!(read(b"no JSON").is_err());
        let unknown = br#"{"id":"1","type":"AccountPainted","data":{}}"#;
        assert_eq!(read(unknown).err().unwrap().to_string(), "it knows no AccountPainted");
    }
}
