"""What came of Identity headers, as the engine is told it: reasons, features, evidence, and that nothing is blocked for it."""

import orjson
import pytest

from streamer.identity.results import FAILURES, LEVELS, NOTHING
from tests.detectors.calling import quiet, rule
from tests.test_engine import NOW, batch, engine, setup

CALLER, CALLED = "+77011234567", "+77272345678"


def judged(held, result, **more):
    given = batch([setup("1", CALLER, CALLED, **more)])
    if result is not None:
        given = given._replace(identities=[result])
    outcomes = held.process(given, NOW)
    (decision,) = (orjson.loads(value) for _, _, value in outcomes.decisions)
    return decision, [orjson.loads(value) for _, _, value in outcomes.evidence]


def all_told():
    held = engine()
    held.apply("policy", "policy@all", b'{"version":"all","evidence_sample":1.0}')
    held.apply("policy", "current", b'{"version":"all"}')
    return held


@pytest.mark.parametrize(("place", "name"), [*enumerate(FAILURES)])
def test_a_header_that_does_not_hold_is_a_reason_and_evidence_and_no_verdict(place, name):
    decision, (evidence,) = judged(quiet(), -1 - place, attestation="A")
    assert (decision["action"], decision["shadow_action"], decision["reasons"]) == (
        "allow",
        "allow",
        [f"identity.{name}"],
    )
    (finding,) = evidence["findings"]
    assert (finding["detector"], finding["cause"], finding["action"], finding["mode"]) == (
        "identity",
        name,
        "allow",
        "enforce",
    )
    assert (evidence["features"]["attested"], evidence["features"]["identity_failed"]) == (None, place + 1)


@pytest.mark.parametrize(("result", "reported", "attested", "failed"), [
    (None, "A", 3, None), (None, None, None, None), (NOTHING, "B", 2, None), (NOTHING, None, None, None),
    (LEVELS["A"], None, 3, 0), (LEVELS["C"], "A", 1, 0), (LEVELS["B"], "B", 2, 0),
])  # fmt: skip
def test_what_was_verified_goes_before_what_was_reported(result, reported, attested, failed):
    decision, (evidence,) = judged(all_told(), result, attestation=reported)
    assert decision["reasons"] == []
    assert (evidence["features"]["attested"], evidence["features"]["identity_failed"]) == (attested, failed)


def test_policy_may_have_a_call_labelled_for_it():
    held = quiet()
    rule(held, {"identity": {"actions": {"stale": "label"}}})
    place = list(FAILURES).index("stale")
    assert judged(held, -1 - place)[0]["action"] == "label"


def test_only_the_set_up_that_a_result_is_of_is_moved_by_it():
    held = quiet()
    messages = [b"{broken", setup("1", CALLER, CALLED), setup("2", "+77017654321", CALLED)]
    outcomes = held.process(batch(messages)._replace(identities=[0, 0, -1]), NOW)
    assert [orjson.loads(value)["reasons"] for _, _, value in outcomes.decisions] == [[], ["identity.malformed"]]
