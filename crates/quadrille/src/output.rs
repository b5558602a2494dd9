//! What the program prints: data on stdout, messages on stderr; with colours only where they are shown.

use std::{
    error,
    fmt::{self, Display},
    io::{self, ErrorKind, Write},
};

use anyhow::Result;

/// Whoever read what is printed has gone, as in `quadrille map | head -1`: he has had enough, and that
/// ends a command, and is no failure.
#[derive(Debug)]
pub struct NobodyReads;

impl error::Error for NobodyReads {}

impl Display for NobodyReads {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("nobody reads what is printed")
    }
}

/// Prints a line of data.
///
/// # Errors
/// [`NobodyReads`]; or why stdout can't be written.
pub fn data(line: impl Display) -> Result<()> {
    written("stdout", writeln!(anstream::stdout(), "{line}"))
}

/// Prints a line for people.
///
/// # Errors
/// [`NobodyReads`]; or why stderr can't be written.
pub fn message(line: impl Display) -> Result<()> {
    written("stderr", writeln!(anstream::stderr(), "{line}"))
}

fn written(place: &str, result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(NobodyReads.into()),
        result => result.map_err(|error| anyhow::anyhow!("{place} can't be written: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_gone_is_told_from_a_full_disk() {
        let gone = written("stdout", Err(ErrorKind::BrokenPipe.into())).unwrap_err();
        assert!(gone.context("of a command").is::<NobodyReads>());
        let full = written("stdout", Err(ErrorKind::StorageFull.into())).unwrap_err();
        assert!(!full.is::<NobodyReads>() && full.to_string().starts_with("stdout can't be written: "));
    }
}
