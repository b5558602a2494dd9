//! What is to happen in a run: all of it follows from the seed, and each part can be left out, so that a
//! failing run can be made a short one.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    people::{self, CUSTOMERS, Command, SKUS},
    random::Random,
    world::Trouble,
};

/// How many steps things go wrong in.
const STEPS: u64 = 300;
/// The services.
const PARTIES: u64 = 5;

/// What is to happen in a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Decides everything else.
    pub seed: u64,
    /// How many partitions a topic has.
    pub partitions: usize,
    /// The deadline of orders.
    pub deadline: Duration,
    /// For how many steps things go wrong.
    pub steps: u64,
    /// What happens.
    pub events: Vec<Event>,
    /// Ids of what may be refused.
    pub refusable: BTreeSet<String>,
    /// What is away from this step on until all deadlines have passed.
    pub away_at_the_end: Option<(usize, u64)>,
    /// Whether the brokers know ids of topics.
    pub has_ids: bool,
    /// What a producer has been handed comes on in one of so many steps.
    pub pace: u64,
}

/// Something that happens.
#[derive(Debug, Clone)]
pub struct Event {
    /// At this step.
    pub at: u64,
    /// This.
    pub what: What,
}

/// What may happen.
#[derive(Debug, Clone)]
pub enum What {
    /// A person writes a command.
    Write(Command),
    /// A person asks a service to do something with dead letters.
    Ask(usize, Wish),
    /// The next call of this kind goes wrong.
    Trouble(usize, Trouble),
    /// A process dies after so many calls.
    Die(usize, u32),
    /// It dies, and is started so many steps later.
    Away(usize, u64),
    /// It is stopped in an orderly way, and started again.
    Stop(usize),
    /// It is paused for so many steps; another process takes over, and it does not know.
    Usurp(usize, u64),
    /// The disk is full for so many steps.
    DiskFull(usize, u64),
    /// The broker does not answer for so many steps.
    BrokerAway(u64),
    /// A partition has no leader for so many steps.
    NoLeader(u64, u64),
    /// A producer gives up what is on its way.
    GiveUp(usize),
    /// Acknowledgements take so many steps.
    LateAcknowledgements(usize, u64),
    /// The clock is set forward.
    ClockForward(i64),
    /// The clock is set back.
    ClockBack(i64),
    /// The clock stands still for so many steps.
    ClockStands(u64),
    /// What everyone has read is deleted.
    Retention,
    /// Records that everyone has read are compacted away.
    Compaction,
    /// A topic takes less for so many steps.
    Limit(u64, usize, u64),
    /// An old copy of the store is put in its place; the right one comes back once that is refused.
    OldCopy(usize),
    /// The last records of a partition are lost.
    Lost(u64),
    /// A topic is made anew.
    Anew(u64),
    /// Records are deleted that a service has not read.
    Overtaken(usize),
    /// It is another cluster.
    OtherCluster,
}

/// What people ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Redrive.
    Redrive,
    /// Discard.
    Discard,
    /// Edit.
    Edit,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Plan {
        let mut random = Random::of(&[seed, 1]);
        let mut plan = Plan {
            seed,
            partitions: 1 + random.index(3),
            deadline: Duration::from_millis(*random.pick(&[3_000, 8_000, 60_000])),
            steps: STEPS,
            events: Vec::new(),
            refusable: BTreeSet::new(),
            away_at_the_end: random.one_in(4).then(|| (1 + random.index(3), random.below(250))),
            has_ids: !random.one_in(4),
            pace: *random.pick(&[1, 2, 4, 8]),
        };
        plan.people(&mut random);
        if !seed.is_multiple_of(8) {
            plan.faults(&mut random);
        }
        if random.one_in(8) {
            plan.disaster(&mut random);
        }
        plan.events.sort_by_key(|event| event.at);
        plan
    }

    fn add(&mut self, at: u64, what: What) {
        self.events.push(Event { at, what });
    }

    fn people(&mut self, random: &mut Random) {
        for customer in CUSTOMERS.iter().take(2 + random.index(2)) {
            let command = people::deposit(random, &format!("deposit-{customer}"), customer);
            self.write(random, 25, command);
        }
        for sku in SKUS.iter().take(2 + random.index(2)) {
            let command = people::receive(random, &format!("receipt-{sku}"), sku);
            self.write(random, 25, command);
        }
        for number in 0..3 + random.below(5) {
            let order_id = format!("order-{number}");
            let at = 10 + random.below(160);
            let command = if random.one_in(12) {
                // Where a topic takes less for a while, it does not take this.
                self.refusable.insert(order_id.clone());
                people::place_large(random, &order_id)
            } else {
                people::place(random, &order_id)
            };
            self.add(at, What::Write(command.clone()));
            if random.one_in(4) {
                self.add(at + random.below(100), What::Write(command));
            }
            if random.one_in(8) {
                self.refusable.insert(order_id.clone());
                let other = people::place(random, &order_id);
                self.add(at + random.below(60), What::Write(other));
            }
            if random.one_in(3) {
                let command = people::cancel(random, &order_id);
                self.add((at + random.below(80)).saturating_sub(10), What::Write(command.clone()));
                if random.one_in(3) {
                    self.add(at + random.below(120), What::Write(command));
                }
            }
        }
        for number in 0..random.below(3) {
            let token = format!("rubbish-{number}");
            self.refusable.insert(token.clone());
            let command = people::rubbish(random, &token);
            self.add(random.below(120), What::Write(command));
        }
        if random.one_in(5) {
            // One id for two customers, whose lanes may differ.
            for customer in ["bob", "eve"] {
                let command = people::deposit(random, "deposit-of-two", customer);
                self.write(random, 120, command);
            }
            self.refusable.insert("deposit-of-two".to_owned());
        }
        for _ in 0..random.below(3) {
            let wish = *random.pick(&[Wish::Redrive, Wish::Discard, Wish::Edit]);
            let party = random.index(3);
            self.add(60 + random.below(220), What::Ask(party, wish));
        }
    }

    fn write(&mut self, random: &mut Random, before: u64, command: Command) {
        self.add(random.below(before), What::Write(command.clone()));
        if random.one_in(4) {
            self.add(random.below(STEPS), What::Write(command));
        }
    }

    fn faults(&mut self, random: &mut Random) {
        // In some runs it is one service that all goes wrong with.
        let one = random.one_in(3).then(|| random.index(5));
        let most = if one.is_some() { 20 } else { 10 };
        for _ in 0..1 + random.below(most) {
            let at = random.below(STEPS);
            let party = one.unwrap_or_else(|| random.index(5));
            self.add(at, fault(random, party));
        }
        if self.seed % 16 == 11 {
            // And in some there is no end of it.
            let mut random = Random::of(&[self.seed, 3]);
            for _ in 0..30 {
                let (at, party) = (random.below(STEPS), random.index(5));
                self.add(at, fault(&mut random, party));
            }
        }
    }

    /// Something after which some services must not go on.
    fn disaster(&mut self, random: &mut Random) {
        let party = random.below(PARTIES);
        let party = usize::try_from(party).unwrap_or(0);
        let what = match random.below(7) {
            0..=2 => What::OldCopy(party),
            3 => What::Lost(random.number()),
            4 => What::Anew(random.number()),
            5 => What::Overtaken(party),
            _ => What::OtherCluster,
        };
        self.add(120 + random.below(150), what);
    }
}

/// Something that goes wrong, where it is with one service with this one.
fn fault(random: &mut Random, party: usize) -> What {
    match random.below(24) {
        0..=2 => What::Die(party, u32::try_from(random.below(40)).unwrap_or(0)),
        3 => What::Away(party, random.below(120)),
        4 => What::Stop(party),
        5..=7 => What::Usurp(party, random.below(2) * random.below(150)),
        8..=14 => {
            let troubles = [
                Trouble::Begin,
                Trouble::Read,
                Trouble::Write,
                Trouble::CommitUnknown,
                Trouble::Slow,
                Trouble::TakeOverUnknown,
                Trouble::Send,
                Trouble::Poll,
                Trouble::Report,
                Trouble::DieAmidSend,
                Trouble::DieAfterCommit,
                Trouble::DieAfterCommit,
                Trouble::DieBeforeCommit,
            ];
            What::Trouble(party, *random.pick(&troubles))
        }
        15 => What::DiskFull(party, random.below(60)),
        16 => What::BrokerAway(random.below(40)),
        17 => What::NoLeader(random.number(), random.below(80)),
        18 => What::GiveUp(party),
        19 => What::LateAcknowledgements(party, random.below(100)),
        20 => match random.below(3) {
            0 => What::ClockForward(i64::try_from(random.below(90_000)).unwrap_or(0)),
            1 => What::ClockBack(i64::try_from(random.below(90_000)).unwrap_or(0)),
            _ => What::ClockStands(random.below(100)),
        },
        21 => What::Retention,
        22 => What::Compaction,
        _ => {
            let bytes = 18_000 + random.index(22_000);
            What::Limit(random.number(), bytes, random.below(100))
        }
    }
}

impl What {
    /// What happens, in words; `None` where the world tells it by itself.
    pub fn words(&self) -> String {
        let name = |party: &usize| crate::party::NAMES[*party];
        match self {
            What::Write(command) => format!("a person writes to {}", command.topic),
            What::Ask(party, wish) => format!("a person asks {} to {wish:?} dead letters", name(party)),
            What::Trouble(party, trouble) => format!("soon for {}: {}", name(party), trouble.words()),
            What::Die(party, calls) => format!("the process of {} has {calls} calls left", name(party)),
            What::Away(party, steps) => format!("{} dies, and is away for {steps} steps", name(party)),
            What::Stop(party) => format!("{} is stopped and started again", name(party)),
            What::Usurp(party, steps) => format!(
                "another process takes {} over; the first is paused for {steps} steps, and does not know",
                name(party)
            ),
            What::DiskFull(party, steps) => format!("the disk of {} is full for {steps} steps", name(party)),
            What::BrokerAway(steps) => format!("the broker is away for {steps} steps"),
            What::NoLeader(_, steps) => format!("a partition has no leader for {steps} steps"),
            What::GiveUp(party) => format!("the producer of {} gives up", name(party)),
            What::LateAcknowledgements(party, steps) => {
                format!("acknowledgements to {} take {steps} steps", name(party))
            }
            What::ClockForward(ms) => format!("the clock is set forward by {ms} ms"),
            What::ClockBack(ms) => format!("the clock is set back by {ms} ms"),
            What::ClockStands(steps) => format!("the clock stands still for {steps} steps"),
            What::Retention => "what everyone has read is deleted".to_owned(),
            What::Compaction => "what everyone has read is compacted".to_owned(),
            What::Limit(_, bytes, steps) => format!("a topic takes {bytes} bytes at most for {steps} steps"),
            What::OldCopy(party) => format!("{} is given an old copy of its store", name(party)),
            What::Lost(_) => "the last records of a partition are lost".to_owned(),
            What::Anew(_) => "a topic is made anew".to_owned(),
            What::Overtaken(party) => format!("records are deleted that {} has not read", name(party)),
            What::OtherCluster => "it is another cluster".to_owned(),
        }
    }

    /// Of which kind it is, for counting.
    pub fn kind(&self) -> &'static str {
        match self {
            What::Write(_) => "a person writes",
            What::Ask(_, Wish::Redrive) => "a person redrives",
            What::Ask(_, Wish::Discard) => "a person discards",
            What::Ask(_, Wish::Edit) => "a person edits",
            What::Trouble(..) => "something will go wrong",
            What::Die(..) => "a process will die",
            What::Away(..) => "a service is away for long",
            What::Stop(_) => "a service is stopped and started",
            What::Usurp(..) => "a service has two owners",
            What::DiskFull(..) => "a disk fills up",
            What::BrokerAway(_) => "the broker is away",
            What::NoLeader(..) => "a partition has no leader",
            What::GiveUp(_) => "a producer gives up",
            What::LateAcknowledgements(..) => "acknowledgements are late",
            What::ClockForward(_) => "the clock is set forward",
            What::ClockBack(_) => "the clock is set back",
            What::ClockStands(_) => "the clock stands still",
            What::Retention => "what everyone has read is deleted",
            What::Compaction => "what everyone has read is compacted",
            What::Limit(..) => "a topic takes less",
            What::OldCopy(_) => "an old copy of a store is used",
            What::Lost(_) => "the end of a partition is lost",
            What::Anew(_) => "a topic is made anew",
            What::Overtaken(_) => "retention overtakes a service",
            What::OtherCluster => "it is another cluster",
        }
    }
}
