"""Exported state damaged in every way but sealed anew: ``python -m tests.fuzzing.state 3000`` imports it into an engine.

An import is refused and changes nothing, or the engine goes on judging with its tables in order. Under
``NUMBA_BOUNDSCHECK=1`` (and a ``NUMBA_CACHE_DIR`` of its own) the compiled loops also say when they look past an array.
"""

import argparse
import hashlib
import hmac
import math
import os
import random
import struct

import numpy as np
import orjson

from streamer.calls.codec import decode_decision
from streamer.columns import State
from streamer.engine import Engine
from streamer.errors import StateError
from streamer.windows import sliding, slots, table
from tests.fuzzing.mutation import dented
from tests.test_engine import NOW, PARTITIONS, batch, in_force, model, offer, setup, traffic

SECRET = b"fuzz"
HEAD = 18
ODD = (
    0,
    1,
    -1,
    2,
    5,
    127,
    255,
    256,
    4_095,
    4_096,
    65_535,
    65_536,
    2**31 - 1,
    -(2**31),
    2**32,
    2**40,
    2**62,
    2**63 - 1,
    -(2**63),
)


def key_of(secret):
    return hashlib.blake2b(secret, digest_size=32, person=b"streamer.state").digest()


def seal(body, secret=SECRET):
    """The body with a digest as a worker with the secret makes it."""
    return bytes(body) + hmac.digest(key_of(secret), bytes(body), "sha256")


def opened(packed):
    """(header, columns) of exported state, the columns free to be changed."""
    length = struct.unpack_from("<I", packed, 6)[0]
    header, at, columns = orjson.loads(packed[HEAD : HEAD + length]), HEAD + length, {}
    for name, dtype, shape in header["columns"]:
        columns[name] = np.frombuffer(packed, dtype, math.prod(shape), at).reshape(shape).copy()
        at += -(-columns[name].nbytes // 8) * 8
    return header, columns


def body_of(packed, header, columns):
    """What is to be sealed: the head of `packed`, then this header (a dict, or bytes) and these columns."""
    text = header if isinstance(header, bytes) else orjson.dumps(header)
    text += b" " * (-(HEAD + len(text)) % 8)
    pieces = [packed[:6], struct.pack("<I", len(text)), packed[10:HEAD], text]
    for rows in columns.values():
        raw = np.ascontiguousarray(rows).tobytes()
        pieces += [raw, bytes(-len(raw) % 8)]
    return b"".join(pieces)


def shapes(header, columns):
    """The header, its list of columns made to say what they are."""
    return {**header, "columns": [[name, rows.dtype.str, list(rows.shape)] for name, rows in columns.items()]}


def told(packed):
    """What exported state says, whatever order its rows are in."""
    header, columns = opened(packed)
    wide = columns.pop("callers.wide")
    sketches = [wide[place - 1].tobytes() if place else b"" for place in columns.pop("callers.wide_of").tolist()]
    slots_of = [rows for name, rows in columns.items() if name.startswith("callers.")]
    found = sorted(
        (*(row.tobytes() for row in rows), sketch) for *rows, sketch in zip(*slots_of, sketches, strict=True)
    )
    return header, found, *(sorted(columns[name].tolist()) for name in ("calls", "pairs", "tallies"))


def _cells(draw, rows):
    """Some numbers of a column replaced by odd ones, or by what lies in other rows."""
    flat = rows.reshape(-1)
    if not flat.size:
        return
    for _ in range(draw.choice((1, 1, 2, 30))):
        place = draw.randrange(flat.size)
        how = draw.random()
        if how < 0.3:
            flat[place] = flat[draw.randrange(flat.size)]
        elif how < 0.6 and rows.dtype.kind != "f":
            flat[place] ^= flat.dtype.type(1) << flat.dtype.type(draw.randrange(8 * flat.itemsize - 1))
        elif rows.dtype.kind == "f":
            flat[place] = draw.choice((np.nan, np.inf, -np.inf, -1.0, 0.0, 1e30, 7.0))
        else:
            flat[place] = np.array(draw.choice(ODD)).astype(flat.dtype)


def damaged(draw, packed):
    """Sealed state with one kind of damage."""
    header, columns = opened(packed)
    kind = draw.randrange(9)
    if kind == 0:
        body = bytearray(packed[:-32])
        for _ in range(draw.randrange(1, 8)):
            body[draw.randrange(len(body))] = draw.randrange(256)
        return seal(body)
    if kind == 1:
        body = packed[:-32]
        cut = draw.randrange(len(body))
        return seal(draw.choice((body[:cut], body + bytes(draw.randrange(1, 99)), body[:cut] + body[cut + 8 :])))
    if kind == 2:
        text = orjson.dumps(header, default=str)
        try:
            text = orjson.dumps(dented(draw, header))
        except TypeError:  # a text or number that JSON of ours cannot hold
            text = text.replace(b"default", b"\\ud800" if draw.random() < 0.5 else b"\xff")
        return seal(body_of(packed, text, columns))
    name = draw.choice(sorted(columns))
    if kind in {3, 4, 5}:
        _cells(draw, columns[name])
    elif kind == 6:  # rows doubled, lost or put in another order
        rows = len(columns[name])
        if rows:
            order = draw.choice(
                (
                    list(range(rows)) + [draw.randrange(rows)],
                    draw.sample(range(rows), rows - 1),
                    draw.sample(range(rows), rows),
                )
            )
            like = [other for other in columns if len(columns[other]) == rows] if draw.random() < 0.7 else [name]
            columns |= {other: columns[other][order] for other in like}
    elif kind == 7:  # another type, or the same bytes told otherwise
        with np.errstate(invalid="ignore"):
            columns[name] = columns[name].astype(draw.choice(("<i8", "<i4", "<u2", "<f8", ">i8", "|u1", "<i2")))
    else:
        raw = draw.randbytes(columns[name].nbytes)
        columns[name] = np.frombuffer(raw, columns[name].dtype).reshape(columns[name].shape)
    return seal(body_of(packed, shapes(header, columns), columns))


def in_order(state: State) -> None:
    """Index, free lists and chains of a state agree with its rows."""
    store = state.callers
    used = np.flatnonzero(store.partition >= 0)
    assert len(used) == slots.held(store) == (store.cells >= 0).sum()
    for slot in used.tolist():
        assert 0 <= store.partition[slot] < len(state.watermark)
        assert slots.find(store, int(store.partition[slot]), int(store.key[slot]), int(store.origin[slot])) == slot
    wide = store.wide_of[store.wide_of > 0]
    assert len(np.unique(wide)) == len(wide) == store.meta[slots.WIDE_USED] - store.meta[slots.WIDE_FREE]
    for held in (state.calls, state.pairs):
        for cell in np.flatnonzero(held.rows[: held.meta[table.USED], table.HELD]).tolist():
            assert 0 <= table.partition_at.py_func(held, cell) < len(state.watermark)
            assert table.find(held, int(held.rows[cell, table.HASH])) == cell


def held_by(engine):
    """All that an import might change, as bytes."""
    known = engine._in_force
    texts = [repr(known.versions.__dict__), repr(known.operators.rows)]
    return [*(engine.export(partition) for partition in range(PARTITIONS)), *texts]


def grown(max_callers=1_000):
    """An engine that has judged, with something of everything in its state."""
    engine = Engine(partitions=PARTITIONS, max_callers=max_callers, max_calls=4_000, secret=SECRET, clamp=False)
    engine.process(batch(traffic(5, 30)), NOW)
    offer(engine, model(1, 0.0))
    in_force(engine, "second")
    busy = [setup(f"busy{n}", "+77015550000", f"+7727{2_500_000 + 13 * n}", NOW + n) for n in range(80)]
    engine.process(batch([*traffic(5, 60), *busy]), NOW)
    assert max_callers < 100 or engine.state.callers.meta[slots.WIDE_USED] > 0
    return engine


def run(count, seed):
    """Import `count` damaged states; returns how many were refused and how many taken in."""
    draw = random.Random(seed)
    source = grown()
    exported = [source.export(partition) for partition in range(PARTITIONS)]
    more = batch([*traffic(5, 60), *traffic(6, 12)])
    refused = taken = 0
    for number in range(count):
        if number % 200 == 0:
            roomy = number % 400 == 0
            engine = grown() if roomy else grown(max_callers=16)  # in a full store an import takes over others' slots
        partition = draw.randrange(PARTITIONS)
        state = damaged(draw, exported[partition])
        before = held_by(engine)
        try:
            engine.import_state(partition, state)
        except StateError:
            refused += 1
            assert held_by(engine) == before, "a refused import changed something"
            continue
        taken += 1
        if roomy:
            after = held_by(engine)
            others = [other for other in range(PARTITIONS) if other != partition]
            assert all(after[other] == before[other] for other in others), "an import changed another partition"
        in_order(engine.state)
        for _, _, value in engine.process(more, NOW).decisions:
            decode_decision(value)
        engine.tick(partition, NOW)
        in_order(engine.state)
        again = engine.export(partition)
        engine.import_state(partition, again)
        assert not roomy or told(engine.export(partition)) == told(again)
        engine.drop(partition)
        in_order(engine.state)
        engine.import_state(partition, exported[partition])
    return refused, taken


def bounds_are_checked():
    """Whether compiled loops say when they look past an array."""
    try:
        sliding.total(np.zeros((1, sliding.COUNTERS), np.uint16), sliding.RINGS - 1, 0)
    except IndexError:
        return True
    return False


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, epilog="Example: python -m tests.fuzzing.state 20000")
    asked.add_argument("inputs", type=int, help="damaged states")
    asked.add_argument("seed", type=int, nargs="?", default=1, help="makes a run again")
    given = asked.parse_args()
    assert bounds_are_checked() == ("NUMBA_BOUNDSCHECK" in os.environ)
    print("{} refused, {} taken in".format(*run(given.inputs, given.seed)))
