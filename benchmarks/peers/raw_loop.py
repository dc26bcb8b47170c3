"""The limit: a plain confluent-kafka loop that neither commits nor looks at deliveries. Its one trick is to poll for one
record and then to take what else is there, since `consume(n, timeout)` waits for n records or the whole timeout."""

import orjson
from confluent_kafka import Consumer, Producer
from work import TASK, counts, source


def main() -> None:
    """Run until a signal ends it."""
    consumer, producer = Consumer(TASK["consumer"]), Producer(TASK["producer"])
    consumer.subscribe([TASK["input"]])
    output, more = TASK["output"], TASK["batch"] - 1
    loads, dumps, produce = orjson.loads, orjson.dumps, producer.produce
    while True:
        first = consumer.poll(0.1)
        if first is None:
            producer.poll(0)
            continue
        for record in (first, *consumer.consume(more, 0)):
            call = loads(record.value())
            caller = call["caller"]
            counts[caller] = count = counts.get(caller, 0) + 1
            call_id = call["call_id"]
            answer = dumps({"call_id": call_id, "action": "allow", "score": 0.1, "n": count})
            partition = record.partition()
            headers = source(partition, record.offset())
            produce(output, key=call_id, value=answer, partition=partition, headers=headers)
        producer.poll(0)


if __name__ == "__main__":
    main()
