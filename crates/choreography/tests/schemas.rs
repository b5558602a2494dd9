//! Versions of messages that are released stay as they are; who would change one is told whom that
//! breaks.

#[path = "../../contract/tests/folder/mod.rs"]
mod folder;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use choreography::{Settings, services};
use folder::{Release, TOPICS, releases};
use saga::{Arrival, Data};
use serde_json::{Map, Value};

/// What is promised of each part of each version: by `TYPE.VERSION PATH`, where the path of a field is
/// such as `data.shortages[].sku`.
type Promises = BTreeMap<String, String>;

/// What was promised when it was released: a line `TYPE.VERSION PATH = PROMISE` for each.
fn file() -> PathBuf {
    Path::new(TOPICS).join("released.txt")
}

fn released() -> Promises {
    let text = fs::read_to_string(file()).unwrap_or_default();
    let entry = |line: &str| line.split_once(" = ").map(|(part, promise)| (part.into(), promise.into()));
    text.lines().map(|line| entry(line).expect("a line is PART = PROMISE")).collect()
}

/// What the schemas promise now.
fn promised() -> Promises {
    let mut promises = Promises::new();
    for release in releases() {
        let part = format!("{} data", name_of(&release));
        enter(part, "required", &release.schema, &mut promises);
    }
    promises
}

fn name_of(release: &Release) -> String {
    format!("{}.{}", release.kind, release.version)
}

fn enter(part: String, presence: &str, schema: &Value, promises: &mut Promises) {
    // Words for people may change, and parts have lines of their own; all else of a schema is a promise.
    let others = ["$schema", "$id", "title", "description", "required", "properties", "items"];
    let all = schema.as_object().expect("a schema is an object");
    let promise: Map<String, Value> =
        all.clone().into_iter().filter(|(word, _)| !others.contains(&word.as_str())).collect();
    let required = schema.get("required").and_then(Value::as_array);
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let is_required = required.is_some_and(|required| required.iter().any(|one| one == name));
        let presence = if is_required { "required" } else { "optional" };
        enter(format!("{part}.{name}"), presence, field, promises);
    }
    if let Some(items) = schema.get("items") {
        enter(format!("{part}[]"), "required", items, promises);
    }
    promises.insert(part, format!("{presence} {}", Value::from(promise)));
}

/// Who reads what this is a part of.
fn readers(part: &str) -> String {
    let kind = part.split('.').next().unwrap_or_default();
    let mut readers = Vec::new();
    for service in services(&Settings::default()) {
        for participant in &service.participants {
            if participant.hears.iter().any(|subscription| subscription.kind == kind) {
                readers.push(format!("{} of the {} service", participant.name, service.name));
            }
        }
    }
    readers.push("the tracker".to_owned());
    readers.join(", ")
}

/// What readers of released versions can't stand.
fn broken(released: &Promises, promised: &Promises) -> Vec<String> {
    let mut broken = Vec::new();
    for (part, promise) in released {
        match promised.get(part) {
            Some(kept) if kept == promise => {}
            Some(other) => broken.push((part, format!("was {promise}, and is {other}"))),
            None => broken.push((part, format!("was {promise}, and is gone"))),
        }
    }
    for (part, promise) in promised.iter().filter(|(part, _)| !released.contains_key(*part)) {
        // Inside something that is new and optional, or a new version, it may be required.
        let parent = part.rfind(['.', '[']).map(|end| &part[..end]);
        if promise.starts_with("required") && parent.is_some_and(|parent| released.contains_key(parent)) {
            broken.push((part, "is new and required, and Kafka has records without it".to_owned()));
        }
    }
    broken.into_iter().map(|(part, what)| format!("{part} {what}: this breaks {}", readers(part))).collect()
}

#[test]
fn what_is_released_stays() {
    let (released, promised) = (released(), promised());
    let broken = broken(&released, &promised);
    assert!(
        broken.is_empty(),
        "a released version can't change. Leave its files as they are, and give the change a new \
         version:\n{}",
        broken.join("\n")
    );
    if env::var_os("UPDATE_GOLDEN").is_some() {
        let lines: String = promised.iter().map(|(part, promise)| format!("{part} = {promise}\n")).collect();
        fs::write(file(), lines).expect("the file lies in the source tree, which can be written");
        return;
    }
    let new: Vec<&String> = promised.keys().filter(|part| !released.contains_key(*part)).collect();
    assert!(
        new.is_empty(),
        "these are new, and break nobody: {new:?}. To release them, run\n\
         \x20   UPDATE_GOLDEN=1 cargo test -p choreography --test schemas\n\
         and from then on they stay."
    );
}

#[test]
fn who_is_broken_is_told() {
    let released = released();
    let told = |change: fn(&mut Promises)| {
        let mut promised = released.clone();
        change(&mut promised);
        broken(&released, &promised).join("\n")
    };
    assert_eq!(told(|_| {}), "");
    let gone = told(|promised| drop(promised.remove("StockRejected.1 data.reason")));
    assert!(gone.starts_with("StockRejected.1 data.reason was required {\"enum\":"), "{gone}");
    let readers = "payment of the payment service, order of the order service, the tracker";
    assert!(readers.split(", ").all(|reader| gone.contains(reader)), "{gone}");
    assert!(!gone.contains("shipping"), "it does not listen to that: {gone}");

    let part = "PlaceOrder.1 data.items[].sku";
    let of_part = |promise: &str| (part.to_owned(), promise.to_owned());
    let mut retyped = released.clone();
    retyped.extend([of_part("required {\"type\":\"integer\"}")]);
    assert!(broken(&released, &retyped)[0].contains("and is required {\"type\":\"integer\"}"));

    let with = |more: &[(&str, &str)]| {
        let mut promised = released.clone();
        promised.extend(more.iter().map(|(part, promise)| ((*part).to_owned(), (*promise).to_owned())));
        broken(&released, &promised)
    };
    assert_eq!(with(&[("PlaceOrder.1 data.gift", "required {}")]).len(), 1, "old records have none");
    let optional = [("PlaceOrder.1 data.gift", "optional {}"), ("PlaceOrder.1 data.gift.to", "required {}")];
    let version = [("PlaceOrder.2 data", "required {}"), ("PlaceOrder.2 data.gift", "required {}")];
    assert!(with(&optional).is_empty() && with(&version).is_empty());
}

#[test]
fn whoever_listens_reads_the_samples_of_every_version() {
    let mut read = 0;
    for release in releases() {
        for service in services(&Settings::default()) {
            for participant in &service.participants {
                let data = Data::from(release.data());
                let arrival = Arrival::Message { kind: &release.kind, id: "an-id", data: &data };
                match participant.listen(&arrival) {
                    None => {}
                    Some(Ok(_)) => read += 1,
                    Some(Err(why)) => panic!(
                        "{} can't be read any more: {why}. This breaks {} of the {} service",
                        release.urn(),
                        participant.name,
                        service.name
                    ),
                }
            }
        }
    }
    assert!(read > 30, "{read} readings");
}

/// A field that the code has lost is missing to who reads it, whatever the schema says.
#[test]
fn what_is_written_has_every_field_that_is_released() {
    let (released, releases) = (released(), releases());
    let is_newest = |one: &&Release| !releases.iter().any(|r| r.kind == one.kind && r.version > one.version);
    for release in releases.iter().filter(is_newest) {
        let written = match release.read_back(release.data()) {
            Ok(said) => serde_json::from_str::<Value>(&said.data).expect("a message is JSON"),
            Err(why) => panic!("{} can't be read any more: {why}", release.urn()),
        };
        let of_release = format!("{} data", name_of(release));
        let parts = released.keys().filter_map(|part| Some((part, part.strip_prefix(&of_release)?)));
        for (part, path) in parts {
            let is_there = written.pointer(&path.replace("[]", ".0").replace('.', "/")).is_some();
            assert!(is_there, "{part} is no longer written: this breaks {}", readers(part));
        }
    }
}
