"""Blocked calls that are let through as controls: drawn call by call, so that nobody can choose to be one."""

from collections import Counter

import orjson

from tests.test_engine import NOW, batch, engine, part, setup

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
