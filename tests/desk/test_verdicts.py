"""Which decision of a call stands."""

import time

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.calls.codec import decode_decision, encode
from streamer.calls.decisions import Decision
from streamer.desk import verdicts
from streamer.kafka.logs import LogRecord
from streamer.revisions import REVISION_MS
from tests.detectors.test_unverified_origin import B, Log, come_in, engine
from tests.test_engine import NOW

FIRST = Decision(call_id="c", at=1_000, decided_at=1_010, operator="op-a", caller="1", callee="2", action="allow")


def lie(*decisions):
    return verdicts.told(
        [
            LogRecord(
                "d", 1, offset, 2_000, b"c", encode(decision), (("source.partition", b"1"), ("source.offset", b"9"))
            )
            for offset, decision in enumerate(decisions)
        ],
        "c",
    )


def changed(**given):
    return msgspec.structs.replace(FIRST, **given)


@pytest.mark.parametrize("action", ["allow", "label"])
def test_the_first_in_log_order_stands_and_one_block_may_revise_what_lets_the_call_ring(action):
    revision = changed(action="block", revises=True, decided_at=3_500)
    first, again = changed(action=action), changed(action=action, decided_at=1_500, at=1_001)
    (call,) = verdicts.judged(lie(first, again, changed(action="block"), revision, revision), [])
    assert [one.standing for one in call] == [
        "effective",
        "repeats it",
        "ignored: not the first",
        "revision in effect",
        "ignored: not the first",
    ]


def test_a_revision_that_comes_too_late_or_after_what_does_not_ring_so_is_ignored():
    revision = changed(action="block", revises=True)
    for late in ({"decided_at": FIRST.decided_at + REVISION_MS + 1}, {"late": True}):
        told = lie(FIRST, msgspec.structs.replace(revision, **late))
        assert verdicts.judged(told, [])[0][1].standing == "ignored: not the first"
    for action in ("withhold_cli", "divert", "block"):
        (call,) = verdicts.judged(lie(changed(action=action), revision), [])
        assert call[1].standing == "ignored: not the first"


def test_the_desk_reads_the_revision_of_a_labelled_call_as_it_was_meant():
    log = Log(engine())
    log.judge(come_in("forwarded", callee="+77077777777", operator="op-c", diverted_from=B))
    log.tick(NOW + 2_250)
    said = [decode_decision(orjson.dumps(one)) for one in (*log.decisions, *log.revisions)]
    assert [one.action for one in said] == ["label", "block"]
    (call,) = verdicts.judged([verdicts.Told(0, at, NOW, one, None) for at, one in enumerate(said)], [])
    assert [one.standing for one in call] == ["effective", "revision in effect"]


def test_the_same_id_later_or_of_another_operator_is_another_call():
    calls = verdicts.judged(lie(FIRST, changed(at=121_001), changed(operator="op-b")), [])
    assert [[one.standing for one in call] for call in calls] == [["effective"]] * 3


def by_looking_at_all(decisions):
    """Which call each decision is on, and what it counts for, from everything before it."""
    calls = []
    for one in decisions:
        call = next((held for held in calls if (held[0].operator, True) == (one.operator, abs(held[0].at - one.at) <= 120_000)), None)  # fmt: skip
        if call is None:
            calls.append(call := [])
        call.append(one)
        yield calls.index(call), standing(call[:-1], one)


def standing(before, one):
    if not before:
        return "effective"
    if one.revises:
        rings = before[0].action in {"allow", "label"} and not any(held.revises for held in before)
        stands = rings and one.action == "block" and not one.late and one.decided_at - before[0].decided_at <= 3_000
        return "revision in effect" if stands else "ignored: not the first"
    return "repeats it" if one.action == before[0].action else "ignored: not the first"


DECISIONS = st.builds(
    changed,
    at=st.integers(0, 9).map(lambda n: 60_000 * n) | st.integers(0, 500_000),
    operator=st.sampled_from(("op-a", "op-b")),
    action=st.sampled_from(("allow", "label", "block")),
    revises=st.booleans(),
    late=st.booleans(),
    decided_at=st.integers(1_000, 9_000),
)


@given(st.lists(DECISIONS, max_size=30))
def test_calls_and_standings_are_those_that_a_look_at_all_decisions_finds(decisions):
    calls = verdicts.judged(lie(*decisions), [])
    found = sorted((one.told.offset, number, one.standing) for number, call in enumerate(calls) for one in call)
    assert [(number, standing) for _, number, standing in found] == [*by_looking_at_all(decisions)]


def test_an_id_that_is_repeated_without_end_is_judged_in_one_pass():
    first = lie(FIRST)[0]
    repeats = [first._replace(offset=offset) for offset in range(30_000)]
    later = [first._replace(decision=changed(at=1_000 * second)) for second in range(0, 3_000_000, 121)]
    began = time.process_time()
    assert len(verdicts.judged(repeats, [])) == 1
    assert len(verdicts.judged(later, [])) == len(later)
    assert time.process_time() - began < 5
