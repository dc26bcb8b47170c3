"""Detectors of what no partition sees whole: floods on one number, numbers that rotate, numbers like the victim's."""

import orjson
import pytest

from streamer.calls.codec import decode_counts, encode
from streamer.calls.signals import KINDS, Lure, Signal
from streamer.errors import MessageError
from streamer.signals.merger import Merger
from streamer.windows.hashing import secret_words
from tests.test_engine import NOW, batch, end, engine, setup

VICTIM = "+77272345678"
ABROAD = "+447400123456"
TRUNK = {"operator": "op-a", "trunk": "igw-1", "partner": "carrier", "kind": "international", "ranges": []}
FLOOD = {"callers_1m": 60, "fresh_1m": 60, "usual": 0.5, "watched_h": 2}
BY_FEW = {"callers_1m": 8, "own_1m": 1, "attempts_1m": 80, "answered_1m": 8, "usual": 0.5, "watched_h": 2}
BURSTS = {"attempts_10m": 100, "fresh_10m": 95, "neighbours_10m": 0, "victims_10m": 2, "burst_10m": 90}
NEIGHBOURS = {"attempts_10m": 100, "fresh_10m": 95, "neighbours_10m": 60, "victims_10m": 0, "burst_10m": 0}
BLOCK = {"attempts_10m": 40, "fresh_10m": 30, "blocked_10m": 0, "answered_10m": 12, "brief_10m": 11, "burst_10m": 0}


def tell(held, kind, subject, values, *, at=NOW, until=NOW + 30_000):
    signal = Signal(kind=kind, subject=subject, at=at, until=until, values=values)
    held.apply("signals", signal.key, encode(signal))


@pytest.fixture
def held():
    found = engine()
    found.apply("trunks", "op-a/igw-1", orjson.dumps(TRUNK))
    return found


def say(held, caller=ABROAD, callee=VICTIM, call_id="1", at=NOW, ingress="international", **more):
    found = held.process(batch([setup(call_id, caller, callee, at, ingress=ingress, trunk="igw-1", **more)]), at)
    decision = orjson.loads(found.decisions[0][2])
    return decision["action"], decision["reasons"]


def known(held, caller=ABROAD):
    """A caller that called other numbers before, earlier today."""
    for number in range(3):
        say(held, caller, f"+7727111111{number}", f"before{number}", NOW - 3_600_000 + number)


def test_a_flood_on_one_number_is_blocked_for_callers_that_were_never_seen(held):
    assert say(held)[0] == "allow"
    tell(held, "callee", VICTIM, FLOOD)
    assert say(held, "+447400123457", call_id="2") == ("block", ["tdos.flood"])
    assert say(held, "+447400123458", "+77272345679", "3")[0] == "allow"


@pytest.mark.parametrize(("own", "action"), [(0, "block"), (11, "block"), (12, "label"), (60, "label")])
def test_a_crowd_of_own_lines_on_one_number_is_no_attack(held, own, action):
    tell(held, "callee", VICTIM, FLOOD | {"own_1m": own})
    assert say(held)[0] == action


@pytest.mark.parametrize("why", ["usual", "not watched", "few"])
def test_what_is_no_flood(held, why):
    changed = {"usual": {"usual": 20}, "not watched": {"watched_h": 0.1}, "few": {"callers_1m": 20}}[why]
    tell(held, "callee", VICTIM, FLOOD | changed)
    assert say(held)[0] == "allow"


def test_callers_that_were_seen_before_and_own_lines_reach_a_number_under_attack(held):
    known(held)
    tell(held, "callee", VICTIM, FLOOD)
    assert say(held) == ("label", ["tdos.flood_known_caller"])
    assert say(held, "+77011234567", call_id="2", ingress="subscriber") == ("label", ["tdos.flood_known_caller"])


def test_emergency_calls_go_through_whatever_comes(held):
    tell(held, "callee", "112", FLOOD)
    assert say(held, callee="112")[0] == "allow"
    own = {"list": "emergency", "match": "exact", "number": VICTIM, "side": "called"}
    tell(held, "callee", VICTIM, FLOOD)
    assert say(held, "+447400123459", call_id="2")[0] == "block"
    held.apply("lists", "e", orjson.dumps(own))
    assert say(held, "+447400123457", call_id="3")[0] == "allow"


def test_a_flood_on_a_short_number_is_seen(held):
    tell(held, "callee", "1414", FLOOD)
    assert say(held, callee="1414") == ("block", ["tdos.flood"])


def hammer(held, calls, caller=ABROAD, *, gap_ms=500, numbers=1, answered=0, ingress="international"):
    """What was said of so many calls of one caller, one after another, to a few numbers."""
    said = []
    for n in range(calls):
        at, callee, call_id = NOW + gap_ms * n, f"+7727234560{n % numbers}", f"{caller}{n}"
        said.append(say(held, caller, callee, call_id, at, ingress=ingress))
        if said[-1][0] != "block":
            talk_ms = 4_000 if n < answered else 0
            ending = end(call_id, caller, callee, at + 300, ring_ms=200, talk_ms=talk_ms, cause=16 if talk_ms else 17)
            held.process(batch([ending]), at + 300)
    return said


@pytest.mark.parametrize(("caller", "ingress"), [(ABROAD, "international"), ("+77011234567", "subscriber")])
def test_one_line_that_calls_one_number_again_and_again_is_a_flood(held, caller, ingress):
    """Seen for real: 1,144 calls to one person within ten minutes."""
    held.apply("policy", "policy@c", b'{"version":"c","control_share":0.0}')
    held.apply("policy", "current", b'{"version":"c"}')
    said = hammer(held, 100, caller, gap_ms=524, ingress=ingress)
    blocked = [n for n, (action, reasons) in enumerate(said) if action == "block" and "tdos.one_line" in reasons]
    assert blocked == list(range(49, 100))
    later = NOW + 100 * 524 + 90_000
    assert say(held, caller, "+77272345600", "later", later, ingress=ingress)[0] != "block"


@pytest.mark.parametrize(
    "how", [{"gap_ms": 2_600}, {"numbers": 2}, {"answered": 10}, {"calls": 49}], ids=["slow", "two", "answered", "few"]
)
def test_what_is_no_flood_of_one_line(held, how):
    said = hammer(held, **{"calls": 90} | how)
    assert not any("tdos.one_line" in reasons for _, reasons in said)


def test_a_company_that_joins_a_conference_is_no_flood(held):
    """Forty of its staff within seconds, all with its number; that they were answered is known when they leave."""
    pilot = "+77272585000"
    said = [say(held, pilot, VICTIM, f"c{n}", NOW + 75 * n, ingress="subscriber") for n in range(40)]
    assert {action for action, _ in said} == {"allow"}


def test_one_line_is_no_flood_for_what_others_were_blocked_for_or_showed(held):
    """Nothing of it passed, or somebody showed its number: it is judged by what passed, and an own line by its own calls."""
    entry = {"list": "block", "match": "exact", "number": ABROAD, "side": "caller"}
    held.apply("lists", "b", orjson.dumps(entry))
    assert not any("tdos.one_line" in reasons for _, reasons in hammer(held, 90))
    own = "+77011234567"
    hammer(held, 60, own, ingress="national")
    assert say(held, own, "+77272345600", "own", NOW + 31_000, ingress="subscriber", operator="op-z") == ("allow", [])


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_a_flood_from_few_lines_is_blocked_for_those_that_call_again_and_again(held, calls):
    tell(held, "callee", VICTIM, BY_FEW)
    said = [say(held, callee=VICTIM, call_id=f"{n}", at=NOW + 6_000 * n) for n in range(calls)]
    assert said[:2] == [("allow", [])] * min(calls, 2)
    assert said[2:] == [("block", ["tdos.few_lines"])] * (calls - 2)


@pytest.mark.parametrize(
    "changed",
    [
        {"attempts_1m": 49},
        {"callers_1m": 27},
        {"answered_1m": 21},
        {"usual": 17},
        {"watched_h": 0.2},
        {"attempts_1m": None},
    ],
    ids=str,
)
def test_what_is_no_flood_from_few_lines(held, changed):
    told = {name: value for name, value in (BY_FEW | changed).items() if value is not None}
    tell(held, "callee", VICTIM, told)
    assert {say(held, callee=VICTIM, call_id=f"{n}", at=NOW + 6_000 * n)[0] for n in range(5)} == {"allow"}


def test_whoever_calls_others_too_takes_no_part_in_a_flood_from_few_lines(held):
    tell(held, "callee", VICTIM, BY_FEW)
    called = [VICTIM if n % 2 else "+77272345600" for n in range(8)]
    assert {say(held, callee=one, call_id=f"{n}", at=NOW + 5_000 * n)[0] for n, one in enumerate(called)} == {"allow"}


@pytest.mark.parametrize("who", ["own line", "withheld", "known", "with a crowd"])
def test_who_is_labelled_in_a_flood_from_few_lines(held, who):
    caller, ingress = ABROAD, "international"
    if who == "own line":
        caller, ingress = "+77011234567", "subscriber"
    if who == "withheld":
        caller = "anonymous"
    if who == "known":
        say(held, call_id="before", at=NOW - 3_700_000)
    tell(held, "callee", VICTIM, BY_FEW | ({"own_1m": 6} if who == "with a crowd" else {}))
    said = [say(held, caller, VICTIM, f"{n}", NOW + 6_000 * n, ingress=ingress) for n in range(5)]
    assert said[2:] == [("label", ["tdos.flood_known_caller"])] * 3


def test_a_flood_from_few_lines_that_lasts_for_hours_makes_nobody_known(held):
    """What let them be known would be their own calls, nearly all of which were blocked."""
    held.apply("policy", "policy@c", b'{"version":"c","control_share":0.0}')
    held.apply("policy", "current", b'{"version":"c"}')
    said = []
    for n in range(3 * 600):
        at = NOW + 6_000 * n
        if n % 5 == 0:
            tell(held, "callee", VICTIM, BY_FEW, at=at, until=at + 40_000)
        said.append(say(held, callee=VICTIM, call_id=f"{n}", at=at)[0])
    assert set(said[2:]) == {"block"}


def test_withheld_callers_of_one_number_are_many_people_and_labelled(held):
    said = hammer(held, 80, "anonymous", ingress="national")
    assert {action for action, _ in said} == {"allow", "label"}
    assert said[-1] == ("label", ["tdos.withheld_callers"])


@pytest.mark.parametrize(
    ("home", "caller", "callee", "digits"),
    [
        ("KZ", "+77272345678", "+77272349999", 6), ("UA", "+380671234567", "+380671299999", 4),
        ("GB", "+442079460001", "+442079469999", 6), ("FI", "+358401234567", "+35840123456", 8), ("US", "+12125550100", "+12125559999", 6),
    ],
)  # fmt: skip
def test_digits_alike_are_those_of_the_national_numbers(home, caller, callee, digits):
    held = engine(home=home)
    held.apply("policy", "policy@all", b'{"version":"all","evidence_sample":1.0}')
    held.apply("policy", "current", b'{"version":"all"}')
    outcomes = held.process(batch([setup("1", caller, callee)]), NOW)
    assert orjson.loads(outcomes.evidence[0][2])["features"]["same_prefix"] == digits


def test_a_signal_holds_until_its_time_or_until_it_is_ended(held):
    tell(held, "callee", VICTIM, FLOOD)
    assert say(held, at=NOW + 30_001)[0] == "allow"
    tell(held, "callee", VICTIM, FLOOD, at=NOW + 40_000, until=NOW + 70_000)
    assert say(held, "+447400123457", call_id="2", at=NOW + 41_000)[0] == "block"
    tell(held, "callee", VICTIM, FLOOD | {"callers_1m": 1}, at=NOW + 39_000, until=NOW + 80_000)  # an older one
    assert say(held, "+447400123458", call_id="3", at=NOW + 42_000)[0] == "block"
    held.apply("signals", f"callee/{VICTIM}", None)
    assert say(held, "+447400123459", call_id="4", at=NOW + 43_000)[0] == "allow"


def test_numbers_that_rotate_are_labelled_by_their_trunk(held):
    tell(held, "trunk", "op-a/igw-1", BURSTS)
    assert say(held) == ("label", ["number_rotation.trunk_in_bursts"])
    tell(held, "trunk", "op-a/igw-1", BURSTS | {"attempts_10m": 400}, at=NOW + 1)
    assert say(held, "+447400123457", call_id="2") == ("label", ["number_rotation.trunk_with_bursts"])
    tell(held, "trunk", "op-a/igw-1", BURSTS | {"attempts_10m": 1_000}, at=NOW + 2)
    assert say(held, "+447400123458", call_id="3")[0] == "allow"


def test_numbers_that_rotate_are_blocked_by_their_block(held):
    tell(held, "block", "+447400123", BLOCK)
    assert say(held) == ("label", ["number_rotation.block_of_new_callers"])
    assert say(held, "+447400999456", call_id="2")[0] == "allow"
    tell(held, "block", "+447400123", BLOCK | {"fresh_10m": 5, "burst_10m": 4}, at=NOW + 1)
    assert say(held, "+447400123457", call_id="3")[0] == "allow"  # over a trunk without bursts
    tell(held, "trunk", "op-a/igw-1", BURSTS | {"attempts_10m": 1_000})
    tell(held, "block", "op-a/igw-1/+447400123", {"burst_10m": 4})
    assert say(held, "+447400123458", call_id="4") == ("block", ["number_rotation.block_in_bursts"])


@pytest.mark.parametrize("over", ["op-a/igw-2", "op-b/igw-1", "op-a/unknown"])
def test_a_block_whose_bursts_came_over_other_trunks_is_let_through_although_this_one_has_bursts_too(held, over):
    for operator, trunk in (("op-a", "igw-2"), ("op-b", "igw-1")):
        held.apply("trunks", f"{operator}/{trunk}", orjson.dumps(TRUNK | {"operator": operator, "trunk": trunk}))
    tell(held, "trunk", "op-a/igw-1", BURSTS | {"attempts_10m": 1_000})
    tell(held, "block", "+447400123", BLOCK | {"fresh_10m": 5, "burst_10m": 240})
    tell(held, "block", f"{over}/+447400123", {"burst_10m": 240})
    assert say(held)[0] == "allow"
    tell(held, "block", "op-a/igw-1/+447400123", {"burst_10m": 3})
    assert say(held, "+447400123457", call_id="2")[0] == "block"


def test_a_trunk_that_is_no_more_takes_the_bursts_of_its_blocks_along(held):
    tell(held, "block", "+447400123", BLOCK | {"fresh_10m": 5, "burst_10m": 4})
    tell(held, "block", "op-a/igw-1/+447400123", {"burst_10m": 4})
    held.apply("trunks", "op-a/igw-1", None)
    held.apply("trunks", "op-a/igw-1", orjson.dumps(TRUNK))
    tell(held, "trunk", "op-a/igw-1", BURSTS | {"attempts_10m": 1_000})
    assert say(held)[0] == "allow"


@pytest.mark.parametrize(
    "changed",
    [{"brief_10m": 5}, {"fresh_10m": 19}, {"answered_10m": 40, "brief_10m": 20}, {"answered_10m": 2, "brief_10m": 2}],
    ids=str,
)
def test_a_block_whose_calls_are_talks_or_whose_callers_are_few_or_that_nobody_answers_is_no_campaign(held, changed):
    tell(held, "block", "+447400123", BLOCK | changed)
    assert say(held)[0] == "allow"


def test_callers_that_were_seen_before_are_not_taken_for_a_campaign(held):
    known(held)
    tell(held, "trunk", "op-a/igw-1", BURSTS)
    tell(held, "block", "+447400123", BLOCK)
    assert say(held)[0] == "allow"


def test_a_number_like_the_called_one_is_labelled_and_blocked_where_its_trunk_has_many(held):
    like = "+77272349999"
    national = {"ingress": "national"}
    assert say(held, like, **national) == ("label", ["neighbour_spoofing.like_the_called"])
    tell(held, "trunk", "op-a/igw-1", NEIGHBOURS)
    assert say(held, "+77272349998", call_id="2", **national) == ("block", ["neighbour_spoofing.trunk_of_neighbours"])
    assert say(held, "+77273349998", call_id="3", **national)[0] == "allow"
    known(held, like)
    assert say(held, like, call_id="4", at=NOW + 5, **national)[0] == "label"


def test_neighbours_that_are_at_home_and_call_each_other_are_left_alone(held):
    tell(held, "trunk", "op-a/igw-1", NEIGHBOURS)
    assert say(held, "+77272349999", ingress="subscriber")[0] == "allow"


@pytest.mark.parametrize(
    ("key", "value"), [("callee/+1", b"{}"), ("callee/+1", b'{"kind":"callee","subject":"+2","at":1,"until":2}')]
)
def test_what_is_no_signal_is_refused(held, key, value):
    with pytest.raises(MessageError):
        held.apply("signals", key, value)


@pytest.mark.parametrize("subject", ["nobody", "op-a/unknown", "+12345678901234567", "op-a"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_about_what_cannot_be_found_changes_nothing(held, kind, subject):
    tell(held, kind, subject, FLOOD | BURSTS)
    assert say(held)[0] == "allow"


LURE = "+21629000001"
A_DAY = 86_400_000


def test_whoever_calls_a_number_back_that_rang_for_a_moment_is_labelled_for_a_day(held):
    tell(held, "lure", LURE, {"rings_10m": 20}, until=NOW + A_DAY)
    for number, ingress in enumerate(("subscriber", "international")):
        said = say(held, "+77011234567", LURE, f"{number}", ingress=ingress)
        assert said[0] in {"label", "block"}
        assert "wangiri.called_back" in said[1]
    assert say(held, "+77011234567", "+21629000002", "other", ingress="subscriber")[0] == "allow"
    late = say(held, "+77011234568", LURE, "late", NOW + A_DAY + 1, ingress="subscriber")
    assert late[0] == "allow"


@pytest.mark.parametrize(("every", "expected"), [(5, [20, 25]), (4, [16, 20, 24])])
def test_a_lure_is_told_of_as_often_as_the_policy_says(held, every, expected):
    rule = {"version": "often", "control_share": 0.0, "counting": {"lure_every": every}}
    held.apply("policy", "policy@often", orjson.dumps(rule))
    held.apply("policy", "current", b'{"version":"often"}')
    told = []
    for number in range(26):
        call_id, callee, at = f"l{number}", f"+7727{2_000_000 + 7_919 * number}", NOW + 5_000 * number
        ring = end(call_id, LURE, callee, at + 4_000, ring_ms=1_500, talk_ms=0, cause=16)
        messages = [setup(call_id, LURE, callee, at, ingress="international"), ring]
        told += map(decode_counts, (value for _, value in held.process(batch(messages), at + 4_000).counts))
    assert [one.rings for one in told if isinstance(one, Lure)] == expected


def test_a_lure_is_told_of_by_the_partition_that_found_it_and_known_to_all(held):
    """Rings of a number abroad in one engine; a merger; the call back in another engine."""
    merged, other = Merger(secret_words(b"test")), engine()
    ring = {"ring_ms": 1_500, "talk_ms": 0, "cause": 16}
    for number in range(24):
        callee, at = f"+7727{2_000_000 + 7_919 * number}", NOW + 5_000 * number
        messages = [
            message
            for who, ingress in ((LURE, "international"), ("+77012000001", "subscriber"))
            for message in (setup(f"{who}{number}", who, callee, at, ingress=ingress), end(f"{who}{number}", who, callee, at + 4_000, **ring))
        ]  # fmt: skip
        for offset, (_, value) in enumerate(held.process(batch(messages), at + 4_000).counts):
            merged.take(100 * number + offset, decode_counts(value))
    for key, signal in merged.changes():
        other.apply("signals", key, encode(signal))
    back = [say(other, "+77011234567", callee, callee, ingress="subscriber") for callee in (LURE, "+77012000001")]
    assert back == [("label", ["wangiri.called_back"]), ("allow", [])]


BOX = {"imei_lines": 6, "incoming_24h": 0, "watched_h": 2, "cell_lines": 6, "holder_lines": 0}
SIM = "+77011234567"


def day(held, calls=30, distinct=True):
    """Calls of a SIM over a day, each to another number."""
    for number in range(calls):
        callee = f"+772723{number if distinct else number % 5:05d}"
        say(held, SIM, callee, f"d{number}", NOW - 20_000_000 + number * 600_000, ingress="subscriber")


def test_a_sim_in_a_box_is_blocked_by_its_device(held):
    day(held)
    assert say(held, SIM, call_id="before", ingress="subscriber")[0] == "allow"
    tell(held, "line", SIM, BOX)
    assert say(held, SIM, "+77272999999", "after", ingress="subscriber") == ("block", ["sim_box.device"])


@pytest.mark.parametrize("changed", [{"imei_lines": 3}, {"incoming_24h": 10}, {"watched_h": 0.5}], ids=str)
def test_what_is_no_box(held, changed):
    day(held)
    tell(held, "line", SIM, BOX | changed)
    assert say(held, SIM, "+77272999999", "after", ingress="subscriber")[0] == "allow"


def test_a_line_on_a_shared_device_that_calls_the_same_numbers_again_is_no_box(held):
    day(held, distinct=False)
    tell(held, "line", SIM, BOX)
    assert say(held, SIM, call_id="after", ingress="subscriber")[0] == "allow"


def test_a_trunk_that_takes_the_place_of_another_is_not_judged_by_its_signal(held):
    tell(held, "trunk", "op-a/igw-1", BURSTS)
    held.apply("trunks", "op-a/igw-1", None)
    held.apply("trunks", "op-a/igw-2", orjson.dumps(TRUNK | {"trunk": "igw-2"}))
    call = setup("1", ABROAD, VICTIM, NOW, ingress="international", trunk="igw-2")
    assert orjson.loads(held.process(batch([call]), NOW).decisions[0][2])["action"] == "allow"


def test_two_keys_of_one_subject_are_one(held):
    tell(held, "callee", VICTIM, FLOOD)
    tell(held, "callee", VICTIM.removeprefix("+"), FLOOD | {"callers_1m": 1}, at=NOW + 1)
    assert say(held)[0] == "allow"
    held.apply("signals", f"callee/{VICTIM}", None)
    tell(held, "callee", VICTIM, FLOOD, at=NOW + 2)
    assert say(held, "+447400123457", call_id="2")[0] == "block"
