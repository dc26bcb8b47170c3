"""Records of `calls.v1`, a batch at a time, as columns: what all sound ones say, and which are refused and why."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from streamer.calls import compiled_reading as compiled
from streamer.calls.codec import decode_call
from streamer.calls.events import Answer, CallEvent, Setup
from streamer.calls.numbers import utf8
from streamer.calls.texts import NAMES, PADDING, Texts, spans_of
from streamer.errors import MessageError

_PADDING: Final = bytes(PADDING)


class Calls(NamedTuple):
    """`rows` of n sound records in their batch; `texts` and `numbers` int64[n, NUMBERS] of them, see
    `streamer.calls.compiled_reading`; and the rows of those that are `refused`, and why.
    """

    rows: list[int]
    texts: Texts
    numbers: Any
    refused: list[tuple[int, MessageError]]


class Reader:
    """Reads batches; remembers in which order publishers write, which never changes what is read."""

    def __init__(self) -> None:
        self._guesses = np.zeros(compiled.MEMBERS, np.int64)

    def read(self, values: Sequence[bytes | None]) -> Calls:
        """The records of a batch."""
        n = len(values)
        given = values if None not in values else [value or b"" for value in values]
        whole = b"".join([*given, _PADDING])  # type: ignore[list-item]
        bounds = np.fromiter(itertools.accumulate(map(len, given), initial=0), np.int64, n + 1)  # type: ignore[arg-type]
        texts = Texts(np.frombuffer(whole, np.uint8), spans_of(n))
        numbers = np.zeros((n, compiled.NUMBERS), np.int64)
        if not compiled.read_records(texts.data, bounds, self._guesses, numbers, texts.spans):
            return Calls(list(range(n)), texts, numbers, [])
        return _with_left(values, whole, texts.spans, numbers)


def _with_left(values: Sequence[bytes | None], whole: bytes, spans: Any, numbers: Any) -> Calls:
    """What was read, and what the codec reads of what was left."""
    pieces, at = [whole], len(whole)
    refused = []
    for row in np.flatnonzero(numbers[:, compiled.KIND] == compiled.LEFT).tolist():
        try:
            event = decode_call(values[row])
        except MessageError as error:
            refused.append((row, error))
            continue
        numbers[row] = _numbers_of(event)
        for which, name in enumerate(NAMES):
            text = getattr(event, name, None)
            spans[which, row] = -1
            if text is not None:
                pieces.append(utf8(text))
                spans[which, row] = at, at + len(pieces[-1])
                at += len(pieces[-1])
    texts = Texts(np.frombuffer(b"".join([*pieces, _PADDING]), np.uint8), spans)
    if not refused:
        return Calls(list(range(len(values))), texts, numbers, [])
    sound = np.flatnonzero(numbers[:, compiled.KIND] != compiled.LEFT)
    # Of the layout of all others, so that no loop is compiled for another one while calls come.
    return Calls(sound.tolist(), texts._replace(spans=np.ascontiguousarray(spans[:, sound])), numbers[sound], refused)


def _numbers_of(event: CallEvent) -> list[int]:
    found = [compiled.KIND_OF[type(event)], event.at, 0, 0, 0]
    if isinstance(event, Setup):
        found[compiled.INGRESS] = compiled.CODES["ingress"][event.ingress]
        found[compiled.ATTESTATION] = compiled.CODES["attestation"][event.attestation]
    elif isinstance(event, Answer):
        found[compiled.RING] = event.ring_ms or 0
    else:
        found[compiled.RING] = -1 if event.ring_ms is None else event.ring_ms
        found[compiled.TALK] = event.talk_ms
        found[compiled.CAUSE] = -1 if event.cause is None else event.cause
    return found
