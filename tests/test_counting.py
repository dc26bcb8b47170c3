"""Limits of what is counted over all partitions: which there are, and that the one in force at a record decides about it."""

import base64
from collections import Counter

import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamer import counting
from streamer.calls import signals
from streamer.calls.codec import decode_counts, encode
from streamer.engine import Engine
from streamer.errors import MessageError
from streamer.records import Batch
from streamer.signals import merging
from streamer.windows import tallies
from tests.test_engine import NOW, setup

CALLERS = ("+77011234567", "+77011234000", "+77272345678")
CALLEES = ("+77011234999", "+77011299999", "+77012222222", "+77272345600", "+77272345601")
GIVEN = st.fixed_dictionaries({}, optional={
    "busy_calls": st.integers(1, 6), "busy_every": st.integers(1, 3), "busy_distinct_share": st.sampled_from([0, 0.3, 0.9, 1]),
    "neighbour_digits": st.integers(1, 10), "new_line_calls": st.integers(1, 6), "new_line_s": st.sampled_from([60, 99, 3_600]),
})  # fmt: skip
CALLS = st.lists(
    st.tuples(st.sampled_from(CALLERS), st.sampled_from(CALLEES), st.sampled_from(["subscriber", "national"])),
    min_size=1,
    max_size=30,
)


def test_every_limit_that_is_used_is_one_of_the_policy_and_within_its_own_bounds():
    assert {*tallies.LIMITS, *merging.LIMITS} <= counting.LIMITS.keys()
    counting.check(counting.limits({}))
    assert counting.limits({"burst_s": 7}) == counting.limits({}) | {"burst_s": 7}
    for kind, counts in counting.stands_out(counting.limits({"block_fresh": 99})).items():
        assert {name for name, _ in counts} <= {*signals.COUNTS, "victims", "burst"}
        assert dict(counts).get("fresh") == (99 if kind == "block" else None)


@pytest.mark.parametrize("name", counting.LIMITS)
def test_a_limit_is_taken_within_its_bounds_and_not_beyond(name):
    limit = counting.LIMITS[name]
    for value in (limit.least, limit.most):
        counting.check({name: value})
    for value in (limit.least - 0.001, limit.most * 1.001):
        with pytest.raises(MessageError, match=name):
            counting.check({name: value})


def played(calls, changes, cuts):
    """(features, limits) of each call and all that was told, where the policy changes before some calls and batches end at some."""
    held, seen, told, given_now = Engine(partitions=1, max_callers=1_000, clamp=False), [], [], {}
    held.adopt(0)
    waiting = []

    def judge():
        outcomes = held.process(
            Batch([0] * len(waiting), [row for row, _ in waiting], [NOW] * len(waiting), [value for _, value in waiting], [False] * len(waiting)),
            NOW,
        )  # fmt: skip
        seen.extend((orjson.loads(value)["features"], given_now) for _, _, value in outcomes.evidence)
        told.extend(decode_counts(value) for _, value in outcomes.counts)
        waiting.clear()

    for row, (caller, callee, ingress) in enumerate([*calls, ("+77030000000", "+77010000000", "national")]):
        if row in cuts or row in changes:
            judge()
        if row in changes or not row:
            given_now = changes.get(row, {})
            policy = {"version": f"v{row}", "evidence_sample": 1.0, "counting": given_now}
            held.apply("policy", f"policy@v{row}", orjson.dumps(policy))
            held.apply("policy", "current", orjson.dumps({"version": f"v{row}"}))
        at = NOW + 11_000 * row  # each call completes the sums of the one before
        waiting.append((row, orjson.dumps(setup(f"c{row}", caller, callee, at, ingress=ingress))))
    judge()
    return seen[:-1], told


@settings(max_examples=60)
@given(CALLS, st.dictionaries(st.integers(0, 29), GIVEN, max_size=4), st.sets(st.integers(1, 29), max_size=6))
@example([(CALLERS[0], callee, "subscriber") for callee in CALLEES], {2: {"busy_calls": 2, "busy_every": 1}}, set())
@example([(CALLERS[0], CALLEES[0], "national")] * 4, {1: {"neighbour_digits": 9}, 3: {"neighbour_digits": 7}}, {2})
@example([(CALLERS[0], CALLEES[0], "subscriber")] * 12, {0: {"new_line_calls": 2}, 8: {"new_line_s": 99}}, {3})
def test_what_scorers_tell_goes_by_the_policy_in_force_at_each_record(calls, changes, cuts):
    seen, told = played(calls, changes, cuts)
    busy, new, neighbours = [], [], 0
    for (caller, _, ingress), (x, given_then) in zip(calls, seen, strict=True):
        limits = counting.limits(given_then)
        attempts = x["attempts_24h"]
        if ingress == "subscriber" and attempts >= limits["busy_calls"] and attempts % limits["busy_every"] == 0:
            if x["distinct_24h"] >= limits["busy_distinct_share"] * attempts:
                busy.append((caller, attempts))
        neighbours += x["same_prefix"] >= limits["neighbour_digits"]
        if ingress == "subscriber" and x["caller_mobile"] == 1:
            if x["attempts_1h"] >= limits["new_line_calls"] and x["age"] < limits["new_line_s"]:
                new.append((caller, x["attempts_1h"]))
    lines = [(one.line, one.attempts) for one in told if isinstance(one, signals.BusyLine)]
    sums = [one for one in told if isinstance(one, signals.PartialSums)]
    column = 1 + signals.COUNTS.index("neighbours")
    width = 1 + len(signals.COUNTS)
    counted = [np.frombuffer(base64.b64decode(one.counts), "<u2").reshape(-1, width)[:, column].sum() for one in sums]
    assert lines == busy
    assert [(one.line, one.attempts) for one in told if isinstance(one, signals.Newcomer)] == new
    assert sum(counted) == neighbours
    assert Counter(map(encode, played(calls, changes, set())[1])) == Counter(map(encode, told))


@pytest.mark.parametrize(("given_", "word"), [
    ({"busy_cals": 20}, "did you mean 'busy_calls'"), ({"busy_every": 0}, "1 to"), ({"busy_every": "5"}, "float"),
])  # fmt: skip
def test_a_policy_with_a_limit_that_cannot_be_changes_nothing(given_, word):
    held = Engine(partitions=1, max_callers=1_000)
    before = held.policy
    with pytest.raises(MessageError, match=word):
        held.apply("policy", "policy@a", orjson.dumps({"version": "a", "counting": given_}))
    held.apply("policy", "current", b'{"version":"a"}')
    assert held.policy is before
