"""Those who talk strangers out of their money, and all the honest lines that call as many strangers."""

import orjson
import pytest

from streamer.calls.codec import encode
from streamer.calls.signals import Signal
from tests.detectors.calling import DAY, HOUR, MONDAY, anyone, enter, paced, played, quiet, recall, rule, why

LINE = "+77011234567"
MORNING = MONDAY + 9 * HOUR


def fact(held, name, days, value):
    at = MORNING - int(days * DAY)
    said = {"number": LINE, "at": at, "fact": name, "value": value, "since": at, "operator": "op-a"}
    held.apply(f"subscribers.{name}", LINE, orjson.dumps(said))


def new_line(held, days=5):
    fact(held, "line", days, "active")
    watched(held)


def watched(held, incoming=0.0, hours=1.0, line=LINE):
    """What is known over all partitions of a line, for as long as the tests go on."""
    values = {"incoming_24h": incoming, "watched_h": hours}
    signal = Signal(kind="line", subject=line, at=MORNING, until=MORNING + 9 * DAY, values=values)
    held.apply("signals", signal.key, encode(signal))


@pytest.fixture
def held():
    return quiet()


def hooked(draw):
    """Three in four hang up within five seconds, the others listen: 14 s in the mean of all."""
    return draw.uniform(1, 5) if draw.random() < 0.75 else 6 + draw.expovariate(1 / 45)


def talked_to(draw):
    """As the fraud lines of Sichuan: half under 40 s, 92 s in the mean."""
    return 2 + draw.lognormvariate(3.65, 1.25)


def scam(count=200, begin=MORNING, talk_s=hooked, **more):
    return paced(LINE, begin, count, 60, anyone, **{"answered": 0.65, "talk_s": talk_s, **more})


def actions(said):
    return {one.action for one in said}


def judged(said):
    """What the calls came to that this detector had something to say of."""
    return {one.action for one in said if any(reason.startswith("scam_centre") for reason in one.reasons)}


@pytest.mark.parametrize("talk_s", [hooked, talked_to])
def test_scam_centres_on_new_lines_are_blocked(held, talk_s):
    new_line(held)
    lines = [played(fresh(), scam(300, seed=seed, talk_s=talk_s)) for seed in range(8)]
    assert sum(recall(said, "scam_centre.new_line") for said in lines) / len(lines) >= 0.9
    assert all("scam_centre.new_line" in said[-1].reasons for said in lines)
    last = lines[0][-1].call
    played(held, scam(300, seed=0, talk_s=talk_s))
    observed, threshold, window_s = why(held, last._replace(at=last.at + 1_000), "scam_centre.new_line")
    assert observed >= threshold
    assert window_s == 86_400


def fresh():
    made = quiet()
    new_line(made)
    return made


def test_a_new_sim_is_as_good_as_a_new_line(held):
    new_line(held, 400)
    fact(held, "sim", 3, "changed")
    assert "scam_centre.new_line" in played(held, scam())[-1].reasons


@pytest.mark.parametrize("days", [None, 31, 400])
def test_on_a_line_that_is_old_or_of_which_nothing_is_known_it_is_labelled_and_never_blocked(held, days):
    if days is not None:
        new_line(held, days)
    said = played(held, scam(talk_s=talked_to))
    assert actions(said) == {"allow", "label"}
    assert recall(said, "scam_centre.profile", "label") >= 0.8


@pytest.mark.parametrize(("incoming", "hours"), [(30.0, 1.0), (0.0, 0.1)])
def test_a_new_line_that_is_called_back_or_not_watched_yet_is_labelled_and_never_blocked(held, incoming, hours):
    new_line(held)
    watched(held, incoming, hours)
    assert actions(played(held, scam(talk_s=talked_to))) == {"allow", "label"}


def test_over_an_interconnect_it_is_labelled(held):
    said = played(held, scam(ingress="national", talk_s=talked_to))
    assert actions(said) == {"allow", "label"}


def test_an_allow_entry_exempts_an_honest_centre_on_a_new_line(held):
    new_line(held)
    enter(held, "allow", LINE, "caller")
    assert judged(played(held, scam())) == set()


def between(low, high):
    return lambda draw: draw.uniform(low, high)


def sometimes(share, one, other):
    return lambda draw: one(draw) if draw.random() < share else other(draw)


def exponential(mean, least=3):
    return lambda draw: least + draw.expovariate(1 / mean)


BRIEF = {
    "courier": (180, 150, 0.7, sometimes(0.12, between(2, 6), exponential(28))),
    "school": (300, 60, 0.75, sometimes(0.1, between(2, 6), between(20, 35))),
    "taxi dispatcher": (500, 40, 0.85, sometimes(0.45, between(2, 6), between(6, 14))),
}
"""Calls, mean gap in s, share answered, talk: even on new lines these are none of it."""

LONG = {
    "bank": (250, 110, 0.55, sometimes(0.2, between(2, 6), exponential(170, 20))),
    "clinic": (120, 200, 0.7, sometimes(0.08, between(3, 6), exponential(50, 10))),
    "call centre": (300, 120, 0.6, sometimes(0.25, between(2, 6), exponential(150, 10))),
}
"""Of the same profile as a scam centre, on lines of some years."""


@pytest.mark.parametrize(("count", "gap_s", "answered", "talk_s"), BRIEF.values(), ids=BRIEF)
@pytest.mark.parametrize("seed", range(3))
def test_those_who_call_strangers_briefly_pass_on_new_lines_too(held, count, gap_s, answered, talk_s, seed):
    new_line(held)
    said = played(held, paced(LINE, MORNING, count, gap_s, anyone, answered=answered, talk_s=talk_s, seed=seed))
    assert not [reason for one in said for reason in one.reasons if reason.startswith("scam_centre")]


@pytest.mark.parametrize(("count", "gap_s", "answered", "talk_s"), LONG.values(), ids=LONG)
@pytest.mark.parametrize("seed", range(3))
def test_those_who_talk_to_strangers_for_long_are_not_blocked_on_lines_that_are_not_new(
    held, count, gap_s, answered, talk_s, seed
):
    new_line(held, 900)
    said = played(held, paced(LINE, MORNING, count, gap_s, anyone, answered=answered, talk_s=talk_s, seed=seed))
    assert "block" not in actions(said)


def test_a_busy_family_on_a_new_sim_calls_the_same_lines_again(held):
    new_line(held)
    fact(held, "sim", 1, "changed")
    calls = paced(
        LINE,
        MORNING,
        60,
        600,
        lambda d, n: f"+77015550{int(25 * d.random() ** 2):03d}",
        answered=0.7,
        talk_s=exponential(75),
    )
    assert actions(played(held, calls)) == {"allow"}


def test_an_office_on_a_fixed_line_passes(held):
    fixed = "+77272585000"
    said = {"number": fixed, "at": MORNING - 5 * DAY, "fact": "line", "value": "active", "operator": "op-a"}
    held.apply("subscribers.line", fixed, orjson.dumps(said))
    watched(held, line=fixed)
    assert actions(played(held, [call._replace(caller=fixed) for call in scam(talk_s=talked_to)])) == {"allow"}


def test_the_same_lines_called_again_are_no_strangers(held):
    new_line(held)
    calls = paced(LINE, MORNING, 200, 60, lambda d, n: f"+77015550{31 * (n % 7):03d}", answered=0.65, talk_s=talked_to)
    assert actions(played(held, calls)) == {"allow"}


def test_brief_calls_without_a_tail_are_none_of_it(held):
    new_line(held)
    calls = paced(LINE, MORNING, 200, 60, anyone, answered=0.65, talk_s=between(1, 9))
    assert judged(played(held, calls)) == set()


def test_a_block_ends_a_day_after_what_was_let_through_although_the_line_goes_on_calling(held):
    new_line(held)
    said = played(held, scam(60, talk_s=talked_to))
    let_through = [one.call.at for one in said if one.action != "block"][-1]
    begin = let_through + DAY * 7 // 6 + 60_000
    between_them = paced(LINE, said[-1].call.at, 400, 240, anyone, answered=0.65, talk_s=talked_to, seed=2)
    blocked = played(held, [call for call in between_them if call.at < let_through + DAY])
    assert actions(blocked) == {"block"}
    later = played(held, scam(5, begin, talk_s=talked_to))
    assert actions(later) == {"allow"}


def test_thresholds_are_policy(held):
    new_line(held)
    rule(held, {"scam_centre": {"thresholds": {"new_line_days": 3}}})
    assert actions(played(held, scam(talk_s=talked_to))) == {"allow", "label"}
