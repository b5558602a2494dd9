//! The allocator of this program, and so of the raw chain; and which one another program has.

use std::{fs, path::Path};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The allocator of the raw chain, by name.
pub fn own() -> &'static str {
    if cfg!(feature = "jemalloc") { "jemalloc" } else { "the system's" }
}

/// The allocator that a program was built with, as far as its file shows.
pub fn of(program: &Path) -> &'static str {
    let Ok(bytes) = fs::read(program) else { return "unknown" };
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    if holds(b"<jemalloc>: ") {
        "jemalloc"
    } else if holds(b"mimalloc: ") {
        "mimalloc"
    } else {
        "the system's"
    }
}
