//! Records, as the client has them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use rdkafka::{
    Message,
    message::{BorrowedMessage, Header, Headers as _},
};

use crate::record::{Headers, Record, fingerprint};

/// A record's headers. The client library panics over a name that is not UTF-8: a header that has
/// one is left out, so that nobody can stop a service with it.
fn headers<'m>(message: &'m BorrowedMessage) -> impl Iterator<Item = Header<'m, &'m [u8]>> {
    message.headers().into_iter().flat_map(|all| {
        let read = |index| catch_unwind(AssertUnwindSafe(|| all.try_get(index))).ok().flatten();
        (0..all.count()).filter_map(read)
    })
}

/// The last header of this name, as text.
pub fn header<'m>(message: &'m BorrowedMessage, name: &str) -> Option<&'m str> {
    let header = headers(message).filter(|header| header.key == name).last()?;
    std::str::from_utf8(header.value?).ok()
}

/// Tells whether the record at a position is still the one that was read there.
pub fn fingerprint_of(message: &BorrowedMessage) -> u32 {
    fingerprint(message.timestamp().to_millis().unwrap_or(0), message.key(), message.payload())
}

/// A record that outlives the client's.
pub fn owned(topic: Arc<str>, message: &BorrowedMessage) -> Record {
    let headers: Headers =
        headers(message).map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect();
    Record {
        topic,
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(<[u8]>::to_vec),
        headers,
        value: message.payload().map(<[u8]>::to_vec),
    }
}
