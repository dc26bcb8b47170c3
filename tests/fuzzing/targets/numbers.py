"""Telephone numbers: the compiled reading of a batch against the plain reference; decisions written in the compiled loop."""

import functools

import numpy as np
import orjson

from streamer.calls import compiled_decisions as written
from streamer.calls.codec import decode_decision
from streamer.calls.compiled_numbers import Numbers
from streamer.calls.events import LONGEST_REPEATED
from streamer.calls.numbers import caller_key, home_plan, is_withheld, normalise, number_id, utf8, written_bare
from streamer.calls.partitioner import partition_of
from streamer.calls.plan import VALID, classify
from streamer.calls.texts import ASSERTED, CALL_ID, CALLEE, CALLER, OPERATOR, laid_out
from tests.fuzzing.target import Target

SECRET = (0x1234567890ABCDEF, 0xFEDCBA0987654321)
HOMES = ("KZ", "GB", "US", "DE", "IT", "DK", "BR", "AU")
MARK = b"\xff"
"""Between texts: it is in no UTF-8, so that everything else may be in them."""


@functools.cache
def numbers(home):
    return Numbers.prepared(home_plan(home), SECRET, 24)


def texts_of(data, most=12):
    """Texts of the input; what is not UTF-8 becomes lone surrogates, which JSON can bring too."""
    return [text.decode("utf-8", "surrogateescape") for text in data.split(MARK)[:most]]


def read(data):
    """The first byte is the home country; then caller, called and asserted number (`-`: none) of several records."""
    prepared = numbers(HOMES[data[0] % len(HOMES)] if data else "KZ")
    plan = prepared.plan
    texts = texts_of(data[1:])
    texts += [""] * (-len(texts) % 3)
    callers, callees = texts[::3], texts[1::3]
    asserted = [None if text == "-" else text for text in texts[2::3]]
    found = prepared.resolve(laid_out({CALLER: callers, CALLEE: callees, ASSERTED: asserted}))
    answer = []
    for row, (caller, callee, given) in enumerate(zip(callers, callees, asserted, strict=True)):
        key = caller_key(caller, given, callee, plan)
        assert found.key_of(row) == key
        assert found.withheld[row] == is_withheld(caller)
        assert found.partition[row] == partition_of(utf8(key), 24)
        for which, expected in (("caller", normalise(caller, plan)), ("callee", normalise(callee, plan)), ("key", key)):
            number = number_id(expected, SECRET)
            assert getattr(found, f"{which}_id")[row] == number > 0
            codes = tuple(int(getattr(found, f"{which}_{code}")[row]) for code in ("status", "region", "kind"))
            assert codes == classify(number, prepared.table)
        status, region, _ = classify(written_bare(caller, plan), prepared.table)
        abroad = status == VALID and region != prepared.table.home and not found.withheld[row]
        assert found.ambiguous[row] == abroad
        if row == 0:
            answer = [plan.region, bool(found.withheld[row]), int(found.caller_status[row]), int(found.key_kind[row]),
                      int(found.caller_id[row]).bit_length() // 8, caller.isascii()]  # fmt: skip
    assert prepared.ids(texts).tolist() == [number_id(normalise(text, plan), SECRET) for text in texts]
    return tuple(answer)


SPELLED = (
    "+77011234567", "8 (701) 123-45-67", "sip:+77011234567@op.kz;user=phone", "00447400123456", "112", "bob", "anonymous",
    "sip:anonymous@anonymous.invalid", "", " ", "<sips:0113@x>", "tel:810 44 20;ext=1", "RESTRICTED ", "٣٧", "\x85", "\n",
    "011442071234567", "2125551234", "é@anonymous.invalid", "-",
    '"8 <1>" <sip:+77011234567@op.kz>;tag=1', "Bank <tel:%2b77011234567>", "6591234567",
)  # fmt: skip


def number_seeds():
    return [
        b"%c" % home + MARK.join(text.encode() for text in (SPELLED[at], SPELLED[at - 7], SPELLED[at - 3]))
        for home in range(len(HOMES))
        for at in range(len(SPELLED))
    ]


CLOSING = b',"action":"allow","reasons":[],"shadow_action":"allow","sip_code":null,"sip_reason":null,"q850":null,"revises":false,"policy":"p","model":null}'


def write(data):
    """Call id, operator, caller and called number, and a whole number that makes the rest of a decision."""
    texts = [text.encode("utf-8", "replace").decode() for text in texts_of(data, 5)]
    call_id, operator, caller, callee, drawn = (texts + [""] * 5)[:5]
    draw = int.from_bytes(drawn.encode()[:16], "little")
    at, cache, score, late = draw % 4 * 10**12, draw // 7 % 4_102_444_800_000, draw % 1_000_002 - 1, bool(draw & 8)
    lines = np.array([[0, at, score, cache, late, 1, 2, 3]], np.int64)
    writer = written.Writer()
    writer.learn((0, 0, 0), b"wrong}")
    writer.learn((1, 2, 3), CLOSING)
    (value,) = writer.write(
        laid_out({CALL_ID: [call_id], OPERATOR: [operator], CALLER: [caller], CALLEE: [callee]}), lines, 7
    )
    plain = written.plain(call_id, at, 7, operator, caller, callee, score, cache, late, CLOSING)
    if value:
        assert orjson.loads(value) == orjson.loads(plain)
        if call_id and operator and callee and len(operator) <= 64:
            decode_decision(value)
    else:
        said = call_id, operator, caller, callee
        assert max(map(len, said)) > LONGEST_REPEATED or any(
            ord(char) < 32 or ord(char) > 126 or char in '"\\' for char in "".join(said)
        )
    return bool(value), score < 0, cache > 0, late, len(str(cache)), len(value) // 64 if len(value) < 640 else 10


TARGETS = (
    Target("numbers", read, number_seeds, 15_000, "ids, keys, partitions and classes equal the plain reference's, in 8 countries",
           (b"sip:", b"sips:", b"tel:", b"@", b";", b"+", b"00", b"810", b"8", b"anonymous", b"Unknown", b"@anonymous.invalid",
            MARK, b"<", b">", b'"', b"\\", b"%2B", b" ", b"\t", b"\x1c", b"\xe2\x80\x83", b"\xd9\xa3", b"\xc4\xb0", b"\xe2\x84\xaa", b"withheld:"), compiled=True),
    Target("decisions-written", write, lambda: [MARK.join((b"c1", b"op", b"+77010000001", b"+77010000002", b"\x05xyz"))], 10_000,
           "the compiled loop writes what orjson writes, or leaves it to it", (MARK, b'"', b"\\", b"\x7f"), compiled=True),
)  # fmt: skip
