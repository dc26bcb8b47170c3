"""Files of truths: one JSON object a line, as `streamer simulate --truth` writes them."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct, structs

from streamer.calls.events import FraudType
from streamer.errors import ReplayError
from streamer.lab.packed import Counted
from streamer.lab.records import Unreadable, read_lines
from streamer.lab.truth import Truth


class _Line(Struct, frozen=True, forbid_unknown_fields=True):
    """A truth as a file has to tell it: whoever leaves `fraud` out, or calls it something else, has not said that a call is honest."""

    call_id: str
    fraud: FraudType | None
    campaign: str | None = None
    kind: str | None = None


def read(path: Path) -> dict[str, Truth]:
    """The truths of a file, perhaps packed, by call id.

    Raises `ReplayError` at the first line that is none (without `fraud`, with a member or a fraud type that there is not), and
    where two lines tell different truths of one call: figures on a half-read truth would be worth nothing.
    """
    decode = msgspec.json.Decoder(_Line).decode
    found: dict[str, Truth] = {}
    with Counted(path) as file:
        for record in read_lines(path, file):
            if isinstance(record, Unreadable):
                raise ReplayError(f"{path}, line {record.line}: {record.message}")
            try:
                truth = Truth(*structs.astuple(decode(record.text)))
            except (ValueError, RecursionError) as error:
                raise ReplayError(
                    f"{path}, line {record.line}: {error}; a line has `call_id` and `fraud` (a type, or null for an honest call), perhaps"
                    " `campaign` and `kind`, and nothing else"
                ) from None
            if found.setdefault(truth.call_id, truth) != truth:
                raise ReplayError(f"{path}, line {record.line}: another truth of call {truth.call_id} stands before it")
    if not found:
        raise ReplayError(f"{path} holds no truth")
    return found
