import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * A consumer of the events: reads a topic to its end, checks each event against the schema, and prints counts as JSON.
 * Checks as well that each record lies where Java's default partitioner puts its key.
 *
 * <p>{@code Read.java BROKERS TOPIC SCHEMA}
 *
 * <p>Ends with 1 when an event is not what the schema says. Takes both modes of CloudEvents' Kafka binding.
 */
public final class Read {
    private static final JsonMapper JSON = new JsonMapper();

    public static void main(String[] arguments) throws Exception {
        Schema schema = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
                .getSchema(Files.readString(Path.of(arguments[2])), InputFormat.JSON);
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", arguments[0],
                "key.deserializer", ByteArrayDeserializer.class,
                "value.deserializer", ByteArrayDeserializer.class,
                // What a transaction that was given up has left is not for us.
                "isolation.level", "read_committed");
        Map<String, Integer> kinds = new TreeMap<>();
        Set<String> seen = new HashSet<>();
        int records = 0;
        int invalid = 0;
        int duplicates = 0;
        int elsewhere = 0;
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings)) {
            List<TopicPartition> partitions = consumer.partitionsFor(arguments[1]).stream()
                    .map(known -> new TopicPartition(known.topic(), known.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            // With read_committed these are the ends of what was committed.
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(one -> consumer.position(one) < ends.get(one))) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    records++;
                    if (BuiltInPartitioner.partitionForKey(record.key(), partitions.size()) != record.partition()) {
                        elsewhere++;
                    }
                    JsonNode event = event(record);
                    var problems = schema.validate(event);
                    if (!problems.isEmpty()) {
                        System.err.println("error: offset " + record.offset() + ": "
                                + problems.get(0).getInstanceLocation() + ": " + problems.get(0).getKeyword());
                        invalid++;
                    } else if (!seen.add(event.get("id").asString())) {
                        duplicates++;
                    } else {
                        kinds.merge(event.get("data").get("kind").asString(), 1, Integer::sum);
                    }
                }
            }
        }
        System.out.println(JSON.writeValueAsString(Map.of(
                "records", records, "invalid", invalid, "duplicates", duplicates, "elsewhere", elsewhere, "kinds", kinds)));
        System.exit(invalid == 0 ? 0 : 1);
    }

    /** The whole event, from either mode. */
    private static JsonNode event(ConsumerRecord<byte[], byte[]> record) throws Exception {
        JsonNode value = JSON.readTree(record.value());
        Header contentType = record.headers().lastHeader("content-type");
        if (contentType != null && text(contentType).startsWith("application/cloudevents")) {
            return value;
        }
        ObjectNode event = JSON.createObjectNode();
        for (Header header : record.headers()) {
            if (header.key().startsWith("ce_")) {
                event.put(header.key().substring(3), text(header));
            }
        }
        if (contentType != null) {
            event.put("datacontenttype", text(contentType));
        }
        event.set("data", value);
        return event;
    }

    private static String text(Header header) {
        return new String(header.value(), StandardCharsets.UTF_8);
    }
}
