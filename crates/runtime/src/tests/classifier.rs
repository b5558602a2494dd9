//! What a record is to each service: heard, skipped, or something to answer for.

use serde_json::json;

use crate::{
    inbound::classifier::{Classified, Classifier, MOST_BYTES},
    record::Record,
    tests::{
        kit::{PARTITIONS, bare, raw},
        onboarding::{
            BillingOpened, IdentityCreated, PATIENCE, Provisioned, SignUp, billing, catalog, identity,
            provisioning,
        },
    },
};

fn identity_classifier() -> Classifier {
    Classifier::new(&identity(PATIENCE), catalog())
}

/// The first reader of `users`.
fn billing_classifier() -> Classifier {
    Classifier::new(&billing(), catalog())
}

/// Another reader of `users`.
fn provisioning_classifier() -> Classifier {
    Classifier::new(&provisioning(), catalog())
}

fn sign_up() -> SignUp {
    SignUp { user: "ada".to_owned(), team: "red".to_owned() }
}

fn created() -> IdentityCreated {
    IdentityCreated { user: "ada".to_owned(), team: "red".to_owned() }
}

fn unusable(classified: Classified) -> (Option<String>, String) {
    match classified {
        Classified::Unusable(misread) => (misread.kind, misread.reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_service_reads_the_topics_of_what_it_hears() {
    assert_eq!(identity_classifier().topics(), ["accounts", "billing", "users.commands"]);
    assert_eq!(billing_classifier().topics(), ["billing.commands", "users"]);
    assert_eq!(provisioning_classifier().topics(), ["billing", "users"]);
}

#[test]
fn what_it_listens_to_is_heard_and_what_it_does_not_is_skipped() {
    let opened = bare(BillingOpened { user: "ada".to_owned() });
    assert!(
        matches!(provisioning_classifier().classify(&opened), Classified::Heard(envelope) if envelope.kind == "BillingOpened")
    );
    assert!(matches!(identity_classifier().classify(&opened), Classified::Skipped));
}

#[test]
fn a_header_that_names_a_type_which_nobody_here_hears_is_enough_to_skip() {
    assert!(identity_classifier().skips("billing", Some("BillingOpened")));
    assert!(!identity_classifier().skips("billing", Some("BillingRefused")));
    assert!(!identity_classifier().skips("billing", None));
    // Of a type that is not one of the topic the first reader says so, and nobody else.
    assert!(!identity_classifier().skips("billing", Some("Rubbish")));
    assert!(provisioning_classifier().skips("billing", Some("Rubbish")));
}

#[test]
fn an_unknown_type_is_a_dead_letter_of_the_topic_s_first_reader_only() {
    let rubbish = raw("users", "ada", br#"{"type":"Rubbish"}"#);
    let (_, reason) = unusable(billing_classifier().classify(&rubbish));
    assert_eq!(reason, "the type 'Rubbish' is not one of the topic users");
    assert!(matches!(provisioning_classifier().classify(&rubbish), Classified::Skipped));
}

#[test]
fn an_unknown_type_from_the_topic_s_writer_is_a_newer_version_s() {
    let from = |source: &str| {
        raw("users", "ada", json!({"type": "UserRenamed", "source": source}).to_string().as_bytes())
    };
    for classifier in [billing_classifier(), provisioning_classifier()] {
        assert!(
            matches!(classifier.classify(&from("/onboarding/identity")), Classified::Newer(kind) if kind == "UserRenamed")
        );
    }
    for other in ["/onboarding/billing", "identity", ""] {
        unusable(billing_classifier().classify(&from(other)));
    }
    // A topic of commands has no writer whose newer versions could be meant.
    let command = raw("users.commands", "ada", br#"{"type":"Rename","source":"/onboarding/identity"}"#);
    unusable(identity_classifier().classify(&command));
}

#[test]
fn a_type_of_another_topic_is_a_dead_letter_and_not_what_a_step_waits_for() {
    // Billing waits for this, but not on the topic that anyone may write to.
    let misplaced = Record { topic: "billing.commands".into(), ..bare(created()) };
    let (kind, reason) = unusable(billing_classifier().classify(&misplaced));
    assert_eq!(reason, "the type 'IdentityCreated' is not one of the topic billing.commands");
    assert_eq!(kind, None);
    let misplaced = Record { topic: "accounts".into(), ..bare(sign_up()) };
    unusable(identity_classifier().classify(&misplaced));
}

#[test]
fn what_can_not_be_read_is_a_dead_letter_of_all_who_read_its_type_or_else_of_the_first_reader() {
    let broken = raw("users", "ada", b"{");
    let (kind, _) = unusable(billing_classifier().classify(&broken));
    assert_eq!(kind, None);
    assert!(matches!(provisioning_classifier().classify(&broken), Classified::Skipped));

    let deleted = broken.clone().with_header("ce_type", "IdentityDeleted");
    for classifier in [billing_classifier(), provisioning_classifier()] {
        let (kind, _) = unusable(classifier.classify(&deleted));
        assert_eq!(kind.as_deref(), Some("IdentityDeleted"));
    }
    // A known type that it does not hear is somebody else's trouble.
    let created = broken.with_header("ce_type", "IdentityCreated");
    unusable(billing_classifier().classify(&created));
    assert!(matches!(provisioning_classifier().classify(&created), Classified::Skipped));
}

#[test]
fn a_record_without_a_value_is_a_dead_letter() {
    let none = Record { value: None, ..raw("accounts", "ada", b"") };
    let (_, reason) = unusable(identity_classifier().classify(&none));
    assert_eq!(reason, "the record has no value");
}

#[test]
fn a_record_may_have_256_kib_of_key_value_and_headers() {
    let of_size = |size: usize| {
        let empty = json!({"type": "Provisioned", "user": "ada", "note": ""}).to_string();
        let name_and_value = "a-header".len() + "its value".len();
        let note = "x".repeat(size - empty.len() - "ada".len() - name_and_value);
        let value = json!({"type": "Provisioned", "user": "ada", "note": note}).to_string();
        raw("accounts", "ada", value.as_bytes()).with_header("a-header", "its value")
    };
    assert_eq!(of_size(MOST_BYTES).size(), MOST_BYTES);
    assert!(matches!(identity_classifier().classify(&of_size(MOST_BYTES)), Classified::Heard(_)));
    let (kind, reason) = unusable(identity_classifier().classify(&of_size(MOST_BYTES + 1)));
    assert_eq!(kind.as_deref(), Some("Provisioned"), "the type is looked for also in what is too large");
    assert_eq!(reason, "it has 262145 bytes of key, value and headers, of at most 262144");
}

#[test]
fn the_type_of_what_is_too_large_is_looked_for_in_its_header_first() {
    let large = raw("users", "ada", &vec![b'x'; MOST_BYTES]).with_header("ce_type", "IdentityDeleted");
    let (kind, _) = unusable(provisioning_classifier().classify(&large));
    assert_eq!(kind.as_deref(), Some("IdentityDeleted"));
}

#[test]
fn the_saga_s_own_records_are_on_the_partition_of_their_key() {
    let record = bare(Provisioned { user: "ada".to_owned() });
    assert_eq!(record.partition, crate::partition_of("ada", PARTITIONS));
    assert!(matches!(identity_classifier().classify(&record), Classified::Heard(_)));
}
