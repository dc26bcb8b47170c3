"""What is published beside the calls, in a file: one JSON object a line with `kind`, `key` and `value` (null: removed).

A kind is a topic's subject: ``operators``, ``trunks``, ``lists``, ``policy``, ``subscribers.location`` and so on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from streamer.calls.codec import encode
from streamer.errors import MessageError, ReplayError
from streamer.lab.packed import Counted
from streamer.lab.records import Unreadable, read_lines
from streamer.lab.traffic import Traffic


class Control(NamedTuple):
    """One control record."""

    kind: str
    key: str
    value: bytes | None


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    key: str
    value: msgspec.Raw


def of_traffic(traffic: Traffic) -> Iterator[Control]:
    """What the simulated operators and administrators publish: operators, trunks, lists, facts about lines."""
    for operator in traffic.operators():
        yield Control("operators", operator.operator, encode(operator))
    for trunk in traffic.trunks():
        yield Control("trunks", f"{trunk.operator}/{trunk.trunk}", encode(trunk))
    for entry in traffic.lists():
        yield Control("lists", entry.key, encode(entry))
    for fact in traffic.facts():
        yield Control(f"subscribers.{fact.fact}", fact.number, encode(fact))


def line(control: Control) -> bytes:
    """A record as a line of a file."""
    value = msgspec.Raw(control.value if control.value is not None else b"null")
    return msgspec.json.encode(_Written(control.kind, control.key, value)) + b"\n"


def read(path: Path) -> Iterator[Control]:
    """The records of a file. Raises `ReplayError` at the first line that is none: half a register is worse than none."""
    decode = msgspec.json.Decoder(_Written).decode
    with Counted(path) as file:
        for record in read_lines(path, file):
            if isinstance(record, Unreadable):
                raise ReplayError(f"{path}, line {record.line}: {record.message}")
            try:
                found = decode(record.text)
            except (ValueError, RecursionError) as error:
                raise ReplayError(f"{path}, line {record.line}: {error}") from None
            value = bytes(found.value)
            yield Control(found.kind, found.key, None if value == b"null" else value)


def refused(path: Path, control: Control, error: MessageError) -> ReplayError:
    """The error for a record that the engine does not take."""
    return ReplayError(f"{path}: {control.kind} {control.key}: {error}")
