//! The compose file and the Dockerfile, as far as they can be tried without containers: what they
//! say is read from them, and the containers' commands run as processes.

mod image;
mod session;
mod stack;

use std::time::Duration;

use e2e::compose::Compose;

const SERVICES: [&str; 6] = ["order", "payment", "inventory", "shipping", "notification", "tracker"];
/// How long the program may take to stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

#[test]
fn the_compose_file_has_what_it_takes() {
    let compose = Compose::read();
    let mut names: Vec<&str> = compose.containers.keys().map(String::as_str).collect();
    let mut expected = [&SERVICES[..], &["kafka", "topics"]].concat();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);

    for container in compose.containers.values() {
        let name = container.name.as_str();
        assert!(container.text("/mem_limit").ends_with('m'), "the memory of {name}");
        let restart = if name == "topics" { "no" } else { "unless-stopped" };
        assert_eq!(container.text("/restart"), restart, "{name}");
        for (volume, _) in container.mounts() {
            assert!(compose.volumes.contains(volume), "{name} mounts {volume}, which is no named volume");
        }
        // Nobody is asked for a token: nobody but this machine may reach what is published.
        for port in container.list("/ports") {
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port}");
        }
    }

    let kafka = &compose.containers["kafka"];
    assert_eq!(kafka.text("/image"), "apache/kafka:4.3.1");
    assert_eq!(kafka.text("/environment/KAFKA_AUTO_CREATE_TOPICS_ENABLE"), "false");
    assert_eq!(kafka.mounts(), [("kafka", kafka.text("/environment/KAFKA_LOG_DIRS"))]);
    let topics = &compose.containers["topics"];
    assert_eq!(topics.waits_for(), [("kafka", "service_healthy")]);
    for name in SERVICES {
        let service = &compose.containers[name];
        assert_eq!(service.list("/command"), ["serve", name]);
        assert_eq!(
            service.waits_for(),
            [("kafka", "service_healthy"), ("topics", "service_completed_successfully")],
            "{name}"
        );
        // Each store is in a volume of its own, which has the service's name.
        assert_eq!(service.mounts(), [(name, "/data")]);
        assert_eq!(service.text("/environment/DATABASE_URL"), "sqlite:///data", "{name}");
        let grace = service.duration("/stop_grace_period");
        assert!(grace >= DRAIN_LIMIT + Duration::from_secs(2), "{name} is killed after {grace:?}");
        assert!(service.list("/healthcheck/test").concat().contains("/readyz"), "{name}");
        let names = service.text("/environment/HTTP_HOSTS");
        assert!(names.split(',').any(|own| own == name), "{name} answers to {names}");
        let ports: &[&str] = if name == "order" { &["127.0.0.1:8080:8080/tcp"] } else { &[] };
        assert_eq!(service.list("/ports"), ports, "{name}");
    }
}
