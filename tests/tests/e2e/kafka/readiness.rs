//! Ready means that every partition is being read.

use e2e::{http::Http, kafka::Kafka, saga::Saga, samples::sample};
use serde_json::json;

use super::{folder, up};

#[test]
fn what_is_typed_one_after_the_other_right_after_the_start_is_heard_in_that_order() {
    for round in 0..3 {
        let (kafka, data) = (Kafka::start(), folder());
        let saga = Saga::on(kafka.kcat());
        // Its topics are made a moment before.
        let program = up(&kafka, &data).start();
        Http::at(program.http()).get("/readyz").is(200);
        for n in 0..8 {
            let (customer, sku, order) = (format!("c-{n}"), format!("s-{n}"), format!("o-{n}"));
            saga.say(
                &json!({"type": "DepositFunds", "deposit_id": format!("d-{n}"), "customer_id": customer,
                             "amount": 100_000, "currency": "EUR"}),
            );
            saga.say(
                &json!({"type": "ReceiveStock", "receipt_id": format!("r-{n}"), "sku": sku, "quantity": 9}),
            );
            let mut place = sample("PlaceOrder", &order);
            place["customer_id"] = json!(customer);
            place["items"] = json!([{"sku": sku, "quantity": 1, "unit_price": 5}]);
            saga.say(&place);
        }
        for n in 0..8 {
            assert_eq!(saga.ended(&format!("o-{n}")), "completed", "order {n} of round {round}");
        }
        program.drains();
    }
}
