"""A batch of call events as the compiled loop reads it, and as the codec reads each record of it."""

import numpy as np

from streamer.calls import compiled_reading as compiled
from streamer.calls import members, texts
from streamer.calls.codec import decode_call
from streamer.calls.events import Answer, End, Setup
from streamer.calls.reading import Reader
from streamer.errors import MessageError


def left(values):
    """Which records the loop leaves to the codec."""
    spans, integers = texts.spans_of(len(values)), members.unsaid(len(values))
    data = np.frombuffer(b"".join([*values, texts.PADDING]), np.uint8)
    bounds = np.cumsum([0, *map(len, values)])
    compiled.read_records(data, bounds, np.zeros(compiled.MEMBERS, np.int64), integers, spans)
    return np.flatnonzero(integers[:, members.KIND] == members.LEFT).tolist()


def as_decoded(value):
    """What the codec makes of a record: why it is refused, or its kind, integers and texts."""
    try:
        event = decode_call(value)
    except MessageError as error:
        return error.reason, str(error)
    kind = {Setup: members.SETUP, Answer: members.ANSWER, End: members.END}[type(event)]
    integers = [kind, event.at]
    if isinstance(event, Setup):
        integers += [["subscriber", "national", "international"].index(event.ingress)]
        integers += [[None, "C", "B", "A"].index(event.attestation)]
        integers += [-1 if event.cached is None else int(event.cached)]
    elif isinstance(event, Answer):
        integers += [-1 if event.ring_ms is None else event.ring_ms]
    else:
        integers += [-1 if event.ring_ms is None else event.ring_ms, event.talk_ms]
        integers += [-1 if event.cause is None else event.cause]
    return integers, [getattr(event, name, None) for name in texts.NAMES]


def as_read(values, reader=None):
    """The same, as a batch is read."""
    calls = (reader or Reader()).read(values)
    answers = {row: (reason, text) for row, reason, text in calls.refused}
    columns = {members.SETUP: 5, members.ANSWER: 3, members.END: 5}
    for at, row in enumerate(calls.rows):
        integers = calls.integers[at].tolist()
        answers[row] = (
            integers[: columns[integers[0]]],
            [calls.texts.text(which, at) for which in range(len(texts.NAMES))],
        )
    for which in (texts.CALL_ID, texts.OPERATOR, texts.CALLER, texts.CALLEE):
        assert calls.texts.of(which) == [calls.texts.text(which, at) for at in range(len(calls.rows))]
    return [answers[row] for row in range(len(values))]
