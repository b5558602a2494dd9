//! One line at the bottom of a terminal that shows that time passes.

use std::io::{IsTerminal, Write, stderr};

use super::table;

/// The line, which is there only where stderr is a terminal.
pub struct Tick {
    is_terminal: bool,
    is_shown: bool,
}

impl Tick {
    /// Shows nothing yet.
    pub fn new() -> Self {
        Tick { is_terminal: stderr().is_terminal(), is_shown: false }
    }

    /// Whether it is seen.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Shows this instead of what it showed before, as far as it fits.
    pub fn show(&mut self, text: &str) {
        if !self.is_terminal {
            return;
        }
        // A line that is wrapped could not be taken back.
        let text: String = text.chars().take(table::width().unwrap_or(80).saturating_sub(1)).collect();
        self.write(&format!("\r{text}\x1b[K"));
        self.is_shown = true;
    }

    /// Takes the line away, before something else is written.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            self.write("\r\x1b[K");
        }
    }

    /// A terminal that is gone is no reason to stop.
    fn write(&self, text: &str) {
        let mut stderr = stderr().lock();
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}

impl Drop for Tick {
    fn drop(&mut self) {
        self.clear();
    }
}
