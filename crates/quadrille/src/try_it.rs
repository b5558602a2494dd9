//! What a person may type next, once the services are ready.

use contract::topics;

use crate::cli::Kafka;

/// Commands that give a customer money and the shop stock, and place an order, in this order. Their
/// ids end with `stamp`, so that those of an earlier start on the same Kafka are not repeated.
pub fn commands(servers: &str, kafka: &Kafka, stamp: i64) -> Vec<String> {
    let id = format!("try-{stamp}");
    // As a person would write them: the type first.
    let deposit = format!(
        r#"{{"type":"DepositFunds","deposit_id":"{id}","customer_id":"ada","amount":50000,"currency":"EUR"}}"#
    );
    let receipt = format!(r#"{{"type":"ReceiveStock","receipt_id":"{id}","sku":"tea","quantity":10}}"#);
    let order = format!(
        r#"{{"type":"PlaceOrder","order_id":"{id}","customer_id":"ada","currency":"EUR","items":[{{"sku":"tea","quantity":2,"unit_price":2499}}],"destination":{{"country":"DE"}}}}"#
    );
    let kcat = kcat(servers, kafka);
    let say = |command: &str, topic, key: &str| format!("echo '{command}' | {kcat} -P -t {topic} -k {key}");
    vec![
        say(&deposit, topics::PAYMENTS_COMMANDS, "ada"),
        say(&receipt, topics::INVENTORY_COMMANDS, "tea"),
        say(&order, topics::ORDERS_COMMANDS, &id),
    ]
}

/// kcat with what it needs to get in. A password is not shown: it is taken from where the program may
/// have it from.
fn kcat(servers: &str, kafka: &Kafka) -> String {
    let settings = [
        ("security.protocol", &kafka.kafka_security_protocol),
        ("sasl.mechanism", &kafka.kafka_sasl_mechanism),
        ("sasl.username", &kafka.kafka_sasl_username),
        ("ssl.ca.location", &kafka.kafka_ssl_ca_location),
    ];
    let settings = settings.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let mut words = vec![format!("kcat -b {}", quoted(servers))];
    words.extend(settings.map(|(name, value)| format!("-X {}", quoted(&format!("{name}={value}")))));
    if kafka.kafka_sasl_password.is_some() {
        words.push(r#"-X sasl.password="$KAFKA_SASL_PASSWORD""#.to_owned());
    }
    words.join(" ")
}

/// A word of a shell's command.
fn quoted(word: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b",._+:@%/=-".contains(&b);
    if word.bytes().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kafka_that_asks_who_one_is_is_told_without_the_secret() {
        let kafka = Kafka {
            kafka_security_protocol: Some("SASL_SSL".to_owned()),
            kafka_sasl_username: Some("ada's".to_owned()),
            kafka_sasl_password: Some("secret".to_owned()),
            ..Kafka::default()
        };
        assert_eq!(
            kcat("a:9092,b:9092", &kafka),
            r#"kcat -b a:9092,b:9092 -X security.protocol=SASL_SSL -X 'sasl.username=ada'\''s' -X sasl.password="$KAFKA_SASL_PASSWORD""#
        );
        assert_eq!(kcat("127.0.0.1:9092", &Kafka::default()), "kcat -b 127.0.0.1:9092");
    }
}
