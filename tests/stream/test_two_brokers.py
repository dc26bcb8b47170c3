"""One of two brokers is away while the other answers: what it leads is waited for."""

import re
import signal
import time
import uuid
from base64 import urlsafe_b64encode
from contextlib import contextmanager

import orjson
import psutil
import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import NewTopic

from streamer.kafka import clients, topics
from streamer.kafka.broker import LocalBroker, free_port
from streamer.settings import load
from tests.stream.live import Calls, Worker, get, setup, wait_until

pytestmark = pytest.mark.broker


def keep_groups(bootstrap):
    """Have the topic of groups made while a broker is alone, so that it leads all of it."""
    client = Consumer({"bootstrap.servers": bootstrap, "group.id": "first", "log_level": 0})

    def has_answered():
        try:
            return client.committed([TopicPartition("none", 0)], timeout=5)
        except KafkaException:
            return None

    wait_until(has_answered)
    client.close()


@contextmanager
def two_brokers(folder):
    """A broker that is the controller too, and a second one, which is given with its properties of the first's cluster."""
    one, two = free_port(), free_port()
    first = LocalBroker(folder / "one", port=one)
    first.start(dies_with_parent=True)
    second = None
    try:
        keep_groups(f"127.0.0.1:{one}")
        lines = (folder / "one" / "server.properties").read_text().splitlines()
        own = dict(line.split("=", 1) for line in lines if "=" in line)
        meta = (folder / "one" / "data" / "meta.properties").read_text()
        directory = urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        meta = re.sub(r"directory\.id=.*", f"directory.id={directory}", meta).replace("node.id=1", "node.id=2")
        (folder / "two" / "data").mkdir(parents=True)
        (folder / "two" / "data" / "meta.properties").write_text(meta)
        at = f"PLAINTEXT://127.0.0.1:{two}"
        more = {"process.roles": "broker", "node.id": "2", "listeners": at, "advertised.listeners": at}
        more["controller.quorum.voters"] = own["controller.quorum.voters"]
        second = LocalBroker(folder / "two", port=two, properties=more)
        second.start(dies_with_parent=True)
        yield f"127.0.0.1:{one},127.0.0.1:{two}", second
    finally:
        if second is not None:
            second.stop(delete_data=True)
        first.stop(delete_data=True)


def made(settings):
    """The topics, of which the second broker leads decisions alone."""
    of, client = topics.Topics(settings), clients.admin(settings)
    wait_until(lambda: len(client.list_topics(timeout=5).brokers) == 2)
    asked = [
        NewTopic(
            spec.name,
            num_partitions=spec.partitions,
            replica_assignment=[[2 if spec.name == of.decisions else 1]] * spec.partitions,
            config=spec.config,
        )
        for spec in of.specs
    ]
    for future in client.create_topics(asked).values():
        future.result(30)
    topics.ensure(settings)


def dies(broker):
    victim = psutil.Process(broker.status().pid)
    victim.kill()
    victim.wait(10)


def test_what_a_broker_leads_that_is_away_is_waited_for(tmp_path, prefix):
    with two_brokers(tmp_path) as (bootstrap, second):
        settings = load(bootstrap=bootstrap, prefix=prefix, partitions=2, group=prefix, session_timeout_ms=2_000)
        made(settings)
        calls, page = Calls(settings), free_port()
        short = {"STREAMER_BATCH_TIMEOUT_S": "6", "STREAMER_DRAIN_S": "4"}
        with Worker(settings, STREAMER_METRICS_PORT=str(page), **short) as worker, Worker(settings, **short) as other:
            other.says("goes on at")
            calls.publish(setup("before", "+77010000001"))
            assert not calls.until({"before"}), worker.log
            gained = worker.log.count("partitions gained")
            other.send(signal.SIGSTOP)
            worker.says("partitions gained", times=gained + 1)
            wait_until(lambda: get(page, "/readyz")[0] == 200, tell=lambda: (get(page, "/readyz"), worker.log))
            dies(second)
            wanted = {f"c{number}" for number in range(20)}
            for number in range(20):
                calls.publish(setup(f"c{number}", f"+7701{number:07d}"))
            calls.producer.flush(10)
            wait_until(lambda: "is not delivered" in orjson.loads(get(page, "/readyz")[1])["reasons"].get("broker", ""))
            time.sleep(8)  # longer than a batch may take
            assert worker.process.poll() is None, worker.log
            other.send(signal.SIGCONT)  # has the first hand a partition over whose calls are not finished
            worker.says("joining the group anew")
            time.sleep(6)
            assert worker.process.poll() is None, worker.log
            assert other.process.poll() is None, other.log
            second.start(dies_with_parent=True)
            assert not calls.until(wanted, 90), worker.log + other.log
            wait_until(lambda: get(page, "/readyz")[0] == 200, tell=lambda: (get(page, "/readyz"), worker.log))
            calls.publish(setup("after", "+77010000001"))
            assert not calls.until({"after"}), worker.log + other.log
            assert other.stop() == 0, other.log
            assert worker.stop() == 0, worker.log
