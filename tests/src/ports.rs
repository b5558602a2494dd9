//! Free ports to listen on.

use std::{
    net::TcpListener,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// A port that nobody listens on, and that this process was not given before.
///
/// Below the range from which Linux takes the ports of outgoing connections (32768 and up): a client
/// that tries to reach a stopped broker on a port of that range can end up connected to itself, and
/// the broker never gets its port back.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    const FIRST: u32 = 15_000;
    const COUNT: u32 = 15_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test processes that run at the same time begin at different places.
    let start = process::id().wrapping_mul(101);
    (0..COUNT)
        .map(|_| FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("one of 15,000 ports is free")
}
