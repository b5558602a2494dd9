//! The explorer bites: each of these services is wrong in one small way, and is found out.

mod mutants;

use choreography::{
    Settings,
    scenarios::{self, Scenario},
    services,
};
use saga::{Service, explorer::Violation};

use mutants::{Mutant, Question, mutants, mutants_for_pairs};

/// The five services, one participant wrong.
fn services_with(mutant: &Mutant) -> [Service; 5] {
    let mut services = services(&Settings::default());
    let service = services.iter_mut().find(|s| s.name == mutant.service).expect("a mutant names a service");
    let decide = mutant.decide;
    let right = service.participants.remove(mutant.participant);
    let wrong = right.wrap(move |right, delivery, state, rows| {
        decide(&Question { decide: &|state| right(delivery, state, rows), state })
    });
    service.participants.insert(mutant.participant, wrong);
    services
}

/// The first scenario that finds it, and the story.
fn find(mutant: &Mutant) -> Option<(String, Violation)> {
    find_in(scenarios::quick(), mutant)
}

fn find_in(scenarios: Vec<Scenario>, mutant: &Mutant) -> Option<(String, Violation)> {
    scenarios.into_iter().find_map(|scenario| {
        let report = scenario.explorer(services_with(mutant)).explore();
        report.violation().cloned().map(|violation| (scenario.name.clone(), violation))
    })
}

#[test]
fn every_mutant_is_found() {
    let mut missed = Vec::new();
    for mutant in mutants() {
        match find(&mutant) {
            Some((scenario, violation)) => {
                println!("\n{} {}, found by '{scenario}':\n{violation}", mutant.service, mutant.name);
            }
            None => missed.push(format!("{} {}", mutant.service, mutant.name)),
        }
    }
    assert!(missed.is_empty(), "these are wrong, and no scenario finds it: {missed:#?}");
}

/// What one false event can't bring about is found with two.
#[test]
fn every_mutant_for_a_pair_of_false_events_is_found_by_the_pair_and_not_by_either() {
    for ([one, other], mutant) in mutants_for_pairs() {
        let named = |mut scenarios: Vec<Scenario>, names: &[String]| {
            scenarios.retain(|s| names.contains(&s.name));
            assert_eq!(scenarios.len(), names.len(), "there is a scenario for each of {names:?}");
            scenarios
        };
        let either = [one, other].map(|event| format!("completes, false {event}"));
        let both = format!("completes, false {one}, false {other}");
        let of_one = named(scenarios::false_events(&scenarios::outcomes()[0]), &either);
        let of_two = named(scenarios::pairs_of_false_events(), &[both]);
        assert_eq!(find_in(of_one, &mutant), None, "one false event is enough for '{}'", mutant.name);
        let (_, violation) = find_in(of_two, &mutant)
            .unwrap_or_else(|| panic!("'{}' is wrong, and the pair does not find it", mutant.name));
        println!("\n{}:\n{violation}", mutant.name);
    }
}

/// What a reader sees when something is wrong.
#[test]
fn what_a_story_looks_like() {
    let story = |name: &str| {
        let mutant = mutants().into_iter().find(|m| m.name == name).expect("there is such a mutant");
        find(&mutant).map(|(scenario, violation)| (scenario, violation.to_string()))
    };
    let (scenario, told) = story("confirms after a cancellation was requested").expect("it is found");
    assert_eq!(scenario, "completes");
    assert_eq!(
        told,
        "\
1. order hears PlaceOrder (order-1) and says OrderPlaced
2. payment hears OrderPlaced (order-1) and says PaymentAuthorized
3. inventory hears OrderPlaced (order-1) and says nothing
4. shipping hears OrderPlaced (order-1) and says nothing
5. inventory hears PaymentAuthorized (order-1) and says StockReserved
6. shipping hears StockReserved (order-1) and says ShipmentScheduled
7. the deadline of order-1 passes: order says OrderCancellationRequested
8. order hears ShipmentScheduled (order-1) and says OrderConfirmed
Wrong: order-1: it is confirmed and to be cancelled"
    );
    let (scenario, told) = story("acts after the tombstone").expect("it is found");
    assert_eq!(scenario, "completes");
    assert_eq!(
        told,
        "\
1. order hears PlaceOrder (order-1) and says OrderPlaced
2. payment hears OrderPlaced (order-1) and says PaymentAuthorized
3. the deadline of order-1 passes: order says OrderCancellationRequested
4. payment hears OrderCancellationRequested (order-1) and says PaymentVoided
5. payment hears OrderPlaced (order-1) again and says PaymentAuthorized
Wrong: order-1: PaymentAuthorized is said twice"
    );
}
