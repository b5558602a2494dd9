//! What the program says of itself, on stderr.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::cli::{LogFormat, Logging};

/// Where a library would log all bytes that it sends and receives, tokens among them: whatever is
/// asked for, no more than this.
const TELL_NO_SECRET: [&str; 2] = ["ureq=debug", "ureq_proto=debug"];

/// Starts logging to stderr, with colours only on a terminal and never with `NO_COLOR`.
/// `unless_said` is the filter for who has set none.
pub fn start(settings: &Logging, unless_said: &str) {
    let filter = TELL_NO_SECRET
        .into_iter()
        .fold(EnvFilter::new(settings.rust_log.as_deref().unwrap_or(unless_said)), |filter, directive| {
            filter.add_directive(directive.parse().expect("a target and a level"))
        });
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(colours)
        .with_target(false)
        // Whoever reads the log may have gone. To say so where it was read would end the thread.
        .log_internal_errors(false)
        .with_env_filter(filter);
    match settings.log_format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
}
