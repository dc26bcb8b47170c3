"""Files of truths: one JSON object a line, as `streamer simulate --truth` writes them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from streamer.errors import ReplayError
from streamer.lab.packed import Counted
from streamer.lab.records import Unreadable, read_lines
from streamer.lab.truth import Truth


def read(path: Path) -> dict[str, Truth]:
    """The truths of a file, perhaps packed, by call id.

    Raises `ReplayError` at the first line that is none, a fraud type that there is not among them, and where two lines tell
    different truths of one call: figures on a half-read truth would be worth nothing.
    """
    decode = msgspec.json.Decoder(Truth).decode
    found: dict[str, Truth] = {}
    with Counted(path) as file:
        for record in read_lines(path, file):
            if isinstance(record, Unreadable):
                raise ReplayError(f"{path}, line {record.line}: {record.message}")
            try:
                truth = decode(record.text)
            except (ValueError, RecursionError) as error:
                raise ReplayError(f"{path}, line {record.line}: {error}") from None
            if found.setdefault(truth.call_id, truth) != truth:
                raise ReplayError(f"{path}, line {record.line}: another truth of call {truth.call_id} stands before it")
    if not found:
        raise ReplayError(f"{path} holds no truth")
    return found
