//! The samples are records as the program has written them; here the CloudEvents project's own library
//! reads them.

mod folder;

use cloudevents::{AttributesReader, Data, Event, event::ExtensionValue};
use contract::topics::descriptions;
use folder::releases;
use serde_json::Value;

#[test]
fn the_official_sdk_reads_our_records() {
    for release in releases() {
        let text = serde_json::to_string(&release.sample).unwrap();
        let event: Event = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", release.urn()));
        let written = |attribute: &str| release.sample[attribute].as_str();

        let topic = descriptions().iter().find(|topic| topic.name == release.topic).unwrap();
        let is_command = topic.written_by == "anyone";
        let writer = if is_command { "http" } else { topic.written_by };
        let key = release.read_back(release.data()).unwrap().key;

        assert_eq!(event.specversion().as_str(), "1.0");
        assert_eq!(Some(event.id()), written("id"));
        assert_eq!(*event.source(), format!("/quadrille/{writer}"));
        assert_eq!(event.ty(), release.kind);
        assert_eq!(event.subject(), Some(key.as_str()), "{}", release.urn());
        assert_eq!(
            event.time().map(|time| time.format("%FT%T%.3fZ").to_string()).as_deref(),
            written("time")
        );
        assert_eq!(event.datacontenttype(), Some("application/json"));
        assert!(matches!(event.data(), Some(Data::Json(data)) if data == release.data()));
        // Anyone may write a command, also without the name of its schema, as the program does.
        let schema = event.dataschema().map(|url| url.as_str());
        assert_eq!(schema, (!is_command).then(|| release.urn()).as_deref());

        let extensions: Vec<&str> = event.iter_extensions().map(|(name, _)| name).collect();
        for name in &extensions {
            let ours = ["sequence", "correlationid", "causationid", "traceparent"].contains(name);
            assert!(ours, "{}: an extension '{name}'", release.urn());
            let text = written(name).map(|text| ExtensionValue::String(text.to_owned()));
            assert_eq!(event.extension(name), text.as_ref(), "{name}");
        }
        assert_eq!(extensions.len(), if is_command { 2 } else { 4 }, "{}: {extensions:?}", release.urn());
        if !is_command {
            let sequence = written("sequence").and_then(|number| number.parse::<u64>().ok());
            assert!(sequence.is_some_and(|number| number > 0), "it counts from 1");
        }
        // Whatever the library has understood, it writes again.
        assert_eq!(serde_json::to_value(&event).unwrap(), release.sample);
    }
}

/// So that the test above can't pass on a reader that takes anything.
#[test]
fn the_official_sdk_refuses_what_is_no_cloud_event() {
    let sample = &releases()[0].sample;
    for attribute in ["specversion", "id", "source", "type"] {
        let mut without: Value = sample.clone();
        without.as_object_mut().unwrap().remove(attribute);
        assert!(serde_json::from_str::<Event>(&without.to_string()).is_err(), "without {attribute}");
    }
    let mut late = sample.clone();
    late["time"] = "tomorrow".into();
    assert!(serde_json::from_str::<Event>(&late.to_string()).is_err());
}
