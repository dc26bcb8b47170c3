"""Records of `calls.v1`, a batch at a time, as columns: what all sound ones say, and which are refused and why."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from streamer.calls import compiled_reading as compiled
from streamer.calls import members
from streamer.calls.codec import MAX_BYTES, decode_call
from streamer.calls.events import Answer, CallEvent, Setup
from streamer.calls.texts import NAMES, PADDING, Texts, laid_out, spans_of
from streamer.errors import MessageError

_PADDING: Final = bytes(PADDING)


class Calls(NamedTuple):
    """`rows` of n sound records in their batch; `texts` and `numbers` int64[n, NUMBERS] of them, see
    `streamer.calls.members`; and of those that are `refused` the row, the reason's code, and what is wrong.
    """

    rows: list[int]
    texts: Texts
    numbers: Any
    refused: list[tuple[int, str, str]]


class Reader:
    """Reads batches; remembers in which order publishers write, which never changes what is read."""

    def __init__(self) -> None:
        self._guesses = np.zeros(compiled.MEMBERS, np.int64)

    def read(self, values: Sequence[bytes | None]) -> Calls:
        """The records of a batch."""
        n = len(values)
        # What is too large is refused by the codec, and not copied before.
        given = [b"" if value is None or len(value) > MAX_BYTES else value for value in values]
        whole = b"".join([*given, _PADDING])
        bounds = np.fromiter(itertools.accumulate(map(len, given), initial=0), np.int64, n + 1)
        texts = Texts(np.frombuffer(whole, np.uint8), spans_of(n))
        numbers = np.zeros((n, members.NUMBERS), np.int64)
        if not compiled.read_records(texts.data, bounds, self._guesses, numbers, texts.spans):
            return Calls(list(range(n)), texts, numbers, [])
        return _completed(values, whole, texts.spans, numbers)


def _completed(values: Sequence[bytes | None], whole: bytes, spans: Any, numbers: Any) -> Calls:
    """What was read, and what the codec reads of what was left, which goes into `spans` and `numbers` too."""
    events: dict[int, CallEvent] = {}
    refused = []
    for row in np.flatnonzero(numbers[:, members.KIND] == members.LEFT).tolist():
        try:
            events[row] = decode_call(values[row])
        except MessageError as error:  # not kept: it holds all that was at hand where it was raised
            refused.append((row, error.reason, str(error)))
    rows = list(events)
    found = laid_out(
        {which: [getattr(event, name, None) for event in events.values()] for which, name in enumerate(NAMES)}
    )
    numbers[rows] = [*map(_numbers_of, events.values())] or np.zeros((0, members.NUMBERS), np.int64)
    spans[:, rows] = np.where(found.spans < 0, -1, found.spans + len(whole))
    texts = Texts(np.frombuffer(whole + found.data.tobytes(), np.uint8), spans)
    if not refused:
        return Calls(list(range(len(values))), texts, numbers, [])
    sound = np.flatnonzero(numbers[:, members.KIND] != members.LEFT)
    # Of the layout of all others, so that no loop is compiled for another one while calls come.
    return Calls(sound.tolist(), texts._replace(spans=np.ascontiguousarray(spans[:, sound])), numbers[sound], refused)


def _numbers_of(event: CallEvent) -> list[int]:
    found = [members.KIND_OF[type(event)], event.at, 0, 0, 0]
    if isinstance(event, Setup):
        found[members.INGRESS] = members.CODES["ingress"][event.ingress]
        found[members.ATTESTATION] = members.CODES["attestation"][event.attestation]
    elif isinstance(event, Answer):
        found[members.RING] = event.ring_ms or 0
    else:
        found[members.RING] = -1 if event.ring_ms is None else event.ring_ms
        found[members.TALK] = event.talk_ms
        found[members.CAUSE] = -1 if event.cause is None else event.cause
    return found
