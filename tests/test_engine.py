"""The engine as a whole: any cutting, any interleaving, duplicates, late events, hand-over, bad input, control messages."""

import json
import math
import random

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.calls.codec import decode_decision, decode_evidence, encode
from streamer.calls.decisions import ModelSnapshot
from streamer.calls.events import LATEST_MS, LONGEST_REPEATED
from streamer.calls.numbers import caller_key, home_plan, normalise
from streamer.calls.partitioner import partition_of
from streamer.engine import Engine
from streamer.errors import MessageError, StateError
from streamer.models import snapshot
from streamer.records import Batch
from streamer.windows import callers, calls, ids, table

NOW = 1_763_953_000_000
A = "+77011234567"
PLAN = home_plan("KZ")
PARTITIONS = 4


def engine(**given_):
    return Engine(partitions=PARTITIONS, max_callers=10_000, **given_)


def setup(call_id, caller, callee, at=NOW, **more):
    return {
        "type": "setup",
        "call_id": call_id,
        "at": at,
        "operator": "op-a",
        "caller": caller,
        "callee": callee,
        "ingress": "national",
        **more,
    }


def end(call_id, caller, callee, at=NOW, **more):
    return {"type": "end", "call_id": call_id, "at": at, "operator": "op-a", "caller": caller, "callee": callee, **more}


def batch(messages):
    values = [message if isinstance(message, bytes) else orjson.dumps(message) for message in messages]
    partitions = []
    for message in messages:
        sound = isinstance(message, dict) and isinstance(message.get("caller"), str)
        key = caller_key(message["caller"], message.get("asserted"), message.get("callee", "1"), PLAN) if sound else ""
        partitions.append(partition_of(key.encode(), PARTITIONS))
    at = [message.get("at", NOW) if isinstance(message, dict) else NOW for message in messages]
    at = [value if isinstance(value, int) else NOW for value in at]
    return Batch(partitions, list(range(len(values))), at, values, [False] * len(values))


def part(whole, rows):
    return Batch(*([column[row] for row in rows] if column else [] for column in whole))


def judge(held, messages, now=NOW):
    return [orjson.loads(value) for _, _, value in held.process(batch(messages), now).decisions]


def traffic(seed, n=400):
    """Honest and fraudulent callers mixed, in time order, with answers, ends, second sightings and retries, some far later."""
    draw, later = random.Random(seed), random.Random(seed + 1)
    found, at = [], NOW
    retries = []
    lines = [f"+7701{draw.randrange(10**7):07d}" for _ in range(12)]
    for number in range(n):
        at += draw.randrange(0, 3_000)
        caller = draw.choice(lines[:3] if draw.random() < 0.6 else lines)
        callee = (
            f"+7727{draw.randrange(2_000_000, 3_000_000):07d}"
            if caller != lines[1]
            else f"+7727{2_000_000 + number:07d}"
        )
        if caller == lines[2] and number % 2:
            callee = f"+5352{number % 3}{number:05d}"
        call_id = f"c{number}"
        found += [message for due, message in retries if due <= at]
        retries = [retry for retry in retries if retry[0] > at]
        found.append(
            setup(call_id, caller, callee, at, ingress=draw.choice(["national", "international", "subscriber"]))
        )
        if draw.random() < 0.1:
            found.append(setup(call_id, caller, callee, at + 50))
        if later.random() < 0.2:
            retries.append((at + later.randrange(2 * calls.KEEP_MS), found[-1]))
        if draw.random() < 0.1:
            found.append({**setup(f"other{number}", caller, callee, at + 400), "operator": "op-b"})
        if callee.startswith("+53"):
            found.append(
                {
                    "type": "answer",
                    "call_id": call_id,
                    "at": at + 300,
                    "operator": "op-a",
                    "caller": caller,
                    "callee": callee,
                }
            )
        late = draw.choice([0, 0, 0, 70_000])
        found.append(
            end(
                call_id,
                caller,
                callee,
                at + 900 - late,
                ring_ms=1_000,
                talk_ms=draw.choice([0, 0, 2_000, 90_000]),
                cause=draw.choice([16, 16, 1]),
            )
        )
    return found


def windows(held, partition):
    """Everything remembered of a partition's callers, in an order of its own."""
    columns = callers.copy_out(held.state.callers, callers.slots_of(held.state.callers, partition))
    columns.pop("wide"), columns.pop("wide_of")
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return sorted(repr(row) for row in rows)


@pytest.fixture(scope="module")
def undisturbed():
    whole = batch(traffic(5))
    held = engine(clamp=False)
    outcomes = held.process(whole, NOW)
    return (
        whole,
        {whole.offsets[row]: value for row, _, value in outcomes.decisions},
        [windows(held, p) for p in range(PARTITIONS)],
        sorted(outcomes.counts),
    )


def test_the_traffic_has_verdicts_of_both_kinds(undisturbed):
    _, decisions, *_ = undisturbed
    actions = {orjson.loads(value)["action"] for value in decisions.values()}
    assert {"allow", "block"} <= actions


@settings(max_examples=25)
@given(st.integers(0, 2**32))
def test_any_cutting_and_any_interleaving_of_partitions_gives_equal_decisions_and_windows(undisturbed, seed):
    whole, expected, states, counts = undisturbed
    draw, counted = random.Random(seed), []
    queues = [[row for row, p in enumerate(whole.partitions) if p == partition] for partition in range(PARTITIONS)]
    held, found = engine(clamp=False), {}
    while any(queues):
        rows = []
        for partition in draw.sample(range(PARTITIONS), PARTITIONS):
            take = draw.randrange(60)
            rows += queues[partition][:take]
            del queues[partition][:take]
        piece = part(whole, rows)
        outcomes = held.process(piece, NOW)
        found |= {piece.offsets[row]: value for row, _, value in outcomes.decisions}
        counted += outcomes.counts
    assert found == expected
    assert sorted(counted) == counts
    assert [windows(held, partition) for partition in range(PARTITIONS)] == states


def test_batches_of_one_equal_one_batch(undisturbed):
    whole, expected, *_ = undisturbed
    held, found = engine(clamp=False), {}
    for row in range(len(whole.values)):
        piece = part(whole, [row])
        found |= {piece.offsets[at]: value for at, _, value in held.process(piece, NOW).decisions}
    assert found == expected


def test_decisions_are_there_before_what_goes_with_them(undisturbed):
    """Broken records, some that can be answered, and records of other partitions among those that are judged."""
    messages = traffic(5)
    whole = batch([*messages[:200], b"{", {**messages[0], "at": -5}, *messages[200:]])
    whole.partitions[10] = (whole.partitions[10] + 1) % PARTITIONS
    expected = engine(clamp=False).process(whole, NOW)
    assert expected.evidence
    assert expected.counts
    assert expected.misplaced
    assert len(expected.rejected) == 2
    held = engine(clamp=False)
    stages = held.stages(whole, NOW)
    outcomes = next(stages)
    assert outcomes.decisions == expected.decisions
    assert (outcomes.rejected, outcomes.misplaced) == (expected.rejected, expected.misplaced)
    assert not outcomes.evidence
    assert next(stages, None) is None
    assert outcomes == expected


def test_a_partition_exported_dropped_and_imported_goes_on_as_if_nothing_had_happened(undisturbed):
    whole, expected, *_ = undisturbed
    middle = len(whole.values) // 2
    first, rest = part(whole, range(middle)), part(whole, range(middle, len(whole.values)))
    held, other = engine(clamp=False), engine(clamp=False)
    before = held.process(first, NOW)
    found = {first.offsets[row]: value for row, _, value in before.decisions}
    for partition in range(PARTITIONS):
        state = held.export(partition)
        held.drop(partition)
        other.import_state(partition, state)
    assert held.callers_held == 0
    after = other.process(rest, NOW)
    found |= {rest.offsets[row]: value for row, _, value in after.decisions}
    assert found == expected
    assert sorted(before.counts + after.counts) == undisturbed[3]


def test_damaged_foreign_and_misdirected_state_is_refused():
    held = engine()
    judge(held, [setup("1", "+77011234567", "+77272345678")])
    state = held.export(1)
    damaged = bytearray(state)
    damaged[-40] ^= 1
    for partition, bad, text in (
        (1, bytes(damaged), "damaged"),
        (2, state, "partition 1"),
        (1, b"x", "no exported"),
        (1, state[:4] + b"\x0a\x00" + state[6:], "layout 10"),
    ):
        with pytest.raises(StateError, match=text):
            held.import_state(partition, bad)
    with pytest.raises(StateError, match="secret"):
        engine(secret=b"another").import_state(1, state)


def attempts(held, caller, at, origin="national", callee="+77273999999"):
    """The counters a further call of this caller is judged by, from its evidence."""
    held.apply("policy", "policy@all", b'{"version":"all","evidence_sample":1.0}')
    held.apply("policy", "current", b'{"version":"all"}')
    outcomes = held.process(batch([setup(f"probe{at}", caller, callee, at, ingress=origin)]), at)
    return orjson.loads(outcomes.evidence[0][2])["features"]


def test_a_retry_is_counted_once_and_answered_with_the_same_content():
    held = engine()
    first = judge(held, [setup("1", "+77011234567", "+77272345678")])
    again = judge(held, [setup("1", "+77011234567", "+77272345678", NOW + 900)])
    assert again == first
    assert attempts(held, "+77011234567", NOW + 1_000)["attempts_1h"] == 2


LISTED = b'{"list":"block","match":"exact","number":"+77010000007","side":"caller"}'


def beside(number):
    """A foreign number that lies in the partition of another: anyone can find one."""
    (partition,) = batch([setup("", number, "1")]).partitions
    candidates = (f"+4479{n:08d}" for n in range(11_000_000, 12_000_000))
    return next(other for other in candidates if batch([setup("", other, "1")]).partitions == [partition])


@pytest.mark.parametrize("changed", ["caller", "callee"])
def test_the_same_call_id_with_another_number_is_a_call_of_its_own(changed):
    """Callers choose ids: what was said of one call holds for no other, and each is told its own again."""
    bad = setup("1", "+77010000007", "+77272345678") if changed == "caller" else setup("1", A, "+77272222222")
    harmless = bad | ({"caller": beside(bad["caller"])} if changed == "caller" else {"callee": "+77272345678"})
    for first, second in ((harmless, bad), (bad, harmless)):
        held = engine()
        held.apply("lists", "caller", LISTED)
        held.apply(
            "lists", "called", LISTED.replace(b"+77010000007", b"+77272222222").replace(b'"caller"', b'"called"')
        )
        calls_of = (first, NOW), (second, NOW + 500), (second, NOW + 900), (first, NOW + 950)
        said = judge(held, [one | {"at": at} for one, at in calls_of])
        actions = ["allow", "block"] if first is harmless else ["block", "allow"]
        assert [one["action"] for one in said] == [*actions, actions[1], actions[0]]
        assert [one["at"] for one in said] == [NOW, NOW + 500, NOW + 500, NOW]


def test_answers_and_ends_belong_to_the_call_of_their_numbers_else_to_the_newest_of_their_id():
    held = engine()
    calls_of = [setup("1", A, f"+7727234567{n}", NOW + n) for n in range(2)]
    judge(held, calls_of)
    judge(held, [end("1", A, "+77272345670", NOW + 5_000, talk_ms=3_000)])
    assert ended(held) == [NOW]
    judge(held, [end("1", A, "7272", NOW + 6_000, talk_ms=3_000)])  # a network that writes the called number otherwise
    assert ended(held) == [NOW, NOW + 1]
    (partition,) = batch(calls_of[:1]).partitions
    other = engine()
    other.import_state(partition, held.export(partition))
    assert judge(other, calls_of) == judge(held, calls_of)
    assert ended(other) == [NOW, NOW + 1]


def ended(held):
    """When the calls began of which an end has come."""
    rows = held.state.calls.rows
    over = (rows[:, table.HELD] >> 16) & (calls.ENDED | calls.SETUP) == calls.ENDED | calls.SETUP
    return sorted(rows[over, calls.SETUP_MS].tolist())


def test_calls_that_were_kept_by_their_ids_alone_are_repeated_and_end():
    """State of before: the bits of a call's hash that its numbers turn are those of its id."""
    held, one = engine(), setup("1", A, "+77272345678")
    (first,) = judge(held, [one])
    (partition,) = batch([one]).partitions
    (cell,) = table.all_of(held.state.calls, partition)
    pair = held.state.pairs.rows[table.all_of(held.state.pairs, partition)[0], table.HASH]
    entry = held.state.calls.rows[cell]
    entry[table.HASH] = ids.kept_by(entry[table.HASH], pair)
    other = engine()
    other.import_state(partition, held.export(partition))
    assert judge(other, [one | {"at": NOW + 900}]) == [first]
    judge(other, [end("1", A, "+77272345678", NOW + 5_000, talk_ms=3_000)])
    assert (ended(other), len(table.all_of(other.state.calls, partition))) == ([NOW], 1)


def test_whoever_uses_one_id_for_all_his_calls_takes_no_room_from_others():
    held = engine()
    used = int(held.state.calls.meta[table.USED])
    said = judge(held, [setup("1", A, f"+7727{2_000_000 + 37 * n}", NOW + n) for n in range(1_000)])
    assert [one["at"] for one in said] == [NOW + n for n in range(1_000)]
    (partition,) = batch([setup("1", A, "1")]).partitions
    assert (len(table.all_of(held.state.calls, partition)), int(held.state.calls.meta[table.USED])) == (8, used)


def test_an_end_is_in_the_next_copy_of_changes_whatever_called_number_it_names():
    held, one = engine(), setup("1", A, "+77272345678")
    (partition,) = batch([one]).partitions
    held.watch(partition)
    judge(held, [setup(f"m{n}", A, f"+7727{n:07d}", NOW) for n in range(300)])
    judge(held, [one])
    held.changes(partition, 0)
    judge(held, [end("1", A, "7272", NOW + 5_000, talk_ms=3_000)])
    changed = held.changes(partition, 0).calls
    over = (changed[:, table.HELD] >> 16) & calls.ENDED != 0
    assert changed[over, calls.SETUP_MS].tolist() == [NOW]


def test_the_same_call_id_after_120_s_is_a_new_call():
    held = engine()
    judge(held, [setup("1", "+77011234567", "+77272345678")])
    judge(held, [setup("1", "+77011234567", "+77272345678", NOW + 121_000)])
    assert attempts(held, "+77011234567", NOW + 122_000)["attempts_1h"] == 3


def process(held, message, appended, now=None):
    """One record, appended and judged then: the decision less `decided_at`, and the outcomes."""
    outcomes = held.process(batch([message])._replace(append_ms=[appended]), appended if now is None else now)
    decision = orjson.loads(outcomes.decisions[0][2])
    del decision["decided_at"]
    return decision, outcomes


def others(held, caller, at, n=600):
    """Calls of the same partition, their clock 5 s ahead: the watermark goes as far as it may, and all is swept."""
    messages = [setup(f"other{at}-{number}", caller, "+77272340000", at + 5_000) for number in range(n)]
    held.process(batch(messages)._replace(append_ms=[at] * n), at)


BLOCKED = {"list": "block", "match": "exact", "number": "+77011234567", "side": "caller"}


@pytest.mark.parametrize("handed_over", [False, True])
@pytest.mark.parametrize("after", [6 * 60_000, 420_000])
def test_a_retry_appended_six_minutes_later_and_up_to_the_bound_repeats_what_was_said(after, handed_over):
    held = engine()
    message = setup("1", "+77011234567", "+77272345678")
    first, _ = process(held, message, NOW)
    held.apply("lists", "k", orjson.dumps(BLOCKED))  # judged anew it would be blocked
    others(held, "+77011234567", NOW + after)
    partition = batch([message]).partitions[0]
    for number in range(PARTITIONS):
        held.tick(number, NOW + after)
    if handed_over:
        state, held = held.export(partition), engine()
        held.apply("lists", "k", orjson.dumps(BLOCKED))
        held.import_state(partition, state)
    again, outcomes = process(held, message, NOW + after, NOW)
    assert again == first
    assert (outcomes.repeated, first["action"]) == (1, "allow")
    assert attempts(held, "+77011234567", NOW + after)["attempts_1h"] == 602


@pytest.mark.parametrize("ahead", [0, 5_000])
def test_past_the_bound_a_retry_is_a_new_call_as_the_contract_says(ahead):
    """Its `at`, clamped to 300 s before its append, lies more than 120 s after the first one's."""
    message = setup("1", "+77011234567", "+77272345678", NOW + ahead)
    for beyond, action in ((0, "allow"), (1, "block")):
        held = engine()
        process(held, message, NOW)
        held.apply("lists", "k", orjson.dumps(BLOCKED))
        others(held, "+77011234567", NOW + 420_000 + ahead + beyond)
        again, outcomes = process(held, message, NOW + 420_000 + ahead + beyond)
        assert (again["action"], outcomes.repeated) == (action, 1 - beyond)
        assert again["at"] == NOW + ahead + (120_001 if beyond else 0)


def test_in_history_a_retry_repeats_as_long_as_a_call_is_kept():
    """Without the clamp nothing bounds how far the watermark may be ahead of a retry's `at`."""
    message = setup("1", "+77011234567", "+77272345678")
    for ahead, repeated in ((calls.KEEP_MS, 1), (calls.KEEP_MS + 1, 0)):
        held = engine(clamp=False)
        process(held, message, NOW)
        others(held, "+77011234567", NOW + ahead - 5_000)
        assert process(held, message, NOW)[1].repeated == repeated


def test_a_worker_with_more_calls_than_it_may_hold_forgets_the_oldest_and_counts_them():
    held = Engine(partitions=PARTITIONS, max_callers=10_000, max_calls=1_000)
    messages = [setup(str(n), f"+7701{n:07d}", "+77272345678", NOW + n) for n in range(6_000)]
    for first in range(0, 6_000, 500):
        judge(held, messages[first : first + 500])
    assert 0 < held.calls_evicted < 2 * 6_000
    assert process(held, messages[-1], NOW + 6_000)[1].repeated == 1
    assert process(held, messages[0], NOW + 6_000)[1].repeated == 0


def test_a_second_sighting_counts_once_and_each_has_its_decision():
    held = engine()
    said = judge(
        held,
        [
            setup("1", "+77011234567", "+77272345678"),
            {**setup("x", "8 701 123 45 67", "87272345678", NOW + 2_000), "operator": "op-b"},
        ],
    )
    assert [decision["call_id"] for decision in said] == ["1", "x"]
    assert attempts(held, "+77011234567", NOW + 3_000)["attempts_1h"] == 2


@pytest.mark.parametrize("late", [0, 300_000])
def test_a_second_sighting_counts_once_however_late_it_is_appended(late):
    held = engine()
    process(held, setup("1", "+77011234567", "+77272345678"), NOW)
    others(held, "+77011234567", NOW + late)
    sighting = {**setup("x", "+77011234567", "+77272345678", NOW + 2_000), "operator": "op-b"}
    assert process(held, sighting, NOW + 2_000 + late)[0]["at"] == NOW + 2_000
    assert attempts(held, "+77011234567", NOW + 2_000 + late)["attempts_1h"] == 602


def test_origin_classes_are_kept_apart():
    held = engine()
    judge(held, [setup(str(n), "+77011234567", f"+772723456{n:02d}", NOW + n, ingress="subscriber") for n in range(5)])
    assert attempts(held, "+77011234567", NOW + 10)["attempts_1h"] == 1
    assert attempts(held, "+77011234567", NOW + 20, "subscriber")["attempts_1h"] == 6


def test_late_events_count_where_their_time_still_lies():
    held = engine(clamp=False)
    judge(held, [setup("1", "+77011234567", "+77272345678")])
    judge(held, [setup("2", "+77011234567", "+77272345679", NOW - 300_000)])
    found = attempts(held, "+77011234567", NOW + 1)
    assert (found["attempts_1m"], found["attempts_10m"]) == (2, 3)


def test_answers_and_ends_count_once_however_often_they_come():
    held = engine()
    messages = [
        setup("1", "+77011234567", "+77272345678"),
        {
            "type": "answer",
            "call_id": "1",
            "at": NOW + 900,
            "operator": "op-a",
            "caller": "+77011234567",
            "callee": "+77272345678",
        },
    ]
    ending = end("1", "+77011234567", "+77272345678", NOW + 3_000, ring_ms=800, talk_ms=2_000, cause=16)
    judge(held, [*messages, messages[1], ending, ending])
    found = attempts(held, "+77011234567", NOW + 4_000)
    assert (found["answered_1h"], found["short_1h"], found["talk_1h"]) == (1, 1, 2.0)


def test_a_blocked_call_is_counted_apart_and_its_end_tells_nothing():
    held = engine()
    held.apply(
        "lists", "k", orjson.dumps({"list": "block", "match": "exact", "number": "+77011234567", "side": "caller"})
    )
    said = judge(
        held,
        [
            setup("1", "+77011234567", "+77272345678"),
            end("1", "+77011234567", "+77272345678", NOW + 10, ring_ms=0, talk_ms=0, cause=21),
        ],
    )
    assert (said[0]["action"], said[0]["reasons"], said[0]["sip_code"], said[0]["q850"]) == (
        "block",
        ["list.block"],
        608,
        21,
    )
    held.apply("lists", "k", None)
    found = attempts(held, "+77011234567", NOW + 100)
    assert (found["attempts_1h"], found["blocked_1h"], found["short_ring_10m"]) == (2, 1, 0)


def test_broken_records_are_rejected_and_answerable_ones_answered():
    held = engine()
    outcomes = held.process(
        batch(
            [
                b"{",
                {"type": "setup", "call_id": "1", "caller": "+77011234567"},
                b"\xff\xfe",
                b"[]",
                setup("2", "+77011234567", "+77272345678"),
            ]
        ),
        NOW,
    )
    assert [row for row, _, _ in outcomes.rejected] == [0, 1, 2, 3]
    assert [(row, orjson.loads(value)["reasons"]) for row, _, value in outcomes.decisions] == [
        (1, ["input.invalid"]),
        (4, []),
    ]


def test_a_record_in_the_wrong_partition_is_moved_once_and_then_rejected():
    held = engine()
    whole = batch([setup("1", "+77011234567", "+77272345678")])
    right = whole.partitions[0]
    wrong = whole._replace(partitions=[(right + 1) % PARTITIONS])
    outcomes = held.process(wrong, NOW)
    assert (outcomes.decisions, outcomes.misplaced) == ([], [(0, "+77011234567", right)])
    outcomes = held.process(wrong._replace(rekeyed=[True]), NOW)
    assert [reason for _, reason, _ in outcomes.rejected] == ["misplaced"]


def test_clocks_are_clamped_to_the_append_time_and_counted():
    held = engine()
    whole = batch([setup("1", "+77011234567", "+77272345678", NOW + 3_600_000)])._replace(append_ms=[NOW])
    outcomes = held.process(whole, NOW)
    assert orjson.loads(outcomes.decisions[0][2])["at"] == NOW + 5_000
    assert outcomes.clamped == {"op-a": 1}


def test_a_late_decision_says_so():
    held = engine()
    assert judge(held, [setup("1", "+77011234567", "+77272345678")], NOW + 300)[0]["late"] is False
    assert judge(held, [setup("2", "+77011234567", "+77272345678")], NOW + 301)[0]["late"] is True


@pytest.mark.parametrize(("kind", "key", "value"), [
    ("lists", "k", b"{}"), ("policy", "policy@1", b'{"version":"1","detectors":{"nosuch":{}}}'),
    ("policy", "policy@1", b'{"version":"1","detectors":{"robocall":{"thresholds":{"nosuch":1}}}}'),
    ("operators", "o", b"[]"), ("models", "champion@1", b'{"name":"x"}'),
    ("subscribers.location", "+7701", b'{"number":"+77011234567","at":1,"fact":"line","value":"active","operator":"o"}'),
    ("lists", "k", b'{"list":"block","match":"prefix","number":"+7x","side":"caller"}'),
])  # fmt: skip
def test_a_bad_control_message_is_refused_and_changes_nothing(kind, key, value):
    held = engine()
    with pytest.raises(MessageError):
        held.apply(kind, key, value)
    assert held.policy.version == "default"


IMS = "@ims.mnc001.mcc401.3gppnetwork.org;user=phone"


@pytest.mark.parametrize(
    ("caller", "action"),
    [
        (f"sip:{A};cpc=ordinary{IMS}", "block"),
        (f"sip:{A};x={'a' * 60}@evil", "block"),
        (f'"{"A" * 30}" <sip:{A}@10.0.0.1:5060>;tag=as3d2f1', "block"),
        (f"sip:{A};x={'a' * 60_000}@evil", "block"),
        (f'"{"é" * 20_000}" <sip:{A}@evil>', "block"),
        (f"sip:+77030000001;x={'a' * 300}@evil", "block"),
        (f"sip:+447400123456;x={'a' * 300}@op", "allow"),
        ("x" * 60_000, "block"),
        ("é" * 20_000, "block"),
    ],
)
def test_a_caller_of_any_length_is_judged_by_his_number(caller, action):
    """Whoever calls may write what he likes into a header: what a call shows beside its number keeps it from no verdict."""
    held = engine()
    in_force(held, "all-evidence")
    held.apply(
        "operators",
        "op-b",
        orjson.dumps({"operator": "op-b", "ranges": ["+7701"], "publishes_locations": True}),
    )
    fact = {"number": A, "at": NOW - 1_000, "fact": "location", "value": "home", "operator": "op-b"}
    held.apply("subscribers.location", A, orjson.dumps(fact))
    outcomes = held.process(batch([setup("1", caller, "+77272345678", ingress="international")]), NOW)
    ((_, _, value),) = outcomes.decisions
    said = decode_decision(value)
    assert (said.action, outcomes.rejected) == (action, [])
    assert said.caller == (caller if len(caller) <= LONGEST_REPEATED else normalise(caller, PLAN)[:LONGEST_REPEATED])
    ((_, key, record),) = outcomes.evidence
    assert decode_evidence(record).caller_key == key == normalise(caller, PLAN)[:LONGEST_REPEATED]


def test_a_withheld_callers_key_is_cut_off_in_evidence_too():
    held = engine()
    in_force(held, "all-evidence")
    outcomes = held.process(batch([setup("1", "anonymous", "x" * 60_000)]), NOW)
    ((_, key, record),) = outcomes.evidence
    assert decode_evidence(record).caller_key == key == ("withheld:" + "x" * 60_000)[:LONGEST_REPEATED]


@pytest.mark.parametrize("padding", ["", "a" * 300, "a" * 60_000])
def test_a_called_number_of_any_length_is_judged(padding):
    held, callee = engine(), f"sip:+77272345678;npdi;rn=+77010000000;x={padding}{IMS}"
    said, other = judge(held, [setup("1", "+77030000001", callee), setup("2", A, callee)])
    assert (said["action"], other["action"]) == ("block", "allow")
    assert said["callee"] == ("+77272345678" if len(callee) > LONGEST_REPEATED else callee)


def test_answers_and_ends_of_long_callers_are_their_calls():
    held, caller = engine(), f"sip:{A};x={'a' * 400}@op"
    messages = [setup("1", caller, "+77272345678"), end("1", caller, "+77272345678", NOW + 9_000, talk_ms=3_000)]
    judge(held, messages)
    found = attempts(held, A, NOW + 10_000)
    assert (found["attempts_1h"], found["short_1h"]) == (2, 1), "with the one that asks"


@pytest.mark.parametrize("length", [64, 65, 30_000])
def test_a_broken_setup_is_answered_whatever_the_length_of_its_numbers(length):
    broken = {"type": "setup", "call_id": "1", "caller": "x" * length, "callee": " " * length}
    ((_, _, value),) = engine().process(batch([broken]), NOW).decisions
    said = decode_decision(value)
    assert (said.reasons, said.caller, said.callee) == (
        ["input.invalid"],
        "x" * min(length, 255),
        " " * min(length, 255),
    )


@settings(max_examples=60)
@given(
    st.text(min_size=1, max_size=40),
    st.text(max_size=40),
    st.text(min_size=1, max_size=40),
    st.text(min_size=1, max_size=40),
)
def test_texts_of_any_kind_come_back_as_they_were_sent(call_id, caller, callee, operator):
    held = engine()
    plain = setup("plain", "+77011234567", "+77272345678")
    odd = {**setup(call_id, caller, callee), "operator": operator}
    said = judge(held, [plain, odd, plain])
    assert [(one["call_id"], one["caller"], one["callee"], one["operator"]) for one in said] == [
        ("plain", "+77011234567", "+77272345678", "op-a"), (call_id, caller, callee, operator),
        ("plain", "+77011234567", "+77272345678", "op-a"),
    ]  # fmt: skip


def in_force(held, version):
    held.apply("policy", f"policy@{version}", orjson.dumps({"version": version, "evidence_sample": 1.0}))
    held.apply("policy", "current", orjson.dumps({"version": version}))


def test_an_imported_partition_changes_nothing_that_was_said_before():
    """Policies and models are named by place: those that come with another worker's state must not move ours."""
    ours, theirs = engine(), engine()
    first = judge(ours, [setup("ours", "+77011234567", "+77272345678")])
    for version in ("p1", "p2"):
        in_force(theirs, version)
        judge(theirs, [setup(version, "+77011234567", f"+7727234567{version[1]}")])
    partition = batch([setup("x", "+77011234567", "+77272345678")]).partitions[0]
    other = (partition + 1) % PARTITIONS
    in_force(ours, "mine")
    elsewhere = next(
        f"+7701{n:07d}" for n in range(99) if batch([setup("x", f"+7701{n:07d}", "1")]).partitions[0] == other
    )
    second = judge(ours, [setup("kept", elsewhere, "+77272345678")])
    ours.import_state(partition, theirs.export(partition))
    assert judge(ours, [setup("kept", elsewhere, "+77272345678", NOW + 5)]) == second
    assert [
        one["policy"]
        for one in judge(
            ours, [setup("p1", "+77011234567", "+77272345671"), setup("p2", "+77011234567", "+77272345672")]
        )
    ] == ["p1", "p2"]
    assert (first[0]["policy"], second[0]["policy"], ours.policy.version) == ("default", "mine", "mine")


def test_ticks_never_change_a_verdict(undisturbed):
    whole, *_ = undisturbed
    held, plain, found = engine(), engine(), {}
    shifted = whole._replace(append_ms=[at + 200_000 for at in whole.append_ms])
    for row in range(0, len(whole.values), 20):
        piece = part(shifted, range(row, min(row + 20, len(whole.values))))
        for partition in range(PARTITIONS):
            held.tick(partition, piece.append_ms[-1])
        found |= {piece.offsets[at]: value for at, _, value in held.process(piece, NOW).decisions}
    without = {shifted.offsets[at]: value for at, _, value in plain.process(shifted, NOW).decisions}
    assert found == without
    assert [windows(held, p) for p in range(PARTITIONS)] == [windows(plain, p) for p in range(PARTITIONS)]


def model(version, bias, epoch=1):
    found = ModelSnapshot(
        name="champion", version=version, epoch=epoch, trained_at=0, cases=1, features=["attempts_1h"], edges=[[1.5, 3.5]],
        weights=[[-2.0, 0.5, 3.0, 0.0]], bias=bias,
    )  # fmt: skip
    return snapshot.seal(found)


def offer(held, found):
    held.apply("models", snapshot.key(found), encode(found))
    held.apply("models", snapshot.pointer_key(found.name), encode(snapshot.pointer(found)))


def test_models_are_swapped_between_batches_and_enforced_by_policy():
    held = engine()
    callers = [setup(f"c{n}", "+77011234567", f"+772723456{n:02d}", NOW + n) for n in range(6)]
    assert judge(held, callers[:1])[0]["score"] is None
    offer(held, model(1, 0.0))
    second, third = judge(held, callers[1:3])
    assert (second["model"], second["score"]) == ("champion@1", round(1 / (1 + math.exp(-0.5)), 6))
    assert (third["action"], third["shadow_action"]) == ("allow", "allow")
    offer(held, model(2, 2.0))
    fourth = judge(held, callers[3:4])[0]
    assert (fourth["model"], fourth["score"]) == ("champion@2", round(1 / (1 + math.exp(-5.0)), 6))
    assert (fourth["action"], fourth["shadow_action"], fourth["reasons"]) == ("allow", "block", [])
    held.apply(
        "policy",
        "policy@m",
        b'{"version":"m","control_share":0.0,"model":{"mode":"enforce","threshold":0.9},"block_sip_code":603}',
    )
    held.apply("policy", "current", b'{"version":"m"}')
    fifth = judge(held, callers[4:5])[0]
    assert (fifth["action"], fifth["reasons"], fifth["sip_code"], fifth["q850"]) == ("block", ["model.score"], 603, 21)
    offer(held, model(3, 0.0, epoch=0))  # of a trainer that has lost its lease
    assert judge(held, callers[5:6])[0]["model"] == "champion@2"


@pytest.mark.parametrize("at", [2**63, LATEST_MS + 1, -1, "soon", None])
def test_the_answer_to_a_broken_setup_is_a_sound_decision(at):
    broken = batch([json.dumps({**setup("1", "+77011234567", "+77272345678"), "at": at}).encode()])
    ((_, _, value),) = engine().process(broken._replace(append_ms=[NOW]), NOW).decisions
    assert decode_decision(value).reasons == ["input.invalid"]


@pytest.mark.parametrize("more", [{"version": 10**20}, {"epoch": 10**20}, {"cases": 10**20}, {"version": -1}])
def test_numbers_beyond_64_bits_in_a_model_are_refused(more):
    message = {
        "name": "champion",
        "version": 1,
        "epoch": 1,
        "trained_at": 0,
        "cases": 0,
        "features": [],
        "edges": [],
        "weights": [],
        "bias": 0.0,
    }
    with pytest.raises(MessageError):
        engine().apply("models", "champion@1", json.dumps(message | more).encode())


def test_invented_operators_take_no_row_from_those_that_are_registered():
    held = engine()
    for n in range(5_000):
        held._in_force.operators.row(f"invented-{n}")
    held.apply("operators", "new", b'{"operator":"new","mode":"off"}')
    held.apply("lists", "k", b'{"list":"block","match":"exact","number":"+77011234567","side":"caller"}')
    stranger, registered = (
        {**setup(name, "+77011234567", "+77272345678"), "operator": name} for name in ("invented-4999", "new")
    )
    assert [one["action"] for one in judge(held, [stranger, registered])] == ["block", "allow"]


def test_a_pointer_to_another_model_puts_nothing_in_force():
    held = engine()
    offer(held, model(1, 0.0))
    challenger = snapshot.seal(msgspec.structs.replace(model(9, 5.0), name="challenger"))
    offer(held, challenger)
    assert held.model_version == "champion@1"


def test_names_that_run_together_alike_are_different_calls():
    held = engine()
    blocked = {"list": "block", "match": "exact", "number": "+77011234567", "side": "caller"}
    held.apply("lists", "k", orjson.dumps(blocked))
    first = {**setup("y\0z", "+77011234567", "+77272345678"), "operator": "op"}
    second = {**setup("z", "+77011234567", "+77272345679"), "operator": "op\0y"}
    said = judge(held, [first])
    held.apply("lists", "k", None)
    assert [said[0]["action"], judge(held, [second])[0]["action"]] == ["block", "allow"]
