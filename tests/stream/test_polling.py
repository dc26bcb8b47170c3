"""The turns of the worker's consumer, with a client in whose polls happens what is wanted; what real ones do see test_membership."""

import time
from types import SimpleNamespace

import pytest
from confluent_kafka import Message

from streamer.errors import TransportError
from streamer.settings import load
from streamer.stream import polling
from streamer.stream.polling import Poller

TOPIC = "calls.v1"


def record(partition, offset):
    return Message(topic=TOPIC, partition=partition, offset=offset)


class Client:
    """`happens` has what a poll does next: a function of the client that gives a record or None."""

    def __init__(self):
        self.happens, self.polls, self.closed, self.committed = [], 0, False, []

    def subscribe(self, _, on_assign, on_revoke, on_lost):
        self.on_revoke, self.on_lost = on_revoke, on_lost

    def poll(self, wait_s):
        self.polls += 1
        if self.happens:
            return self.happens.pop(0)(self)
        time.sleep(wait_s)
        return None

    def consume(self, *_):
        return []

    def get_watermark_offsets(self, *_, **__):
        return 0, 1_000

    def incremental_unassign(self, _):
        pass

    def position(self, places):
        return [SimpleNamespace(topic=at.topic, partition=at.partition, offset=-1001) for at in places]

    def commit(self, offsets, asynchronous):
        self.committed += [(at.partition, at.offset) for at in offsets]
        return [SimpleNamespace(topic=at.topic, partition=at.partition, offset=at.offset, error=None) for at in offsets]

    def close(self):
        self.closed = True


def judged(turning):
    """The batch that one poll brought, of one record, with which the agent is done."""
    turning.clients[0].happens = [lambda _: record(0, 10)]
    turning.poller.turn(0.01)
    turning.handed[0].judged = True
    return turning.handed[0]


@pytest.fixture
def turning(monkeypatch):
    """Gives a poller that owns partitions 0 and 1 from offset 10 on, what it handed over, its failures, and what `held_up` looks into."""
    clients, handed, failed, held_up = [], [], [], []

    def made(*_, **__):
        clients.append(Client())
        return clients[-1]

    monkeypatch.setattr(polling, "consumer", made)
    settings = load(drain_s=0.3)
    poller = Poller(settings, [TOPIC], handed.append, failed.append, lambda: bool(held_up), lambda: time.sleep(0.001))
    poller.positions = {(TOPIC, 0): 10, (TOPIC, 1): 10}
    poller.offsets.begin(poller.positions)
    yield SimpleNamespace(poller=poller, clients=clients, handed=handed, failed=failed, held_up=held_up)
    poller.stop(abandon=True)
    if not poller.ended:
        poller.turn(0.0)


def told(handed):
    return [
        (batch.kind, {p: [each.offset() for each in records] for p, records in batch.spans.items()}) for batch in handed
    ]


def test_nothing_is_polled_while_a_batch_waits_to_be_judged_unless_it_is_held_up(turning):
    poller, client = turning.poller, turning.clients[0]
    client.happens = [lambda _: record(0, 10)]
    assert poller.turn(0.01)
    assert told(turning.handed) == [("records", {0: [10]})]
    polls = client.polls
    assert not poller.turn(0.01)
    assert client.polls == polls
    turning.handed[0].handed_at -= 1
    assert not poller.turn(0.01), "who judges must not wait for a poll"
    assert client.polls == polls + 1
    turning.handed[0].judged = True
    assert poller.turn(0.01)
    assert client.polls == polls + 2


def test_what_a_poll_brings_in_which_the_membership_ended_is_not_judged(turning):
    """It would be judged under the new one, then read and judged again; and whatever waits to be judged, the worker starts over at once."""
    poller, client = turning.poller, turning.clients[0]
    batch = judged(turning)
    turning.held_up.append(True)

    def revoked(client):
        client.on_revoke(client, [SimpleNamespace(topic=TOPIC, partition=1)])
        return record(0, 11)

    client.happens = [revoked]
    poller.turn(0.01)
    assert told(turning.handed)[1:] == [("lost", {1: []})]
    assert poller.held_until(batch.epoch) == 0.0
    poller.turn(0.01)
    assert told(turning.handed)[2:] == [("lost", {0: []})]
    assert client.closed
    assert len(turning.clients) == 2
    assert not poller.positions
    assert not turning.failed


def test_whoever_stops_finishes_commits_and_leaves(turning):
    poller, client = turning.poller, turning.clients[0]
    judged(turning).finish()
    poller.stop()
    poller.turn(0.01)
    assert poller.ended
    assert client.closed
    assert client.committed[-2:] == [(0, 11), (1, 10)]
    assert not turning.failed


def test_what_is_not_finished_in_time_is_told_and_not_committed(turning):
    poller, client = turning.poller, turning.clients[0]
    judged(turning)
    poller.stop()
    poller.turn(0.01)
    assert poller.ended
    assert client.closed
    assert (0, 11) not in client.committed
    assert [type(each) for each in turning.failed] == [TransportError]
    assert "1 batches were not finished within 0.3 s" in str(turning.failed[0])


def test_whatever_goes_wrong_in_a_turn_ends_the_consumer(turning):
    def breaks(_):
        raise ValueError("of the client")

    turning.clients[0].happens = [breaks]
    turning.poller.turn(0.01)
    assert turning.poller.ended
    assert turning.clients[0].closed
    assert [str(each) for each in turning.failed] == ["of the client"]


def test_a_membership_that_is_over_may_send_nothing_however_alive_the_worker_is(turning):
    poller = turning.poller
    assert poller.held_until(poller.epoch) > time.monotonic()
    assert poller.held_until(poller.epoch - 1) == 0.0
