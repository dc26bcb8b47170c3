"""Which decision of a call stands."""

import msgspec

from streamer.calls.codec import encode
from streamer.calls.decisions import Decision
from streamer.desk import verdicts
from streamer.kafka.logs import LogRecord

FIRST = Decision(call_id="c", at=1_000, decided_at=1_010, operator="op-a", caller="1", callee="2", action="allow")


def lie(*decisions):
    return verdicts.told(
        [
            LogRecord(
                "d", 1, offset, 2_000, b"c", encode(decision), (("source.partition", b"1"), ("source.offset", b"9"))
            )
            for offset, decision in enumerate(decisions)
        ],
        "c",
    )


def changed(**given):
    return msgspec.structs.replace(FIRST, **given)


def test_the_first_in_log_order_stands_and_one_block_may_revise_an_allow():
    revision = changed(action="block", revises=True, decided_at=3_500)
    (call,) = verdicts.judged(
        lie(FIRST, changed(decided_at=1_500, at=1_001), changed(action="block"), revision, revision), []
    )
    assert [one.standing for one in call] == [
        "effective",
        "repeats it",
        "ignored: not the first",
        "revision in effect",
        "ignored: not the first",
    ]


def test_a_revision_that_comes_too_late_or_after_a_block_is_ignored():
    late = changed(action="block", revises=True, decided_at=FIRST.decided_at + verdicts.REVISION_MS + 1)
    assert verdicts.judged(lie(FIRST, late), [])[0][1].standing == "ignored: not the first"
    blocked = changed(action="block")
    assert (
        verdicts.judged(lie(blocked, changed(action="block", revises=True)), [])[0][1].standing
        == "ignored: not the first"
    )


def test_the_same_id_later_or_of_another_operator_is_another_call():
    calls = verdicts.judged(lie(FIRST, changed(at=121_001), changed(operator="op-b")), [])
    assert [[one.standing for one in call] for call in calls] == [["effective"]] * 3
