import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Properties;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams: one processor that decodes a call set-up, counts its caller in an in-memory store and forwards a decision.
 *
 * <p>The task comes in BENCHMARK_TASK as for the Python peers; `changelog` says whether the store is logged to Kafka.
 * librdkafka's settings do not apply; the Java client's that mean the same are set here.
 */
public final class KafkaStreamsPeer {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Decodes, counts, decides. */
  private static final class Judge implements Processor<byte[], byte[], byte[], byte[]> {
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<String, Long> counts;

    @Override
    public void init(ProcessorContext<byte[], byte[]> given) {
      context = given;
      counts = given.getStateStore("counts");
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      try {
        JsonNode call = JSON.readTree(record.value());
        String caller = call.get("caller").textValue();
        Long before = counts.get(caller);
        long count = before == null ? 1 : before + 1;
        counts.put(caller, count);
        String callId = call.get("call_id").textValue();
        ObjectNode decision = JSON.createObjectNode();
        decision.put("call_id", callId).put("action", "allow").put("score", 0.1).put("n", count);
        RecordMetadata source = context.recordMetadata().orElseThrow();
        Headers headers = new RecordHeaders();
        headers.add("source.partition", Integer.toString(source.partition()).getBytes());
        headers.add("source.offset", Long.toString(source.offset()).getBytes());
        byte[] answer = JSON.writeValueAsBytes(decision);
        context.forward(record.withKey(callId.getBytes()).withValue(answer).withHeaders(headers));
      } catch (IOException broken) {
        throw new UncheckedIOException(broken);
      }
    }
  }

  private KafkaStreamsPeer() {}

  /** Runs until a signal ends it. */
  public static void main(String[] arguments) throws Exception {
    JsonNode task = JSON.readTree(System.getenv("BENCHMARK_TASK"));
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, task.get("group").textValue());
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, task.get("bootstrap").textValue());
    settings.put(StreamsConfig.STATE_DIR_CONFIG, task.get("folder").textValue());
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
    settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
    settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
    settings.put(StreamsConfig.consumerPrefix("fetch.max.wait.ms"), task.get("consumer").get("fetch.wait.max.ms").asText());
    settings.put(StreamsConfig.consumerPrefix("max.poll.records"), task.get("batch").asText());
    settings.put(StreamsConfig.producerPrefix("linger.ms"), task.get("producer").get("linger.ms").asText());
    settings.put(StreamsConfig.producerPrefix("acks"), "all");

    StoreBuilder<KeyValueStore<String, Long>> store =
        Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore("counts"), Serdes.String(), Serdes.Long());
    store = task.get("changelog").asBoolean() ? store.withLoggingEnabled(new java.util.HashMap<>()) : store.withLoggingDisabled();
    Topology topology = new Topology();
    topology.addSource("calls", task.get("input").textValue());
    topology.addProcessor("judge", Judge::new, "calls");
    topology.addStateStore(store, "judge");
    topology.addSink("decisions", task.get("output").textValue(), "judge");

    KafkaStreams streams = new KafkaStreams(topology, settings);
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }
}
