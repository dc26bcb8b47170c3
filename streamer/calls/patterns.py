r"""The regular expressions of numbering plans, read into automata.

The patterns of `phonenumbers`' metadata use a small part of the language: digits, ``\\d``, classes, groups, alternation, ``?`` and
``{m,n}``. Every pattern matches finitely many strings of digits, so it can be listed as well as walked.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

ANY: Final = (1 << 10) - 1
"""The set of all ten digits; a set of digits is a bit mask."""

Node = tuple[str, int, int, tuple["Node", ...]]
"""A parsed pattern: kind (`digit`, `all`, `any` or `times`), two numbers whose meaning depends on it, and its parts."""


class PatternError(ValueError):
    """A pattern uses something that numbering plans have not used so far."""


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.pattern = "".join(pattern.split())
        self.at = 0

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self) -> str:
        char = self.peek()
        self.at += 1
        return char

    def fail(self) -> PatternError:
        return PatternError(f"cannot read {self.pattern!r} at {self.at}")

    def alternatives(self) -> Node:
        found = [self.sequence()]
        while self.peek() == "|":
            self.at += 1
            found.append(self.sequence())
        return found[0] if len(found) == 1 else ("any", 0, 0, tuple(found))

    def sequence(self) -> Node:
        found = []
        while self.peek() not in {"", "|", ")"}:
            found.append(self.repeated(self.atom()))
        return ("all", 0, 0, tuple(found))

    def repeated(self, node: Node) -> Node:
        if self.peek() == "?":
            self.at += 1
            return ("times", 0, 1, (node,))
        if self.peek() == "{":
            end = self.pattern.index("}", self.at)
            low, _, high = self.pattern[self.at + 1 : end].partition(",")
            self.at = end + 1
            return ("times", int(low), int(high or low), (node,))
        return node

    def atom(self) -> Node:
        char = self.take()
        if char == "(":
            if self.pattern.startswith("?:", self.at):
                self.at += 2
            node = self.alternatives()
            if self.take() != ")":
                raise self.fail()
            return node
        if char == "[":
            return ("digit", self.members(), 0, ())
        if char == "\\" and self.take() == "d":
            return ("digit", ANY, 0, ())
        if char.isdecimal():
            return ("digit", 1 << int(char), 0, ())
        raise self.fail()

    def members(self) -> int:
        mask = 0
        while (char := self.take()) != "]":
            if char == "\\" and self.take() == "d":
                mask |= ANY
                continue
            if not char.isdecimal():
                raise self.fail()
            last = char
            if self.peek() == "-":
                self.at += 1
                last = self.take()
            for digit in range(int(char), int(last) + 1):
                mask |= 1 << digit
        return mask


def parse(pattern: str) -> Node:
    """The pattern as a tree; raises `PatternError` for what numbering plans do not use.

    >>> parse("1[0-2]?")
    ('all', 0, 0, (('digit', 2, 0, ()), ('times', 0, 1, (('digit', 7, 0, ()),))))
    """
    reader = _Reader(pattern)
    node = reader.alternatives()
    if reader.at != len(reader.pattern):
        raise reader.fail()
    return node


def count(node: Node) -> int:
    """How many strings the pattern matches, each way of matching counted."""
    kind, low, high, parts = node
    if kind == "digit":
        return low.bit_count()
    if kind == "any":
        return sum(map(count, parts))
    if kind == "times":
        return sum(count(parts[0]) ** times for times in range(low, high + 1))
    total = 1
    for part in parts:
        total *= count(part)
    return total


def expand(node: Node) -> Iterator[str]:
    """Every string that the pattern matches.

    >>> sorted(expand(parse("1(?:0[1-3]|12)")))
    ['101', '102', '103', '112']
    """
    kind, low, high, parts = node
    if kind == "digit":
        yield from (str(digit) for digit in range(10) if low >> digit & 1)
    elif kind == "any":
        for part in parts:
            yield from expand(part)
    elif kind == "times":
        for times in range(low, high + 1):
            yield from ("".join(found) for found in product(list(expand(parts[0])), repeat=times))
    else:
        yield from ("".join(found) for found in product(*[list(expand(part)) for part in parts]))


class Automaton:
    """Several patterns as one non-deterministic automaton over digits.

    A state is a set of positions (frozenset of int); `step` follows a digit, `accepted` maps a position to what it stands for.
    """

    def __init__(self) -> None:
        self._moves: list[tuple[int, int]] = []  # position -> (mask of digits, position after)
        self._jumps: list[list[int]] = []  # position -> positions that cost nothing
        self._closures: dict[int, frozenset[int]] = {}
        self.accepted: dict[int, int] = {}
        self._starts: list[int] = []

    def _new(self) -> int:
        self._moves.append((0, -1))
        self._jumps.append([])
        return len(self._moves) - 1

    def add(self, node: Node, tag: int, *, prefix: bool = False) -> None:
        """Add a pattern that ends in `tag`; with `prefix` whatever follows keeps the tag."""
        start = self._new()
        end = self._build(node, start)
        self.accepted[end] = tag
        if prefix:
            self._moves[end] = (ANY, end)
        self._starts.append(start)

    def _build(self, node: Node, start: int) -> int:
        kind, low, high, parts = node
        if kind == "digit":
            end = self._new()
            self._moves[start] = (low, end)
            return end
        if kind == "all":
            for part in parts:
                start = self._build(part, start)
            return start
        end = self._new()
        if kind == "any":
            for part in parts:
                inner = self._new()
                self._jumps[start].append(inner)
                self._jumps[self._build(part, inner)].append(end)
            return end
        for times in range(high):
            if times >= low:
                self._jumps[start].append(end)
            inner = self._new()
            self._jumps[start].append(inner)
            start = self._build(parts[0], inner)
        self._jumps[start].append(end)
        return end

    def _closure(self, position: int) -> frozenset[int]:
        found = self._closures.get(position)
        if found is None:
            seen, waiting = {position}, [position]
            while waiting:
                for after in self._jumps[waiting.pop()]:
                    if after not in seen:
                        seen.add(after)
                        waiting.append(after)
            found = frozenset(at for at in seen if self._moves[at][0] or at in self.accepted)
            self._closures[position] = found
        return found

    def start(self) -> frozenset[int]:
        """The state before any digit."""
        return frozenset().union(*map(self._closure, self._starts))

    def step(self, state: frozenset[int]) -> list[frozenset[int]]:
        """The ten states that follow, by digit."""
        found: list[set[int]] = [set() for _ in range(10)]
        for position in state:
            mask, after = self._moves[position]
            if mask:
                closure = self._closure(after)
                for digit in range(10):
                    if mask >> digit & 1:
                        found[digit] |= closure
        return [frozenset(after) for after in found]
