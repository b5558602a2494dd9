//! Tries every interleaving of the scenarios, and holds the five services to section 5 of the
//! contract in all of them.

use std::{cell::RefCell, collections::BTreeSet, sync::Mutex};

use choreography::{
    Settings,
    scenarios::{self, Scenario},
    services,
};
use saga::explorer::Verdict;

fn hold(cases: &[Scenario]) {
    let wrong = Mutex::new(Vec::new());
    scenarios::explore(cases, |case, report, _| {
        println!("{}: {report}", case.name);
        // What someone else writes may be a dead letter or not: a second order, another currency.
        let as_expected = report.dead_letters.is_empty() == case.unusable.is_none();
        let mut wrong = wrong.lock().expect("no check panics");
        if report.verdict != Verdict::Holds {
            wrong.push(format!("{}: {report}", case.name));
        } else if !as_expected && !case.is_disturbed {
            wrong.push(format!("{}: dead letters are {:?}", case.name, report.dead_letters));
        }
    });
    let wrong = wrong.into_inner().expect("no check panics");
    assert!(wrong.is_empty(), "{} of {} cases are wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

#[test]
fn the_contract_holds() {
    hold(&scenarios::quick());
}

// In a debug build the rest would take too long.

#[test]
#[cfg(not(debug_assertions))]
fn the_contract_holds_in_more_scenarios() {
    hold(&scenarios::wide());
}

#[test]
#[cfg(not(debug_assertions))]
fn the_contract_holds_in_the_widest_scenarios() {
    hold(&scenarios::widest());
}

/// How the orders of a scenario end, over all its interleavings: nothing that may happen is missed.
fn endings(case: &Scenario) -> Vec<String> {
    let seen = RefCell::new(BTreeSet::new());
    let explorer = case.explorer(services(&Settings::default())).at_rest(|view| {
        let ended = view.records().filter(|r| matches!(r.kind, "OrderCompleted" | "OrderCancelled"));
        let ending = |r: &saga::explorer::Record| r.data["reason"].as_str().unwrap_or("completed").to_owned();
        seen.borrow_mut().insert(ended.map(ending).collect::<Vec<_>>().join(" and "));
        Ok(())
    });
    assert_eq!(explorer.explore().verdict, Verdict::Holds);
    seen.into_inner().into_iter().collect()
}

#[test]
fn every_ending_is_met() {
    let outcomes = scenarios::outcomes();
    let of = |name: &str| outcomes.iter().find(|s| s.name == name).expect("there is such a scenario").clone();
    assert_eq!(endings(&of("completes").patient()), ["completed"]);
    assert_eq!(endings(&of("completes")), ["completed", "deadline_exceeded"]);
    assert_eq!(
        endings(&of("shipment refused").with_cancellation()),
        ["", "customer_request", "deadline_exceeded", "shipment_refused"],
        "the first is that it is not placed"
    );
    assert_eq!(endings(&of("unusable OrderPlaced for inventory")), ["completed", "deadline_exceeded"]);
    assert_eq!(
        endings(&scenarios::competing()[0].clone().without("notification").patient()),
        ["completed and out_of_stock", "out_of_stock and completed"]
    );
}
