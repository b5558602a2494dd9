//! What must hold when all is quiet, judged by the topics, and for the sums by the rows of the stores.

mod orders;
mod stores;
mod topics;

pub use self::{orders::nothing_waits_past_its_deadline, stores::what_was_reported};

use crate::run::Run;

/// What must hold when nothing happens any more.
///
/// # Errors
/// What is wrong, in words.
pub fn at_rest(run: &Run) -> Result<(), String> {
    who_must_not_go_on(run)?;
    let said = topics::said(run)?;
    if run.is_damaged {
        return Ok(());
    }
    topics::dead_letters(run)?;
    orders::have_ended(run, &said)?;
    orders::deadlines_come_after_answers(run, &said)?;
    stores::are_done(run)?;
    stores::sums(run, &said)
}

fn who_must_not_go_on(run: &Run) -> Result<(), String> {
    for party in &run.parties {
        if run.must_refuse.contains(&party.index) && party.refused.is_none() {
            return Err(format!("{} goes on, though it can't know what it has missed", party.name()));
        }
    }
    Ok(())
}
