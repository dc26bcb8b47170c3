"""Blocked calls that are let through as controls: drawn call by call, so that nobody can choose to be one, and never of the switch's cache."""

import itertools
from collections import Counter
from pathlib import Path

import orjson
import pytest

from streamer.calls import codec
from streamer.training.cases import Cases
from tests.test_engine import NOW, PARTITIONS, PLAN, batch, engine, part, setup

CALLER = "+77272000001"
SHARE = 0.2


def under(**rules):
    made = engine()
    policy = {"version": "t", "control_share": SHARE, **rules}
    made.apply("policy", "policy@t", orjson.dumps(policy))
    made.apply("policy", "current", b'{"version":"t"}')
    return made


def probing(call_ids, begin=0, **more):
    """A line that calls number after number, which `range_probing` blocks."""
    return [
        setup(call_id, CALLER, f"+{77010000000 + begin + n}", NOW + 2_500 * (begin + n), **more)
        for n, call_id in enumerate(call_ids)
    ]


def ids(prefix, n):
    return [f"{prefix}{at}" for at in range(n)]


def actions(outcomes):
    return [orjson.loads(value)["action"] for _, _, value in outcomes.decisions]


def test_a_call_id_that_was_let_through_once_is_no_way_past_what_blocks_its_line():
    held = under()
    found = [*zip(ids("try", 200), actions(held.process(batch(probing(ids("try", 200))), NOW)), strict=True)][40:]
    drawn = [call_id for call_id, action in found if action == "label"]
    assert 0 < len(drawn) < 2 * SHARE * len(found)
    kept = Counter(actions(held.process(batch(probing(drawn[:1] * 400, 200)), NOW)))
    assert kept.keys() == {"block", "label"}
    assert SHARE * 400 / 2 < kept["label"] < SHARE * 400 * 2


def test_the_evidence_of_honest_calls_is_drawn_call_by_call_too():
    held = under(evidence_sample=0.2)
    calls = [setup("one-id", f"+7701{number:07d}", "+77272345678", NOW + 10 * number) for number in range(400)]
    assert 40 < len(held.process(batch(calls), NOW).evidence) < 160


def test_what_is_drawn_hangs_on_the_record_and_the_secret_alone():
    """Not on how the stream is cut, where it lies, or when it is appended and judged."""
    log = batch(probing(ids("a", 40) + ["same"] * 160))
    whole = actions(under().process(log, NOW))
    assert "label" in whole[40:]
    pieces, held = [], under()
    for begin in range(0, 200, 7):
        pieces += actions(held.process(part(log, range(begin, min(begin + 7, 200))), NOW + begin))
    assert pieces == whole
    shifted = log._replace(append_ms=[at + 1_000 for at in log.append_ms], offsets=[at + 5 for at in log.offsets])
    assert actions(under().process(shifted, NOW + 10**6)) == whole
    other = engine(secret=b"another")
    other.apply("policy", "policy@t", orjson.dumps({"version": "t", "control_share": SHARE}))
    other.apply("policy", "current", b'{"version":"t"}')
    assert actions(other.process(log, NOW)) != whole


def test_a_retry_is_told_what_was_said_of_its_call_though_it_comes_later():
    held = under()
    log = probing(ids("a", 200))
    said = actions(held.process(batch(log), NOW))
    again = [{**message, "at": message["at"] + 40} for message in log[-40:]]
    assert actions(held.process(batch(again), NOW)) == said[-40:]


OFFSETS = itertools.count()


def lessons(evidence, later_ms=10**12):
    """What silence teaches a trainer of all this evidence."""
    cases = Cases(Path(":memory:"), PLAN)
    for _, _, value in evidence:
        assert list(cases.add_evidence(codec.decode_evidence(value), 0, next(OFFSETS))) == []
    found = cases.ripe(NOW + later_ms, 10**6)
    held = cases._db.execute("SELECT count(*), sum(measured) FROM evidence").fetchone()
    cases.close()
    return found, held


AGENTS = pytest.mark.parametrize("agent", ["Asterisk", "Zvonilka é"], ids=["compiled", "codec"])


@AGENTS
def test_a_call_that_its_switch_refused_is_no_control_and_teaches_nothing_by_silence(agent):
    held = under()
    held.process(batch(probing(ids("a", 40), user_agent=agent)), NOW)
    refused = held.process(batch(probing(ids("b", 200), 40, user_agent=agent, cached=True)), NOW)
    assert Counter(actions(refused)) == {"block": 200}
    assert {codec.decode_evidence(value).weight for _, _, value in refused.evidence} == {1.0}
    assert lessons(refused.evidence) == ([], (200, 0))
    asked = held.process(batch(probing(ids("c", 200), 240, user_agent=agent, cached=False)), NOW)
    taught, _ = lessons(asked.evidence)
    assert actions(asked).count("label") == len(taught) > 0


@AGENTS
@pytest.mark.parametrize("mode", ["off", "shadow"])
def test_what_would_have_been_let_through_was_not_where_the_switch_refused_it(agent, mode):
    """The block that it repeats is of before; by what holds now the call would have rung."""
    found = "range_probing", "wangiri", "flash_call", "robocall"
    held = under(evidence_sample=1.0, detectors={name: {"mode": mode} for name in found})
    log = probing(ids("a", 100), user_agent=agent)
    for messages, weights, silent in (
        (log, {1.0}, 100),
        ([{**one, "call_id": f"b{n}", "cached": True} for n, one in enumerate(log)], {0.0}, 0),
    ):
        judged = held.process(batch(messages), NOW)
        assert {*actions(judged)} == {"allow"}
        assert len(judged.evidence) == 100
        assert {codec.decode_evidence(value).weight for _, _, value in judged.evidence} == weights
        taught, held_by = lessons(judged.evidence)
        assert (len(taught), held_by[0]) == (silent, silent)


def test_a_call_refused_from_the_cache_counts_as_any_other():
    plain, cached = under(), under()
    for made, more in ((plain, {}), (cached, {"cached": True})):
        made.process(batch(probing(ids("a", 60), **more)), NOW)
    assert [plain.export(partition) for partition in range(PARTITIONS)] != [b""] * PARTITIONS
    log = batch(probing(ids("b", 1), 60))
    (one,), (other,) = (made.process(log, NOW).evidence for made in (plain, cached))
    names = "attempts_1h", "distinct_1h", "run_length"
    ours, theirs = (codec.decode_evidence(value).features for _, _, value in (one, other))
    assert [ours[name] for name in names] == [theirs[name] for name in names]
