"""The merge against counting by hand: windows, messages that come again, bursts, busy lines, and taking over."""

from collections import Counter

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.calls.signals import AGAIN_MS, LASTS_MS, BusyLine, Rows, SwappedSim, packed
from streamer.errors import MessageError
from streamer.signals.hot import hot
from streamer.signals.merger import Merger
from streamer.windows import tallies
from streamer.windows.hashing import secret_words

NOW = 1_763_953_000_000
VICTIM = 77272345678
TRUNK = ("op-a", "igw-1")


def merger(**limits):
    held = Merger(secret_words(b"test"))
    held.follow({"burst_watched_h": 0} | limits)
    return held


def sums(partition, number, rows, trunks=(TRUNK,)):
    """Rows (callee, block, trunk from 1, counts by name) as a message."""
    counts = np.zeros((len(rows), tallies.COUNTS), np.int64)
    for at, (*_, told) in enumerate(rows):
        for name, count in told.items():
            counts[at, getattr(tallies, name)] = count
    places = np.array([row[:2] for row in rows], np.int64).reshape(-1, 2)
    return packed(partition, number, list(trunks), Rows(places, np.array([row[2] for row in rows]), counts))


def call(callee=VICTIM, block=44740012, trunk=1, count=1, **more):
    return callee, block, trunk, {"ATTEMPT": count, "CALLER": count, "FRESH": count} | more


def said(held):
    return {change.key: change.signal for change in held.changes()}


MESSAGES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 90_000),
        st.lists(
            st.tuples(
                st.sampled_from([0, VICTIM, VICTIM + 1]), st.sampled_from([0, 44740012, 7916555]), st.integers(0, 2)
            ),
            min_size=1,
            max_size=5,
        ),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60)
@given(MESSAGES)
def test_windows_hold_what_was_counted_in_them(messages):
    """The rule of `streamer.signals.subjects`: the step that the clock is in and the six before it."""
    held, at, seen, events = merger(), NOW, {}, []
    names = {1: "op-a/igw-1", 2: "op-b/igw-2"}
    for offset, (partition, later, rows) in enumerate(messages):
        at += later
        number = at - at % 1_000
        held.take(offset, sums(partition, number, [call(*row) for row in rows], (TRUNK, ("op-b", "igw-2"))))
        if number > seen.get(partition, -1):
            seen[partition] = number
            events += [(number, "callee", f"+{callee}") for callee, _, _ in rows if callee]
            events += [(number, "trunk", names[trunk]) for _, _, trunk in rows if trunk]
            events += [(number, "block", f"+{block}") for _, block, _ in rows if block]
            events += [(number, "prefix", f"+{block // 10_000}") for _, block, trunk in rows if block and trunk]
    clock = held.clock_ms
    expected = Counter()
    for number, kind, subject in events:
        step = 10_000 if kind == "callee" else 100_000
        if clock // step - number // step < 7:
            expected[kind, subject] += 1
    for kind, subject in {event[1:] for event in events}:
        assert held.total(kind, subject, "attempts") == expected[kind, subject]


def test_a_message_that_comes_again_is_counted_once():
    held = merger()
    message = sums(0, NOW, [call(count=30)])
    assert held.take(0, message)
    assert not held.take(1, message)
    assert held.take(2, sums(1, NOW, [call(count=2)]))
    assert held.total("callee", f"+{VICTIM}", "attempts") == 32
    assert held.repeated == 1


def test_a_time_that_is_yet_to_come_does_not_stop_the_count():
    held = merger()
    with pytest.raises(MessageError):
        held.take(0, sums(0, NOW + 10**9, [call()]), NOW)
    with pytest.raises(MessageError):
        held.take(1, line(at=NOW + 10**9), NOW)
    assert held.take(2, sums(0, NOW, [call(count=3)]), NOW)
    assert held.total("callee", f"+{VICTIM}", "attempts") == 3


def test_a_number_that_many_call_stands_out_until_they_stop():
    held = merger()
    held.take(0, sums(0, NOW, [call(count=25)]))
    (signal,) = [told for told in said(held).values() if told.kind == "callee"]
    assert signal.key == f"callee/+{VICTIM}"
    assert signal.values["callers_1m"] == 25
    assert signal.until == signal.at + LASTS_MS
    assert not [key for key in said(held) if key.startswith("callee")]  # nothing new
    held.take(1, sums(0, NOW + AGAIN_MS, [call(VICTIM + 1)]))
    assert said(held)[signal.key].at == NOW + AGAIN_MS
    held.take(2, sums(0, NOW + 120_000, [call(VICTIM + 1)]))
    assert said(held)[signal.key] is None


def test_a_number_that_few_call_again_and_again_stands_out_too():
    held = merger()
    held.take(0, sums(0, NOW, [call(count=4)]))
    assert not [key for key in said(held) if key.startswith("callee")]
    again = {"ATTEMPT": 36, "CALLER": 0, "ANSWERED": 2}
    held.take(1, sums(0, NOW + 1_000, [call(count=0, **again)]))
    values = said(held)[f"callee/+{VICTIM}"].values
    assert (values["callers_1m"], values["attempts_1m"], values["answered_1m"]) == (4, 40, 2)


def test_callers_from_own_lines_are_told_from_those_of_no_block():
    held = merger()
    held.take(0, sums(0, NOW, [call(block=0, trunk=0, count=7), call(block=1, count=8), call(count=9)]))
    values = said(held)[f"callee/+{VICTIM}"].values
    assert (values["callers_1m"], values["own_1m"]) == (24, 7)
    assert held.held["block"] == 1


def test_a_burst_on_one_number_is_remembered_of_its_trunk_and_its_blocks():
    held = merger()
    for offset in range(8):  # each partition sees one caller of them
        held.take(offset, sums(offset % 4, NOW + 1_000 * (offset // 4), [call(block=44740012 + offset % 2)]))
    values = said(held)["trunk/op-a/igw-1"].values
    assert values["victims_10m"] == 1
    assert values["burst_10m"] == 8
    assert held.total("block", "+44740012", "burst") + held.total("block", "+44740013", "burst") == 4


def test_bursts_of_a_block_are_told_of_by_the_trunk_that_they_came_over_and_known_to_whoever_takes_over():
    held, other = merger(), merger()
    for offset in range(18):  # two victims, six callers each, and their block's honest calls over another trunk
        told = call(VICTIM + offset // 6) if offset < 12 else call(VICTIM + offset, trunk=2)
        held.take(offset, sums(offset % 4, NOW + 1_000 * (offset // 4), [told], (TRUNK, ("op-b", "igw-2"))))
    found = said(held)
    route = found["block/op-a/igw-1/+44740012"]
    assert route.kind == "block"
    assert route.values == {"burst_10m": 4}
    assert found["block/+44740012"].values["burst_10m"] == 4
    assert [key for key in found if key.startswith("block")] == ["block/+44740012", route.key]
    assert [*hot(route, held.lines)] == []
    other.restore(route)
    other.take(0, sums(0, NOW + LASTS_MS, [call(VICTIM + 9)]))
    assert said(other)[route.key] is None
    assert said(held) == {}
    held.take(18, sums(0, NOW + AGAIN_MS + 5_000, [call(VICTIM + 9)]))
    assert said(held)[route.key].values == {"burst_10m": 4}
    held.take(19, sums(0, NOW + 800_000, [call(VICTIM + 9)]))
    assert said(held)[route.key] is None


@settings(max_examples=40)
@given(st.lists(st.tuples(
    st.sampled_from([VICTIM, VICTIM + 1]), st.sampled_from([44740012, 7916555]), st.integers(1, 2), st.integers(0, 4_000),
), min_size=1, max_size=60))  # fmt: skip
def test_the_bursts_of_a_block_are_those_of_its_trunks_together(calls):
    held, at = merger(), NOW
    for offset, (callee, block, trunk, later) in enumerate(calls):
        at += later
        held.take(offset, sums(0, at, [call(callee, block, trunk)], (TRUNK, ("op-b", "igw-2"))))
        at += 1
    for block in ("+44740012", "+7916555"):
        over = [held.total("route", f"{trunk}/{block}", "burst") for trunk in ("op-a/igw-1", "op-b/igw-2")]
        assert held.total("block", block, "burst") == sum(over)


def test_short_rings_are_told_of_by_their_trunk_and_the_prefix_of_their_callers():
    held = merger()
    rings = {"ATTEMPT": 0, "CALLER": 0, "FRESH": 0, "RANG": 1}
    held.take(0, sums(0, NOW, [call(VICTIM + n, 79160000 + n) for n in range(100)]))
    held.take(1, sums(1, NOW, [call(VICTIM + n, 79160000 + n, 1, **rings) for n in range(30)]))
    seen_before = [call(VICTIM + n, 79160000 + n, 0, **rings) for n in range(30)]
    held.take(2, sums(2, NOW, seen_before))
    found = said(held)
    assert (found["trunk/op-a/igw-1"].values["fresh_10m"], found["trunk/op-a/igw-1"].values["rang_10m"]) == (100, 30)
    assert found["prefix/+7916"].values == {"fresh_10m": 100, "rang_10m": 30}


def test_a_partition_that_lags_makes_no_burst():
    held = merger()
    held.take(0, sums(0, NOW, [call()]))
    for minute in range(5):
        held.take(1 + minute, sums(1, NOW - 300_000 + 60_000 * minute, [call()]))
    assert held.total("trunk", "op-a/igw-1", "victims") == 0


@pytest.mark.parametrize("number", ["+0", "+77012345678901234567", "+\u0661\u0662", "x", ""])
def test_lines_with_odd_numbers_stop_nobody(number):
    held = merger()
    held.take(0, msgspec.structs.replace(line(), line=number or " "))
    held.take(1, sums(0, NOW, [call(0, 0, 1), call(12, 0, 0)]))
    again = merger()
    for signal in said(held).values():
        again.restore(signal)
    assert again.take(2, sums(0, NOW, [call(0, 0, 1)]))


@pytest.mark.parametrize(("own", "victims"), [(0, 1), (9, 1), (10, 0)])
def test_a_crowd_of_own_lines_and_others_on_one_number_is_no_burst(own, victims):
    held = merger()
    held.take(0, sums(3, NOW, [call(block=0, trunk=0, count=own)]))
    for offset in range(8):
        held.take(1 + offset, sums(offset % 3, NOW + 1_000 * (offset // 3), [call()]))
    assert held.total("trunk", "op-a/igw-1", "victims") == victims


@pytest.mark.parametrize(("limits", "victims"), [
    ({"crowd_own_lines": 7}, 0), ({"crowd_own_lines": 8}, 1), ({"crowd_own_lines": 7, "crowd_share": 0.9}, 1),
])  # fmt: skip
def test_the_policy_says_what_a_crowd_is(limits, victims):
    held = merger(**limits)
    held.take(0, sums(3, NOW, [call(block=0, trunk=0, count=7)]))
    for offset in range(8):
        held.take(1 + offset, sums(offset % 3, NOW + 1_000 * (offset // 3), [call()]))
    assert held.total("trunk", "op-a/igw-1", "victims") == victims


@pytest.mark.parametrize("why", ["too slow", "many trunks", "usual"])
def test_what_is_no_burst(why):
    held = merger()
    for offset in range(12):
        at = NOW + (6_000 * offset if why == "too slow" else 500 * offset)
        if why == "usual":
            held.take(offset, sums(0, NOW - 600_000 + 10_000 * offset, [call(count=8)]))
        else:
            trunk = 1 + offset % 4 if why == "many trunks" else 1
            held.take(
                offset,
                sums(
                    offset % 3,
                    at - at % 1_000 + offset,
                    [call(trunk=trunk)],
                    [TRUNK, ("b", "2"), ("c", "3"), ("d", "4")],
                ),
            )
    if why == "usual":
        table = held._merged.callees
        from streamer.signals import subjects

        table.usual[subjects.find(table, VICTIM)] = 60.0
        before = held.total("trunk", "op-a/igw-1", "victims")
        for offset in range(12):
            held.take(100 + offset, sums(0, NOW + 1_000 * offset, [call()]))
        assert held.total("trunk", "op-a/igw-1", "victims") == before
    else:
        assert held.total("trunk", "op-a/igw-1", "victims") == 0


def burst(held, callees, *, begin=NOW, block=44740012, **more):
    """Six callers within two seconds on each of these numbers, one after another."""
    for place, callee in enumerate(callees):
        for n in range(6):
            number = begin + 4_000 * place + 400 * n
            held.take(number, sums(0, number, [call(callee, block, **more)]))


def test_a_number_that_is_called_again_and_again_is_one_that_a_burst_came_to():
    """A hotline that opens: no signal of its block over the trunk, and no case, however long it goes on."""
    held = merger()
    for begin in range(0, 300_000, 15_000):
        burst(held, [VICTIM], begin=NOW + begin)
    found = said(held)
    assert found["trunk/op-a/igw-1"].values["victims_10m"] == 1
    assert "block/op-a/igw-1/+44740012" not in found
    assert found["block/+44740012"].values["victims_10m"] == 1
    assert held.total("trunk", "op-a/igw-1", "burst") == 29  # of the minute from its fifth caller on
    burst(held, [VICTIM + 1], begin=NOW + 301_000)
    assert "block/op-a/igw-1/+44740012" in said(held)


def test_nothing_is_a_burst_before_it_is_known_what_is_usual():
    held = merger(burst_watched_h=0.25)
    held.take(0, sums(1, NOW, [call(0, 0, 0)]))
    burst(held, [VICTIM], begin=NOW + 800_000)
    assert held.total("trunk", "op-a/igw-1", "victims") == 0
    burst(held, [VICTIM + 1], begin=NOW + 900_000)
    assert held.total("trunk", "op-a/igw-1", "victims") == 1


@pytest.mark.parametrize(("answers", "brief", "victims"), [(2, 0, 1), (3, 0, 0), (3, 1, 1)])
def test_a_number_at_which_more_calls_are_talked_through_than_one_person_can_is_in_no_burst(answers, brief, victims):
    held = merger()
    held.take(0, sums(1, NOW - 1_000, [call(count=4)]))
    held.take(1, sums(1, NOW, [call(count=0, ANSWERED=answers, BRIEF=brief)]))
    burst(held, [VICTIM])
    assert held.total("trunk", "op-a/igw-1", "victims") == victims


def test_callers_who_are_found_to_be_own_lines_are_counted_once():
    """`streamer.windows.tallies.AGAIN`: of an own line it adds to the own lines alone, of others to the callers and to no burst."""
    held = merger()
    held.take(0, sums(0, NOW, [call(count=30)]))
    held.take(1, sums(0, NOW + 1_000, [call(VICTIM, 0, 0, ATTEMPT=0, count=12, FRESH=0)]))
    held.take(2, sums(0, NOW + 2_000, [call(VICTIM, 1, 0, ATTEMPT=0, count=5, FRESH=0)]))
    values = said(held)[f"callee/+{VICTIM}"].values
    assert (values["callers_1m"], values["own_1m"], values["attempts_1m"]) == (35, 12, 30)


def line(number=0, at=NOW, attempts=20, imei="350000000000001"):
    return BusyLine(
        at=at, operator="op-a", line=f"+7701{number:07d}", call_id=f"c{number}", attempts=attempts, distinct=attempts,
        answered=5, imsi=f"40101{number:010d}", imei=imei, cell="401-01-1",
    )  # fmt: skip


def test_a_busy_line_is_told_with_its_device_and_the_calls_that_it_gets():
    held = merger()
    for number in range(4):
        held.take(number, line(number))
    held.take(4, sums(0, NOW, [call(77010000002, 0, 0, 3)]))
    held.take(5, line(2, NOW + 3_600_000, 25))
    found = said(held)
    values = found["line/+77010000002"].values
    assert (values["imei_lines"], values["cell_lines"], values["holder_lines"]) == (4, 4, 0)
    assert (values["incoming"], values["attempts_24h"], values["watched_h"], values["incoming_24h"]) == (3, 25, 1, 72)
    held.take(6, line(2, NOW + 3_700_000, 30, imei="other"))
    assert said(held)["line/+77010000002"].values["imei_lines"] == 1


def test_a_swapped_sim_is_handed_on_once_and_none_of_the_future():
    held = merger()
    message = SwappedSim(at=NOW, operator="op-a", line="+77010000001", callee="7711", call_id="c1", age_h=2)
    assert held.take(0, message, NOW)
    with pytest.raises(MessageError):
        held.take(1, msgspec.structs.replace(message, at=NOW + 10**9), NOW)
    (told,) = held.subjects()
    assert (told.kind, told.subject, told.at_ms, told.calls, told.called) == (
        "sim",
        "+77010000001",
        NOW,
        ["c1"],
        ["7711"],
    )
    assert held.subjects() == []
    assert said(held) == {}


def test_a_line_that_is_silent_for_a_day_is_forgotten():
    held = merger()
    held.take(0, line())
    said(held)
    held.take(1, sums(0, NOW + 86_500_000, [call()]))
    assert said(held)["line/+77010000000"] is None
    assert held.held["line"] == 0


@settings(max_examples=30)
@given(st.integers(0, 59), st.integers(1, 7))
def test_whoever_takes_over_counts_everything_once(cut, back):
    """At any place, from any place before: calls to a line are counted once, and the windows are the same."""
    messages = [line()] + [
        sums(n % 3, NOW + 1_000 * (n // 3), [call(77010000000, 0, 0), call()])
        if n % 10
        else line(0, NOW + 300 * n, 20 + n)
        for n in range(1, 60)
    ]
    undisturbed, first, last = merger(), merger(), {}
    for offset, message in enumerate(messages):
        undisturbed.take(offset, message)
    for offset, message in enumerate(messages[: cut + 1]):
        first.take(offset, message)
        last |= said(first)
    second = merger()
    for signal in last.values():
        second.restore(msgspec.json.decode(msgspec.json.encode(signal), type=type(signal)))
    said_to = max((signal.position for signal in last.values()), default=0)
    for offset, message in enumerate(messages):
        if offset >= min(said_to, 0 if back == 7 else max(said_to - back * 9, 0)):
            second.take(offset, message)
    assert second.lines._held["+77010000000"].incoming == undisturbed.lines._held["+77010000000"].incoming
    if back == 7:
        assert second.total("callee", f"+{VICTIM}", "attempts") == undisturbed.total("callee", f"+{VICTIM}", "attempts")


BURSTS = st.fixed_dictionaries({
    "burst_callers": st.integers(2, 12), "burst_s": st.sampled_from([1, 2.5, 5, 20]), "burst_lasts_s": st.sampled_from([1, 10, 45]),
})  # fmt: skip


@settings(max_examples=80)
@given(st.lists(st.tuples(st.integers(0, 25), st.integers(1, 6), st.none() | st.none() | BURSTS), max_size=20), BURSTS)
def test_what_a_burst_is_goes_by_the_policy(steps, first):
    """Callers in a span of `burst_s` and the one before it, all over one trunk, of a number that has no usual ones; for a minute."""
    always = {"burst_times_usual": 0, "burst_watched_h": 0}
    held, limits, at = merger(), first, NOW
    counts, until, began, expected = Counter(), 0, 0, Counter()
    held.follow(limits | always)
    for offset, (later, callers, other) in enumerate(steps):
        at += 1_000 * later + 1
        if other is not None:
            held.follow(other | always)
            if other != limits:
                counts, until = Counter(), 0
            limits = other
        held.take(offset, sums(0, at, [call(count=callers)]))
        span = at // int(1_000 * limits["burst_s"])
        counts[span] += callers
        together = counts[span] + counts[span - 1]
        if together >= limits["burst_callers"]:
            began = at if at > until + 600_000 else began
            if at - began <= 60_000:
                expected += Counter(burst=together if at > until else callers)
            until = at + 1_000 * limits["burst_lasts_s"]
    assert held.total("trunk", "op-a/igw-1", "burst") == expected["burst"]
    assert held.total("trunk", "op-a/igw-1", "victims") == min(1, expected["burst"])


def test_from_when_on_things_are_told_of_goes_by_the_policy():
    held = merger()
    held.take(0, sums(0, NOW, [call(0, 44740012, 0, 9)]))
    assert said(held) == {}
    held.follow({"block_fresh": 9})
    held.take(1, sums(1, NOW, [call(0, 44740012, 0, 0, ATTEMPT=1)]))
    assert list(said(held)) == ["block/+44740012"]


def test_what_is_known_of_lines_goes_by_the_policy():
    held = merger()
    held.follow({"device_lines_most": 3, "watched_h": 2})
    for number in range(4):
        held.take(number, line(number))
    held.take(5, line(2, NOW + 3_600_000, 25))
    values = said(held)["line/+77010000002"].values
    assert values["imei_lines"] == 0
    assert "incoming_24h" not in values
    held.follow({})
    held.take(6, line(2, NOW + 3_700_000, 30))
    values = said(held)["line/+77010000002"].values
    assert (values["imei_lines"], values["incoming_24h"]) == (4, 0)
