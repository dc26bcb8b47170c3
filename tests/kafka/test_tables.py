"""Tables: read to the end, followed, partitions coming and going, trouble told apart from the end of the road."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from streamer.errors import StoppedError, TopicError, TransportError
from streamer.kafka import topics
from streamer.kafka.broker import LocalBroker, free_port
from streamer.kafka.clients import producer
from streamer.kafka.tables import Change, TableReader
from streamer.kafka.topics import Topics
from streamer.settings import Settings

pytestmark = pytest.mark.broker


def write(settings: Settings, topic: str, *records: tuple[str, bytes | None], partition: int = -1) -> None:
    client = producer(settings)
    for key, value in records:
        client.produce(topic, value, key, partition)
    assert client.flush(20) == 0


def follow(reader: TableReader, count: int, timeout_s: float = 60.0) -> list[Change]:
    until = time.monotonic() + timeout_s
    found: list[Change] = []
    while len(found) < count and time.monotonic() < until:
        found += reader.poll(100, 0.1)
    return found


def until_trouble(reader: TableReader, *, there: bool, timeout_s: float = 60.0) -> bool:
    """Poll, with nothing to read, until the reader is in trouble, or out of it."""
    until = time.monotonic() + timeout_s
    while (reader.trouble is not None) != there and time.monotonic() < until:
        assert reader.poll(10, 0.1) == []
    return (reader.trouble is not None) == there


@pytest.fixture
def reader(kafka_settings: Settings) -> Iterator[TableReader]:
    topic = Topics(kafka_settings)
    reader = TableReader(kafka_settings, (topic.lists, topic.policy))
    yield reader
    reader.close()


def test_reads_whole_topics_to_their_end_then_follows(kafka_settings: Settings) -> None:
    topic = Topics(kafka_settings)
    write(kafka_settings, topic.lists, ("a", b"1"), ("b", b"2"), ("a", b"3"), ("b", None))
    write(kafka_settings, topic.policy, ("policy@1", b"{}"), ("current", b"1"))
    reader = TableReader(kafka_settings, (topic.lists, topic.policy))
    try:
        assert not reader.at_end
        found = list(reader.read_to_end(20))
        assert reader.at_end
        assert [c[:3] for c in found if c.kind == "lists"] == [
            ("lists", "a", b"1"),
            ("lists", "b", b"2"),
            ("lists", "a", b"3"),
            ("lists", "b", None),
        ]
        assert [c[:3] for c in found if c.kind == "policy"] == [
            ("policy", "policy@1", b"{}"),
            ("policy", "current", b"1"),
        ]
        assert reader.positions == {(topic.lists, 0): 4, (topic.policy, 0): 2}

        write(kafka_settings, topic.lists, ("c", b"4"))
        (new,) = follow(reader, 1)
        assert (new.kind, new.key, new.value, new.topic, new.partition, new.offset) == (
            "lists",
            "c",
            b"4",
            topic.lists,
            0,
            4,
        )
        assert reader.at_end
        assert reader.positions[topic.lists, 0] == 5
    finally:
        reader.close()


def test_empty_topics_have_an_end_too(reader: TableReader) -> None:
    assert list(reader.read_to_end(20)) == []
    assert reader.at_end


def test_no_topic_at_all_is_at_its_end(kafka_settings: Settings) -> None:
    reader = TableReader(kafka_settings)
    assert reader.at_end
    assert reader.poll(10, 0.01) == []
    reader.close()


def test_partitions_come_and_go(kafka_settings: Settings) -> None:
    topic = Topics(kafka_settings)
    client = producer(kafka_settings)
    for partition in range(4):
        client.produce(topic.sim, b"old", f"k{partition}", partition)
    assert client.flush(20) == 0
    reader = TableReader(kafka_settings)
    try:
        reader.add(topic.sim, [0, 2])
        assert not reader.at_end
        assert {c.key for c in reader.read_to_end(20)} == {"k0", "k2"}

        reader.add(topic.sim, [2, 3])
        assert {c.key for c in reader.read_to_end(20)} == {"k3"}, "what was read already is not read again"

        reader.remove(topic.sim, [0, 1])
        assert set(reader.positions) == {(topic.sim, 2), (topic.sim, 3)}
        for partition in range(4):
            client.produce(topic.sim, b"new", f"k{partition}", partition)
        assert client.flush(20) == 0
        found = follow(reader, 2)
        assert {(c.key, c.value) for c in found} == {("k2", b"new"), ("k3", b"new")}

        reader.add(topic.sim, [0])
        assert not reader.at_end
        assert [(c.key, c.value) for c in reader.read_to_end(20)] == [("k0", b"old"), ("k0", b"new")], (
            "from the beginning"
        )
    finally:
        reader.close()


def test_a_removed_partition_is_silent_even_with_records_in_the_queue(kafka_settings: Settings) -> None:
    topic = Topics(kafka_settings)
    write(kafka_settings, topic.line, *((str(i), b"x") for i in range(5_000)), partition=1)
    reader = TableReader(kafka_settings)
    try:
        reader.add(topic.line, [1])
        assert len(follow(reader, 1)) >= 1
        reader.remove(topic.line, [1])
        assert reader.at_end
        assert reader.poll(5_000, 0.5) == []
    finally:
        reader.close()


def test_an_end_that_runs_away_is_still_an_end(kafka_settings: Settings) -> None:
    """Each poll is followed by more records, so that the true end is never met; the end as first seen counts."""
    topic = Topics(kafka_settings)
    write(kafka_settings, topic.holder, *((str(i), b"x") for i in range(200)), partition=0)
    reader = TableReader(kafka_settings)
    try:
        reader.add(topic.holder, [0])
        client = producer(kafka_settings)
        until = time.monotonic() + 20
        while not reader.at_end and time.monotonic() < until:
            for i in range(20):
                client.produce(topic.holder, b"y", str(i), 0)
            assert client.flush(20) == 0
            reader.poll(10, 0.05)
        assert reader.at_end
    finally:
        reader.close()


def test_keys_that_are_no_text_and_headers_survive(kafka_settings: Settings, reader: TableReader) -> None:
    client = producer(kafka_settings)
    client.produce(Topics(kafka_settings).lists, b"v", b"\xff\x00k", headers=[("h", b"1")])
    client.flush(20)
    (change,) = follow(reader, 1)
    assert change.key == "\\xff\x00k"
    assert change.raw_key == b"\xff\x00k"
    assert change.headers == [("h", b"1")]


def test_a_missing_topic_is_named(kafka_settings: Settings) -> None:
    with pytest.raises(TopicError, match=r"nowhere\.v1"):
        TableReader(kafka_settings, ["nowhere.v1"])


def test_the_end_not_reached_in_time_is_said(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(bootstrap=f"127.0.0.1:{free_port()}")
    reader = TableReader(settings)
    try:
        reader.add("lists.v1", [0])
        with pytest.raises(TransportError, match=r"nothing came for 1 s: lists\.v1\[0\]"):
            list(reader.read_to_end(1))
    finally:
        reader.close()


def test_a_table_may_take_long_as_long_as_something_comes(kafka_settings: Settings) -> None:
    """Whoever reads takes his time with each change, longer in all than the brokers may be silent."""
    topic = Topics(kafka_settings).lists
    write(kafka_settings, topic, *((str(number), b"x") for number in range(5)))
    with closing(TableReader(kafka_settings, [topic])) as reader:
        read = []
        for change in reader.read_to_end(silence_s=2.0):
            time.sleep(0.6)
            read.append(change.key)
        assert read == ["0", "1", "2", "3", "4"]
        reader.add("gone.v1", [0])
        with pytest.raises(TransportError, match=r"nothing came for 2 s: gone\.v1\[0\]"):
            list(reader.read_to_end(silence_s=2.0))


@pytest.mark.parametrize("whole", [(), ("lists.v1",)])
def test_whoever_waits_for_brokers_that_are_away_can_be_stopped(
    make_settings: Callable[..., Settings], whole: tuple[str, ...]
) -> None:
    settings = make_settings(bootstrap=f"127.0.0.1:{free_port()}")
    asked: list[bool] = []

    def go_on() -> bool:
        asked.append(len(asked) < 2)
        return asked[-1]

    def read() -> None:
        with closing(TableReader(settings, whole, go_on)) as reader:
            reader.add("lists.v1", [0])
            list(reader.read_to_end())

    with pytest.raises(StoppedError):
        read()
    assert asked == [True, True, False]


def test_a_broker_restart_is_ridden_out(tmp_path: Path, make_settings: Callable[..., Settings]) -> None:
    broker = LocalBroker(tmp_path / "broker", port=free_port())
    settings = make_settings(bootstrap=broker.start(dies_with_parent=True).address)
    reader = None
    try:
        topics.ensure(settings)
        topic = Topics(settings)
        write(settings, topic.lists, ("a", b"1"))
        reader = TableReader(settings, [topic.lists])
        assert [c.key for c in reader.read_to_end(20)] == ["a"]
        broker.stop()
        assert until_trouble(reader, there=True)
        broker.start(dies_with_parent=True)
        write(settings, topic.lists, ("b", b"2"))
        assert [c.key for c in follow(reader, 1)] == ["b"]
        assert reader.positions == {(topic.lists, 0): 2}
    finally:
        if reader is not None:
            reader.close()
        broker.stop(delete_data=True)


def test_trouble_is_over_once_brokers_answer_though_nobody_writes(
    tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    """Of partitions that hold nothing librdkafka tells the end once, and not again after a restart."""
    broker = LocalBroker(tmp_path / "broker", port=free_port())
    settings = make_settings(bootstrap=broker.start(dies_with_parent=True).address)
    try:
        topics.ensure(settings)
        with closing(TableReader(settings, Topics(settings).control)) as reader:
            assert list(reader.read_to_end(20)) == []
            broker.stop()
            assert until_trouble(reader, there=True)
            assert not until_trouble(reader, there=False, timeout_s=3)
            broker.start(dies_with_parent=True)
            assert until_trouble(reader, there=False)
    finally:
        broker.stop(delete_data=True)
