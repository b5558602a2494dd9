//! What the saga promises, tried in every order that Kafka allows: a sign-up ends once, and whoever
//! acted undoes it.

use std::collections::BTreeSet;

use onboarding::{
    Rules, Seats,
    messages::{
        AccountMade, AccountRefused, AccountRemoved, AccountRequested, AccountWithdrawn, IdentityCreated,
        IdentityDeleted, SeatReleased, SeatTaken, SignUp, SignUpCompleted,
    },
    services,
};
use saga::{
    Hears, Message, Outcome, Participant, Rows, Service, Step, Stop,
    explorer::{Explorer, Report, Verdict, View},
    hears, ignore,
    map::Map,
    to,
};
use serde::{Deserialize, Serialize};

/// The adapter and its provider, as the services see them.
///
/// It is silent on a repeat, where the adapter says the same record again: that a record may be
/// delivered again at any time is what the explorer tries anyway.
struct Provider {
    refuses: bool,
}

#[derive(Default, Serialize, Deserialize)]
enum Account {
    #[default]
    Unknown,
    Answered,
    Removed,
}

enum Asked {
    Requested,
    Withdrawn,
}

impl Participant for Provider {
    const NAME: &'static str = "provider";
    type Heard = Asked;
    type State = Account;
    type Row = ();

    fn hears() -> Vec<Hears<Asked>> {
        vec![hears(|_: AccountRequested| Asked::Requested), hears(|_: AccountWithdrawn| Asked::Withdrawn)]
    }

    fn decide(&self, id: &str, state: &Account, heard: &Asked, _rows: &Rows<()>) -> Result<Step<Self>, Stop> {
        let sign_up_id = id.to_owned();
        Ok(match (state, heard) {
            (Account::Unknown, Asked::Requested) if self.refuses => {
                to(Account::Answered).say(AccountRefused { sign_up_id, reason: "name_taken".to_owned() })
            }
            (Account::Unknown, Asked::Requested) => to(Account::Answered).say(AccountMade { sign_up_id }),
            (Account::Answered, Asked::Withdrawn) => to(Account::Removed).say(AccountRemoved { sign_up_id }),
            (Account::Answered | Account::Removed, _) => ignore("a repeat"),
            (Account::Unknown, Asked::Withdrawn) => {
                Err(Stop::Refuse("withdrawn before it was requested, in one log".to_owned()))?
            }
        })
    }

    /// The provider waits for nobody.
    fn ended(_: &Account) -> bool {
        true
    }
}

const SEATS_PER_TEAM: u32 = 1;

fn all(refuses: bool) -> Vec<Service> {
    let rules = Rules { seats_per_team: SEATS_PER_TEAM, ..Rules::default() };
    let provider = Service::new("provider", AccountMade::TOPIC).with(Provider { refuses });
    services(&rules).into_iter().chain([provider]).collect()
}

fn sign_up(id: &str) -> SignUp {
    SignUp { sign_up_id: id.to_owned(), user: format!("user-of-{id}"), team: "tea".to_owned() }
}

/// Explores these sign-ups, with a deadline that may pass at any moment.
fn explore<'a>(mut explorer: Explorer<'a>, sign_ups: &'a [&str]) -> Report {
    for id in sign_ups {
        explorer = explorer.moment(id, sign_up(id));
    }
    explorer
        .always(|view| sign_ups.iter().try_for_each(|id| nothing_twice(view, id)))
        .always(seats_add_up)
        .at_rest(|view| sign_ups.iter().try_for_each(|id| it_has_ended(view, id)))
        .explore()
}

/// How often the services have said this of a sign-up.
fn count(view: &View, kind: &str, id: &str) -> usize {
    view.records().filter(|r| r.kind == kind && r.key == id && r.by.is_some()).count()
}

/// Nothing is said twice of a sign-up, and it has one ending at most.
fn nothing_twice(view: &View, id: &str) -> Result<(), String> {
    let kinds: BTreeSet<&str> = view.records().filter(|r| r.by.is_some()).map(|r| r.kind).collect();
    if let Some(twice) = kinds.into_iter().find(|kind| count(view, kind, id) > 1) {
        return Err(format!("{twice} is said twice of {id}"));
    }
    if count(view, SignUpCompleted::TYPE, id) + count(view, IdentityDeleted::TYPE, id) > 1 {
        return Err(format!("{id} ends twice"));
    }
    Ok(())
}

/// What billing has in its books is what it has said.
fn seats_add_up(view: &View) -> Result<(), String> {
    let said = |kind| view.records().filter(|r| r.kind == kind).count();
    let taken = said(SeatTaken::TYPE) - said(SeatReleased::TYPE);
    let row = view.rows("billing").get("tea").cloned().unwrap_or_default();
    let seats: Seats = serde_json::from_value(row).unwrap_or_default();
    if taken != seats.taken as usize || seats.taken > SEATS_PER_TEAM {
        return Err(format!("{taken} seats are taken, and the books say {seats:?}"));
    }
    Ok(())
}

/// Nothing happens any more: it has ended, and whoever acted has undone it if it failed.
fn it_has_ended(view: &View, id: &str) -> Result<(), String> {
    let said = |kind| count(view, kind, id) == 1;
    let failed = said(IdentityDeleted::TYPE);
    if said(IdentityCreated::TYPE) && !failed && !said(SignUpCompleted::TYPE) {
        return Err(format!("{id} has not ended"));
    }
    let undone = [
        (SeatTaken::TYPE, SeatReleased::TYPE),
        (AccountRequested::TYPE, AccountWithdrawn::TYPE),
        (AccountRequested::TYPE, AccountRemoved::TYPE),
    ];
    for (done, undone) in undone {
        if failed && said(done) && !said(undone) {
            return Err(format!("{id} has failed, and {done} is not undone by {undone}"));
        }
        if said(undone) && !(failed && said(done)) {
            return Err(format!("{id} has {undone}, and there was nothing to undo"));
        }
    }
    if said(SignUpCompleted::TYPE) && !(said(SeatTaken::TYPE) && said(AccountMade::TYPE)) {
        return Err(format!("{id} is completed without a seat and an account"));
    }
    Ok(())
}

fn holds(report: &Report) {
    println!("{report}");
    assert_eq!(report.verdict, Verdict::Holds, "{report}");
    assert!(report.dead_letters.is_empty(), "{:?}", report.dead_letters);
}

#[test]
fn a_sign_up_ends_once_and_whoever_acted_undoes_it() {
    for refuses in [false, true] {
        holds(&explore(Explorer::new(all(refuses)), &["s-1"]));
    }
}

#[test]
fn so_do_two_that_compete_for_one_seat() {
    holds(&explore(Explorer::new(all(false)), &["s-1", "s-2"]));
}

#[test]
fn so_does_one_whose_identity_billing_can_not_read() {
    let explorer = Explorer::new(all(false)).unusable("billing", IdentityCreated::TYPE);
    let report = explore(explorer, &["s-1"]);
    assert_eq!(report.verdict, Verdict::Holds, "{report}");
    assert!(!report.dead_letters.is_empty(), "it is a dead letter");
}

/// The same services, with a provisioning that takes no notice of a deletion it can't place.
fn without_the_tombstone() -> Vec<Service> {
    let mut services = all(false);
    let provisioning = services.iter_mut().find(|s| s.name == "provisioning").expect("there is one");
    let participant = provisioning.participants.remove(0).wrap(|decide, delivery, state, rows| {
        let outcome = decide(delivery, state, rows)?;
        Ok(if state.is_none() && outcome.said.is_empty() {
            Outcome { next: None, ..outcome }
        } else {
            outcome
        })
    });
    provisioning.participants.push(participant);
    services
}

/// The story of what goes wrong without it, as the tutorial tells it.
#[test]
fn without_the_tombstone_an_account_is_left_behind() {
    let report = explore(Explorer::new(without_the_tombstone()), &["s-1"]);
    let story = report.violation().expect("the explorer finds it").to_string();
    assert!(tutorial().contains(&story), "the tutorial tells another story than:\n{story}");
}

/// The map, as the tutorial shows it.
#[test]
fn the_map_is_that_of_the_tutorial() {
    let mut map = Map::of(&all(false));
    for refuses in [false, true] {
        map.learn(&explore(Explorer::new(all(refuses)), &["s-1"]));
    }
    map.learn(&explore(Explorer::new(all(false)), &["s-1", "s-2"]));
    let text = map.text();
    assert!(tutorial().contains(&text), "the tutorial shows another map than:\n{text}");
}

fn tutorial() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/tutorial.md");
    std::fs::read_to_string(file).expect("there is a tutorial")
}
