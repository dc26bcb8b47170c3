"""A flood of one operator in a backlog: it has its share, what is beyond is let through and leaves nothing behind."""

import orjson
import pytest

from streamer.calls.codec import decode_decision
from streamer.windows import shares
from tests.test_engine import NOW, batch, end, engine, judge, setup, windows

BACKLOG = 2_000
SHARE = 0.4


@pytest.fixture
def held():
    made = engine()
    made.apply("operators", "op-a", orjson.dumps({"operator": "op-a", "max_share": SHARE}))
    return made


def flood(first, n, operator="op-a"):
    return [
        setup(f"{operator}-{number}", f"+7701{number:07d}", "+77272345678", operator=operator)
        for number in range(first, first + n)
    ]


def mixed(n):
    """Of ten set-ups nine are of the operator that floods."""
    found = []
    for number in range(0, n, 10):
        found += [*flood(number, 9), *flood(number + 9, 1, "op-b")]
    return found


def throttled(decisions):
    return [decision for decision in decisions if decision["reasons"] == ["input.throttled"]]


def fill(held, now=NOW + BACKLOG):
    """Let the operator have its share of the records that tell one."""
    return judge(held, flood(0, int(SHARE * shares.FEWEST)), now)


def test_every_set_up_is_answered_the_flood_has_its_share_and_the_others_are_judged(held):
    said = judge(held, mixed(10_000), NOW + BACKLOG)
    assert len(said) == 10_000
    beyond = throttled(said)
    assert {decision["operator"] for decision in beyond} == {"op-a"}
    assert len(beyond) == pytest.approx(9_000 - SHARE * 10_000, abs=1)
    assert {(one["action"], one["shadow_action"], one["score"], one["cache_until"]) for one in beyond} == {
        ("allow", "allow", None, None)
    }
    assert held.callers_held == 10_000 - len(beyond)


def test_it_is_told_by_operator_and_gives_no_evidence(held):
    fill(held)
    outcomes = held.process(batch(flood(10_000, 50)), NOW + BACKLOG)
    assert (outcomes.throttled, outcomes.reasons["input.throttled"]) == ({"op-a": 50}, 50)
    assert (outcomes.evidence, outcomes.setups) == ([], {"op-a": 50})


@pytest.mark.parametrize("late_ms", [0, 1_000])
def test_without_a_backlog_nobody_is_throttled(held, late_ms):
    assert not throttled(judge(held, mixed(5_000), NOW + late_ms))


def test_history_is_never_throttled():
    made = engine(clamp=False)
    made.apply("operators", "op-a", orjson.dumps({"operator": "op-a", "max_share": SHARE}))
    assert not throttled(judge(made, mixed(5_000), NOW + 86_400_000))


def test_ten_seconds_later_the_operator_has_its_share_again(held):
    assert not throttled(fill(held))
    assert len(throttled(judge(held, flood(10_000, 10), NOW + BACKLOG + 8_000))) == 10
    assert not throttled(judge(held, flood(20_000, 10), NOW + BACKLOG + 10_000))


def test_an_operator_without_a_share_of_its_own_may_have_all(held):
    assert not throttled(judge(held, flood(0, 3_000, "op-b"), NOW + BACKLOG))


def test_a_retry_is_told_the_same_and_nothing_of_the_call_is_ever_counted(held):
    fill(held)
    before = [windows(held, partition) for partition in range(4)]
    call = setup("beyond", "+77019999999", "+77272345678")
    (first,) = judge(held, [call], NOW + BACKLOG)
    (again,) = judge(held, [{**call, "at": NOW + 500}], NOW + 500)
    assert throttled([first, again]) == [first, again]
    assert {**again, "decided_at": 0, "late": True} == {**first, "decided_at": 0}
    answer = {**end("beyond", call["caller"], call["callee"]), "type": "answer"}
    judge(held, [answer, end("beyond", call["caller"], call["callee"], talk_ms=3_000)], NOW)
    assert [windows(held, partition) for partition in range(4)] == before
    assert not throttled(judge(held, [setup("other", call["caller"], call["callee"])], NOW))


def test_a_repeat_of_a_call_that_was_judged_is_not_throttled(held):
    fill(held)
    (first,) = judge(held, flood(0, 1), NOW + BACKLOG)
    assert first["reasons"] == []


def test_after_a_restart_what_was_throttled_stays_so_and_leaves_the_same_behind(held):
    records = batch(mixed(5_000))
    said = held.process(records, NOW + BACKLOG).decisions
    again = engine()  # no operator has a share here, and nothing waits
    for row, _, value in said:
        again.said_before(records.partitions[row], records.offsets[row], decode_decision(value))
    outcomes = again.process(records, NOW)
    assert (outcomes.decisions, outcomes.said_before) == ([], 5_000)
    assert [windows(again, partition) for partition in range(4)] == [windows(held, partition) for partition in range(4)]
    retry = judge(again, mixed(5_000), NOW)
    assert [one["reasons"] for one in retry] == [decode_decision(value).reasons for _, _, value in said]


def test_a_restored_partition_tells_a_retry_the_same(held):
    fill(held)
    call = setup("beyond", "+77019999999", "+77272345678")
    judge(held, [call], NOW + BACKLOG)
    (partition,) = batch([call]).partitions
    other = engine()
    other.import_state(partition, held.export(partition))
    assert throttled(judge(other, [call], NOW))
