//! What is to be decided: records, timers that are due, and dead letters that people redrive, each
//! classified, decoded and addressed before anyone decides.

use std::{
    borrow::Cow,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
};

use saga::{Arrival, Delivery, Service};

use super::{cause::Cause, say::Sayer};
use crate::{
    cloudevents::Envelope,
    inbound::classifier::{Classified, Classifier},
    record::{Record, partition_of},
    store::{DueTimer, Outgoing},
};

/// How many characters of a foreign name a log line shows.
const MOST_SHOWN: usize = 64;

/// What is to be decided, in order.
pub struct Inputs<'r> {
    /// Where the tasks come from.
    pub origins: Vec<Origin<'r>>,
    /// What is still to be done: the place of its origin, and what.
    pub tasks: VecDeque<(usize, Task)>,
    /// How many records were skipped that are of a type which a newer version has.
    pub newer: u64,
    service: &'r Service,
    classifier: &'r Classifier,
    sayer: &'r Sayer<'r>,
    partitions: i32,
}

/// Where a task comes from.
pub struct Origin<'r> {
    /// The record; a timer has none.
    pub record: Option<&'r Record>,
    /// The record, or the timer, for what follows from it.
    pub cause: Cause<'r>,
    /// The record's type, as far as it is one that a step may wait for.
    pub kind: Option<Cow<'r, str>>,
    /// When it was written, in milliseconds since 1970.
    pub time_ms: i64,
    /// When it was refused first, if it was before.
    pub refused_first_ms: Option<i64>,
    /// Why it could not be used.
    pub refusal: Option<String>,
}

/// One thing to be done.
pub enum Task {
    /// A participant hears of the record.
    Hear(Hearing),
    /// A participant hears its timer, unless something has stopped it or started it anew.
    Fire(Hearing, DueTimer),
    /// A participant that waits for the record hears that it can't be used.
    Answer(Hearing),
    /// The record can't be used.
    Refuse(String),
    /// The record belongs on another partition.
    Forward(Outgoing),
}

/// What a participant hears.
pub struct Hearing {
    /// The participant's place in its service.
    pub participant: usize,
    /// What it hears.
    pub delivery: Delivery,
}

impl<'r> Inputs<'r> {
    /// None yet.
    pub fn new(
        service: &'r Service,
        classifier: &'r Classifier,
        sayer: &'r Sayer<'r>,
        partitions: i32,
    ) -> Self {
        let (origins, tasks) = (Vec::new(), VecDeque::new());
        Inputs { origins, tasks, newer: 0, service, classifier, sayer, partitions }
    }

    /// Adds a record as it comes out of a topic, or anew out of the dead letters, where it was put at
    /// `refused_first_ms`. Returns the place of its origin, if there is anything to be done.
    pub fn add_record(&mut self, record: &'r Record, refused_first_ms: Option<i64>) -> Option<usize> {
        let unread = |kind| Origin {
            record: Some(record),
            cause: Cause::unread(record),
            kind,
            time_ms: record.timestamp_ms,
            refused_first_ms,
            refusal: None,
        };
        let (origin, tasks) = match self.classifier.classify(record) {
            Classified::Skipped => return None,
            Classified::Newer(kind) => {
                let kind: String = kind.escape_debug().take(MOST_SHOWN).collect();
                tracing::info!(service = self.service.name, kind, "skipped: a newer version's type");
                self.newer += 1;
                return None;
            }
            Classified::Unusable(misread) => {
                (unread(misread.kind.map(Cow::Owned)), vec![Task::Refuse(misread.reason)])
            }
            Classified::Heard(envelope) => {
                let (tasks, is_at_home) = self.of_envelope(record, &envelope);
                let origin = match is_at_home {
                    // Elsewhere nobody waits for it.
                    false => unread(None),
                    true => Origin {
                        record: Some(record),
                        kind: Some(envelope.kind),
                        time_ms: envelope.time_ms,
                        refused_first_ms,
                        refusal: None,
                        cause: Cause {
                            id: envelope.id,
                            correlation: envelope.correlation_id,
                            traceparent: envelope.traceparent,
                            lane: record.partition,
                        },
                    },
                };
                (origin, tasks)
            }
        };
        let place = self.origins.len();
        self.origins.push(origin);
        self.tasks.extend(tasks.into_iter().map(|task| (place, task)));
        Some(place)
    }

    /// What is to be done with a record that the service listens to, and whether it is on the partition
    /// of its key.
    fn of_envelope(&self, record: &Record, envelope: &Envelope) -> (Vec<Task>, bool) {
        let arrival = Arrival::Message { kind: &envelope.kind, id: &envelope.id, data: &envelope.data };
        let mut tasks = Vec::with_capacity(1);
        for (participant, listener) in self.service.participants.iter().enumerate() {
            // What a message checks of itself may fail just as a decision may.
            let delivery = match catch_unwind(AssertUnwindSafe(|| listener.listen(&arrival))) {
                Ok(None) => continue,
                Ok(Some(Ok(delivery))) => delivery,
                Ok(Some(Err(reason))) => return (vec![Task::Refuse(reason)], true),
                Err(_) => return (vec![Task::Refuse(failed_over_it(self.service))], true),
            };
            let home = partition_of(&delivery.key, self.partitions);
            if home != record.partition {
                return (vec![self.misplaced(record, envelope, &delivery.key, home)], false);
            }
            tasks.push(Task::Hear(Hearing { participant, delivery }));
        }
        (tasks, true)
    }

    /// A command on a partition that is not its key's goes to the one that is, with the id that it has.
    fn misplaced(&self, record: &Record, envelope: &Envelope, key: &str, home: i32) -> Task {
        if !self.sayer.is_for_commands(&record.topic) {
            return Task::Refuse(format!(
                "it is on partition {}, and its key belongs on {home}",
                record.partition
            ));
        }
        match self.sayer.forwarded(record, envelope, key, home) {
            Ok(forwarded) => Task::Forward(forwarded),
            Err(reason) => Task::Refuse(reason),
        }
    }

    /// Adds a timer that is due.
    pub fn add_timer(&mut self, due: &'r DueTimer) {
        let participants = self.service.participants.iter().enumerate();
        for (participant, listener) in participants.filter(|(_, p)| p.name == due.participant) {
            let Some(Ok(delivery)) = listener.listen(&Arrival::Timer { instance: &due.instance }) else {
                continue;
            };
            let cause = Cause {
                id: due.timer.cause_id.as_str().into(),
                correlation: None,
                traceparent: Some(due.timer.traceparent.as_str().into()),
                lane: due.lane,
            };
            let (kind, time_ms) = (None, due.timer.due_ms);
            let origin = Origin { record: None, cause, kind, time_ms, refused_first_ms: None, refusal: None };
            self.origins.push(origin);
            let hearing = Hearing { participant, delivery };
            self.tasks.push_back((self.origins.len() - 1, Task::Fire(hearing, due.clone())));
        }
    }

    /// The instances that deciding may need: of each the participant's place in its service, and the id.
    pub fn instances(&self) -> impl Iterator<Item = (usize, &str)> {
        let heard = self.tasks.iter().filter_map(|(_, task)| match task {
            Task::Hear(hearing) | Task::Fire(hearing, _) | Task::Answer(hearing) => {
                Some((hearing.participant, hearing.delivery.instance.as_str()))
            }
            Task::Refuse(_) | Task::Forward(_) => None,
        });
        // Whoever waits for a record that turns out to be unusable hears of it by its key.
        let answered = self.origins.iter().flat_map(|origin| self.answering(origin));
        heard.chain(answered)
    }

    /// Who waits for a record, and so has to hear that it can't be used: participants by their places,
    /// with the record's key.
    fn answering<'o>(&'o self, origin: &'o Origin) -> impl Iterator<Item = (usize, &'o str)> {
        let waited_for = origin.kind.as_deref().and_then(|kind| {
            let key = origin.record.and_then(Record::key_text)?;
            (partition_of(key, self.partitions) == origin.cause.lane).then_some((kind, key))
        });
        waited_for.into_iter().flat_map(|(kind, key)| {
            let participants = self.service.participants.iter().enumerate();
            let answering = participants.filter(move |(_, participant)| {
                participant.hears.iter().any(|heard| heard.kind == kind && heard.answers_unusable)
            });
            answering.map(move |(place, _)| (place, key))
        })
    }

    /// The record of this origin can't be used: whoever waits for it hears so next.
    pub fn answer(&mut self, place: usize) {
        let origin = &self.origins[place];
        let answers: Vec<Hearing> = self
            .answering(origin)
            .filter_map(|(participant, key)| {
                let kind = origin.kind.as_deref()?;
                let arrival = Arrival::Unusable { kind, key };
                let delivery = self.service.participants[participant].listen(&arrival)?.ok()?;
                Some(Hearing { participant, delivery })
            })
            .collect();
        for answer in answers.into_iter().rev() {
            self.tasks.push_front((place, Task::Answer(answer)));
        }
    }
}

/// Why what makes a participant panic can't be used.
pub fn failed_over_it(service: &Service) -> String {
    format!("the {} service failed over it", service.name)
}
