"""The rules by which a switch obeys: the order of the log, revisions, late verdicts, the cache, no verdict at all."""

import numpy as np
import pytest
from obedience import FORGET_MS, REVISION_MS, Obedience
from publisher import plan_of, repeated

from streamer.calls import compiled_decisions as decided
from streamer.calls.emergency import is_urgent, spelled_for
from streamer.calls.numbers import home_plan

NOW = 1_763_953_123_000
CALLER = "+77011234567"
CALLED = "+77272345678"
HOME = plan_of("KZ")


def call(call_id="c1", caller=CALLER, **more):
    return {"call_id": call_id, "caller": caller, "callee": CALLED, "ingress": "national", **more}


def decision(action, call_id="c1", **more):
    said = {"call_id": call_id, "operator": "op-a", "caller": CALLER, "callee": CALLED, "action": action, "reasons": ["x.y"],
            "revises": False, "late": False, "sip_code": None, "sip_reason": None, "q850": None, "cache_until": None}  # fmt: skip
    if action == "block":
        said |= {"sip_code": 608, "sip_reason": "Rejected", "q850": 21}
    return said | more


def asked(**more):
    rules = Obedience("op-a", 300, **{"plan": HOME} | more)
    assert rules.setup(call(), NOW) is None
    return rules


@pytest.mark.parametrize(
    ("action", "do"),
    [("allow", "pass"), ("label", "label"), ("withhold_cli", "withhold_cli"), ("divert", "divert"), ("block", "reject"),
     ("one_of_tomorrow", "pass")],
)  # fmt: skip
def test_a_verdict_is_obeyed(action, do):
    said = asked().verdict(decision(action), NOW + 7)
    assert (said.call_id, said.do, said.why, said.waited_ms, said.reasons) == ("c1", do, "verdict", 7, ("x.y",))


def test_a_block_carries_its_codes_into_sip_and_isup():
    said = asked(redress="https://op.kz/why").verdict(decision("block"), NOW)
    assert (said.sip_code, said.sip_reason, said.q850) == (608, "Rejected", 21)
    assert said.sip_headers == ("Call-Info: <https://op.kz/why>;purpose=jwscard", "Reason: Q.850;cause=21")
    said = asked(redress="https://op.kz/why").verdict(decision("block", sip_code=603), NOW)
    assert said.sip_headers[0] == 'Reason: SIP;cause=603;text="v=analytics1;url=https://op.kz/why";location=RLN'
    said = asked().verdict(decision("block", sip_code=603), NOW)
    assert said.sip_headers[0] == 'Reason: SIP;cause=603;text="v=analytics1";location=RLN'


@pytest.mark.parametrize(
    "caller",
    [
        f"sip:{CALLER};x={'a' * 300}@evil",
        f'"{"A" * 300}" <sip:{CALLER}@op>',
        "x" * 300,
        f" {'é' * 300}",
        " " * 300,
        "anonymous" + 300 * ";x",
    ],
)
def test_the_verdict_on_a_call_with_long_numbers_is_its_own(caller):
    rules = Obedience("op-a", 300, plan=HOME)
    assert rules.setup(call(caller=caller), NOW) is None
    told = decided.repeated(caller, home_plan("KZ"))
    assert repeated(caller) == told
    assert 0 < len(told) <= 255
    assert rules.verdict(decision("block", caller=told), NOW + 7).do == "reject"


def test_an_id_that_another_call_has_too_gets_a_verdict_of_its_own():
    """The id may be the SIP Call-ID, which whoever calls chooses."""
    rules = asked()
    assert rules.verdict(decision("allow"), NOW + 5).do == "pass"
    assert rules.setup(call(caller="+77012222222"), NOW + 1_000) is None
    assert rules.verdict(decision("allow"), NOW + 1_001) is None, "that of the call before"
    assert rules.verdict(decision("block", caller="8 701 222 22 22"), NOW + 1_007).do == "reject"
    assert rules.setup(call(caller="+77013333333"), NOW + 2_000) is None
    (passed,) = rules.expire(NOW + 2_300)
    assert (passed.do, passed.why, rules.waits()) == ("pass", "no_verdict", False)
    assert not list(rules.expire(NOW + FORGET_MS + 2_301))
    assert rules.setup(call(), NOW + FORGET_MS + 2_302) is None


@pytest.mark.parametrize(("first", "second"), [("allow", "block"), ("block", "allow")])
def test_the_first_in_the_order_of_the_log_stands(first, second):
    rules = asked()
    assert rules.verdict(decision(first), NOW) is not None
    assert rules.verdict(decision(second), NOW + 1) is None
    assert rules.counts["repeated"] == 1
    assert rules.setup(call(), NOW + 5_000).do == {"allow": "pass", "block": "reject"}[first]


def test_a_retry_that_still_waits_goes_on_waiting():
    rules = asked()
    assert rules.setup(call(), NOW + 200) is None
    (said,) = rules.expire(NOW + 300)
    assert (said.do, said.why, said.waited_ms) == ("pass", "no_verdict", 300)
    assert list(rules.expire(NOW + 600)) == []


def test_a_revision_stops_a_call_that_rings():
    rules = asked()
    rules.verdict(decision("allow"), NOW)
    said = rules.verdict(decision("block", revises=True), NOW + REVISION_MS)
    assert (said.do, said.why, said.sip_code, said.q850) == ("stop", "revised", 608, 21)
    assert rules.verdict(decision("block", revises=True), NOW + REVISION_MS) is None


@pytest.mark.parametrize("happened", ["answer", "end"])
def test_a_revision_comes_too_late_once_the_call_is_answered_or_over(happened):
    rules = asked()
    rules.verdict(decision("allow"), NOW)
    getattr(rules, happened)("c1")
    assert rules.verdict(decision("block", revises=True), NOW + 100) is None
    assert rules.counts["nothing_to_stop"] == 1


@pytest.mark.parametrize(("action", "after_ms"), [("block", REVISION_MS + 1), ("label", 100)])
def test_what_the_contract_does_not_allow_revises_nothing(action, after_ms):
    rules = asked()
    rules.verdict(decision("allow"), NOW)
    assert rules.verdict(decision(action, revises=True), NOW + after_ms) is None
    assert rules.counts["no_revision"] == 1


def test_late_verdicts_are_ignored_and_the_call_passes():
    rules = asked()
    assert rules.verdict(decision("block", late=True), NOW + 10) is None
    assert rules.verdict(decision("block", late=True, revises=True), NOW + 11) is None
    (said,) = rules.expire(NOW + 300)
    assert (said.do, said.why) == ("pass", "no_verdict")
    assert rules.counts["late"] == 2


@pytest.mark.parametrize("answered", [False, True])
def test_a_block_that_was_given_in_time_but_read_after_it_stops_a_call_that_rings(answered):
    rules = asked()
    assert len(list(rules.expire(NOW + 300))) == 1
    if answered:
        rules.answer("c1")
    said = rules.verdict(decision("block"), NOW + 350)
    assert (said and said.do) == (None if answered else "stop")


def test_verdicts_of_others_are_not_ours():
    rules = asked()
    assert rules.verdict(decision("block", operator="op-b"), NOW) is None
    assert rules.verdict(decision("block", call_id="unknown"), NOW) is None
    assert rules.waits()


def test_a_cached_block_is_answered_at_once_until_its_time_is_over():
    rules = asked()
    rules.verdict(decision("block", cache_until=NOW + 60_000), NOW)
    said = rules.setup(call("c2", "8 701 123 45 67"), NOW + 59_999)
    assert (said.call_id, said.do, said.why, said.waited_ms) == ("c2", "reject", "cache", 0)
    assert rules.verdict(decision("block", "c2"), NOW + 60_000) is None
    assert rules.setup(call("c3"), NOW + 60_000) is None


@pytest.mark.parametrize("other", [{"caller": "+77010000000"}, {"ingress": "international"}, {"trunk": "igw-1"}])
def test_the_cache_holds_for_one_caller_ingress_and_trunk(other):
    rules = asked()
    rules.verdict(decision("block", cache_until=NOW + 60_000), NOW)
    assert rules.setup(call("c2", **other), NOW + 1) is None


@pytest.mark.parametrize(
    "called",
    [
        "112",
        "sip:103@ims.kz;user=phone",
        "tel:101",
        "urn:service:sos.police",
        "<URN:service:sos>",
        '"112" <sip:112@x>;tag=1',
    ],
)
def test_a_call_for_help_passes_at_once_and_no_verdict_changes_that(called):
    rules = asked()
    rules.verdict(decision("block", cache_until=NOW + 60_000), NOW)
    said = rules.setup(call("c2") | {"callee": called}, NOW + 1)
    assert (said.call_id, said.do, said.why, said.waited_ms) == ("c2", "pass", "emergency", 0)
    assert rules.setup(call("c3"), NOW + 2).do == "reject"
    assert rules.setup(call("c2") | {"callee": called}, NOW + 3) is said, "the switch tries again"
    for more in ({}, {"revises": True}):
        assert rules.verdict(decision("block", "c2", callee=called, cache_until=NOW + 60_000, **more), NOW + 4) is None
    assert (rules.counts["of_emergency"], rules.waits(), list(rules.expire(NOW + 400))) == (2, False, [])


@pytest.mark.parametrize("called", ["+77272345678", "1120", "urn:service:sosimple", "+1125550100"])
def test_what_only_looks_like_one_waits_and_is_stopped(called):
    rules = asked()
    assert rules.setup(call("c1b") | {"callee": called}, NOW) is None
    rules.verdict(decision("block", cache_until=NOW + 60_000), NOW)
    assert rules.setup(call("c2") | {"callee": called}, NOW + 1).do == "reject"


def blocked(plan, **more):
    """Rules by which a caller's calls are blocked from the cache."""
    rules = asked(plan=plan, **more)
    rules.verdict(decision("block", cache_until=NOW + 60_000), NOW)
    return rules


def asks(rules, called):
    """Whether a call to a number waits for a verdict of its own, whatever the cache holds."""
    return rules.setup(call(f"to {called}") | {"callee": called}, NOW + 1) is None


def helps(rules, called):
    """Whether a call to a number passes at once, whatever the cache holds."""
    said = rules.setup(call(f"to {called}") | {"callee": called}, NOW + 1)
    return said is not None and (said.do, said.why) == ("pass", "emergency")


@pytest.mark.parametrize(("home", "called"), [
    ("DE", ["110", "112", "0112", "tel:110"]), ("GB", ["999", "112"]), ("US", ["911", "1911"]), ("FR", ["15", "17", "18"]),
    ("SG", ["995", "999"]), ("BR", ["190", "192"]), ("RU", ["01", "02", "03", "112"]),
])  # fmt: skip
def test_help_is_called_by_the_numbers_of_the_country(home, called):
    rules = blocked(plan_of(home))
    assert [number for number in called if not helps(rules, number)] == []
    assert rules.setup(call("c2", callee="+12125550123"), NOW + 2).why == "cache"
    assert asks(rules, "+12125550123") is False


@pytest.mark.parametrize("home", ["KZ", "DE", "US", "SG", "BR", "IN"])
def test_what_the_detector_takes_for_a_call_for_help_waits_for_nothing(home):
    own = home_plan(home)
    spelled = spelled_for(own)
    rules = blocked(plan_of(home))
    tried = 0
    for number in plan_of(home).emergency:
        for before in (
            "",
            own.trunk,
            *own.international,
            *(f"{prefix}{own.code}" for prefix in ("+", *own.international)),
            "+",
            "9",
        ):
            for form in ("{}", "sip:{}@ims.example;user=phone", "<tel:{}>", " {} ", "[{}]", "{}#"):
                called = form.format(before + number)
                raw = np.frombuffer(called.encode(), np.uint8)
                if is_urgent(raw, 0, len(raw), spelled):
                    tried += 1
                    assert helps(rules, called), called
    assert tried > 20


def test_nothing_is_answered_from_the_cache_where_no_emergency_numbers_are_known():
    for plan in ({}, {"plan": HOME._replace(emergency=())}, {"plan": plan_of("TK")}):
        rules = Obedience("op-a", 300, **plan)
        rules.setup(call(), NOW)
        rules.verdict(decision("block", cache_until=NOW + 60_000), NOW)
        assert asks(rules, "+77272345678")
        assert asks(rules, "112")


def test_a_cached_block_stops_no_call_to_a_number_that_is_to_be_spared():
    rules = blocked(HOME, spared=["8 727 234 56 78", "1414", "+77172*"])
    for called in ("+77272345678", "sip:87272345678@op.kz", "1414", "87172000000"):
        assert asks(rules, called), called
    for called in ("+77272345679", "14141", "+77182000000"):
        assert not asks(rules, called), called


def test_a_line_is_one_however_it_is_spelled_at_home():
    rules = Obedience("op-a", 300, plan=plan_of("GB"))
    rules.setup(call(caller="020 7946 0000"), NOW)
    rules.verdict(decision("block", caller="+442079460000", cache_until=NOW + 60_000), NOW)
    assert rules.setup(call("c2", "+442079460000"), NOW + 1).why == "cache"


def test_withheld_callers_are_not_one_line():
    rules = Obedience("op-a", 300, plan=HOME)
    rules.setup(call(caller="anonymous", asserted=CALLER), NOW)
    rules.verdict(decision("block", caller="anonymous", cache_until=NOW + 60_000), NOW)
    assert rules.setup(call("c2", caller="anonymous", asserted="+77010000000"), NOW) is None
    assert rules.setup(call("c3", caller="anonymous", asserted=CALLER), NOW).do == "reject"


def test_a_verdict_that_does_not_block_ends_the_cache():
    rules = asked()
    rules.verdict(decision("block", cache_until=NOW + 60_000), NOW)
    assert rules.setup(call("c2"), NOW + 1).why == "cache"
    rules.verdict(decision("allow", "c2"), NOW + 2)
    assert rules.setup(call("c3"), NOW + 3) is None


def test_nothing_is_said_of_a_call_that_was_given_up():
    rules = asked()
    rules.end("c1")
    assert rules.verdict(decision("block"), NOW + 10) is None
    assert list(rules.expire(NOW + 300)) == []
    assert rules.setup(call(), NOW + 400).do == "reject"


def test_a_call_that_is_tried_again_after_it_was_given_up_is_told_in_time():
    rules = asked()
    rules.end("c1")
    assert rules.setup(call(), NOW + 200) is None
    assert [said.do for said in rules.expire(NOW + 300)] == ["pass"]


def test_calls_are_forgotten_and_their_id_is_then_a_new_call():
    rules = asked()
    rules.verdict(decision("block"), NOW)
    list(rules.expire(NOW + FORGET_MS + 1))
    assert rules.setup(call(), NOW + FORGET_MS + 2) is None
