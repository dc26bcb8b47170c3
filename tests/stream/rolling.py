"""Workers replaced one by one while calls come, and what came of the calls: shared by the tests and ``python -m tests.upgrade``."""

import collections
import time
from typing import NamedTuple

import orjson
from confluent_kafka import Consumer, TopicPartition

from streamer.kafka import clients, topics
from tests.stream.live import Calls, Load, setup, wait_until

_MAY_DIFFER = ("decided_at", "late")


class Turn(NamedTuple):
    """One replacement: who left and who came; in ms how long both took, and the longest that a set-up published then waited."""

    name: str
    joining_ms: int
    longest_joining_ms: int
    leaving_ms: int
    longest_leaving_ms: int


class Rolled(NamedTuple):
    """What came of a roll: see `roll`."""

    published: int
    undecided: set
    repeated: set
    differing: set
    turns: list
    waits_ms: list
    refused: dict
    log: str


def roll(settings, begin, replacements, rate=1_000):
    """Start two workers of `begin`, then replace them in turn while set-ups are published; gives `Rolled`.

    `begin` and `replacements` are (name, function that starts a worker); the oldest leaves once the new one has
    partitions and set-ups are decided again. `repeated` are calls with two decisions, `differing` those where the two
    say different things; `refused` counts dead letters by topic.
    """
    calls, running, spans, log = Calls(settings), [], [], ""
    try:
        for name, start in begin:
            running.append((name, start()))
            running[-1][1].says("partitions gained")
        calls.publish(setup("first", "+77010000001"))
        assert not calls.until({"first"}), running[0][1].log
        with Load(calls, rate) as load:
            assert not calls.until(_after(load, rate)), running[0][1].log
            for name, start in replacements:
                began = time.time()
                coming = start()
                running.append((name, coming))
                coming.says("partitions gained")
                assert not calls.until(_after(load, rate)), coming.log
                joined = time.time()
                gone, leaving = running.pop(0)
                assert leaving.stop() == 0, leaving.log
                log += leaving.log
                left = time.time()
                assert not calls.until(_after(load, rate)), coming.log
                spans.append((f"{gone} > {name}", began, joined, left, time.time()))
        undecided = calls.until(load.published)
        for _, worker in running:
            assert worker.stop() == 0, worker.log
            log += worker.log
        calls.rest()
    finally:
        for _, worker in running:
            worker.kill()
    waits = sorted((one[0][0]["at"], one[0][0]["decided_at"] - one[0][0]["at"]) for one in calls.decided.values())

    def longest(begun, ended):
        return max(wait for at, wait in waits if 1000 * begun <= at <= 1000 * ended)

    turns = [
        Turn(
            name,
            round(1000 * (joined - began)),
            longest(began, joined),
            round(1000 * (left - joined)),
            longest(joined, ended),
        )
        for name, began, joined, left, ended in spans
    ]
    said = {call_id: [_content(decision) for decision, _ in found] for call_id, found in calls.decided.items()}
    return Rolled(
        len(load.published) + 1,
        undecided,
        {call_id for call_id, found in said.items() if len(found) > 1},
        {call_id for call_id, found in said.items() if any(one != found[0] for one in found)},
        turns,
        sorted(wait for _, wait in waits),
        _letters(settings),
        log,
    )


def _after(load, rate):
    """The calls published up to a second from now."""
    wanted = len(load.published) + rate
    wait_until(lambda: len(load.published) >= wanted)
    return set(load.published)


def _content(decision):
    return orjson.dumps(
        {name: value for name, value in decision.items() if name not in _MAY_DIFFER}, option=orjson.OPT_SORT_KEYS
    )


def _letters(settings):
    """How many dead letters there are, by topic and what is wrong with them."""
    reader = Consumer(clients.consumer_config(settings, f"{settings.group}-letters", log_level=0))
    places = [
        TopicPartition(spec.name, number, 0)
        for spec in topics.Topics(settings).specs
        if spec.name.endswith(topics.dead_letter(""))
        for number in range(spec.partitions)
    ]
    reader.assign(places)
    found = collections.Counter()
    while sum(found.values()) < sum(reader.get_watermark_offsets(place)[1] for place in places):
        for record in reader.consume(1_000, 0.1):
            if record.error() is None:
                found[
                    record.topic().removeprefix(settings.prefix), dict(record.headers())["error.message"].decode()
                ] += 1
    reader.close()
    return dict(found)
