//! Redrives and discards dead letters, page after page of the list.

use std::{collections::HashMap, process::ExitCode};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Chosen, DeadLetter, Filter, say_how_to_go_on};
use crate::output::{self, NobodyReads};
use crate::{
    cli::refuse_value,
    client::{
        http::{Client, escaped, list},
        read,
        table::plain,
    },
};

/// How many are asked for at a time.
const PAGE: u64 = 500;

/// What is done with a dead letter.
#[derive(Debug, Clone, Copy)]
pub enum Deed {
    Redrive,
    Discard,
}

impl Deed {
    fn name(self) -> &'static str {
        match self {
            Deed::Redrive => "redrive",
            Deed::Discard => "discard",
        }
    }

    /// What would be done.
    fn plan(self, letter: &DeadLetter) -> String {
        let (id, service, name) = (&letter.id, &letter.service, letter.name());
        match self {
            Deed::Redrive if letter.redrivable == Some(false) => {
                format!("{id}: can't be handed to {service} again: {name} was too large to be kept")
            }
            Deed::Redrive => {
                format!("{id}: would hand to {service} again: {name}, which was refused: {}", letter.reason)
            }
            Deed::Discard => {
                format!("{id}: {service} would lose {name} for good, refused: {}", letter.reason)
            }
        }
    }
}

/// Does it with those that are chosen, or only says what it would do.
pub fn run(client: &Client, deed: Deed, chosen: Chosen, json: bool) -> Result<ExitCode> {
    let Chosen { ids, all, filter, yes } = chosen;
    let mut work = Work { client, deed, yes, json, outcomes: Vec::new(), all_well: true };
    let done = if !ids.is_empty() {
        work.named(ids)
    } else if all || filter.is_given() {
        work.listed(&filter)
    } else {
        refuse_value(format!(
            "nothing is chosen to {}: name dead letters by their ids, choose some with --service, --topic, \
             --type, --reason, --before or --limit, or take every one with --all",
            deed.name()
        ))
    };
    match done {
        // What is done already is told.
        Err(error) if !work.outcomes.is_empty() && !error.is::<NobodyReads>() => work.fails(&error),
        done => done?,
    }
    work.end()
}

struct Work<'a> {
    client: &'a Client,
    deed: Deed,
    yes: bool,
    json: bool,
    outcomes: Vec<Value>,
    all_well: bool,
}

impl Work<'_> {
    /// With the dead letters of these ids, as far as they are there.
    fn named(&mut self, ids: Vec<String>) -> Result<()> {
        let mut letters = Vec::new();
        for id in ids {
            match self.client.get(&format!("/dead-letters/{}", escaped(&id)))?.ok() {
                Ok(letter) => letters.push(letter),
                Err(error) => self.fails(&error),
            }
        }
        letters.chunks(PAGE as usize).try_for_each(|page| self.page(page))
    }

    /// With those that the list shows.
    fn listed(&mut self, filter: &Filter) -> Result<()> {
        let (mut after, mut left) = (filter.after.clone(), filter.limit);
        loop {
            let limit = left.map_or(PAGE, |left| left.min(PAGE));
            let query = filter.query(Some(limit), after.as_deref());
            let answer = self.client.get(&format!("/dead-letters{query}"))?;
            let is_cut = answer.is_cut;
            let page = list(answer.ok()?)?;
            self.page(&page)?;
            left = left.map(|left| left.saturating_sub(page.len() as u64));
            let Some(last) = page.last().filter(|_| is_cut) else { return Ok(()) };
            if left == Some(0) {
                return say_how_to_go_on(&page);
            }
            // What is refused again keeps its place in the list, which is behind this one.
            after = Some(read::<DeadLetter>(last)?.cursor());
        }
    }

    /// With these. One that fails does not keep the rest from it.
    fn page(&mut self, letters: &[Value]) -> Result<()> {
        if letters.is_empty() {
            return Ok(());
        }
        let mut outcomes = if self.yes { self.act(letters)? } else { HashMap::new() };
        for value in letters {
            let letter: DeadLetter = read(value)?;
            let line = if self.yes {
                let none = || json!({"id": letter.id, "outcome": "unanswered", "reason": "no answer came"});
                let outcome = outcomes.remove(&letter.id).unwrap_or_else(none);
                let (well, line) = came_of(self.deed, &letter, &outcome);
                self.all_well &= well;
                self.outcomes.push(outcome);
                line
            } else {
                let mut planned = value.clone();
                planned["outcome"] = json!(format!("would_{}", self.deed.name()));
                self.outcomes.push(planned);
                self.deed.plan(&letter)
            };
            if !self.json {
                output::data(plain(&line))?;
            }
        }
        Ok(())
    }

    /// What came of these, by id.
    fn act(&self, letters: &[Value]) -> Result<HashMap<String, Value>> {
        let ids: Vec<&Value> = letters.iter().map(|letter| &letter["id"]).collect();
        let answer =
            self.client.post_once(&format!("/dead-letters/{}", self.deed.name()), &json!({"ids": ids}));
        let outcomes = answer.map_err(anyhow::Error::from).and_then(|answer| list(answer.ok()?));
        let what = || format!("can't {} {} dead letters: look at what is left", self.deed.name(), ids.len());
        let by_id = |outcome: Value| Some((outcome["id"].as_str()?.to_owned(), outcome));
        Ok(outcomes.with_context(what)?.into_iter().filter_map(by_id).collect())
    }

    fn fails(&mut self, error: &anyhow::Error) {
        self.all_well = false;
        // That nobody reads it does not make it well.
        let _ = output::message(format_args!("quadrille: {error:#}"));
    }

    fn end(self) -> Result<ExitCode> {
        if self.json {
            output::data(Value::Array(self.outcomes))?;
        } else if self.outcomes.is_empty() && self.all_well {
            output::message("no dead letters")?;
        } else if !self.yes && !self.outcomes.is_empty() {
            output::message("nothing is done yet: --yes does it")?;
        }
        Ok(if self.all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Whether it is none any more, and what came of it in words.
pub fn came_of(deed: Deed, letter: &DeadLetter, outcome: &Value) -> (bool, String) {
    let (id, service, name) = (&letter.id, &letter.service, letter.name());
    let reason = outcome["reason"].as_str().unwrap_or_default();
    match outcome["outcome"].as_str() {
        Some("handled") => (true, format!("{id}: {service} has handled {name}")),
        Some("discarded") => (true, format!("{id}: discarded; {service} has lost {name} for good")),
        Some("dead_letter") => (false, format!("{id}: {service} has refused {name} again: {reason}")),
        _ => (false, format!("{id}: can't {} {name}: {reason}", deed.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::dead_letters::tests::letter;

    fn plan(deed: Deed, letter: &Value) -> String {
        deed.plan(&read(letter).unwrap())
    }

    #[test]
    fn what_would_be_done_says_who_would_lose_what() {
        assert_eq!(
            plan(Deed::Discard, &letter()),
            "payment-payments-2-17: inventory would lose PaymentAuthorized of order-42 (payments, partition 2, \
             offset 17) for good, refused: amount: 0 is not an amount"
        );
        let redrive = plan(Deed::Redrive, &letter());
        assert!(redrive.contains("would hand to inventory again: PaymentAuthorized"), "{redrive}");
        let mut too_large = letter();
        too_large["redrivable"] = json!(false);
        assert!(plan(Deed::Redrive, &too_large).contains("was too large to be kept"));
    }

    #[test]
    fn only_what_is_no_dead_letter_any_more_is_well() {
        let letter: DeadLetter = read(&letter()).unwrap();
        let of = |outcome: &str| {
            came_of(Deed::Redrive, &letter, &json!({"id": "i", "outcome": outcome, "reason": "because"}))
        };
        assert!(of("handled").0 && of("discarded").0);
        let (well, line) = of("dead_letter");
        assert!(!well && line.ends_with("again: because"), "{line}");
        for outcome in ["unknown", "not_kept", "unanswered", "new"] {
            let (well, line) = of(outcome);
            assert!(!well && line.contains("can't redrive") && line.ends_with("because"), "{line}");
        }
    }
}
