//! What Kafka says of topics, their ids among it (KIP-516: a topic that was made anew has another).
//!
//! librdkafka tells ids in its `DescribeTopics` only, and the `rdkafka` crate has no call for it.
//! This crate is that call, and the one place in the workspace with unsafe code.

use std::{
    ffi::{CStr, CString, c_char},
    ptr, slice,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, bindings as c,
    client::Client,
    error::{KafkaError, KafkaResult},
    metadata::MetadataBroker,
    types::RDKafkaErrorCode,
};

/// How long the second of two questions may take at least, when the first has taken its time.
const LEAST_LIMIT: Duration = Duration::from_millis(500);

/// What Kafka says of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its id, as Kafka's own tools write it (base64); `None` where the broker has none to tell.
    pub id: Option<String>,
    /// How many partitions it has.
    pub partitions: i32,
}

/// Asks what Kafka has to say of these topics, waiting up to `limit`. A topic that is not there is
/// left out.
///
/// # Errors
/// When Kafka does not answer in time, or refuses to describe one of the topics.
pub fn describe_topics<C: ClientContext>(
    client: &Client<C>,
    names: &[&str],
    limit: Duration,
) -> KafkaResult<Vec<TopicDescription>> {
    let topic = names.first().copied();
    let refused = |_| KafkaError::AdminOpCreation("a topic's name has a zero byte".to_owned());
    let names: Vec<CString> =
        names.iter().map(|name| CString::new(*name)).collect::<Result<_, _>>().map_err(refused)?;
    let until = Instant::now() + limit;
    let broker = broker_that_answers(client, topic, limit)?;
    let left = until.saturating_duration_since(Instant::now()).max(LEAST_LIMIT);
    let limit_ms = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
    let asked = Asked::new(client, &names, broker, limit_ms)?;
    // A little more than the request has: its own time-out is an answer, too.
    asked.answer(limit_ms.saturating_add(500))
}

/// By default the controller would be asked, which a broker need not name; and any broker knows the
/// topics. The one that has just answered does so again.
fn broker_that_answers<C: ClientContext>(
    client: &Client<C>,
    topic: Option<&str>,
    limit: Duration,
) -> KafkaResult<i32> {
    let metadata = client.fetch_metadata(topic, limit)?;
    let first = || metadata.brokers().first().map(MetadataBroker::id);
    let answered = Some(metadata.orig_broker_id()).filter(|id| *id >= 0);
    answered.or_else(first).ok_or(KafkaError::AdminOp(RDKafkaErrorCode::BrokerNotAvailable))
}

/// A question under way, and what belongs to it.
struct Asked {
    topics: *mut c::rd_kafka_TopicCollection_t,
    options: *mut c::rd_kafka_AdminOptions_t,
    queue: *mut c::rd_kafka_queue_t,
}

impl Asked {
    fn new<C: ClientContext>(
        client: &Client<C>,
        names: &[CString],
        broker: i32,
        limit_ms: i32,
    ) -> KafkaResult<Asked> {
        let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        let rk = client.native_ptr();
        // SAFETY: `rk` lives as long as `client` is borrowed, the names as long as `names`, and librdkafka
        // copies the names. What is made here is destroyed by `drop`, once.
        unsafe {
            let asked = Asked {
                topics: c::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()),
                options: c::rd_kafka_AdminOptions_new(
                    rk,
                    c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
                ),
                queue: c::rd_kafka_queue_new(rk),
            };
            for code in [
                c::rd_kafka_AdminOptions_set_request_timeout(asked.options, limit_ms, ptr::null_mut(), 0),
                c::rd_kafka_AdminOptions_set_broker(asked.options, broker, ptr::null_mut(), 0),
            ] {
                if code != c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return Err(KafkaError::AdminOp(code.into()));
                }
            }
            c::rd_kafka_DescribeTopics(rk, asked.topics, asked.options, asked.queue);
            Ok(asked)
        }
    }

    fn answer(&self, limit_ms: i32) -> KafkaResult<Vec<TopicDescription>> {
        // SAFETY: the queue is this question's own, so that what it yields is null or the answer to it,
        // which is destroyed by `drop`. All that is read from the answer is copied before that.
        unsafe {
            let event = Event(c::rd_kafka_queue_poll(self.queue, limit_ms));
            if event.0.is_null() {
                return Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut));
            }
            let error = c::rd_kafka_event_error(event.0);
            if error != c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(KafkaError::AdminOp(error.into()));
            }
            let result = c::rd_kafka_event_DescribeTopics_result(event.0);
            if result.is_null() {
                return Err(KafkaError::AdminOp(RDKafkaErrorCode::InvalidType));
            }
            let mut count = 0;
            let topics = c::rd_kafka_DescribeTopics_result_topics(result, &mut count);
            if topics.is_null() {
                return Ok(Vec::new());
            }
            let described = slice::from_raw_parts(topics, count).iter().map(|topic| description(*topic));
            described.filter_map(Result::transpose).collect()
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // SAFETY: each was made by `new`, is not null (librdkafka aborts where it has no memory), and is
        // used by nobody else: a question that is still under way holds what it needs itself.
        unsafe {
            c::rd_kafka_TopicCollection_destroy(self.topics);
            c::rd_kafka_AdminOptions_destroy(self.options);
            c::rd_kafka_queue_destroy(self.queue);
        }
    }
}

struct Event(*mut c::rd_kafka_event_t);

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: it came from a poll, belongs to whoever polled, and destroying null does nothing.
        unsafe { c::rd_kafka_event_destroy(self.0) }
    }
}

/// One topic of an answer; `None` if it is not there.
///
/// # Safety
/// `topic` is one of an answer that has not been destroyed.
unsafe fn description(topic: *const c::rd_kafka_TopicDescription_t) -> KafkaResult<Option<TopicDescription>> {
    // SAFETY: by the caller; what these return lives as long as the answer.
    unsafe {
        let error = c::rd_kafka_TopicDescription_error(topic);
        if !error.is_null() {
            return match RDKafkaErrorCode::from(c::rd_kafka_error_code(error)) {
                RDKafkaErrorCode::NoError => Ok(None),
                RDKafkaErrorCode::UnknownTopicOrPartition => Ok(None),
                code => Err(KafkaError::AdminOp(code)),
            };
        }
        let text = |text: *const c_char| CStr::from_ptr(text).to_string_lossy().into_owned();
        let mut partitions = 0;
        c::rd_kafka_TopicDescription_partitions(topic, &mut partitions);
        let id = c::rd_kafka_TopicDescription_topic_id(topic);
        let id = if id.is_null() { ptr::null() } else { c::rd_kafka_Uuid_base64str(id) };
        Ok(Some(TopicDescription {
            name: text(c::rd_kafka_TopicDescription_name(topic)),
            id: (!id.is_null()).then(|| text(id)).filter(|id| id != NO_ID),
            partitions: i32::try_from(partitions).unwrap_or(i32::MAX),
        }))
    }
}

/// The id of no topic: all bytes are zero.
const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use rdkafka::{ClientConfig, config::FromClientConfig, mocking::MockCluster, producer::BaseProducer};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn topics_have_their_partitions_and_an_id_and_what_is_not_there_is_left_out() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("orders", 3, 1).unwrap();
        cluster.create_topic("payments", 4, 1).unwrap();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers());
        let producer = BaseProducer::from_config(&config).unwrap();
        let client = rdkafka::producer::Producer::client(&producer);
        let mut described = describe_topics(client, &["orders", "payments"], LIMIT).unwrap();
        described.sort_by(|a, b| a.name.cmp(&b.name));
        let found: Vec<_> = described.iter().map(|t| (t.name.as_str(), t.partitions)).collect();
        assert_eq!(found, [("orders", 3), ("payments", 4)]);
        assert_ne!(described[0].id, described[1].id);
        let again = describe_topics(client, &["orders"], LIMIT).unwrap();
        assert_eq!(again[0].id, described[0].id);
    }

    #[test]
    fn a_broker_that_does_not_answer_is_waited_for_as_long_as_the_limit_says() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", nobody.local_addr().unwrap().to_string());
        let producer = BaseProducer::from_config(&config).unwrap();
        let client = rdkafka::producer::Producer::client(&producer);
        let answer = describe_topics(client, &["orders"], Duration::from_millis(300));
        assert!(answer.is_err(), "{answer:?}");
    }
}
