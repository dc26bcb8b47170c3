"""What scorers count, of any bytes, through a merger and a book of cases."""

import base64
import functools
import json

import numpy as np

from streamer.calls import codec
from streamer.calls.signals import Signal
from streamer.errors import MessageError
from streamer.signals.casebook import Casebook
from streamer.signals.hot import hot
from streamer.signals.merger import Merger
from streamer.windows.hashing import secret_words
from tests.fuzzing.target import Target, shape
from tests.fuzzing.targets.messages import NOW, samples


@functools.cache
def held():
    return {"merger": None, "taken": 0}


def fresh():
    """A small merger, begun anew now and then, so that its tables fill up and are not only full."""
    state = held()
    if state["taken"] % 500 == 0:
        state["merger"] = Merger(secret_words(b"fuzz"), callees=64, trunks=64, blocks=64, prefixes=64), Casebook(64)
    state["taken"] += 1
    return state["merger"]


def merged(data):
    """Lines into a merger: counted or refused; whatever is said of it can be read and restored, and makes cases that can be."""
    merger, book = fresh()
    told = []
    for offset, line in enumerate(data.split(b"\n")[:10]):
        try:
            told.append(merger.take(offset, codec.decode_counts(line), NOW + 10**9))
        except MessageError as error:
            told.append((error.reason, shape(error)))
    other = Merger(secret_words(b"fuzz"), callees=64, trunks=64, blocks=64, prefixes=64)
    said = 0
    for key, signal in merger.changes():
        said += 1
        if signal is None:
            continue
        again = codec.decode_signal(codec.encode(signal))
        assert isinstance(again, Signal)
        assert again.key == key
        other.restore(again)
        for subject in hot(signal, merger.lines):
            for case in book.heed(subject):
                codec.decode_case(codec.encode(case))
    for subject in merger.subjects():
        for case in book.heed(subject):
            codec.decode_case(codec.encode(case))
    assert all(count <= 64 for kind, count in merger.held.items() if kind not in {"line", "lure", "range"})
    return tuple(told), min(said, 3)


def seeds():
    """Samples, with more in them: many callers on one number over one trunk."""
    found = samples("partial-sums", "busy-line", "swapped-sim", "lure", "newcomer")
    whole = json.loads(next(sample for sample in found if b'"trunks"' in sample))
    places = np.array([[77272345678, 44740012 + n % 2] for n in range(30)], "<i8")
    counts = np.array([[1, 3, 3, 3, n % 2, 1, 0, 1, 1, 0] for n in range(30)], "<u2")
    whole |= {"places": base64.b64encode(places).decode(), "counts": base64.b64encode(counts).decode()}
    new = json.loads(next(sample for sample in found if b'"newcomer"' in sample))
    lines = [new | {"line": f"{new['line'][:-2]}{n:02d}", "since": new["since"] + 60_000 * n} for n in range(8)]
    range_ = b"\n".join(json.dumps(line).encode() for line in lines)
    return [*found, b"\n".join(found), json.dumps(whole).encode(), range_ + b"\n" + next(iter(found))]


TARGETS = (
    Target("merger", merged, seeds, 3_000, "counted or `MessageError`; what is said can be read back, tables never overflow",
           (b'"number"', b'"places"', b'"counts"', b'"trunks"', b'"imei"', b'"swap"', b'"age_h"'), compiled=True),
)  # fmt: skip
