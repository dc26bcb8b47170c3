"""Quix Streams: a streaming data frame over raw bytes with one function."""

from typing import Any

from quixstreams import Application, message_context
from work import TASK, judge, source


def decide(value: bytes) -> bytes:
    """One record in, one decision out."""
    return judge(value)[1]


def headers(*_: Any) -> list[tuple[str, bytes]]:
    """Where the record lies that is being judged."""
    context = message_context()
    return source(context.partition, context.offset)


def main() -> None:
    """Run until a signal ends it."""
    # Settings that the application insists on setting itself.
    own = {"bootstrap.servers", "group.id", "enable.auto.offset.store", "auto.offset.reset", "enable.auto.commit"}
    app = Application(
        broker_address=TASK["bootstrap"],
        consumer_group=TASK["group"],
        auto_offset_reset="earliest",
        auto_create_topics=False,
        consumer_extra_config={key: value for key, value in TASK["consumer"].items() if key not in own},
        producer_extra_config={key: value for key, value in TASK["producer"].items() if key not in own},
        state_dir=TASK["folder"],
        loglevel="WARNING",
    )
    calls = app.topic(TASK["input"], key_deserializer="bytes", value_deserializer="bytes")
    decisions = app.topic(TASK["output"], key_serializer="bytes", value_serializer="bytes")
    # The key is a function of the value, so it is cut out of the answer: {"call_id":"...
    judged = app.dataframe(calls).apply(decide).set_headers(headers)
    judged.to_topic(decisions, key=lambda answer: answer[12 : answer.index(b'"', 12)])
    app.run()


if __name__ == "__main__":
    main()
