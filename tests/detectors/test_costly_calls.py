"""Pumped ranges and hacked exchanges, and the honest lines that make costly calls too, through the engine."""

import numpy as np
import orjson
import pytest

from streamer import features
from streamer.detectors import pbx_hacking
from tests.detectors.calling import (
    DAY,
    HOUR,
    MONDAY,
    Call,
    about,
    anyone,
    enter,
    paced,
    played,
    quiet,
    recall,
    rule,
    why,
)
from tests.test_engine import batch, judge, setup

EXCHANGE = "+77272585000"
NIGHT, NOON, SATURDAY = MONDAY + DAY + 2 * HOUR, MONDAY + 12 * HOUR, MONDAY + 5 * DAY + 14 * HOUR


def pumped(draw, n):
    return f"+535234{draw.randrange(10_000):04d}"


def in_sequence(_, n):
    return f"+371223{40_000 + n:05d}"


def spread(draw, n):
    return f"+25261{draw.randrange(1_000_000, 10_000_000)}"


def many_countries(draw, n):
    country = draw.choice(["+4930", "+90532", "+86138", "+44740", "+99890", "+7916", "+33612"])
    return f"{country}{draw.randrange(1_000_000, 10_000_000)}"


@pytest.fixture
def held():
    made = quiet()
    enter(made, "premium", "+53", "called", "prefix")
    return made


def actions(said):
    return {one.action for one in said}


@pytest.mark.parametrize(("reason", "calls"), [
    ("irsf.premium_range", paced(EXCHANGE, NOON, 200, 10, pumped, answered=0.9, talk_s=about(300))),
    ("irsf.numbers_in_sequence", paced(EXCHANGE, NOON, 200, 10, in_sequence, talk_s=about(240))),
    ("irsf.new_country_at_night", paced(EXCHANGE, NIGHT, 200, 10, lambda d, n: pumped(d, n).replace("+53", "+263"), talk_s=about(300))),
    ("pbx_hacking.", paced(EXCHANGE, SATURDAY, 300, 5, spread, answered=0.8, talk_s=about(180))),
])  # fmt: skip
def test_campaigns_are_blocked_and_evidence_says_why(held, reason, calls):
    others = {"irsf", "pbx_hacking"} - {reason.split(".")[0]}
    rule(held, {other: {"mode": "off"} for other in others})
    said = played(held, calls)
    assert recall(said, reason) >= 0.95
    last = said[-1].call
    (named,) = (one for one in said[-1].reasons if one.startswith(reason))
    observed, threshold, window_s = why(held, last._replace(at=last.at + 1_000), named)
    assert observed >= threshold
    assert window_s in {60, 3_600, 86_400}


def test_a_campaign_begins_to_be_blocked_before_its_twentieth_call(held):
    said = played(held, paced(EXCHANGE, NOON, 60, 10, pumped, talk_s=about(300)))
    assert [one.action for one in said].index("block") <= 12


def headquarters(draw, n):
    return f"+4930227{draw.randrange(10_000):04d}"


HONEST = {
    "a traveller who redials and talks for long, at night": paced(
        "+77011234567", NIGHT, 40, 240, lambda d, n: f"+5352341{n % 3:03d}", answered=0.6, talk_s=about(150)),
    "a family that calls one country, one call at a time": paced(
        "+77011234568", SATURDAY, 12, 900, lambda d, n: "+99890123456" + str(n % 2), talk_s=about(600)),
    "an agency with many countries": paced(EXCHANGE, NOON, 300, 30, many_countries, answered=0.7, talk_s=about(200)),
    "the same agency, sparse, on a Saturday": paced(EXCHANGE, SATURDAY, 60, 300, many_countries, answered=0.7, talk_s=about(150)),
    "a hotel of guests at night": paced(EXCHANGE, NIGHT, 40, 400, many_countries, answered=0.6, talk_s=about(240)),
}  # fmt: skip
"""None of these is even labelled."""


@pytest.mark.parametrize("calls", HONEST.values(), ids=HONEST)
def test_honest_costly_calls_pass(held, calls):
    one_at_a_time, over = [], 0
    for call in calls:  # whoever has one telephone waits for the end of his call
        at = max(call.at, over) if call.caller != EXCHANGE else call.at
        one_at_a_time.append(call._replace(at=at))
        over = at + call.ring_ms + call.talk_ms + 5_000
    assert actions(played(held, one_at_a_time)) == {"allow"}


def test_an_office_that_calls_its_headquarters_all_day_is_labelled_at_most(held):
    said = played(held, paced(EXCHANGE, MONDAY + 9 * HOUR, 500, 60, headquarters, answered=0.8, talk_s=about(240)))
    assert actions(said) == {"allow", "label"}
    assert {reason for one in said for reason in one.reasons} == {"irsf.one_range"}


def test_a_country_that_the_exchange_knows_is_no_new_one(held):
    day = paced(EXCHANGE, MONDAY + 9 * HOUR, 200, 150, spread, answered=0.8, talk_s=about(120))
    night = paced(EXCHANGE, MONDAY + 22 * HOUR, 100, 10, spread, answered=0.8, talk_s=about(120))
    assert actions(played(held, day + night)) == {"allow"}
    again = played(quiet(), night)
    assert "block" in actions(again)


def test_by_day_a_new_country_is_a_warning_for_a_line_that_is_known(held):
    known = paced(EXCHANGE, MONDAY + 9 * HOUR, 60, 1_500, anyone, talk_s=about(60))
    attack = paced(EXCHANGE, MONDAY + DAY + 11 * HOUR, 100, 10, spread, answered=0.8, talk_s=about(180))
    said = played(held, known + attack)
    assert actions(said) == {"allow", "label"}
    assert actions(played(quiet(), attack)) == {"allow"}


def test_an_allow_entry_exempts(held):
    enter(held, "allow", EXCHANGE, "caller")
    assert actions(played(held, paced(EXCHANGE, NIGHT, 60, 10, pumped, talk_s=about(300)))) == {"allow"}


def test_withheld_callers_are_not_judged_by_one_anothers_calls(held):
    calls = [
        call._replace(caller="", callee="+53523400011") for call in paced("", NIGHT, 60, 10, pumped, talk_s=about(300))
    ]
    assert actions(played(held, calls)) == {"allow"}


def test_short_calls_to_a_range_are_no_pumping(held):
    said = played(held, paced(EXCHANGE, NOON, 120, 3, pumped, talk_s=lambda draw: 20.0))
    assert actions(said[20:]) == {"allow"}


def test_without_answers_the_talk_that_one_line_cannot_carry_tells(held):
    """An operator that reports ends alone: nothing is known of what goes on, and two hours of talk in an hour are enough."""
    calls = paced(EXCHANGE, NOON, 200, 20, pumped, talk_s=about(300))
    rule(held, {"irsf": {"thresholds": {"overlapping": 100_000}}})
    said = played(held, calls)
    assert "irsf.premium_range" in said[-1].reasons


def test_attempts_that_were_blocked_keep_no_block_alive(held):
    attack = paced(EXCHANGE, MONDAY + 5 * DAY + HOUR, 100, 5, spread, answered=0.8, talk_s=about(60))
    rule(held, {"pbx_hacking": {"thresholds": {"a_minute_critical": 1_000}}})
    said = played(held, attack)
    let_through = [one.call.at for one in said if one.action != "block"][-1]
    assert said[-1].action == "block"
    later = [Call(said[-1].call.at + 60_000 * n, EXCHANGE, f"+25261{317 * n:07d}", 9_000, 0, 19) for n in range(1, 600)]
    redialled = played(held, later)
    passed = [one.call.at for one in redialled if one.action != "block"]
    assert passed
    assert let_through + 8 * HOUR <= passed[0] <= let_through + 8 * HOUR + HOUR * 7 // 6 + 60_000


@pytest.mark.parametrize(("gap_s", "callee"), [(30, spread), (100, pumped)])
def test_a_slow_attack_is_blocked_all_night_and_on_the_next_one(held, gap_s, callee):
    rule(held, {"irsf": {"mode": "off"}})
    for night in (0, 1):
        begin = MONDAY + DAY * (1 + night)
        said = played(held, paced(EXCHANGE, begin, 8 * 3_000 // gap_s, gap_s, callee, answered=0.8, talk_s=about(300)))
        assert recall(said[20:], "pbx_hacking") >= 0.95


def test_a_night_in_which_calls_were_blocked_makes_no_country_known(held):
    played(held, paced(EXCHANGE, NIGHT, 200, 10, spread, answered=0.8, talk_s=about(120)))
    said = played(held, paced(EXCHANGE, NIGHT + 21 * HOUR, 60, 10, spread, answered=0.8, talk_s=about(120)))
    assert [one.action for one in said].index("block") < 25
    assert actions(said[25:]) == {"block"}


def test_blocked_calls_are_counted_apart_where_the_store_has_room_for_one_slot():
    """The slot of costly calls takes the place of the caller's own: what counts there must not go into the other."""
    held = quiet(max_callers=1)
    enter(held, "block", EXCHANGE, "caller")
    assert actions(played(held, [Call(NOON, EXCHANGE, "+5352340000")])) == {"block"}
    counts = held.state.callers.counts[0]
    assert counts[:, 1].tolist() == counts[:, 0].tolist()


PLAIN = {"costly": 1.0, "costly_overlapping_1h": 3.0, "costly_overlapping_24h": 40.0, "age": 3 * 86_400.0, "country_known": 600.0, "costly_attempts_1m": 1.0,
         "costly_attempts_1h": 10.0, "costly_blocked_1h": 0.0, "costly_answered_1h": 8.0, "costly_going_on": 0.0,
         "costly_talk_1h": 800.0, "range_run": 2.0, "withheld": 0.0, "caller_valid": 1.0}  # fmt: skip
LEVELS = {"at_once": {"costly_overlapping_1h": (4, 8)}, "a_minute": {"costly_attempts_1m": (5, 12), "costly_attempts_1h": (18, 18)},
          "total": {"costly_attempts_1h": (40, 80)}, "one_range": {"range_run": (6, 10)},
          "duration": {"costly_talk_1h": (4_800, 9_600)}}  # fmt: skip
BY_DAY, AT_NIGHT, ON_SUNDAY = 12.0, 2.0, 6 * 24 + 12.0


def found(week_hour, **values):
    x = np.full(features.COUNT, np.nan)
    for name, value in {**PLAIN, "week_hour": week_hour, **values}.items():
        x[features.INDEX[name]] = value
    thresholds = pbx_hacking.DETECTOR.thresholds
    cause, observed, threshold, _ = pbx_hacking.DETECTOR.judge(x, np.array([*map(float, thresholds.values())]))
    assert observed >= threshold
    return pbx_hacking.DETECTOR.causes[cause - 1].name if cause else None


@pytest.mark.parametrize("which", LEVELS)
@pytest.mark.parametrize("hour", [AT_NIGHT, ON_SUNDAY])
def test_each_of_the_five_has_a_warning_and_a_critical_level(which, hour):
    warning, critical = ({name: at[level] for name, at in LEVELS[which].items()} for level in (0, 1))
    assert found(hour) is None
    assert found(hour, **warning) == f"{which}_warning"
    assert found(hour, **critical) == f"{which}_critical"
    assert found(hour, **critical, country_known=8 * 3_600.0) == f"{which}_warning"
    assert found(BY_DAY, **critical) == f"{which}_warning"
    assert found(BY_DAY, **critical, age=3_600.0) is None
    assert found(BY_DAY, **critical, country_known=8 * 3_600.0) is None
    if which != "at_once":
        assert found(hour, **critical, costly_overlapping_1h=2.0) is None
    assert found(hour, costly_found=7 * 3_600.0, costly_overlapping_1h=0.0) == "critical_before"
    assert found(hour, costly_found=8 * 3_600.0, costly_overlapping_1h=0.0) is None
    assert found(hour, costly_found=7 * 3_600.0, country_known=8 * 3_600.0) is None
    assert found(BY_DAY, costly_found=7 * 3_600.0) is None


def test_thresholds_are_policy(held):
    calls = paced(EXCHANGE, NOON, 60, 10, pumped, talk_s=about(300))
    rule(held, {"irsf": {"thresholds": {"overlapping": 30}}})
    patient = played(held, calls)
    eager = played(quiet_with_premium(), calls)
    assert sum(one.action == "block" for one in patient) < sum(one.action == "block" for one in eager)


def test_no_switch_repeats_a_block_of_costly_calls_for_others(held):
    """A cached block would hold for whatever the exchange calls, for help too; other calls of it are let through."""
    said = played(held, paced(EXCHANGE, NOON, 60, 10, pumped, answered=0.9, talk_s=about(300)))
    last = said[-1].call
    assert said[-1].action == "block"
    calls = [
        setup(callee, EXCHANGE, callee, last.at + 1, ingress="subscriber") for callee in (last.callee, "+77012345678")
    ]
    costly, other = judge(held, calls, last.at + 1)
    assert (costly["action"], costly["cache_until"], other["action"]) == ("block", None, "allow")


def of_code(code):
    return lambda draw, n: f"+{code}{draw.randrange(10_000_000, 100_000_000)}"


@pytest.mark.parametrize("habit", ["800", "870", "88213"])
def test_each_code_of_no_country_is_one_of_its_own(held, habit):
    """Whoever calls worldwide freephone numbers, or ships, by day is not known to call other networks by night."""
    by_day = paced(EXCHANGE, NOON - 4 * HOUR, 30, 1_200, of_code(habit), answered=0.9, talk_s=about(600))
    by_night = paced(EXCHANGE, NOON + 11 * HOUR, 150, 5, of_code("8816"), answered=0.8, talk_s=about(180))
    said = played(held, [*by_day, *by_night])
    assert actions(said[:30]) == {"allow"}
    assert recall(said[30:], "pbx_hacking") >= 0.95


def test_worldwide_freephone_costs_nobody(held):
    """A conference that many dial at once from one office, in the evening."""
    conference = paced(EXCHANGE, NOON + 8 * HOUR, 40, 10, lambda draw, n: "+80012345678", talk_s=about(2_400))
    assert actions(played(held, conference)) == {"allow"}


@pytest.mark.parametrize(("timezone", "nights"), [(None, (0, 1)), ("Asia/Vladivostok", (12, 14, 15))])
def test_the_night_is_that_of_the_capital_or_of_the_time_zone_set(timezone, nights):
    """Russia has eleven zones."""
    midnight_utc = MONDAY + 5 * HOUR
    for hour in (0, 1, 8, 12, 14, 15):
        calls = paced("+74952585000", midnight_utc + DAY + hour * HOUR, 100, 5, spread, answered=0.8, talk_s=about(180))
        said = played(quiet(home="RU", timezone=timezone), calls)
        assert ("block" in actions(said)) == (hour in nights), hour


def quiet_with_premium():
    made = quiet()
    enter(made, "premium", "+5352", "called", "prefix")
    return made


@pytest.mark.parametrize(("callee", "level"), [
    ("+77272345678", 0.0), ("112", 0.0), ("1414", 0.0), ("+77991234567", 0.0), ("garbage", 0.0),
    ("+79161234567", 1.0), ("+4930227330", 1.0), ("+88213123456", 1.0), ("+2526199", 1.0), ("+888999999999", 1.0),
    ("88000800808", 0.0), ("+78001234567", 0.0), ("+80012345678", 0.0),  # freephone: shared under +7, worldwide under +800
    ("+18001234567", 1.0), ("+78041234567", 1.0),  # that of other countries alone
    ("+979123456789", 2.0), ("+449098790000", 2.0), ("+5352345678", 2.0), ("1900", 2.0),
])  # fmt: skip
def test_what_costs(held, callee, level):
    """Abroad is what is not in the home country's plan; the premium rate is told by a plan or by the list."""
    enter(held, "premium", "1900", "called")
    rule(held, {})
    held.apply("policy", "policy@all", b'{"version":"all","evidence_sample":1.0}')
    held.apply("policy", "current", b'{"version":"all"}')
    outcomes = held.process(batch([setup("1", EXCHANGE, callee, NOON)]), NOON)
    assert orjson.loads(outcomes.evidence[0][2])["features"]["costly"] == level
