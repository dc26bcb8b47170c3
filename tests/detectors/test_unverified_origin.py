"""Calls whose originations come in time, late or never, through the engine: what is said at first, and what revises it."""

import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.calls.codec import decode_decision, decode_evidence
from streamer.calls.partitioner import partition_of
from streamer.engine import Engine
from streamer.errors import MessageError, StateError
from streamer.policy import BLOCK
from streamer.records import Batch
from streamer.revisions import MOST_EVIDENCE
from streamer.stream.metrics import Metrics
from streamer.windows import calls as recent
from streamer.windows import originations
from tests.test_engine import NOW, PARTITIONS, batch, end, setup, windows

A, B, C, FIXED = "+77011234567", "+77051234567", "+77051111111", "+77272345678"
NOT_ORIGINATED = ["unverified_origin.not_originated"]
DIVERSION = ["cli_spoofing.diversion_unverified"]


def policy(held, version="t", mode="enforce", sample=0.05, **thresholds):
    told = {
        "version": version,
        "control_share": 0.0,
        "evidence_sample": sample,
        "detectors": {"unverified_origin": {"mode": mode, "thresholds": {"matches": 0} | thresholds}},
    }
    held.apply("policy", f"policy@{version}", orjson.dumps(told))
    held.apply("policy", "current", orjson.dumps({"version": version}))


@pytest.fixture
def held():
    return engine()


def engine(**more):
    made = Engine(partitions=PARTITIONS, max_callers=10_000, **more)
    for name, prefix, publishes in (("op-a", "+7701", True), ("op-b", "+7705", True), ("op-c", "+7707", False)):
        told = {"operator": name, "ranges": [prefix], "publishes_originations": publishes}
        made.apply("operators", name, orjson.dumps(told))
    policy(made)
    return made


def own(call_id, caller=A, callee=B, at=NOW, operator="op-a", **more):
    return setup(call_id, caller, callee, at, operator=operator, ingress="subscriber", **more)


def come_in(call_id, caller=A, callee=B, at=NOW, operator="op-b", **more):
    return setup(call_id, caller, callee, at, operator=operator, ingress="national", trunk="transit", **more)


def others(operator, prefix):
    """A line of an operator for each partition."""
    found, number = {}, 9_000_000
    while len(found) < PARTITIONS:
        number += 1
        found.setdefault(partition_of(f"{prefix}{number}".encode(), PARTITIONS), f"{prefix}{number}")
    return [(operator, found[partition]) for partition in range(PARTITIONS)]


OTHERS = list(zip(others("op-a", "+7701"), others("op-b", "+7705"), strict=True))


def with_others(messages):
    """Each call that comes in from another network, and behind it in its partition calls of other lines: their operators publish."""
    found = []
    for message in messages:
        found.append(message)
        if message["type"] == "setup" and message["ingress"] != "subscriber":
            (partition,) = batch([message]).partitions
            name = f"meanwhile {message['call_id']}"
            found += [own(name, line, "+77272000000", message["at"], name_) for name_, line in OTHERS[partition]]
    return found


class Log:
    """Records in log order, their offsets going on from batch to batch, as a worker gets them; where `published`, other calls of the
    operators' lines among them. `first`: evidence of set-ups.
    """

    def __init__(self, held, published=True):
        self.held, self.offset, self.decisions, self.revisions, self.evidence = held, 0, [], [], []
        self.first = []
        self.published = published

    def judge(self, *messages, appended=None):
        messages = with_others(messages) if self.published else messages
        given = batch(messages)
        offsets = list(range(self.offset, self.offset + len(messages)))
        self.offset += len(messages)
        append_ms = given.append_ms if appended is None else [appended] * len(messages)
        return self.heard(self.held.process(given._replace(offsets=offsets, append_ms=append_ms), append_ms[-1] + 5))

    def tick(self, now, delivered=True):
        for partition in range(PARTITIONS):
            outcomes = self.heard(self.held.tick(partition, now))
            if delivered:
                self.held.delivered(outcomes.revisions)

    def heard(self, outcomes):
        said = [orjson.loads(value) for *_, value in outcomes.decisions]
        self.decisions += [one for one in said if not one["call_id"].startswith("meanwhile ")]
        self.first += [
            one
            for one in (orjson.loads(value) for *_, value in outcomes.evidence)
            if not one["decision"]["call_id"].startswith("meanwhile ")
        ]
        self.revisions += [orjson.loads(told.decision) for told in outcomes.revisions if told.decision]
        kept = [told.evidence for told in outcomes.revisions if told.evidence]
        self.evidence += [orjson.loads(told) for told in kept]
        for told in kept:
            decode_evidence(told)
        self.came = outcomes.came
        return outcomes


def waiting(held):
    return int(held.state.waiting.count.sum())


def test_a_call_that_was_never_originated_is_allowed_and_blocked_two_seconds_later(held):
    log = Log(held)
    log.judge(come_in("1"))
    assert [(one["action"], one["reasons"], one["revises"]) for one in log.decisions] == [("allow", [], False)]
    log.tick(NOW + 1_999)
    assert not log.revisions
    assert [due for p in range(PARTITIONS) if (due := held.due(p)) is not None] == [NOW + 2_000]
    log.tick(NOW + 2_000)
    assert not any(map(held.due, range(PARTITIONS)))
    (said,) = log.revisions
    first = log.decisions[0]
    assert (said["action"], said["reasons"], said["revises"], said["late"]) == ("block", NOT_ORIGINATED, True, False)
    assert (said["sip_code"], said["q850"], said["cache_until"], said["decided_at"]) == (608, 21, None, NOW + 2_000)
    assert {
        name: said[name] for name in ("call_id", "at", "operator", "caller", "callee", "score", "policy", "model")
    } == {name: first[name] for name in ("call_id", "at", "operator", "caller", "callee", "score", "policy", "model")}
    decode_decision(orjson.dumps(said))
    (evidence,) = log.evidence
    assert evidence["decision"] == said
    (finding,) = evidence["findings"]
    assert (finding["detector"], finding["observed"], finding["threshold"], finding["window_s"]) == (
        "unverified_origin",
        0,
        1,
        10,
    )
    assert evidence["features"]["origination_seen"] == 0
    assert waiting(held) == 0


def test_it_is_settled_by_the_log_too_before_the_first_record_that_was_appended_so_late(held):
    log = Log(held)
    log.judge(come_in("1"))
    log.judge(end("x", A, C, NOW + 1_999))
    assert not log.revisions
    log.judge(own("late", at=NOW + 2_000))  # its origination, as it were, but too late
    assert [one["call_id"] for one in log.revisions] == ["1"]


@pytest.mark.parametrize("ahead", [-9_000, -100, 0, 1_900])
def test_a_call_that_was_originated_in_time_or_a_little_late_is_left_alone(held, ahead):
    log = Log(held)
    first, second = own("a", at=NOW + ahead), come_in("1")
    log.judge(*sorted((first, second), key=lambda one: one["at"]))
    log.tick(NOW + 20_000)
    assert [one["action"] for one in log.decisions] == ["allow", "allow"]
    assert not log.revisions
    assert waiting(held) == 0


def test_an_origination_of_another_call_or_long_before_is_none(held):
    log = Log(held)
    log.judge(own("a", at=NOW - 10_001), own("b", callee=C), come_in("1"))
    log.tick(NOW + 2_000)
    assert [one["call_id"] for one in log.revisions] == ["1"]


def test_a_number_that_comes_back_to_its_own_operator_has_to_be_originated_too(held):
    log = Log(held)
    log.judge(come_in("1", callee=C, operator="op-a"))
    log.judge(come_in("2", operator="op-a", at=NOW + 10), own("own", at=NOW + 900))
    log.tick(NOW + 3_000)
    assert [one["call_id"] for one in log.revisions] == ["1"]


@pytest.mark.parametrize(
    "call",
    [
        come_in("1", caller="+77071234567"),  # its operator publishes none
        come_in("1", caller=FIXED),  # nobody's
        come_in("1", caller="anonymous"),
        come_in("1", caller="+447400123456"),
        own("1", operator="op-b"),
        come_in("1") | {"ingress": "international"},  # `cli_spoofing` sees to that
    ],
)
def test_what_is_not_asked_waits_for_nothing(held, call):
    log = Log(held)
    log.judge(call)
    assert waiting(held) == 0


def test_a_diverted_call_is_let_be_where_its_first_leg_was_seen(held):
    log = Log(held)
    log.judge(
        own("leg", callee=B, at=NOW - 30_000), come_in("1", callee="+77071111111", operator="op-c", diverted_from=B)
    )
    assert waiting(held) == 0
    log.judge(come_in("2", callee="+77072222222", operator="op-c", diverted_from="+77059999999", at=NOW + 1))
    assert waiting(held) == 1


def test_roaming_numbers_and_others_that_stand_for_another_are_exempt(held):
    held.apply("lists", "m", orjson.dumps({"list": "roaming_numbers", "match": "exact", "number": B, "side": "called"}))
    Log(held).judge(come_in("1"))
    assert waiting(held) == 0


def test_emergency_calls_wait_for_nothing(held):
    Log(held).judge(come_in("1", callee="112"))
    assert waiting(held) == 0


@pytest.mark.parametrize("kind", ["answer", "end"])
def test_what_was_answered_or_is_over_by_then_is_let_be(held, kind):
    log = Log(held)
    outcome = end("1", A, B, NOW + 900, operator="op-b", talk_ms=100) | {"type": kind}
    log.judge(come_in("1"), outcome)
    log.tick(NOW + 5_000)
    assert not log.revisions
    assert waiting(held) == 0


@pytest.mark.parametrize("how", ["shadow", "kill switch", "operator", "action", "off"])
def test_where_it_is_not_enforced_nothing_is_revised_and_the_evidence_says_what_would_be(held, how):
    log = Log(held)
    if how == "off":
        policy(held, "off", "off")
    log.judge(come_in("1"))
    if how == "shadow":
        policy(held, "s", "shadow")
    elif how == "kill switch":
        held.apply("policy", "policy@k", b'{"version":"k","kill_switch":true}')
        held.apply("policy", "current", b'{"version":"k"}')
    elif how == "operator":
        held.apply("operators", "op-b", b'{"operator":"op-b","mode":"shadow"}')
    elif how == "action":
        told = {"version": "l", "detectors": {"unverified_origin": {"actions": {"not_originated": "label"}}}}
        held.apply("policy", "policy@l", orjson.dumps(told))
        held.apply("policy", "current", b'{"version":"l"}')
    log.tick(NOW + 2_000)
    assert not log.revisions
    said = [(one["decision"]["action"], one["decision"]["shadow_action"]) for one in log.evidence]
    assert said == ([] if how == "off" else [("allow", "block")])


@pytest.mark.parametrize(("mode", "revises"), [("enforce", True), ("shadow", False)])
def test_evidence_of_what_came_of_a_call_stands_for_that_call_alone(held, mode, revises):
    """Of these all leave evidence; the sample's had it before, and stood for calls that were let through unseen."""
    policy(held, mode, mode, sample=0.2)
    log = Log(held)
    for n in range(100):
        log.judge(come_in(f"{n}", caller=f"+7701{n:07d}"))
    log.tick(NOW + 2_000)
    assert {one["weight"] for one in log.first} == {5.0}
    assert 5 < len(log.first) < 40
    assert [one["weight"] for one in log.evidence] == [1.0] * 100
    assert {one["decision"]["revises"] for one in log.evidence} == {revises}


def test_an_operator_whose_originations_come_late_too_often_or_were_seldom_met_is_not_acted_on(held):
    policy(held, "many", matches=100, on_time_share=0.95)
    log = Log(held)
    spoofed = iter(range(1, 1_000))

    def revised_after(calls):
        for call in calls:
            log.judge(call)
        at, before = calls[-1]["at"], len(log.revisions)
        log.judge(come_in(f"s{next(spoofed)}", callee=C, at=at + 20_000))
        log.tick(at + 30_000)
        return len(log.revisions) - before

    def met(number, at, late):
        first, second = own(f"a{number}", at=at), come_in(f"b{number}", at=at + (-500 if late else 200))
        return [second, first] if late else [first, second]

    calls = [call for n in range(99) for call in met(n, NOW + 30_000 * n, False)]
    assert revised_after(calls) == 0  # 99 are too few
    at = calls[-1]["at"] + 60_000
    assert revised_after(met(100, at, False)) == 1
    late = [call for n in range(6) for call in met(200 + n, at + 60_000 + 30_000 * n, True)]
    assert revised_after(late) == 0  # 6 of 106 were late
    day = late[-1]["at"] + 29 * 3_600_000
    assert revised_after([call for n in range(100) for call in met(300 + n, day + 30_000 * n, False)]) == 1


def published(name, at, operator="op-a", caller=None, appended=None):
    """A call of another line in A's partition, and when it was appended."""
    (partition,) = batch([own("a")]).partitions
    lines = dict(OTHERS[partition])
    return own(name, caller or lines[operator], FIXED, at, operator), at if appended is None else appended


@pytest.mark.parametrize(
    ("others", "revised"),
    [
        ([], 0),
        ([published("before", NOW - 1)], 0),
        ([published("another operator", NOW + 500, "op-b")], 0),
        ([published("of what was held back", NOW - 5_000, appended=NOW + 500)], 0),
        ([published("when its time was up", NOW + 2_000)], 0),
        ([published("at once", NOW)], 1),
        ([published("a little late", NOW - 2_000, appended=NOW + 1_999)], 1),
    ],
)
@pytest.mark.parametrize("handed_over", [False, True])
def test_nothing_is_held_against_a_call_after_which_its_operator_published_nothing(held, others, revised, handed_over):
    """Its publisher stands still, or delivers what it held back: of the call it would have said nothing either."""
    log = Log(held, published=False)
    calls = [published("first", NOW - 60_000), *others, (come_in("1"), NOW)]
    for call, appended in sorted(calls, key=lambda one: (one[1], one[0]["call_id"] != "1")):
        log.judge(call, appended=appended)
        if handed_over:
            other = engine()
            for partition in range(PARTITIONS):
                other.import_state(partition, log.held.export(partition))
            log.held = other
    log.tick(NOW + 2_000)
    assert [one["call_id"] for one in log.revisions] == revised * ["1"]
    (evidence,) = log.evidence
    assert evidence["decision"]["shadow_action"] == "block"
    assert waiting(log.held) == 0


BEHIND = [0, 3_900, 12_000, 5 * 3_600_000]


@pytest.mark.parametrize("first", ["origination", "other end"])
@pytest.mark.parametrize("owners_ms", BEHIND)
@pytest.mark.parametrize("others_ms", BEHIND)
def test_a_wrong_clock_blocks_nobody(held, first, owners_ms, others_ms):
    """Of the operator of the number, or of the one at whose end the call comes out; what was appended at about the same time is near."""
    policy(held, "any", on_time_share=0.0)
    log = Log(held)
    log.judge(come_in("elsewhere", "+77071234567", C, NOW - 100))
    given = [
        (own("origination", at=NOW - owners_ms), NOW),
        (come_in("other end", at=NOW + 50 - others_ms), NOW + 50),
    ]
    if first == "other end":
        given = [(call, 2 * NOW + 50 - appended) for call, appended in reversed(given)]
    for call, appended in given:
        log.judge(end("x", A, C, appended), appended=appended)  # others' clocks are right
        log.judge(call, appended=appended)
        log.judge(*(call for call, _ in [published(f"others {appended}", appended)]), appended=appended)
    log.tick(NOW + 3_000)
    assert log.revisions == []


@pytest.mark.parametrize(("after_s", "revised"), [(75, 0), (299, 0), (301, 1)])
def test_a_call_that_overflows_from_a_queue_is_labelled_for_minutes(held, after_s, revised):
    log = Log(held)
    log.judge(own("call"), come_in("rings", at=NOW + 50))
    at = NOW + 1_000 * after_s
    log.judge(come_in("overflows", callee="+77071111111", operator="op-c", diverted_from=B, at=at))
    log.tick(at + 2_000)
    assert [one["reasons"] for one in log.decisions] == [[], [], DIVERSION]
    assert len(log.revisions) == revised


@pytest.mark.parametrize("claimed_by", ["op-a", "op-b", "op-c"])
def test_a_claim_is_no_late_origination(held, claimed_by):
    """Blocked, as one over an enterprise's trunk that does not carry the number, or of another operator than the number's."""
    trunk = {"trunk": "pbx", "operator": claimed_by, "partner": "shop", "kind": "enterprise", "ranges": ["+7727234"]}
    held.apply("trunks", f"{claimed_by}/pbx", orjson.dumps(trunk))
    log = Log(held)
    for n in range(2):
        at = NOW + 20_000 * n
        log.judge(come_in(f"i{n}", at=at), own(f"c{n}", operator=claimed_by, trunk="pbx", at=at + 50))
    log.judge(come_in("other", callee=C, at=NOW + 60_000), own("rented", callee=C, operator="op-c", at=NOW + 60_050))
    assert [one["action"] for one in log.decisions] == [*(2 * ["allow", "block"]), "allow", "allow"]
    assert not any(originations.shares_of(held.state.on_time, partition) for partition in range(PARTITIONS))
    log.judge(own("late", callee=C, at=NOW + 60_900))
    ((*_, in_time, late),) = originations.shares_of(held.state.on_time, int(held.state.waiting.count.argmax()))
    assert (in_time, late) == (0, 1)


def test_a_revised_call_counts_as_blocked_and_a_retry_is_told_so(held):
    log = Log(held)
    log.judge(come_in("1"))
    log.judge(come_in("2", callee=C, at=NOW + 2_500), come_in("1", at=NOW + 2_600))
    assert log.decisions[-1]["action"] == "block"
    assert log.decisions[-1]["reasons"] == NOT_ORIGINATED
    log.judge(come_in("3", callee=FIXED, at=NOW + 60_000))
    log.tick(NOW + 62_000)
    assert log.evidence[-1]["features"]["blocked_10m"] == 2


def test_a_revision_later_than_three_seconds_says_so(held):
    log = Log(held)
    log.judge(come_in("1"))
    log.tick(NOW + 3_001)
    assert log.revisions[0]["late"]


@pytest.mark.parametrize("together", [True, False])
def test_of_history_the_events_tell_what_time_it_is_however_it_is_cut(together):
    log = Log(engine(clamp=False))
    calls = [
        come_in("1"),
        end("x", A, C, NOW + 1_999),
        own("a", callee=C, at=NOW + 2_000),
        come_in("2", callee=C, at=NOW + 2_100),
    ]
    calls.append(end("y", A, C, NOW + 9_000))
    for part in [calls] if together else [[call] for call in calls]:
        log.judge(*part, appended=NOW + 99_000)
    assert [one["call_id"] for one in log.revisions] == ["1"]


def test_too_many_that_wait_are_let_through_and_not_asked_about(held):
    log = Log(held)
    log.judge(*(come_in(str(n), caller=f"+7701{n:07d}") for n in range(5 * originations.MOST)))
    assert held.state.waiting.count.tolist() == PARTITIONS * [originations.MOST]
    other = engine()
    for partition in range(PARTITIONS):  # they are handed over in pieces of a size that a message may have
        packed = [*held.pieces(held.whole(partition))]
        assert max(map(len, packed)) < 1_500_000
        for piece in packed:
            other.put(other.opened(partition, piece))
    log.held = other
    log.tick(NOW + 2_000)
    assert len(log.revisions) == PARTITIONS * originations.MOST
    assert len(log.evidence) == PARTITIONS * MOST_EVIDENCE
    assert waiting(other) == 0


# -- nothing lost, nothing doubled ---------------------------------------------------------------------------


AFTER = NOW + 1_000_000


def mixed(seed, n=300):
    """Spoofed calls, originations in time, late or too late, answers, what is diverted, comes from abroad or is tried anew; in order
    of appending.
    """
    draw, more, found = random.Random(seed), random.Random(seed + 1), []
    lines = [f"+7701{n:07d}" for n in range(8)]
    for number in range(n):
        at = NOW + 700 * number
        caller, callee = draw.choice(lines), f"+7705{draw.randrange(40):07d}"
        call = come_in(f"i{number}", caller, callee, at)
        found.append(call)
        if draw.random() < 0.6:
            found.append(own(f"o{number}", caller, callee, at + draw.randrange(-3_000, 4_000)))
        if draw.random() < 0.4:
            talk = draw.choice([0, 9_000])
            found.append(
                end(f"i{number}", caller, callee, at + draw.randrange(500, 9_000), operator="op-b", talk_ms=talk)
            )
        if more.random() < 0.3:
            then, there = at + more.randrange(-4_000, 40_000), f"+7707{more.randrange(40):07d}"
            found.append(come_in(f"d{number}", caller, there, then, operator="op-c", diverted_from=callee))
        if more.random() < 0.2:
            then = at + more.randrange(-9_000, 9_000)
            found.append(come_in(f"a{number}", caller, callee, then, operator="op-t") | {"ingress": "international"})
        if more.random() < 0.2:
            found.append(come_in(f"r{number}", caller, callee, at + more.randrange(12_000)))
    return sorted(found, key=lambda one: one["at"])


def lenient():
    made = engine()
    policy(made, "any", on_time_share=0.0)
    return made


@pytest.fixture(scope="module")
def undisturbed():
    log = Log(lenient(), published=False)
    for message in mixed(1):
        log.judge(message)
    log.tick(AFTER)
    assert len(log.revisions) > 30
    return log


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_any_cutting_ticks_and_hand_overs_give_equal_revisions_and_windows(undisturbed, seed):
    draw, messages, log = random.Random(seed), mixed(1), Log(lenient(), published=False)
    while messages:
        count = draw.randrange(1, 60)
        part, messages = messages[:count], messages[count:]
        log.judge(*part)
        if draw.random() < 0.3 and messages:  # the clock, where nothing waits to be judged
            log.tick(messages[0]["at"])
        if draw.random() < 0.3:
            other = lenient()
            for partition in range(PARTITIONS):
                other.import_state(partition, log.held.export(partition))
            log.held = other
    log.tick(AFTER)  # what a partition's last record left waiting a tick may have settled before, or not
    assert [windows(log.held, p) for p in range(PARTITIONS)] == [
        windows(undisturbed.held, p) for p in range(PARTITIONS)
    ]

    def told(of):
        return sorted((one["call_id"], one["action"], one["reasons"]) for one in of.revisions)

    assert told(log) == told(undisturbed)


def test_what_a_tick_changed_of_a_caller_and_a_call_is_in_the_next_copy_of_changes(held):
    log, partition = Log(held), batch([come_in("1")]).partitions[0]
    held.watch(partition)
    log.judge(*(own(f"{n}", f"+7701{n:07d}", C) for n in range(1_000)), come_in("1"))
    next_bucket = held.changes(partition, 0).buckets[-1] + 1
    before = set(windows(held, partition))
    log.tick(NOW + 2_000)
    (blocked,) = set(windows(held, partition)) - before
    changed = held.changes(partition, next_bucket)
    assert len(changed.buckets) == 1
    restored = engine()
    for piece in held.pieces(changed):
        restored.put(restored.opened(partition, piece))
    assert blocked in windows(restored, partition)
    assert [row[recent.SAID] for row in changed.calls.tolist()].count(BLOCK << 8 | BLOCK) == 1


def test_what_a_tick_said_is_said_again_by_whoever_goes_on_from_before_it_was_delivered(held):
    log = Log(held)
    log.judge(come_in("1"))
    partition = int(held.state.waiting.count.argmax())
    said = log.heard(held.tick(partition, NOW + 2_000)).revisions
    first = log.revisions[0]
    log.tick(NOW + 2_100, delivered=False)
    assert len(log.revisions) == 1  # it is on its way
    packed = held.export(partition)
    for delivered in (False, True):
        other = engine()
        other.import_state(partition, packed)
        if delivered:
            other.said_before(partition, 0, decode_decision(orjson.dumps(first)))
        again = Log(other)
        again.tick(NOW + 2_500)
        assert [one["call_id"] for one in again.revisions] == ([] if delivered else ["1"])
        assert waiting(other) == 0
        assert windows(other, partition) == windows(held, partition)
    held.delivered(said)
    assert waiting(held) == 0


@pytest.mark.parametrize("revised", [True, False])
def test_a_call_that_is_judged_again_is_revised_as_the_log_says_whatever_the_policy_is_by_now(held, revised):
    log = Log(held)
    log.judge(come_in("1"))
    log.tick(NOW + 2_000)
    partition = int(held.state.watermark.argmax())
    other = engine()
    other.said_before(partition, 0, decode_decision(orjson.dumps(log.decisions[0])))
    if revised:
        other.said_before(partition, 0, decode_decision(orjson.dumps(log.revisions[0])))
        policy(other, "shadow", "shadow")
    again = Log(other)
    again.judge(come_in("1"))
    again.tick(NOW + 2_400)
    assert again.decisions == []
    assert [one["call_id"] for one in again.revisions] == ([] if revised else ["1"])
    assert windows(other, partition) == windows(held, partition)


def test_shares_of_originations_are_handed_over(held):
    policy(held, "many", matches=5)
    log = Log(held)
    for n in range(5):
        log.judge(own(f"a{n}", at=NOW + 30_000 * n), come_in(f"b{n}", at=NOW + 30_000 * n + 100))
    other = engine()
    policy(other, "many", matches=5)
    for partition in range(PARTITIONS):
        other.import_state(partition, held.export(partition))
    again = Log(other)
    again.judge(come_in("s", callee=C, at=NOW + 300_000))
    again.tick(NOW + 302_000)
    assert [one["call_id"] for one in again.revisions] == ["s"]


def test_a_state_with_unsound_waiting_calls_is_refused(held):
    Log(held).judge(come_in("1"))
    partition = int(held.state.waiting.count.argmax())
    rows = held.state.waiting.rows[partition]
    rows[1], held.state.waiting.count[partition] = rows[0], 2
    with pytest.raises(StateError, match="one offset"):
        engine().import_state(partition, held.export(partition))


def test_no_batch_is_too_small():
    assert not engine().process(Batch([], [], [], [], []), NOW).revisions


def test_what_a_spoofer_did_is_not_answered_from_a_cache_to_the_line_itself(held):
    """Spoofed calls to numbers in a row are blocked as what they do asks for, but no switch may repeat that to the owner."""
    said = []
    for n in range(40):
        told = come_in(f"s{n}", callee=f"+770520000{n:02}", at=NOW + 3_000 * n)
        said += [orjson.loads(value) for _, _, value in held.process(batch([told]), NOW + 3_000 * n).decisions]
    blocked = [one for one in said if one["action"] == "block"]
    assert blocked
    assert {one["cache_until"] for one in blocked} == {None}
    calling = [own(f"o{n}", FIXED, f"+770530000{n:02}", NOW + 3_000 * n) for n in range(40)]
    shown = [orjson.loads(held.process(batch([one]), one["at"]).decisions[0][2]) for one in calling]
    assert any(one["action"] == "block" and one["cache_until"] for one in shown), "a line's own deeds may be"


@pytest.mark.parametrize("wait_s", [-5.0, 0.0, 3.0, 1e300])
def test_a_wait_is_refused_that_leaves_no_time_to_revise_or_to_originate(held, wait_s):
    with pytest.raises(MessageError, match=r"unverified_origin\.wait_s is .*, not 0\.1 to 2\.5"):
        policy(held, "w", wait_s=wait_s)
    assert held.policy.version == "t"
    policy(held, "w", wait_s=2.5)
    assert held.policy.version == "w"


@pytest.mark.parametrize("restored", [False, True])
def test_a_revision_counts_as_a_block_of_its_operator_and_trunk_and_as_no_second_set_up(held, restored):
    shown = Metrics()
    calls = [come_in(f"{n}", f"+7701{1_000_000 + n}") for n in range(20)]
    calls.append(come_in("labelled", callee="+77077777777", operator="op-c", diverted_from=B))
    calls += [own(f"meanwhile {partition}", line, C) for partition, ((_, line), _) in enumerate(OTHERS)]
    given = batch(calls)
    shown.observe(given, held.process(given, NOW + 5), NOW + 5, shed=False)
    ticking = engine() if restored else held
    for partition in range(PARTITIONS):
        if restored:
            ticking.import_state(partition, held.export(partition))
        outcomes = ticking.tick(partition, NOW + 2_000)
        shown.count_said(outcomes)
        ticking.delivered(outcomes.revisions)
        shown.count_said(ticking.tick(partition, NOW + 2_100))
    shown.show()

    def value(name, **labels):
        return shown.registry.get_sample_value(f"streamer_{name}_total", labels)

    assert (value("setups", operator="op-b"), value("setups", operator="op-c")) == (20, 1)
    assert [value("decisions", action=action) for action in ("allow", "label", "block")] == [24, 1, None]
    assert value("originations", came="revised") == 21
    assert [value("blocks", operator=operator, trunk="transit") for operator in ("op-b", "op-c")] == [20, 1]
    assert [value("reasons", reason=reason) for reason in (*NOT_ORIGINATED, *DIVERSION)] == [21, 1]
    by = {detector: value("block_reasons", operator="op-c", trunk="transit", detector=detector)
          for detector in ("unverified_origin", "cli_spoofing")}  # fmt: skip
    assert by == {"unverified_origin": 1, "cli_spoofing": 1}
