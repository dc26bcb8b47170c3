"""Decisions written in the compiled loop are the objects that orjson would have written, whatever their texts."""

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.calls import compiled_decisions as written
from streamer.calls.codec import decode_decision
from streamer.calls.events import LONGEST_REPEATED
from streamer.calls.texts import CALL_ID, CALLEE, CALLER, OPERATOR, laid_out

CLOSING = b',"action":"allow","reasons":[],"shadow_action":"allow","sip_code":null,"sip_reason":null,"q850":null,"revises":false,"policy":"p","model":null}'
text = st.one_of(st.text("+0123456789abc@.-", min_size=1, max_size=30), st.text(min_size=1, max_size=20))
number = st.one_of(text, st.integers(250, 260).map("7".__mul__), st.integers(250, 260).map("é".__mul__))
call = st.tuples(
    text,
    text,
    number,
    number,
    st.integers(0, 4_000_000_000_000),
    st.integers(-1, 1_000_000),
    st.integers(0, 4_000_000_000_000),
    st.booleans(),
)


def write(calls, known=True, decided_at=7):
    texts = laid_out({which: [c[which] for c in calls] for which in (CALL_ID, OPERATOR, CALLER, CALLEE)})
    lines = np.array([[row, c[4], c[5], c[6], c[7], 1, 2, 3] for row, c in enumerate(calls)], np.int64)
    writer = written.Writer()
    if known:
        writer.learn((0, 0, 0), b"wrong}")
        writer.learn((1, 2, 3), CLOSING)
    return writer.write(texts, lines, decided_at)


@settings(max_examples=300)
@given(st.lists(call, min_size=1, max_size=6))
def test_what_is_written_is_what_orjson_writes(calls):
    for (call_id, operator, caller, callee, at, score, cache, late), value in zip(calls, write(calls), strict=True):
        plain = written.plain(call_id, at, 7, operator, caller, callee, score, cache, late, CLOSING)
        if value:
            assert orjson.loads(value) == orjson.loads(plain)
            decode_decision(value)
        else:
            assert max(map(len, (caller, callee))) > LONGEST_REPEATED or any(
                ord(char) < 32 or ord(char) > 126 or char in '"\\' for char in call_id + operator + caller + callee
            )


def test_plain_texts_are_written_and_others_left():
    sound = ("c1", "op", "+77010000001", "+77010000002", 1, 500_000, 0, False)
    values = write([sound, ('c"', *sound[1:]), sound])
    assert [bool(value) for value in values] == [True, False, True]
    assert values[0] == values[2]


def test_an_unknown_closing_is_left_to_the_caller():
    assert write([("c1", "op", "+77010000001", "+77010000002", 1, -1, 0, False)], known=False) == [b""]


@pytest.mark.parametrize(
    ("millionths", "score"), [(-1, None), (0, 0.0), (1, 1e-6), (123_456, 0.123456), (900_000, 0.9), (1_000_000, 1.0)]
)
def test_scores_are_said_in_millionths(millionths, score):
    (value,) = write([("c1", "op", "a", "b", 1, millionths, 0, False)])
    assert orjson.loads(value)["score"] == score == written.score_of(millionths)


def test_closings_are_forgotten_before_they_fill_the_memory():
    writer = written.Writer()
    for key in range(2_000):
        writer.learn((key, 0, 0), CLOSING)
    assert len(writer.closings) <= 256
    assert writer.closings[(1_999, 0, 0)] == CLOSING
