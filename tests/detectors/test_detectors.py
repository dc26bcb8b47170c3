"""Every detector by what a switch would see: scenarios through the engine, exemptions and lists included."""

import orjson
import pytest

from streamer.detectors import DETECTORS
from streamer.detectors.base import MAX_THRESHOLDS
from streamer.engine import Engine
from tests.test_engine import NOW, PARTITIONS, batch, end, judge, setup

HOME = "+77011234567"
CALLED = "+77272345678"


@pytest.fixture
def held():
    made = Engine(partitions=PARTITIONS, max_callers=10_000)
    made.apply(
        "operators", "op-a", orjson.dumps({"operator": "op-a", "ranges": ["+7701"], "publishes_locations": True})
    )
    made.apply("policy", "policy@t", b'{"version":"t","control_share":0.0}')
    made.apply("policy", "current", b'{"version":"t"}')
    return made


def locate(held, value, at=NOW - 1_000, number=HOME, operator="op-a"):
    fact = {"number": number, "at": at, "fact": "location", "value": value, "operator": operator}
    held.apply("subscribers.location", number, orjson.dumps(fact))


def enter(held, name, number, side="caller", match="exact", **more):
    held.apply(
        "lists",
        f"{name}/{number}/{side}",
        orjson.dumps({"list": name, "match": match, "number": number, "side": side, **more}),
    )


def say(held, *messages):
    decision = judge(held, list(messages))[-1]
    return decision["action"], decision["reasons"]


def from_abroad(call_id="1", caller=HOME, callee=CALLED, **more):
    return setup(call_id, caller, callee, **{"ingress": "international", "ingress_country": "GB", **more})


def test_a_home_number_from_abroad_whose_owner_is_at_home_is_blocked(held):
    locate(held, "home")
    assert say(held, from_abroad()) == ("block", ["cli_spoofing.domestic_from_abroad"])


def test_a_roamer_with_a_fresh_fact_passes(held):
    locate(held, "roaming")
    assert say(held, from_abroad()) == ("allow", [])


@pytest.mark.parametrize(("own", "others", "said"), [
    ("home", "roaming", "block"), ("roaming", "home", "allow"), (None, "roaming", "label"), (None, "home", "label"),
])  # fmt: skip
@pytest.mark.parametrize("later", ["own", "others"])
def test_where_a_line_is_its_own_operator_says_and_nobody_else(held, own, others, said, later):
    told = [("op-a", own), ("op-b", others)] if later == "others" else [("op-b", others), ("op-a", own)]
    for number, (operator, value) in enumerate(told):
        if value is not None:
            locate(held, value, at=NOW - 1_000 + number, operator=operator)
    locate(held, others, at=NOW, operator="op-b")
    assert say(held, from_abroad())[0] == said


def test_a_number_that_was_ported_is_where_its_new_operator_says(held):
    told = {
        "number": HOME,
        "at": NOW - 9_000,
        "fact": "network",
        "value": "ported",
        "operator": "op-a",
        "owner": "op-b",
    }
    held.apply("subscribers.network", HOME, orjson.dumps(told))
    held.apply(
        "operators", "op-b", orjson.dumps({"operator": "op-b", "ranges": ["+7705"], "publishes_locations": True})
    )
    locate(held, "roaming", operator="op-b")
    locate(held, "home", at=NOW)
    assert say(held, from_abroad()) == ("allow", [])


@pytest.mark.parametrize("age_h", [None, 25])
def test_an_unknown_or_stale_place_labels_and_never_blocks(held, age_h):
    if age_h is not None:
        locate(held, "home", NOW - age_h * 3_600_000)
    assert say(held, from_abroad()) == ("label", ["cli_spoofing.domestic_from_abroad_unverified"])


def test_where_locations_are_not_published_a_fact_labels_only(held):
    held.apply("operators", "op-a", orjson.dumps({"operator": "op-a", "ranges": ["+7701"]}))
    locate(held, "home")
    assert say(held, from_abroad())[0] == "label"


def test_a_ported_number_belongs_to_its_owner(held):
    locate(held, "home")
    held.apply(
        "subscribers.network",
        HOME,
        orjson.dumps(
            {"number": HOME, "at": NOW, "fact": "network", "value": "ported", "owner": "op-silent", "operator": "op-b"}
        ),
    )
    assert say(held, from_abroad())[0] == "label"


def test_a_call_to_a_roaming_number_is_exempt(held):
    locate(held, "home")
    enter(held, "roaming_numbers", "+7701990", side="called", match="prefix")
    assert say(held, from_abroad(callee="+77019901234")) == ("allow", [])


def test_a_russian_number_shares_the_code_and_is_foreign(held):
    assert say(held, from_abroad(caller="+79161234567")) == ("allow", [])


def test_a_diversion_is_honoured_when_its_first_leg_was_seen(held):
    locate(held, "home")
    judge(held, [setup("0", HOME, "+77015550000", NOW - 5_000, ingress="subscriber")])
    assert say(held, from_abroad(diverted_from="+77015550000")) == ("allow", [])
    assert say(held, from_abroad("2", diverted_from="+77015550009")) == (
        "withhold_cli",
        ["cli_spoofing.diversion_unverified_abroad"],
    )


@pytest.mark.parametrize(
    ("caller", "cause"),
    [("+99999999999999999", "malformed"), ("garbage", "malformed"), ("+77031234567", "not_in_plan")],
)
def test_numbers_that_cannot_be_are_blocked(held, caller, cause):
    assert say(held, setup("1", caller, CALLED)) == ("block", [f"number_invalid.{cause}"])


def test_a_foreign_number_outside_the_plan_we_know_is_only_labelled(held):
    assert say(held, setup("1", "+1234567890123", CALLED)) == ("label", ["number_invalid.not_in_foreign_plan"])


def test_caller_is_callee(held):
    abroad = setup("1", "+79161234567", "+79161234567", ingress="international")
    assert say(held, abroad) == ("block", ["number_invalid.caller_is_callee"])
    visitor = setup("voicemail", "+447400123456", "+447400123456")  # handed over by a home network: a guest's voicemail
    assert say(held, visitor) == ("allow", [])
    locate(held, "roaming")
    assert say(held, setup("2", HOME, HOME)) == ("allow", [])


@pytest.mark.parametrize(("seen", "action"), [(True, "allow"), (False, "block")])
def test_a_mailbox_at_another_operator_is_called_with_ones_own_number(held, seen, action):
    told = {"operator": "op-a", "ranges": ["+7701"], "publishes_locations": True, "publishes_originations": True}
    held.apply("operators", "op-a", orjson.dumps(told))
    locate(held, "home")
    if seen:
        judge(held, [setup("own", HOME, HOME, NOW - 150, ingress="subscriber")])
    assert say(held, setup("mailbox", HOME, HOME, operator="op-v"))[0] == action


def test_withheld_callers_are_not_judged_by_form(held):
    assert say(held, setup("1", "anonymous", CALLED)) == ("allow", [])


@pytest.mark.parametrize(("name", "cause"), [("do_not_originate", "do_not_originate"), ("unallocated", "unallocated")])
def test_lists_of_numbers_that_never_call(held, name, cause):
    enter(held, name, "+77272", match="prefix")
    assert say(held, setup("1", "+77272111222", CALLED)) == ("block", [f"number_invalid.{cause}"])


def test_an_allow_entry_never_exempts_from_origin_checks(held):
    locate(held, "home")
    enter(held, "allow", HOME)
    assert say(held, from_abroad())[0] == "block"


def test_an_entry_for_one_trunk_holds_there_alone_and_expires(held):
    enter(held, "block", HOME, trunk="t1", expires_at=NOW + 60_000)
    assert say(held, setup("1", HOME, CALLED, trunk="t1")) == ("block", ["list.block"])
    assert say(held, setup("2", HOME, CALLED, trunk="t2")) == ("allow", [])
    assert say(held, setup("3", HOME, CALLED, NOW + 60_000, trunk="t1")) == ("allow", [])


@pytest.mark.parametrize("caller", [HOME, "garbage", "anonymous", ""])
def test_emergency_calls_always_pass(held, caller):
    locate(held, "home")
    enter(held, "block", HOME)
    enter(held, "block", "112", side="called")
    enter(held, "emergency", "1414", side="called")
    for number, callee in enumerate(("112", "101", "1414")):
        assert say(held, from_abroad(f"{number}", caller=caller, callee=callee)) == ("allow", [])


def test_kill_switch_and_modes(held):
    locate(held, "home")
    for version, more, expected in (
        ("k", {"kill_switch": True}, ("allow", "block")),
        ("s", {"detectors": {"cli_spoofing": {"mode": "shadow"}}}, ("allow", "block")),
        ("o", {"detectors": {"cli_spoofing": {"mode": "off"}}}, ("allow", "allow")),
        ("a", {"detectors": {"cli_spoofing": {"actions": {"domestic_from_abroad": "label"}}}}, ("label", "label")),
    ):
        held.apply("policy", f"policy@{version}", orjson.dumps({"version": version, **more}))
        held.apply("policy", "current", orjson.dumps({"version": version}))
        decision = judge(held, [from_abroad(version)])[0]
        assert (decision["action"], decision["shadow_action"], decision["policy"]) == (*expected, version)


def test_a_demotion_puts_a_behaviour_detector_into_shadow_and_never_an_origin_one(held):
    locate(held, "home")
    for detector in ("cli_spoofing", "range_probing"):
        held.apply(
            "policy",
            f"demotion/{detector}/op-a/igw",
            orjson.dumps({"detector": detector, "operator": "op-a", "trunk": "igw"}),
        )
    assert say(held, from_abroad(trunk="igw"))[0] == "block"
    who = [(f"p{n}", "+77011111111", f"+7727234{n:04d}", NOW + n) for n in range(12)]
    said = judge(held, [one for call in who for one in (setup(*call, trunk="igw"), end(*call, cause=1))])
    assert {decision["action"] for decision in said} == {"allow"}
    assert said[-1]["shadow_action"] == "block"


def campaign(caller, n, step, callee, **ending):
    found = []
    for number in range(n):
        at = NOW + number * step
        found += [
            setup(f"{caller}{number}", caller, callee(number), at),
            end(f"{caller}{number}", caller, callee(number), at + step - 1, **ending),
        ]
    return found


def spread(number):
    return f"+7727{(number * 7_919_003) % 9_000_000 + 1_000_000:07d}"


def test_one_ring_with_numbers_of_the_home_country_is_labelled(held):
    messages = campaign("+77012000001", 45, 5_000, spread, ring_ms=1_500, talk_ms=0, cause=16)
    said = [orjson.loads(value) for _, _, value in held.process(batch(messages), NOW).decisions]
    assert said[-1]["action"] == "label"
    assert "wangiri.one_ring_at_home" in said[-1]["reasons"]


@pytest.mark.parametrize(("told", "action"), [
    ({"since": NOW - 400 * 86_400_000}, "label"), (None, "label"), ({}, "label"), ({"since": None}, "label"),
    ({"since": NOW - 3 * 86_400_000}, "block"),
])  # fmt: skip
def test_who_reads_messages_out_on_an_own_line_is_blocked_only_where_that_is_known_to_be_new(held, told, action):
    """A fact that does not say since when is told of old lines too, each night anew."""
    if told is not None:
        line = {"number": "+77272000002", "at": NOW, "fact": "line", "value": "active", "operator": "op-a"} | told
        held.apply("subscribers.line", line["number"], orjson.dumps(line))
    messages = campaign("+77272000002", 60, 6_000, spread, ring_ms=6_000, talk_ms=3_000, cause=16)
    own = [message | {"ingress": "subscriber"} if message["type"] == "setup" else message for message in messages]
    said = [orjson.loads(value) for _, _, value in held.process(batch(own), NOW).decisions]
    assert said[-1]["action"] == action


@pytest.mark.parametrize(("reason", "messages"), [
    ("wangiri.one_ring", campaign("+21629000001", 45, 5_000, spread, ring_ms=1_500, talk_ms=0, cause=16)),
    ("robocall.short_calls", campaign("+77012000002", 60, 6_000, spread, ring_ms=6_000, talk_ms=3_000, cause=16)),
    ("range_probing.unallocated_share", campaign("+77012000003", 60, 5_000, spread, ring_ms=0, talk_ms=0, cause=1)),
    ("range_probing.consecutive_numbers", campaign("+77012000004", 40, 5_000, lambda n: f"+7727{2_000_000 + n}", ring_ms=9_000, talk_ms=0, cause=19)),
])  # fmt: skip
def test_campaigns_are_blocked_after_their_first_calls_and_evidence_says_why(held, reason, messages):
    outcomes = held.process(batch(messages), NOW)
    said = [orjson.loads(value) for _, _, value in outcomes.decisions]
    blocked = [reason in decision["reasons"] and decision["action"] == "block" for decision in said]
    after = blocked[22:]
    assert sum(after) / len(after) >= 0.95
    found = [orjson.loads(value) for _, _, value in outcomes.evidence]
    detector, cause = reason.split(".")
    why = next(
        finding for finding in found[-1]["findings"] if (finding["detector"], finding["cause"]) == (detector, cause)
    )
    assert why["observed"] >= why["threshold"]
    assert why["window_s"] > 0


@pytest.mark.parametrize("messages", [
    campaign("+77013000001", 60, 9_000, lambda n: spread(n % 9), ring_ms=9_000, talk_ms=95_000, cause=16),
    campaign("+77013000002", 80, 30_000, spread, ring_ms=12_000, talk_ms=70_000, cause=16),
    campaign("+77013000003", 40, 60_000, spread, ring_ms=25_000, talk_ms=0, cause=19),
])  # fmt: skip
def test_busy_honest_lines_pass(held, messages):
    said = [orjson.loads(value) for _, _, value in held.process(batch(messages), NOW).decisions]
    assert {reason for decision in said for reason in decision["reasons"]} <= {"scam_centre.profile"}
    assert {decision["action"] for decision in said} <= {"allow", "label"}


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.id)
def test_shared_checks_on_every_detector(detector):
    import numpy as np

    from streamer import features

    x = np.random.default_rng(1).uniform(0, 60, (200, features.COUNT))
    x[:, [features.INDEX[name] for name in features.NAMES if features.FEATURES[features.INDEX[name]].unit == "0/1"]] = (
        1.0
    )
    p = np.zeros(MAX_THRESHOLDS)
    p[: len(detector.thresholds)] = list(detector.thresholds.values())
    before = x.copy()
    once = [detector.judge(row, p) for row in x]
    assert once == [detector.judge(row, p) for row in x]
    assert (x == before).all()
    assert all(0 <= cause <= len(detector.causes) for cause, *_ in once)
    assert detector.judge(np.full(features.COUNT, np.nan), p)[0] == 0
    assert "Source" in detector.doc
    assert all(cause.meaning for cause in detector.causes)


def test_knocking_first_with_the_spoofed_number_opens_no_diversion(held):
    """Only a first leg from the owner's line, or one that nobody doubted, shows that a call was really forwarded."""
    locate(held, "home")
    assert say(held, from_abroad("knock", callee="+77272000000"))[0] == "block"
    forged = from_abroad("forged", at=NOW + 2_000, diverted_from="+77272000000")
    assert say(held, forged) == ("withhold_cli", ["cli_spoofing.diversion_unverified_abroad"])
    assert say(held, from_abroad("same", at=NOW + 3_000, diverted_from=CALLED))[0] == "withhold_cli"


def test_a_forwarded_call_passes_although_the_other_clock_is_behind(held):
    locate(held, "home")
    say(held, setup("leg", HOME, "+77055550000", ingress="subscriber"))
    assert say(held, from_abroad("2", at=NOW - 200, diverted_from="+77055550000")) == ("allow", [])


def test_a_roamer_keeps_his_number_when_the_called_line_forwards_him(held):
    locate(held, "roaming")
    assert say(held, from_abroad(diverted_from="+905321234567")) == ("allow", [])


def test_that_somebody_came_home_later_tells_nothing_of_a_call_before(held):
    locate(held, "home", NOW + 3 * 3_600_000)
    assert say(held, from_abroad()) == ("label", ["cli_spoofing.domestic_from_abroad_unverified"])


def test_lists_hold_on_own_lines_too(held):
    enter(held, "do_not_originate", CALLED)
    assert say(held, setup("1", CALLED, HOME, ingress="subscriber")) == ("block", ["number_invalid.do_not_originate"])


def test_a_location_that_is_not_published_blocks_no_call_to_oneself(held):
    held.apply("operators", "op-a", b'{"operator":"op-a","ranges":["+7701"],"publishes_locations":false}')
    locate(held, "home")
    assert say(held, from_abroad(callee=HOME))[0] == "label"


@pytest.mark.parametrize("more", [
    {"user_agent": "x" * 5_000}, {"ingress_country": "gb"}, {"ingress_country": ""},
    {"asserted": "sip:+77011234567@ims.mnc001.mcc401.3gppnetwork.org;user=phone;cpc=ordinary"},
    {"identity": "e" * 20_000}, {"trunk": "t" * 300},
])  # fmt: skip
def test_nothing_written_into_an_optional_field_keeps_a_call_from_being_judged(held, more):
    locate(held, "home")
    assert say(held, from_abroad(**more))[0] == "block"


def test_the_owner_of_a_spoofed_number_is_judged_by_his_own_calls_wherever_they_are_seen(held):
    for n in range(60):
        at = NOW + 4_000 * n
        say(held, {**setup(f"s{n}", HOME, f"+77273{n:06d}", at), "operator": "op-c"},
            {**end(f"s{n}", HOME, f"+77273{n:06d}", at + 3_000, ring_ms=900, talk_ms=2_000, cause=16), "operator": "op-c"},
            setup(f"x{n}", "+77017777777", CALLED, at + 3_500))  # fmt: skip
    at = NOW + 4_000 * 60
    seen = {**setup("there", HOME, "+77059998877", at + 250), "operator": "op-b"}
    assert say(held, {**setup("spoofed", HOME, "+77273999999", at), "operator": "op-c"})[0] == "block"
    assert say(held, setup("own", HOME, "+77059998877", at, ingress="subscriber"), seen) == ("allow", [])


def redial(held, caller, dead, **more):
    for n in range(8):
        say(held, setup(f"d{n}", caller, dead, NOW + 40_000 * n, **more))
        ending = end(f"d{n}", caller, dead, NOW + 40_000 * n + 900, ring_ms=0, talk_ms=0, cause=1)
        say(held, ending, setup(f"probe{n}", "+77017777777", CALLED, NOW + 40_000 * n + 1_000))
    return say(held, setup("then", caller, CALLED if caller else dead, NOW + 330_000, **more))


def test_redialling_one_dead_number_is_no_probing(held):
    assert redial(held, HOME, "+77272999999", ingress="subscriber") == ("allow", [])


def test_withheld_callers_are_not_judged_by_one_anothers_calls(held):
    assert redial(held, "", CALLED) == ("allow", [])


@pytest.mark.parametrize(("ring_ms", "cause"), [(0, 38), (0, 20), (0, 17), (900, 21), (900, 17)])
def test_busy_lines_and_failing_networks_are_no_wangiri(held, ring_ms, cause):
    for n in range(40):
        at, called = NOW + 10_000 * n, f"+7727{3_000_000 + 37 * n:07d}"
        said = say(held, setup(f"w{n}", HOME, called, at, ingress="subscriber"))
        assert said == ("allow", [])
        ending = end(f"w{n}", HOME, called, at + 1_000, ring_ms=ring_ms, talk_ms=0, cause=cause)
        say(held, ending, setup(f"p{n}", "+77017777777", CALLED, at + 1_500))


@pytest.mark.parametrize(
    "called",
    [
        "urn:service:sos", "urn:service:sos.ambulance", "URN:SERVICE:SOS", "+7112", "8112", "112", "+112", "00112", "810112",
        "urn:service:sos.ecall.automatic", "urn:service:SOS.ecall.manual", "urn:service:sos.country-specific.kz.104",
        "<urn:service:sos>", "Urn:Service:sos;x=1", "sip:112@ims.kz", "tel:112;phone-context=+7",
        "tel:+7112", "sip:+7112@ims.kz", "tel:+112", "sips:+112@ims.kz", "+7 112", "+7(112)", "112#", "\turn:service:sos", "urn:service:sos\n",
        "007112",
    ],
)  # fmt: skip
def test_calls_for_help_pass_however_they_are_spelled(held, called):
    enter(held, "block", HOME)
    assert say(held, setup("1", HOME, called)) == ("allow", [])


@pytest.mark.parametrize(
    "called", ["urn:service:sosimple", "urn:service:so", "urn:service:", "xurn:service:sos", "+1125550100", "1120"]
)
def test_what_only_looks_like_a_call_for_help_is_none(held, called):
    enter(held, "block", HOME)
    assert say(held, setup("1", HOME, called))[0] == "block"


def test_603_is_said_of_analytics_alone(held):
    held.apply("policy", "policy@s", b'{"version":"s","block_sip_code":603}')
    held.apply("policy", "current", b'{"version":"s"}')
    enter(held, "block", HOME)
    (decision,) = judge(held, [setup("1", HOME, CALLED)])
    assert (decision["sip_code"], decision["reasons"]) == (608, ["list.block"])
