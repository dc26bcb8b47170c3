"""Simulated traffic: the same for the same seed, at the rate asked for, labelled, honest and fraudulent calls of their kinds."""

from collections import Counter, defaultdict
from itertools import islice, pairwise
from statistics import mean, median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.calls.codec import decode_call, encode
from streamer.calls.events import Answer, End, Setup
from streamer.lab.drafts import MAX_TALK_MS
from streamer.lab.honest import SHARES
from streamer.lab.honest.lookalikes import LOOKALIKES
from streamer.lab.reports import report
from streamer.lab.traffic import DEFAULT_START_MS, FRAUDS, Traffic


@pytest.fixture(scope="module")
def minute():
    """Two minutes of 200 calls a second."""
    return list(Traffic(11, 200, seconds=120))


# the stream as a whole


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.floats(1, 60), st.dictionaries(st.sampled_from(sorted(FRAUDS)), st.floats(0, 0.06)))
def test_any_traffic_is_valid_in_order_complete_and_repeatable(seed, rate, frauds):
    one = list(Traffic(seed, rate, seconds=4, frauds=frauds, subscribers=1_000))
    assert one == list(Traffic(seed, rate, seconds=4, frauds=frauds, subscribers=1_000))
    assert [at for at, _, _ in one] == sorted(at for at, _, _ in one)
    calls = defaultdict(list)
    for at, event, label in one:
        assert decode_call(encode(event)) == event
        assert at == event.at or (isinstance(event, Setup) and event.at < at <= event.at + 1_800)
        assert label is None or frauds[label] > 0
        calls[event.call_id].append(event)
    for events in calls.values():
        kinds = [type(event) for event in events]
        assert kinds in ([Setup, Answer, End], [Setup, End])
        assert len({(event.operator, event.caller, event.callee) for event in events}) == 1
        assert (events[-1].talk_ms > 0) == (Answer in kinds)
        assert events[-1].at >= events[0].at


def test_another_seed_is_another_traffic():
    one, other = ([event.caller for _, event, _ in Traffic(seed, 50, seconds=5)] for seed in (1, 2))
    assert one != other


def test_the_rate_is_kept_and_calls_are_answered_as_often_as_is_said(minute):
    kinds = Counter(type(event) for _, event, _ in minute)
    assert kinds[Setup] / 120 == pytest.approx(200, rel=0.03)
    assert kinds[Setup] == kinds[End]
    assert kinds[Answer] / kinds[Setup] == pytest.approx(0.6, abs=0.03)
    begun = [event.at for _, event, _ in minute if isinstance(event, Setup)]
    assert begun[0] >= DEFAULT_START_MS
    assert begun[-1] <= DEFAULT_START_MS + 120_200


def test_every_fraud_has_its_part_and_all_else_is_honest(minute):
    labels = Counter(label for _, event, label in minute if isinstance(event, Setup))
    total = labels.total()
    assert set(labels) == {None, *FRAUDS}
    assert sum(FRAUDS.values()) < 0.08
    for label, share in FRAUDS.items():
        together = 100 if label == "tdos" else 6 if label == "number_rotation" else 0
        assert labels[label] == pytest.approx(share * total, rel=0.4, abs=together + 8)
    assert {label for _, _, label in Traffic(1, 100, seconds=10, frauds={})} == {None}
    assert {label for _, _, label in Traffic(1, 100, seconds=10, frauds={"wangiri": 1.0})} == {"wangiri"}


def test_the_rhythm_of_the_day_moves_the_rate():
    def begun(hour):
        start = DEFAULT_START_MS - 8 * 3_600_000 + hour * 3_600_000  # it begins at 8 local time
        traffic = Traffic(1, 20, seconds=300, start_ms=start, rhythm=True)
        return sum(isinstance(event, Setup) for _, event, _ in traffic)

    assert begun(18) > 5 * begun(3)


@pytest.mark.parametrize("given_", [{"rate": 0}, {"frauds": {"theft": 0.1}}, {"frauds": {"wangiri": 1.1}}, {"frauds": {"wangiri": -0.1}}, {"subscribers": 10}])  # fmt: skip
def test_what_cannot_be_is_refused(given_):
    with pytest.raises(ValueError):
        Traffic(1, **({"rate": 10} | given_))


def test_memory_is_bounded_by_the_calls_under_way():
    traffic = Traffic(1, 100)
    most = 0
    for _ in islice(traffic, 60_000):
        most = max(most, traffic.under_way)
    assert most < 100 * 120


# honest and fraudulent calls


def features(minute):
    """By label: calls a caller, part answered, median talk time, part from a trunk, distinct called numbers a call."""
    ends, setups = defaultdict(list), defaultdict(list)
    for _, event, label in minute:
        if isinstance(event, End):
            ends[label].append(event)
        elif isinstance(event, Setup):
            setups[label].append(event)
    return ends, setups


def test_honest_and_fraudulent_calls_have_the_shape_of_their_kind(minute):
    ends, setups = features(minute)
    talks = {label: [end.talk_ms for end in found if end.talk_ms] for label, found in ends.items()}
    answered = {label: len(talks[label]) / len(found) for label, found in ends.items()}
    assert 30_000 < median(talks[None]) < 60_000
    assert max(talks[None]) <= MAX_TALK_MS
    assert median(talks["robocall"]) < 6_000
    assert answered["wangiri"] < 0.1
    assert answered["range_probing"] < 0.2
    assert 0.5 < answered[None] < 0.65
    assert mean(end.ring_ms for end in ends["wangiri"]) < 3_000
    assert all(setup.ingress == "international" for setup in setups["wangiri"] + setups["cli_spoofing"])
    for label in FRAUDS:
        assert all((setup.trunk is None) == (setup.imsi is not None) for setup in setups[label])
    own = [setup for setup in setups[None] if setup.ingress == "subscriber"]
    assert len(own) > 0.6 * len(setups[None])
    assert all(setup.imsi and setup.imei and setup.cell for setup in own)


def test_spoofers_show_lines_that_are_known_to_be_at_home(minute):
    at_home = {fact.number for fact in Traffic(11, 200, seconds=1).facts() if fact.value == "home"}
    _, setups = features(minute)
    assert {setup.caller for setup in setups["cli_spoofing"]} <= at_home
    assert not {setup.caller for setup in setups[None] if setup.ingress == "international"} & at_home


def test_probers_call_one_number_after_the_other(minute):
    _, setups = features(minute)
    called = defaultdict(list)
    for setup in setups["range_probing"]:
        called[setup.caller].append(int(setup.callee))
    longest = max(called.values(), key=len)
    assert len(longest) > 20
    assert all(next_ - one == 1 for one, next_ in pairwise(longest))


def test_a_call_between_operators_is_reported_by_both(minute):
    honest_ = [event for _, event, label in minute if isinstance(event, Setup) and label is None]
    seen = defaultdict(list)
    for setup in [
        setup for setup in honest_ if setup.ingress != "international"
    ]:  # a roamer may call the same from home
        seen[setup.caller, setup.callee].append(setup)
    pairs = [found for found in seen.values() if len({setup.operator for setup in found}) == 2]
    assert len(pairs) > 0.05 * len(honest_)
    for found in pairs:
        assert {setup.ingress for setup in found} == {"subscriber", "national"}


def test_the_truth_of_a_call_is_known_while_it_is_under_way():
    traffic = Traffic(5, 50, seconds=60)
    kinds = set()
    for _, event, label in traffic:
        if isinstance(event, Setup):
            truth = traffic.truth(event.call_id)
            assert (truth.call_id, truth.fraud) == (event.call_id, label)
            assert (truth.campaign is None) == (label is None) == (truth.kind is not None)
            kinds.add(truth.kind)
        elif isinstance(event, End):
            with pytest.raises(KeyError):
                traffic.truth(event.call_id)
    seldom = {"call_back", *(lookalike.kind for lookalike in LOOKALIKES)}
    assert kinds - seldom == {None, "ported", *SHARES} - seldom


def test_one_in_twenty_calls_back_whoever_rang_for_a_moment_unless_it_was_blocked():
    for blocking in (False, True):
        traffic, made, back = Traffic(6, 20, seconds=4_000, frauds={"wangiri": 0.1}), {}, []
        for at, event, label in traffic:
            if isinstance(event, Setup) and label:
                made[event.callee, event.caller] = at
                assert not blocking or traffic.blocked(event.call_id)
            elif isinstance(event, Setup) and traffic.truth(event.call_id).kind == "call_back":
                back.append(at - made[event.caller, event.callee])
                assert event.imsi
        assert bool(back) != blocking
        if back:
            assert min(back) > 0
            assert 0.03 < len(back) / len(made) < 0.06


# the loop back


def test_a_blocked_call_ends_at_once_and_some_honest_people_try_again():
    traffic = Traffic(5, 20, seconds=30, frauds={})
    refused, ended, retried = {}, {}, 0
    for at, event, _ in traffic:
        if isinstance(event, Setup) and at < DEFAULT_START_MS + 5_000:
            if (event.caller, event.callee) not in {(one.caller, one.callee) for one in refused.values()}:
                assert traffic.blocked(event.call_id)
                refused[event.call_id] = event
        elif isinstance(event, Setup):
            retried += any((event.caller, event.callee) == (one.caller, one.callee) for one in refused.values())
        elif event.call_id in refused:
            assert isinstance(event, End)
            ended[event.call_id] = event
    assert ended.keys() == refused.keys()
    assert all(end.cause == 21 and end.talk_ms == 0 and end.at - refused[call].at < 50 for call, end in ended.items())
    assert 0.1 * len(refused) < retried < len(refused)


def test_what_was_answered_or_is_unknown_cannot_be_blocked_any_more():
    traffic = Traffic(5, 20, seconds=20)
    answered = next(event for _, event, _ in traffic if isinstance(event, Answer))
    assert not traffic.blocked(answered.call_id)
    assert not traffic.blocked("nobody")


def test_a_bank_reports_a_call_by_its_numbers(minute):
    setup, label = next((event, label) for _, event, label in minute if isinstance(event, Setup) and label)
    told = report(setup, label, 5)
    assert (told.caller, told.callee, told.call_id, told.label, told.fraud_type, told.at) == (
        setup.caller, setup.callee, setup.call_id, "fraud", label, 5,
    )  # fmt: skip
