"""Traffic of all kinds for workers that are disturbed, and what has to be true of it afterwards."""

import random
import time

import orjson

from streamer.calls.codec import encode
from streamer.kafka import clients
from streamer.kafka.topics import Topics
from tests.stream import undisturbed
from tests.stream.live import Load, setup

EVIL = "+77010000007"
"""Calls very much; a list that names it comes and goes."""
RULES = (
    ("operators", "op-y", {"operator": "op-y", "ranges": ["+7705"], "publishes_originations": True}),
    (
        "policy",
        "policy@mixed",
        {"version": "mixed", "detectors": {"unverified_origin": {"thresholds": {"on_time_share": 0, "matches": 0}}}},
    ),
    ("policy", "current", {"version": "mixed"}),
)
"""In force from the start: numbers of `op-y` have to be originated, or their calls are revised."""


class Mixed(Load):
    """Set-ups with answers, ends, retries, second sightings, late events and callers that call very much; and calls whose
    originations come in time, late or never.
    """

    def __init__(self, calls, rate, seed, callers=2_000):
        super().__init__(calls, rate, callers)
        self._draw = random.Random(seed)

    def _run(self):
        draw, waiting, number = self._draw, [], 0
        began = time.monotonic()
        while not self._ending.is_set():
            for _ in range(20):
                caller = EVIL if draw.random() < 0.05 else f"+7701{draw.randrange(self._callers):07d}"
                call = setup(f"c{number}", caller, callee=f"+7727{2_000_000 + draw.randrange(900_000)}")
                call["ingress"] = draw.choice(["national", "international", "subscriber"])
                self._calls.publish(call)
                self.published.add(call["call_id"])
                number += 1
                end = {key: call[key] for key in ("call_id", "operator", "caller", "callee")}
                end |= {
                    "type": "end",
                    "at": call["at"] + 900,
                    "ring_ms": 300,
                    "talk_ms": draw.choice([0, 3_000, 60_000]),
                    "cause": 16,
                }
                waiting.append(end)
                if draw.random() < 0.3:
                    waiting.append({**end, "type": "answer", "ring_ms": 300})
                if draw.random() < 0.03:
                    waiting.append({**call, "at": call["at"] + 40})
                if draw.random() < 0.03:
                    waiting.append({**call, "at": call["at"] - 130_000, "call_id": f"late{number}"})
                    self.published.add(f"late{number}")
                if draw.random() < 0.05:
                    waiting.append({**call, "operator": "op-b", "call_id": f"seen{number}"})
                    self.published.add(f"seen{number}")
            self._of_another(number, waiting)
            while len(waiting) > 400:
                self._calls.publish(waiting.pop(draw.randrange(len(waiting) // 2)))
            self._ending.wait(max(0.0, began + number / self._rate - time.monotonic()))
        for message in waiting:
            self._calls.publish(message)

    def _of_another(self, number, waiting):
        """A call that comes in with a number of `op-y`, which says before it, after it or not at all that the call began."""
        call = setup(
            f"in{number}", f"+7705{self._draw.randrange(500):07d}", callee=f"+7727{2_900_000 + number % 90_000}"
        )
        own = {**call, "call_id": f"own{number}", "operator": "op-y", "ingress": "subscriber"}
        when = self._draw.random()
        self.published.add(call["call_id"])
        if when < 0.6:
            self.published.add(own["call_id"])
        if when < 0.3:
            self._calls.publish(own)
        elif when < 0.6:
            waiting.append(own)
        self._calls.publish(call)


def rules(settings):
    """Put `RULES` in force; before the workers are started."""
    for kind, key, value in RULES:
        control(settings, getattr(Topics(settings), kind), key, value)


def control(settings, topic, key, value):
    client = clients.producer(settings)
    client.produce(topic, None if value is None else orjson.dumps(value), key, partition=0)
    assert not client.flush(10)


def check(settings, calls, published):
    """Every set-up has its decision, none two different ones, and what is saved is what an undisturbed engine holds."""
    assert not calls.until(published)
    calls.rest()
    for found in calls.decided.values():
        told = {encode({**decision, "decided_at": 0, "late": False, "cache_until": None}) for decision, _ in found}
        assert sorted(orjson.loads(one)["revises"] for one in told) in ([False], [False, True]), found
    engine, offsets = undisturbed.saved(settings)
    ends = {number: len(records) for number, records in undisturbed.log(settings, calls.topics.calls).items()}
    assert offsets == ends
    wrong = [*account(settings, calls, engine)]
    assert not wrong, wrong


def account(settings, calls, engine):
    """What is wrong with what is saved and with what was revised, in words."""
    expected, counted = set(), {}
    other = undisturbed.judged(
        settings,
        [(kind, key, orjson.dumps(value)) for kind, key, value in RULES],
        undisturbed.said(settings),
        expected,
        counted,
    )
    expected |= undisturbed.settled(other, range(settings.partitions))
    revised = {call_id for call_id, found in calls.decided.items() if any(one["revises"] for one, _ in found)}
    revised |= undisturbed.settled(engine, range(settings.partitions))  # what waited when the last worker left
    if revised != expected:
        lost, made_up = sorted(expected - revised), sorted(revised - expected)
        yield f"{len(lost)} of {len(expected)} calls were not revised, {len(made_up)} wrongly: {lost[:3]} {made_up[:3]}"
    sums = undisturbed.sums(settings)
    if sums != counted:
        lost, made_up = sorted(counted.keys() - sums.keys()), sorted(sums.keys() - counted.keys())
        other_sums = [place for place in counted.keys() & sums.keys() if counted[place] != sums[place]]
        yield f"of {len(counted)} partial sums {len(lost)} were lost, {len(made_up)} made up, {len(other_sums)} differ: {lost[:2]} {made_up[:2]} {other_sums[:2]}"
    yield from undisturbed.differences(engine, other, range(settings.partitions))
