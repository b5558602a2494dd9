//! The explorer on the toy saga: what it tries, what it finds, and how it tells it.

use std::cell::Cell;

use super::{
    Explorer, Kinds, Report, Verdict, View,
    toy::{AddChair, Ask, Chairs, Freed, Full, Seated, services},
};
use crate::{AnyParticipant, Message, Outcome, Said, Service, Stop, Timer};

fn ask(guest: &str) -> Ask {
    Ask(guest.to_owned())
}

fn chair() -> AddChair {
    AddChair("chairs".to_owned())
}

/// One guest and one seat.
fn one_guest<'a>(services: impl IntoIterator<Item = Service>) -> Explorer<'a> {
    Explorer::new(services).set_up(chair()).start("ask", ask("ann"))
}

/// The saga with the first participant of one service replaced.
fn with(service: usize, change: impl FnOnce(AnyParticipant) -> AnyParticipant) -> [Service; 2] {
    let mut services = services();
    let participant = services[service].participants.remove(0);
    services[service].participants.insert(0, change(participant));
    services
}

fn count(view: &View, kind: &str) -> usize {
    view.records().filter(|r| r.kind == kind).count()
}

fn seated_once(view: &View) -> Result<(), String> {
    let seated = view.log("tables", "ann").filter(|r| r.kind == Seated::TYPE).count();
    if seated <= 1 { Ok(()) } else { Err(format!("ann is seated {seated} times")) }
}

fn seats_add_up(view: &View) -> Result<(), String> {
    let free = view.rows("table")["free"].as_i64().unwrap_or(-1);
    let taken = count(view, Seated::TYPE) - count(view, Freed::TYPE);
    if free >= 0 && free as usize + taken == 1 { Ok(()) } else { Err(format!("{free} free, {taken} taken")) }
}

fn sizes(report: &Report) -> (usize, u64, usize) {
    assert_eq!(report.verdict, Verdict::Holds, "{report}");
    (report.states, report.transitions, report.at_rest)
}

fn story(report: &Report) -> String {
    report.violation().unwrap_or_else(|| panic!("nothing was found: {report}")).to_string()
}

/// Counted by hand. 0: Ask is written. 1: Ask is read. 2: then Asked is read. 3: then Seated; the
/// end. 4: after 1 the timer fires. 5: after 2 the timer fires, or after 4 Asked is read. 6: after
/// 5 Left is read. 7: after 5 Seated is read. 8: after 5 both are read; the end.
#[test]
fn every_interleaving_is_tried_and_none_twice() {
    let report = one_guest(services()).without_repeats().always(seats_add_up).explore();
    assert_eq!(sizes(&report), (9, 10, 2));
}

/// The same states, since repeats change nothing; and a step from each of them to itself for each
/// record of the guest or of the chairs that someone has read by then.
#[test]
fn every_record_that_was_read_may_come_again() {
    let report = one_guest(services()).always(seats_add_up).explore();
    let read = [0, 1, 2, 3, 1, 2, 3, 3, 4];
    let chairs = 9;
    assert_eq!(sizes(&report), (9, 10 + read.iter().sum::<u64>() + chairs, 2));
}

#[test]
fn a_patient_timer_fires_only_when_nothing_is_left_to_read() {
    let report = one_guest(services()).without_repeats().patient().explore();
    assert_eq!(sizes(&report), (4, 3, 1), "0, 1, 2, 3 of the states above");
}

#[test]
fn a_moment_comes_at_any_time_or_never() {
    let report =
        Explorer::new(services()).set_up(chair()).moment("ask", ask("ann")).without_repeats().explore();
    assert_eq!(sizes(&report), (10, 11, 3), "one state more, which is at rest: nobody asks");

    // A second chair, in each of the states above before or after: it changes nothing but the row.
    let report = one_guest(services()).moment("second", chair()).without_repeats().explore();
    assert_eq!(report.states, 9 * 3, "not written, written, read");
}

/// Two guests with a seat for each have nothing to do with each other.
#[test]
fn instances_that_share_nothing_go_at_their_own_pace() {
    let explorer = one_guest(services()).set_up(chair()).start("ask-2", ask("bob"));
    assert_eq!(sizes(&explorer.without_repeats().explore()), (9 * 9, 2 * 9 * 10, 2 * 2));
}

/// What two guests do for one seat depends on who comes first, and it is never given to both.
#[test]
fn instances_share_the_rows_of_their_service() {
    let full = Cell::new(0);
    let report = one_guest(services())
        .start("ask-2", ask("bob"))
        .always(seats_add_up)
        .at_rest(|view| {
            full.set(full.get().max(count(view, Full::TYPE)));
            Ok(())
        })
        .explore();
    assert_eq!(report.verdict, Verdict::Holds, "{report}");
    assert_eq!(full.get(), 1, "with both waiting, one finds no seat");
}

/// It forgets what it knows whenever it hears something that it would ignore.
fn forgetful(seat: AnyParticipant) -> AnyParticipant {
    seat.wrap(|decide, delivery, state, rows| {
        let outcome = decide(delivery, state, rows)?;
        if outcome.ignored == Some("seated already") { decide(delivery, None, rows) } else { Ok(outcome) }
    })
}

#[test]
fn the_shortest_story_of_a_participant_that_does_not_stand_repeats() {
    let report = one_guest(with(1, forgetful)).set_up(chair()).always(seated_once).explore();
    assert_eq!(
        story(&report),
        "1. guest hears Ask (ann) and says Asked\n\
         2. table hears Asked (ann) and says Seated\n\
         3. table hears Asked (ann) again and says Seated\n\
         Wrong: ann is seated 2 times"
    );
    assert_eq!(one_guest(with(1, forgetful)).without_repeats().explore().verdict, Verdict::Holds);
}

#[test]
fn the_shortest_story_of_a_seat_that_is_not_given_back() {
    let keeps = |seat: AnyParticipant| {
        seat.wrap(|decide, delivery, state, rows| {
            let outcome = decide(delivery, state, rows)?;
            let frees = outcome.said.iter().any(|s| s.kind == Freed::TYPE);
            Ok(Outcome { rows: if frees { Vec::new() } else { outcome.rows.clone() }, ..outcome })
        })
    };
    let report = one_guest(with(1, keeps)).always(seats_add_up).explore();
    assert_eq!(
        story(&report),
        "1. guest hears Ask (ann) and says Asked\n\
         2. table hears Asked (ann) and says Seated\n\
         3. the deadline of ann passes: guest says Left\n\
         4. table hears Left (ann) and says Freed\n\
         Wrong: 0 free, 0 taken"
    );
}

#[test]
fn who_waits_for_ever_is_found_unless_that_is_fine() {
    let silent = |visit: AnyParticipant| {
        visit.wrap(|decide, delivery, state, rows| {
            Ok(Outcome { timer: Timer::Keep, ..decide(delivery, state, rows)? })
        })
    };
    let unheard = |services: [Service; 2]| {
        let [guest, _] = services;
        Explorer::new([guest]).start("ask", ask("ann"))
    };
    let report = unheard(with(0, silent)).explore();
    assert_eq!(
        story(&report),
        "1. guest hears Ask (ann) and says Asked\n\
         Wrong: guest's visit of ann waits for ever, knowing \"Waiting\""
    );
    assert_eq!(unheard(with(0, silent)).waiting_is_fine().explore().verdict, Verdict::Holds);
    assert_eq!(unheard(services()).explore().verdict, Verdict::Holds, "the timer ends it");
}

#[test]
fn what_must_hold_at_rest_is_not_asked_before() {
    let someone_left = |view: &View| {
        let left = view.records().any(|r| r.kind == "Left");
        if left { Ok(()) } else { Err("nobody left".to_owned()) }
    };
    let report = one_guest(services()).at_rest(someone_left).explore();
    assert_eq!(
        story(&report),
        "1. guest hears Ask (ann) and says Asked\n\
         2. table hears Asked (ann) and says Seated\n\
         3. guest hears Seated (ann) and says nothing\n\
         Wrong: nobody left"
    );
}

#[test]
fn an_unusable_record_is_a_dead_letter_that_may_be_redriven() {
    let report = one_guest(services()).unusable("table", "Asked").always(seats_add_up).explore();
    assert_eq!(report.verdict, Verdict::Holds, "{report}");
    let dead: Vec<_> = report.dead_letters.iter().collect();
    assert_eq!(dead, ["table refuses Asked (ann): it can't be read"]);

    let never = |view: &View| if count(view, Full::TYPE) == 0 { Ok(()) } else { Err("full".to_owned()) };
    let report = one_guest(services()).unusable("table", "Asked").always(never).explore();
    assert_eq!(
        story(&report),
        "1. guest hears Ask (ann) and says Asked\n\
         2. table hears Asked (ann), which it can't use, and says Full\n\
         Wrong: full"
    );

    let reopens = |seat: AnyParticipant| {
        seat.wrap(|decide, delivery, state, rows| {
            decide(delivery, state.filter(|s| *s != "\"Closed\""), rows)
        })
    };
    let services = with(1, reopens);
    let never = |view: &View| if count(view, Seated::TYPE) == 0 { Ok(()) } else { Err("seated".to_owned()) };
    let report = one_guest(services).unusable("table", "Asked").patient().without_repeats().always(never);
    assert_eq!(
        story(&report.explore()),
        "1. guest hears Ask (ann) and says Asked\n\
         2. table hears Asked (ann), which it can't use, and says Full\n\
         3. table hears Asked (ann) again, redriven, and says Seated\n\
         Wrong: seated"
    );
}

#[test]
fn what_is_refused_is_a_dead_letter_and_changes_nothing() {
    let report = Explorer::new(services()).start("ask", ask("nobody")).explore();
    assert_eq!(sizes(&report), (2, 2, 1), "read, and read again");
    let dead: Vec<_> = report.dead_letters.iter().collect();
    assert_eq!(dead, ["guest refuses Ask (nobody): nobody is not a name"]);
}

#[test]
fn what_no_participant_may_do_is_found() {
    let panics = |seat: AnyParticipant| seat.wrap(|_, _, _, _| panic!("as the test wants it"));
    let loops = |seat: AnyParticipant| seat.wrap(|_, _, _, _| Err(Stop::Missing(vec!["free".to_owned()])));
    let elsewhere = |seat: AnyParticipant| {
        seat.wrap(|decide, delivery, state, rows| {
            Ok(Outcome { said: vec![Said::from(ask("bob"))], ..decide(delivery, state, rows)? })
        })
    };
    let timer = |seat: AnyParticipant| {
        seat.wrap(|decide, delivery, state, rows| {
            Ok(Outcome { timer: Timer::Cancel, ..decide(delivery, state, rows)? })
        })
    };
    for (services, wrong) in [
        (with(1, panics), "seat panics: as the test wants it"),
        (with(1, loops), "seat asks again for rows that it was given: [\"free\"]"),
        (with(1, elsewhere), "table says Ask on commands, which is not its own topic"),
        (with(1, timer), "seat starts or cancels a timer that it does not listen to"),
    ] {
        let told = story(&one_guest(services).explore());
        let expected = format!(
            "1. guest hears Ask (ann) and says Asked\n2. table hears Asked (ann) and breaks\nWrong: {wrong}"
        );
        assert_eq!(told, expected);
    }
}

/// What a service had heard of a guest or of the chairs, and what it had said then.
fn answers(report: &Report, service: usize) -> Vec<(Vec<&str>, Vec<Vec<&str>>)> {
    let list = |kinds: &Kinds| kinds.iter().copied().collect();
    let of_service = report.answers.iter().filter(|((s, _), _)| *s == service);
    of_service.map(|((_, heard), said)| (list(heard), said.iter().map(list).collect())).collect()
}

/// What is written and not read yet, what is passed over (the guest's Freed), and the timer were
/// not heard.
#[test]
fn an_answer_is_all_that_was_said_when_so_much_was_heard() {
    let report = one_guest(services()).without_repeats().with_answers().explore();
    assert_eq!(
        answers(&report, 0),
        [
            (vec!["Ask"], vec![vec!["Asked"], vec!["Asked", "Left"]]),
            (vec!["Ask", "Seated"], vec![vec!["Asked"], vec!["Asked", "Left"]]),
        ]
    );
    assert_eq!(
        answers(&report, 1),
        [
            (vec!["AddChair"], vec![vec![]]),
            (vec!["Asked"], vec![vec!["Seated"]]),
            (vec!["Asked", "Left"], vec![vec!["Freed", "Seated"]]),
        ]
    );
}

#[test]
fn an_answer_is_about_one_guest() {
    let explorer = one_guest(services()).start("ask-2", ask("bob")).without_repeats().with_answers();
    let report = explorer.explore();
    assert_eq!(
        answers(&report, 1)[1],
        (vec!["Asked"], vec![vec!["Full"], vec!["Seated"]]),
        "one each, and nobody both"
    );
}

#[test]
fn services_that_hear_the_same_answer_each_for_itself() {
    let services = [("table", "tables"), ("cellar", "cellars")];
    let services = services.map(|(name, topic)| Service::new(name, topic).with(Chairs));
    let report = Explorer::new(services).start("chair", chair()).with_answers().explore();
    for service in [0, 1] {
        assert_eq!(answers(&report, service), [(vec!["AddChair"], vec![vec![]])]);
    }
}

#[test]
fn what_someone_else_writes_is_no_answer() {
    let [_, table] = services();
    let said = |kind, topic| Said { kind, topic, key: "ann".to_owned(), data: "\"ann\"".to_owned() };
    let explorer = Explorer::new([table]).start("asked", said("Asked", "guests"));
    let report = explorer.start("false", said("Seated", "tables")).with_answers().explore();
    assert_eq!(answers(&report, 0), [(vec!["Asked"], vec![vec!["Full"]])]);
}

#[test]
fn answers_are_told_only_when_they_are_asked_for() {
    assert!(one_guest(services()).without_repeats().explore().answers.is_empty());
}

#[test]
fn a_limit_that_is_reached_is_told() {
    assert_eq!(one_guest(services()).limit(8).explore().verdict, Verdict::NotExhaustive);
    assert_eq!(one_guest(services()).limit(9).explore().verdict, Verdict::Holds);
}
