//! As much of Kafka's protocol as the sandbox's front has to understand. All numbers are big-endian.

use std::{io, net::SocketAddr, time::Duration};

use bytes::{Buf, BufMut};
use rdkafka::types::RDKafkaApiKey as Api;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub const PRODUCE: i16 = Api::Produce as i16;
pub const FETCH: i16 = Api::Fetch as i16;
pub const METADATA: i16 = Api::Metadata as i16;
pub const FIND_COORDINATOR: i16 = Api::FindCoordinator as i16;
pub const API_VERSIONS: i16 = Api::ApiVersion as i16;

/// What clients may ask for: the request, and its first and last version. It is what the mock cluster
/// knows, without the versions that are written in the "flexible" way: those it gets wrong in places,
/// and every client has an older one. Fetch begins where Kafka 4 begins.
const OFFERED: [(Api, i16, i16); 18] = [
    (Api::Produce, 0, 8),
    (Api::Fetch, 4, 11),
    (Api::ListOffsets, 0, 5),
    (Api::Metadata, 0, 8),
    (Api::OffsetCommit, 0, 7),
    (Api::OffsetFetch, 0, 5),
    (Api::FindCoordinator, 0, 2),
    (Api::JoinGroup, 0, 5),
    (Api::Heartbeat, 0, 3),
    (Api::LeaveGroup, 0, 2),
    (Api::SyncGroup, 0, 3),
    (Api::ApiVersion, 0, 2),
    (Api::InitProducerId, 0, 1),
    (Api::OffsetForLeaderEpoch, 2, 2),
    (Api::AddPartitionsToTxn, 0, 1),
    (Api::AddOffsetsToTxn, 0, 1),
    (Api::EndTxn, 0, 1),
    (Api::TxnOffsetCommit, 0, 2),
];

/// How long a fetch without news is held back at most: its client may have gone.
const MOST_WAIT: Duration = Duration::from_secs(30);

/// Kafka's code for "I don't know this version of the request".
const UNSUPPORTED_VERSION: i16 = 35;

/// The longest message that librdkafka reads, by default.
const MAX_BYTES: usize = 100_000_000;

/// Reads a message: its length, and that many bytes.
///
/// # Errors
/// When the other side has gone, or what it sends is no message.
pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = usize::try_from(from.read_i32().await?).ok().filter(|length| *length <= MAX_BYTES);
    let mut message = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
    from.read_exact(&mut message).await?;
    Ok(message)
}

/// Writes a message.
///
/// # Errors
/// When the other side has gone.
pub async fn write(to: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    let length = i32::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    to.write_i32(length).await?;
    to.write_all(message).await?;
    to.flush().await
}

/// A client's request: one that is offered, or one that asks what is.
pub struct Request {
    bytes: Vec<u8>,
    /// Which one it is.
    pub api: i16,
    /// In which version.
    pub version: i16,
    /// Where its own fields begin.
    body: usize,
}

impl Request {
    /// The request in a message, unless it is none, or one that is not offered.
    pub fn new(bytes: Vec<u8>) -> Option<Request> {
        let mut header = bytes.as_slice();
        let (api, version) = (header.try_get_i16().ok()?, header.try_get_i16().ok()?);
        let (_correlation_id, _client_id) = (header.try_get_i32().ok()?, text(&mut header)?);
        let body = bytes.len() - header.len();
        let is_offered = OFFERED
            .iter()
            .any(|(key, first, last)| *key as i16 == api && (*first..=*last).contains(&version));
        (is_offered || api == API_VERSIONS).then_some(Request { bytes, api, version, body })
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The answer to who asks what is offered. A version of this question that isn't offered itself is
    /// answered as its first one is, with an error, after which the client asks again (KIP-511).
    pub fn what_is_offered(&self) -> Vec<u8> {
        let is_known = self.version <= 2;
        let mut answer = self.bytes[4..8].to_vec(); // its correlation id
        answer.put_i16(if is_known { 0 } else { UNSUPPORTED_VERSION });
        answer.put_i32(OFFERED.len() as i32);
        for (key, first, last) in OFFERED {
            answer.put_i16(key as i16);
            answer.put_i16(first);
            answer.put_i16(last);
        }
        if is_known && self.version >= 1 {
            answer.put_i32(0); // for how long the client is to be throttled
        }
        answer
    }

    /// Whether who produces wants an answer.
    pub fn wants_answer(&self) -> bool {
        let mut fields = &self.bytes[self.body..];
        if self.version >= 3 {
            let _transactional_id = text(&mut fields);
        }
        fields.try_get_i16() != Ok(0)
    }

    /// How long who fetches wants to wait for news; from then on it says that it does not.
    pub fn take_waiting_time(&mut self) -> Option<Duration> {
        let at = self.body + 4; // behind the replica's id
        let field = self.bytes.get_mut(at..at + 4)?;
        let wait = (&*field).get_i32();
        field.fill(0);
        Some(Duration::from_millis(wait.try_into().unwrap_or(0)).min(MOST_WAIT))
    }

    /// The topics whose metadata is asked for by name.
    pub fn topics(&self) -> Vec<String> {
        let mut fields = &self.bytes[self.body..];
        let count = fields.try_get_i32().unwrap_or(0);
        let names = (0..count).map_while(|_| text(&mut fields));
        names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }
}

/// Whether the answer to a fetch has anything to say: a record, or an error.
pub fn has_news(answer: &[u8], version: i16) -> bool {
    // What can't be read is not held back.
    find_news(answer, version).unwrap_or(true)
}

fn find_news(mut answer: &[u8], version: i16) -> Option<bool> {
    let rest = &mut answer;
    skip(rest, 4 + 4)?; // correlation id, throttling
    if version >= 7 {
        skip(rest, 2 + 4)?; // the error and the session of the whole, which the mock cluster does not have
    }
    for _topic in 0..rest.try_get_i32().ok()? {
        text(rest)?;
        for _partition in 0..rest.try_get_i32().ok()? {
            skip(rest, 4)?; // its number
            if rest.try_get_i16().ok()? != 0 {
                return Some(true);
            }
            skip(rest, if version >= 5 { 3 * 8 } else { 2 * 8 })?; // offsets
            let aborted = rest.try_get_i32().ok()?;
            skip(rest, usize::try_from(aborted).unwrap_or(0) * 16)?;
            if version >= 11 {
                skip(rest, 4)?; // the preferred replica
            }
            if rest.try_get_i32().ok()? > 0 {
                return Some(true);
            }
        }
    }
    Some(false)
}

/// How an answer names a broker: its host and its port.
pub fn endpoint(address: SocketAddr) -> Vec<u8> {
    let host = address.ip().to_canonical().to_string();
    let mut bytes = Vec::new();
    bytes.put_i16(host.len() as i16); // an address has fewer than 50 characters
    bytes.put_slice(host.as_bytes());
    bytes.put_i32(address.port().into());
    bytes
}

/// The answer with the broker's endpoint replaced. It is the first thing in it that could look like
/// one: what clients have chosen themselves, such as topics' names, comes later.
pub fn with_endpoint(answer: Vec<u8>, old: &[u8], new: &[u8]) -> Vec<u8> {
    match answer.windows(old.len()).position(|bytes| bytes == old) {
        Some(at) => [&answer[..at], new, &answer[at + old.len()..]].concat(),
        None => answer,
    }
}

/// Text with its length before it, which is -1 where there is none.
fn text<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = usize::try_from(bytes.try_get_i16().ok()?).unwrap_or(0);
    skip(bytes, length)
}

fn skip<'b>(bytes: &mut &'b [u8], count: usize) -> Option<&'b [u8]> {
    bytes.split_off(..count)
}
