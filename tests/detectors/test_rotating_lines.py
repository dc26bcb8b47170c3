"""Lines that give way to one another within a range, senders that use each number once, and who only looks like them."""

import orjson
import pytest

from streamer.calls.codec import decode_counts, encode
from streamer.calls.signals import COUNTS, Newcomer, Signal, unpacked
from tests.test_engine import NOW, batch, end, engine, setup

RANGE = {
    "lines_1h": 18, "replaced_1h": 8, "attempts_1h": 300, "answered_1h": 140, "short_1h": 42, "talk_1h": 6_700,
    "incoming_1h": 0, "watched_h": 0.5,
}  # fmt: skip
TRUNK = {"operator": "op-a", "trunk": "transit-1", "partner": "carrier", "kind": "transit", "ranges": []}
LANDLINE, SIM = "+77272551234", "+77019901234"
OVER, OWN = "op-a/transit-1/+7727255", "+7701990"
RINGS = {"attempts_10m": 300, "fresh_10m": 280, "rang_10m": 180}
CALLEES = tuple(f"+7701111{number:04d}" for number in range(40))


@pytest.fixture
def held():
    found = engine()
    rule = {"version": "1", "control_share": 0.0}
    found.apply("policy", "policy@1", orjson.dumps(rule))
    found.apply("policy", "current", b'{"version":"1"}')
    found.apply("trunks", "op-a/transit-1", orjson.dumps(TRUNK))
    return found


def tell(held, kind, subject, values, at=NOW):
    signal = Signal(kind=kind, subject=subject, at=at, until=at + 3_600_000, values=values)
    held.apply("signals", signal.key, encode(signal))


def new(held, hours=100, fact="line", value="active"):
    at = NOW - hours * 3_600_000
    told = {"number": SIM, "at": at, "fact": fact, "value": value, "since": at, "operator": "op-a"}
    held.apply(f"subscribers.{fact}", SIM, orjson.dumps(told))


def call(held, number, caller=LANDLINE, at=None, callee=None, **more):
    own = caller == SIM
    way = {"ingress": "subscriber"} if own else {"ingress": "national", "trunk": "transit-1"}
    message = setup(f"c{number}", caller, callee or CALLEES[number], at or NOW + 1_000 * number, **way | more)
    return held.process(batch([message]), message["at"])


def said(held, number, caller=LANDLINE, **more):
    decision = orjson.loads(call(held, number, caller, **more).decisions[0][2])
    return decision["action"], decision["reasons"]


GIVES_WAY = ("block", ["scam_centre.range_gives_way"])
NEW_LINES = ("label", ["scam_centre.range_of_new_lines"])


def test_lines_of_a_range_that_give_way_are_blocked_from_their_second_number_on(held):
    assert said(held, 0) == ("allow", [])
    tell(held, "range", OVER, RANGE)
    assert said(held, 1) == GIVES_WAY
    assert said(held, 2, "+77272551235") == NEW_LINES
    assert said(held, 3, "+77272551235", callee=CALLEES[2]) == NEW_LINES
    assert said(held, 4, "+77272551235") == GIVES_WAY
    assert said(held, 5, "+77272561234") == ("allow", [])
    assert said(held, 6, "+77272561234") == ("allow", [])
    assert said(held, 7, trunk="transit-2") == ("allow", [])


def test_own_lines_are_blocked_where_their_operator_says_that_they_are_new(held):
    tell(held, "range", OWN, RANGE)
    assert [said(held, number, SIM) for number in range(2)] == [NEW_LINES, NEW_LINES]
    new(held, 31 * 24)
    assert said(held, 2, SIM) == NEW_LINES
    new(held, 31 * 24 - 25)
    assert said(held, 3, SIM) == GIVES_WAY
    new(held, 400 * 24)
    assert said(held, 5, SIM) == NEW_LINES
    new(held, 3, fact="sim", value="changed")
    assert said(held, 6, SIM) == GIVES_WAY
    held.apply("lists", "x", orjson.dumps({"list": "allow", "match": "exact", "number": SIM, "side": "caller"}))
    assert said(held, 7, SIM)[0] == "allow"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"replaced_1h": 2}, NEW_LINES), ({"lines_1h": 45}, NEW_LINES), ({"lines_1h": 5}, ("allow", [])), ({"answered_1h": 11}, ("allow", [])),
        ({"short_1h": 20}, ("allow", [])), ({"talk_1h": 1_950}, ("allow", [])), ({"incoming_1h": 4}, ("allow", [])),
        ({"watched_h": 0.2}, ("allow", [])),
    ],
    ids=str,
)  # fmt: skip
def test_each_ground_is_needed(held, changed, expected):
    said(held, 0)
    tell(held, "range", OVER, RANGE | changed)
    assert said(held, 1) == expected


def test_lines_that_were_known_before_their_range_was_are_let_through(held):
    for number in range(3):
        said(held, number, at=NOW - 3_700_000 + number)
    tell(held, "range", OVER, RANGE)
    assert said(held, 3) == ("allow", [])


def test_a_trunk_that_is_no_more_takes_its_ranges_along(held):
    said(held, 0)
    tell(held, "range", OVER, RANGE)
    held.apply("trunks", "op-a/transit-1", None)
    held.apply("trunks", "op-a/transit-1", orjson.dumps(TRUNK))
    assert said(held, 1) == ("allow", [])


def told(outcomes):
    return [message for _, value in outcomes.counts if isinstance(message := decode_counts(value), Newcomer)]


def test_new_lines_are_told_about_from_their_fourth_call_on(held):
    over = [told(call(held, number, LANDLINE)) for number in range(10, 15)]
    assert [message.trunk for messages in over for message in messages] == ["transit-1", "transit-1"]
    found = [told(call(held, number, SIM)) for number in range(6)]
    assert [len(messages) for messages in found] == [0, 0, 0, 1, 1, 1]
    last = found[-1][0]
    assert (last.line, last.trunk, last.attempts, last.at, last.since) == (SIM, None, 6, NOW + 5_000, NOW)
    assert told(call(held, 6, SIM, at=NOW + 3_600_000)) == []


@pytest.mark.parametrize(
    "way", [{"trunk": None}, {"trunk": "nobody's"}, {"caller": ""}, {"caller": "garbage"}], ids=str
)
def test_lines_without_a_number_or_a_registered_trunk_are_not_told_about(held, way):
    assert [told(call(held, number, **way)) for number in range(8)] == [[]] * 8


def test_a_line_that_a_list_allows_is_not_told_about(held):
    held.apply("lists", "x", orjson.dumps({"list": "allow", "match": "exact", "number": LANDLINE, "side": "caller"}))
    assert [told(call(held, number)) for number in range(8)] == [[]] * 8


# senders that use each number once


def test_callers_that_were_never_seen_are_labelled_where_a_trunk_or_a_prefix_rings_briefly(held):
    tell(held, "trunk", "op-a/transit-1", RINGS)
    assert said(held, 0) == ("label", ["flash_call.trunk_of_short_rings"])
    assert said(held, 1)[0] == "allow"
    assert said(held, 2, "+77272991234", trunk="transit-2")[0] == "allow"
    tell(held, "prefix", "+44740", {"fresh_10m": 400, "rang_10m": 60})
    abroad = {"trunk": "transit-2", "ingress": "international"}
    assert said(held, 3, "+447400123456", **abroad) == ("label", ["flash_call.prefix_of_short_rings"])
    assert said(held, 4, "+447500123456", **abroad)[0] == "allow"


@pytest.mark.parametrize("values", [{"fresh_10m": 700}, {"rang_10m": 19, "fresh_10m": 30}], ids=str)
def test_trunks_with_few_short_rings_are_left_alone(held, values):
    tell(held, "trunk", "op-a/transit-1", RINGS | values)
    assert said(held, 0)[0] == "allow"


@pytest.mark.parametrize("values", [{"fresh_10m": 700, "rang_10m": 60}, {"fresh_10m": 10, "rang_10m": 7}], ids=str)
def test_prefixes_with_few_short_rings_are_left_alone(held, values):
    tell(held, "prefix", "+7727", values)
    assert said(held, 0)[0] == "allow"


def test_senders_that_a_list_allows_are_not_labelled(held):
    tell(held, "trunk", "op-a/transit-1", RINGS)
    held.apply("lists", "x", orjson.dumps({"list": "allow", "match": "prefix", "number": "+7727255", "side": "caller"}))
    assert said(held, 0)[0] == "allow"


def rung(held, number, caller, *, ring_ms=1_200, known=0, **more):
    """The trunks and counts of short rings that are told of when a call ended that rang so long, its caller seen so often before."""
    for before in range(known):
        call(held, 30 + before, caller, at=NOW - 60_000 + before)
    made = call(held, number, caller, **more)
    at = NOW + 1_000 * number + ring_ms
    over = held.process(
        batch([end(f"c{number}", caller, CALLEES[number], at, ring_ms=ring_ms, talk_ms=0, cause=16)]), at
    )
    later = held.process(batch([setup("later", caller, CALLEES[-1], at + 5_000)]), at + 5_000)
    return short_rings([*made.counts, *over.counts, *later.counts])


def short_rings(counts):
    """The trunks of the sums that count a short ring, None for no registered one."""
    found = []
    for _, value in counts:
        message = decode_counts(value)
        rows, names = unpacked(message), [None, *message.trunks]
        rang = rows.counts[:, COUNTS.index("rang")].tolist()
        found += [names[trunk] for trunk, count in zip(rows.trunk.tolist(), rang, strict=True) if count]
    return found


@pytest.mark.parametrize(
    ("how", "trunks"),
    [
        ({}, [("op-a", "transit-1")]), ({"known": 1}, [None]), ({"trunk": "nobody's"}, [None]), ({"ring_ms": 5_000}, []),
    ],
    ids=str,
)  # fmt: skip
def test_a_short_ring_counts_for_the_trunk_of_a_caller_that_was_never_seen(held, how, trunks):
    assert rung(held, 0, LANDLINE, **how) == trunks


def test_short_rings_of_a_sender_that_a_list_allows_count_for_no_trunk(held):
    held.apply("lists", "x", orjson.dumps({"list": "allow", "match": "exact", "number": LANDLINE, "side": "caller"}))
    assert rung(held, 0, LANDLINE) == [None]


def test_the_trunk_of_a_call_is_known_by_name_after_a_hand_over(held):
    call(held, 0)
    partition = batch([setup("x", LANDLINE, CALLEES[0])]).partitions[0]
    other = engine()
    for name in ("transit-9", "transit-1"):
        other.apply("trunks", f"op-a/{name}", orjson.dumps(TRUNK | {"trunk": name}))
    for into, trunks in ((other, [("op-a", "transit-1")]), (engine(), [None])):
        into.import_state(partition, held.export(partition))
        message = end("c0", LANDLINE, CALLEES[0], NOW + 1_200, ring_ms=1_200, talk_ms=0, cause=16)
        into.process(batch([message]), NOW)
        counts = into.process(batch([setup("later", LANDLINE, CALLEES[1], NOW + 9_000)]), NOW + 9_000).counts
        assert short_rings(counts) == trunks
