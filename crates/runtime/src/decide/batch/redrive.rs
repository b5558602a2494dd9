//! What people do with dead letters, inside a transaction.

use anyhow::Result;

use super::Work;
use crate::{
    decide::dead_letters,
    inbound::intake::{Intake, Taken},
    service::requests::What,
    store::DeadLetter,
};

impl Work<'_> {
    /// A dead letter arrives again, as if for the first time, or with another value; returns why it was
    /// refused again, if it was.
    pub fn redrive(&mut self, letter: &DeadLetter, what: &What, intake: &Intake) -> Result<Option<String>> {
        let mut record = dead_letters::record(letter);
        if let What::Edit { value, .. } = what {
            record.value = Some(value.clone());
            if matches!(intake.take(&record), Taken::Skipped | Taken::Newer(_)) {
                let name = self.service.name;
                return Ok(Some(format!("of {} the {name} service would skip this", record.topic)));
            }
        }
        self.resolve(letter, what);
        self.refused_first_ms = Some(letter.at_ms);
        self.arrived(&record, intake)?;
        self.refused_first_ms = None;
        Ok(self.last_refusal.take())
    }

    /// A dead letter is one no more.
    pub fn resolve(&mut self, letter: &DeadLetter, what: &What) {
        self.touched.insert(letter.partition);
        let topic = self.topology.dead_letters();
        self.outgoing.push(dead_letters::resolved(self.service.name, letter, topic, what, self.now_ms));
    }

    /// Says in the log what became of a dead letter.
    pub fn tell_done(&self, letter: &DeadLetter, what: &What) {
        let how = dead_letters::done(what);
        tracing::info!(service = self.service.name, id = letter.id, "dead letter {how}");
    }

    /// Takes a dead letter out of the store, if it is there.
    pub fn take_dead_letter(&self, id: &str) -> Result<Option<DeadLetter>> {
        self.transaction.take_dead_letter(id)
    }

    /// Puts a dead letter back as it was.
    pub fn put_back(&self, letter: &DeadLetter) -> Result<()> {
        self.transaction.add_dead_letter(letter)
    }
}
