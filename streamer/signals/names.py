"""Subjects by the whole numbers that tables keep them under: digits of called numbers and blocks, trunks as they come, both of a route."""

from __future__ import annotations

from typing import Literal

from streamer.calls.signals import Kind, Signal
from streamer.windows.newcomers import BESIDE, route_of

Table = Kind | Literal["route"]
"""What sums are kept of. Of a route, a block of calling numbers by the trunk that it comes over, tells a signal of kind `block`."""

_SHORT = 10**6
"""Numbers below are short ones, as dialled."""


def table_of(signal: Signal) -> Table:
    """What a signal tells of.

    >>> table_of(Signal(kind="block", subject="op-a/transit-1/+77272555", at=1, until=2))
    'route'
    """
    return "route" if signal.kind == "block" and "/" in signal.subject else signal.kind


class Names:
    """`most` trunks have a number of their own; those that come later have 0, which is nothing's."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._trunks: dict[tuple[str, str], int] = {}
        self._names: list[str] = [""]

    def trunk(self, name: tuple[str, str]) -> int:
        """The key of a trunk, by operator and name."""
        key = self._trunks.get(name)
        if key is None and len(self._names) >= self._most:
            return 0  # more than there can be registered
        if key is None:
            key = self._trunks[name] = len(self._names)
            self._names.append("/".join(name))
        return key

    def subject(self, kind: Table, key: int) -> str:
        """The subject of a signal that a key stands for."""
        if kind == "route":
            return f"{self._names[key // BESIDE]}/+{key % BESIDE}"
        return self._names[key] if kind == "trunk" else str(key) if kind == "callee" and key < _SHORT else f"+{key}"

    def key(self, kind: Table, subject: str) -> int:
        """The key of a subject; 0 for none."""
        if kind == "route":
            trunk, _, block = subject.rpartition("/")
            return int(route_of(self.key("block", block), self.key("trunk", trunk)))
        if kind == "trunk":
            operator, _, trunk = subject.partition("/")
            return self.trunk((operator, trunk))
        digits = subject.removeprefix("+")
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 15 else 0
