"""The compiled reading of call events against the codec, on every record there is: what it reads, the codec reads the same."""

import ctypes
import gc
import json
import mmap
import random
import weakref

import msgspec
import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamer.calls import compiled_reading as compiled
from streamer.calls import members, texts
from streamer.calls.codec import MAX_BYTES, encode
from streamer.calls.events import LATEST_MS, Answer, End, Setup
from streamer.calls.reading import Reader
from streamer.lab.traffic import Traffic
from tests.calls.reading import as_decoded, as_read, left

SETUP = {
    "type": "setup", "call_id": "c1", "at": 1_763_953_200_000, "operator": "op-a", "caller": "+77010000001",
    "callee": "+77010000002", "ingress": "national",
}  # fmt: skip
END = {**{name: SETUP[name] for name in SETUP if name != "ingress"}, "type": "end"}


blank = st.text(" \t\r\n", max_size=2)
scalar = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 200),
    st.integers(LATEST_MS - 2, LATEST_MS + 2),
    st.integers(10**14, 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=70),
    st.text("+0123456789", max_size=70),
    st.sampled_from(["setup", "answer", "end", "subscriber", "national", "international", "A", "B", "C", "caller", "network"]),
)  # fmt: skip
names = sorted({"type", *(field for kind in (Setup, Answer, End) for field in kind.__struct_fields__)})


@st.composite
def record(draw):
    """A record as some publisher might write it: most are sound, members in any order, with blanks, some twice or unknown."""
    kind = draw(st.sampled_from([SETUP, END, {**END, "type": "answer"}]))
    members = [*kind.items()]
    others = draw(st.lists(st.sampled_from([*names, "ringMs", "x" * 15, "x" * 16, "x" * 40]), max_size=6))
    members += [(name, draw(scalar)) for name in others if name not in kind or draw(st.booleans())]
    if draw(st.booleans()):
        members = [*dict(members).items()]
    if draw(st.booleans()):
        members = draw(st.permutations(members))
    if draw(st.integers(0, 9)) == 0:
        members = members[1:]
    write = draw(st.sampled_from([orjson.dumps, msgspec.json.encode, plain]))
    pieces = [draw(blank), "{"]
    for place, (name, value) in enumerate(members):
        pieces += ["," if place else "", draw(blank), plain(name).decode(), draw(blank), ":", draw(blank)]
        pieces += [(plain if isinstance(value, int) and abs(value) > 2**63 else write)(value).decode(), draw(blank)]
    return "".join([*pieces, "}", draw(blank)]).encode()


def plain(value):
    """JSON in which all that is not ASCII is escaped."""
    return json.dumps(value).encode()


@st.composite
def damaged(draw):
    """A record of which some bytes are others, or are missing."""
    value = bytearray(draw(record()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(value) - 1))
        if draw(st.booleans()):
            value[at] = draw(st.one_of(st.integers(0, 255), st.sampled_from(b'"\\{}[]:,0123456789eE.-tfn ')))
        else:
            del value[at : at + draw(st.integers(1, 4))]
            value += b"" if value else b"{"
    return bytes(value)


@settings(max_examples=1_500)
@given(st.lists(st.one_of(record(), damaged(), st.none()), min_size=1, max_size=6))
@example([orjson.dumps(SETUP), None, b"", b"{", b'{"":""}', b'{"type":"answer"}', orjson.dumps(END)])
@example([orjson.dumps(SETUP | {"caller": "é"}), orjson.dumps(SETUP | {"trunk": "\x7f", "asserted": ""})])
def test_a_batch_is_read_as_the_codec_reads_it(values):
    assert as_read(values) == [as_decoded(value) for value in values]


@settings(max_examples=200)
@given(st.lists(st.lists(st.one_of(record(), damaged()), min_size=1, max_size=4), min_size=2, max_size=4))
def test_what_was_read_before_changes_nothing(batches):
    reader = Reader()
    for values in batches:
        assert as_read(values, reader) == [as_decoded(value) for value in values]


@pytest.mark.parametrize("write", [encode, msgspec.json.encode, lambda event: plain(msgspec.to_builtins(event))])
def test_traffic_as_publishers_write_it_is_read_by_the_loop(write):
    events = [event for _, event, _ in Traffic(5, 400, seconds=3, subscribers=2_000)]
    values = [write(event) for event in events]
    assert {type(event) for event in events} == {Setup, Answer, End}
    assert left(values) == []
    assert as_read(values) == [as_decoded(value) for value in values]


def test_every_member_of_the_contract_is_read_by_the_loop_in_any_order():
    words = {"ingress": "subscriber", "attestation": "B", "released_by": "caller", "cached": True}
    draw = random.Random(3)
    for kind, tag in ((Setup, "setup"), (Answer, "answer"), (End, "end")):
        whole = {"type": tag}
        for name in kind.__struct_fields__:
            whole[name] = words.get(name, 5 if name in {"at", "ring_ms", "talk_ms", "cause"} else "t")
        optional = [
            name for name, default in zip(kind.__struct_fields__[::-1], kind.__struct_defaults__[::-1], strict=False)
        ]
        for _ in range(50):
            members = [*whole.items()]
            draw.shuffle(members)
            assert left([orjson.dumps(dict(members))]) == []
        absent = {name: value for name, value in whole.items() if name not in optional} | {"type": tag}
        for value in (
            orjson.dumps(absent),
            orjson.dumps(whole | {name: None for name in optional if name != "talk_ms"}),
        ):
            assert as_read([value]) == [as_decoded(value)]


@pytest.mark.parametrize(
    "value",
    [
        orjson.dumps(SETUP | {"call_id": ""}), orjson.dumps(SETUP | {"call_id": "c" * 256}), orjson.dumps(SETUP | {"callee": ""}),
        orjson.dumps(SETUP | {"at": LATEST_MS + 1}), orjson.dumps(SETUP | {"at": -1}), orjson.dumps(SETUP | {"at": 1.0}),
        orjson.dumps(SETUP | {"operator": None}), orjson.dumps(SETUP | {"ingress": "nationa"}), orjson.dumps(SETUP | {"type": "Setup"}),
        orjson.dumps(SETUP | {"cached": 1}), orjson.dumps(SETUP | {"attestation": "D"}), orjson.dumps(SETUP | {"x": {}}),
        orjson.dumps(SETUP | {"x": []}), orjson.dumps(SETUP | {"x": "é"}), plain(SETUP | {"é": 1}),
        orjson.dumps(SETUP)[:-1] + b',"x":nul}', orjson.dumps(SETUP)[:-1] + b',"x":true1}',
        *(orjson.dumps(SETUP)[:-1] + b',"x":%s}' % number for number in (b"00", b"-", b"-01", b"1.", b".5", b"1e", b"1e+", b"1.e1", b"0x1", b"--1")),
        orjson.dumps(SETUP | {"talk_ms": 1}), orjson.dumps(END | {"cause": 128}), orjson.dumps(END | {"talk_ms": None}),
        orjson.dumps(SETUP | {"user_agent": "a\\b"}), orjson.dumps(SETUP | {"user_agent": "é"}),
        orjson.dumps(SETUP)[:-1] + b',"caller":"+1"}', orjson.dumps(SETUP) + b"x", orjson.dumps(SETUP) + b"}", orjson.dumps(SETUP)[1:],
        orjson.dumps(SETUP).replace(b":1763953200000", b":01763953200000"), orjson.dumps(SETUP).replace(b"200000", b"200000e0"),
        orjson.dumps(SETUP | {"user_agent": "a" * MAX_BYTES}), b"[]", b"null", b"{}", b" ", b'{"":""}', b'{"x":1,"y":null}',
    ],
)  # fmt: skip
def test_what_the_loop_is_not_sure_of_is_left(value):
    sound = orjson.dumps(SETUP)
    assert left([sound, value, sound]) == [1]
    assert as_read([sound, value, sound]) == [as_decoded(each) for each in (sound, value, sound)]


def test_plain_members_that_the_contract_does_not_know_are_passed_over():
    more = {
        "note": "",
        "x" * 40: "y" * 90,
        "count": 0,
        "many": 10**14,
        "yes": True,
        "no": False,
        "nothing": None,
        "caller_": "+1",
    }
    values = [orjson.dumps({**more, **SETUP}), orjson.dumps({**END, **more})]
    assert left(values) == []
    assert (
        as_read(values)
        == [as_decoded(value) for value in values]
        == [as_decoded(orjson.dumps(each)) for each in (SETUP, END)]
    )


@pytest.mark.parametrize("cut", range(len(orjson.dumps(SETUP))))
def test_a_record_that_ends_early_takes_nothing_of_the_next_one(cut):
    values = [orjson.dumps(SETUP)[:cut], orjson.dumps(SETUP), orjson.dumps(END)]
    assert left(values) == [0]
    assert as_read(values) == [as_decoded(value) for value in values]


def test_nothing_behind_the_padding_is_looked_at():
    """A page that may not be read lies behind it."""
    page = mmap.PAGESIZE
    held = mmap.mmap(-1, 64 * page)
    begin = ctypes.addressof(ctypes.c_char.from_buffer(held))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(begin + 63 * page), page, 0) == 0
    whole = np.frombuffer(held, np.uint8, 63 * page)
    value = plain(SETUP | {"attestation": "A", "cached": False, "x": "y" * 20, "n": -1.5e9})
    for cut in range(1, len(value) + 1):
        part = value[:cut]
        data = whole[len(whole) - len(part) - len(texts.PADDING) :]
        data[: len(part)] = np.frombuffer(part, np.uint8)
        data[len(part) :] = 0
        integers, spans = members.unsaid(1), texts.spans_of(1)
        readable = data.view()
        readable.flags.writeable = False
        unread = compiled.read_records(
            readable, np.array([0, cut]), np.zeros(compiled.MEMBERS, np.int64), integers, spans
        )
        assert unread == (cut < len(value))


def test_a_refused_record_keeps_nothing_of_its_batch():
    gc.collect()
    gc.disable()
    try:
        values = [orjson.dumps(SETUP), b"{", None]
        calls = Reader().read(values)
        gone = weakref.ref(calls.texts.spans)
        refused = calls.refused
        del calls, values
        assert gone() is None
    finally:
        gc.enable()
    assert [(row, reason) for row, reason, _ in refused] == [(1, "not_json"), (2, "not_json")]


def test_what_is_too_large_is_refused_and_not_copied():
    values = [b"x" * (MAX_BYTES + 1), orjson.dumps(SETUP)]
    calls = Reader().read(values)
    assert [(row, reason) for row, reason, _ in calls.refused] == [(0, "too_large")]
    assert calls.rows == [1]
    assert calls.texts.data.size < 1_000


@pytest.mark.parametrize("name", ["ingress", "attestation"])
def test_every_word_of_the_contract_has_its_code(name):
    (of,) = (field.type for field in msgspec.inspect.type_info(Setup).fields if field.name == name)
    words = of.types[0].values if isinstance(of, msgspec.inspect.UnionType) else of.values
    assert set(words) == members.CODES[name].keys()
