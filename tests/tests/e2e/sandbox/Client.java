import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Writes a command, and reads events, as a member of a group, until an order has ended. */
public class Client {
    /** Arguments: the brokers, the order's id, and its `PlaceOrder`. */
    public static void main(String[] args) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", args[0]);
        var text = new StringSerializer();
        try (var producer = new KafkaProducer<String, String>(settings, text, text)) {
            producer.send(new ProducerRecord<>("orders.commands", args[1], args[2])).get();
        }
        settings = Map.of("bootstrap.servers", args[0], "group.id", "java", "auto.offset.reset", "earliest");
        var read = new StringDeserializer();
        try (var consumer = new KafkaConsumer<String, String>(settings, read, read)) {
            consumer.subscribe(List.of("orders"));
            while (true) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    System.out.println(record.key() + ": " + record.value());
                    if (record.key().equals(args[1]) && record.value().contains("\"OrderCompleted\"")) {
                        consumer.commitSync();
                        return;
                    }
                }
            }
        }
    }
}
