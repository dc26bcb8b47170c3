"""Partitions that come, go and come again while their state is read back."""

import queue

import orjson
import pytest

from streamer.engine import Engine
from streamer.kafka.clients import producer
from streamer.kafka.topics import Topics
from streamer.settings import Settings
from streamer.stream.arrivals import Arrivals, Origin
from streamer.stream.parts import Restored, SaidSince, Wish
from streamer.stream.pointers import Pointer, written
from streamer.stream.restoring import Restorer
from tests.stream.live import wait_until


def test_what_was_woken_in_an_earlier_tenure_rests_when_it_is_gained_again():
    arrivals, place, other = Arrivals(Settings()), ("calls.v1", 0), ("calls.v1", 1)
    arrivals.resting |= {place, other}
    arrivals.wake({place: 5, other: 7}, epoch=1)
    arrivals.forget([place])
    arrivals.resting.add(place)
    assert arrivals.woken(1) == {other: 7}
    assert arrivals.resting == {place}
    arrivals.wake({place: 6}, epoch=1)
    assert arrivals.woken(1) == {place: 6}


@pytest.mark.broker
def test_a_partition_that_was_given_up_and_is_gained_again_just_so_is_restored(kafka_settings):
    failed = queue.SimpleQueue()
    restorer = Restorer(kafka_settings, Engine.of(kafka_settings).opened, failed.put, lambda: None)
    first, second = (Wish(0, 1, Origin(0, "", committed=False)) for _ in range(2))
    first.given_up = True
    restorer.ask(first)
    restorer.ask(second)
    parts = []
    wait_until(lambda: parts.extend(restorer.take()) or parts or not failed.empty())
    restorer.close()
    assert [(type(part), part.wish) for part in parts] == [(Restored, second)]


@pytest.mark.broker
def test_state_that_its_next_owner_deleted_is_no_failure_of_who_slept_through_it(kafka_settings):
    failed, parts = queue.SimpleQueue(), []
    restorer = Restorer(kafka_settings, Engine.of(kafka_settings).opened, failed.put, lambda: None)
    gone = Wish(0, 1, Origin(0, written(Pointer([(0, 3)], 0)), committed=True))
    next_one = Wish(1, 1, Origin(0, "", committed=False))
    restorer.ask(gone)
    restorer.ask(next_one)
    with pytest.raises(AssertionError, match="did not happen"):
        wait_until(lambda: parts.extend(restorer.take()) or parts or not failed.empty(), seconds=1)
    gone.given_up = True
    wait_until(lambda: parts.extend(restorer.take()) or parts or not failed.empty())
    restorer.ask(stays := Wish(0, 1, gone.origin))
    wait_until(lambda: not failed.empty())
    restorer.close()
    assert [part.wish for part in parts] == [next_one]
    assert not stays.given_up
    assert "it was deleted" in str(failed.get())


def test_a_partition_that_goes_while_its_brokers_are_away_is_no_failure():
    failed = queue.SimpleQueue()
    restorer = Restorer(Settings(bootstrap="127.0.0.1:1"), Engine().opened, failed.put, lambda: None)
    wish = Wish(0, 1, Origin(5, written(Pointer([(0, 3)], 7)), committed=True))
    restorer.ask(wish)
    wait_until(lambda: restorer.trouble)
    wish.given_up = True
    restorer.close()
    assert failed.empty()
    assert not [*restorer.take()]


SAID = {"call_id": "c", "at": 1, "decided_at": 2, "operator": "op-a", "caller": "+77010000001", "callee": "+77272345678",
        "score": None, "cache_until": None, "late": False, "action": "block", "shadow_action": "block", "reasons": ["list.block"],
        "sip_code": 603, "sip_reason": "x", "policy": "default", "model": None}  # fmt: skip
GONE = [(0, 3)]


@pytest.mark.broker
@pytest.mark.parametrize(
    ("metadata", "stands", "begins"),
    [
        (written(Pointer([], 1)), [1, 2], 1),
        (written(Pointer(GONE, 1)), [1, 2], 1),
        ("of a later version", [0, 1, 2], 0),
        (written(Pointer([], 5_000)), [0, 1, 2], 0),
    ],
    ids=["as it is", "without its state", "not understood", "decisions made anew"],
)
def test_what_was_said_stands_although_state_or_decisions_are_gone(kafka_settings, metadata, stands, begins, caplog):
    settings = kafka_settings.model_copy(update={"begin_empty": True})
    of, client = Topics(settings), producer(settings)
    for offset in range(3):
        headers = [("source.offset", b"%d" % offset), ("source.partition", b"0")]
        client.produce(of.decisions, orjson.dumps(SAID | {"call_id": f"c{offset}"}), "k", 0, headers=headers)
        client.produce(of.calls, b"{}", "k", 0)
    assert not client.flush(10)
    failed, parts = queue.SimpleQueue(), []
    restorer = Restorer(settings, Engine.of(settings).opened, failed.put, lambda: None)
    restorer.ask(Wish(0, 1, Origin(0, metadata, committed=True)))
    wait_until(lambda: parts.extend(restorer.take()) or any(isinstance(part, Restored) for part in parts))
    restorer.close()
    assert failed.empty()
    assert [part.offset for part in parts if isinstance(part, SaidSince)] == stands
    assert parts[-1].said == begins
    assert "no state was committed there" not in caplog.text
    assert ("were to be read back" in caplog.text) == (begins == 0 and metadata.startswith("{"))
