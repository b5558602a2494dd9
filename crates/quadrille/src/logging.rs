//! What the program says of itself, on stderr.

use std::io::{self, IsTerminal};

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::cli::{LogFormat, Logging};

/// Starts logging to stderr, with colours only on a terminal and never with `NO_COLOR`.
/// `unless_said` is the filter for who has set none.
pub fn start(settings: &Logging, unless_said: &str) {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let asked_for = EnvFilter::new(settings.rust_log.as_deref().unwrap_or(unless_said));
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(colours)
        .with_target(false)
        // Whoever reads the log may have gone. To say so where it was read would end the thread.
        .log_internal_errors(false);
    let lines = match settings.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(asked_for.and(filter_fn(shows_no_secret)))).init();
}

/// The client of HTTP logs all bytes that it sends, tokens among them, to whoever asks for everything.
fn shows_no_secret(line: &Metadata) -> bool {
    *line.level() < Level::TRACE || !line.target().starts_with("ureq")
}
