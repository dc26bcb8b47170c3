"""Telephone numbers for pseudonyms: the same pseudonym always gets the same number of a plan, another one another."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import msgspec

from streamer.errors import MessageError

REMEMBERED: Final = 500_000
"""Pseudonyms remembered, about 100 MB; beyond them two may get one number, with the chance that the pattern leaves."""

_LONGEST: Final = 256
"""Characters of a pattern and a pseudonym together; longer ones are not remembered."""
_ATTEMPTS: Final = 64


class Given(msgspec.Struct, array_like=True):
    """Numbers by pattern and pseudonym, and how many were given without a look at whether they are taken."""

    numbers: dict[tuple[str, str], str] = {}
    unchecked: int = 0


class Pseudonyms:
    """Keyed and deterministic: the digits come from BLAKE2b (RFC 7693) under `secret`; a number that is taken is passed over.

    Patterns are written as the North American plan writes them: ``X`` is any digit, ``N`` one from 2 to 9, all else stands
    for itself.

    >>> numbers = Pseudonyms(b"secret")
    >>> numbers.number("+7701XXXXXXX", "subscriber-1") == Pseudonyms(b"secret").number("+7701XXXXXXX", "subscriber-1")
    True
    """

    def __init__(self, secret: bytes, *, remembered: int = REMEMBERED) -> None:
        self._secret = secret[:64]
        self._remembered = remembered
        self.take_over(Given())

    @property
    def given(self) -> Given:
        """What was given so far."""
        return self._given

    def take_over(self, given: Given) -> None:
        """Go on from what another one gave."""
        self._given = given
        self._taken = set(given.numbers.values())

    @property
    def unchecked(self) -> int:
        """Numbers given without a look at whether they are taken."""
        return self._given.unchecked

    def number(self, pattern: str, pseudonym: str) -> str:
        """The number of `pseudonym`. Raises `MessageError` (``out_of_range``) when the pattern has no number left."""
        numbers = self._given.numbers
        held = numbers.get((pattern, pseudonym))
        if held is not None:
            return held
        if len(numbers) >= self._remembered or len(pattern) + len(pseudonym) > _LONGEST:
            self._given.unchecked += 1
            return self._filled(pattern, pseudonym, 0)
        for attempt in range(_ATTEMPTS):
            number = self._filled(pattern, pseudonym, attempt)
            if number not in self._taken:
                self._taken.add(number)
                numbers[pattern, pseudonym] = number
                return number
        raise MessageError("out_of_range", f"the pattern {pattern} has hardly a number left for {pseudonym!r}")

    def _filled(self, pattern: str, pseudonym: str, attempt: int) -> str:
        text = f"{pattern}\0{attempt}\0{pseudonym}".encode("utf-8", "surrogatepass")
        rest = int.from_bytes(blake2b(text, key=self._secret, digest_size=16).digest(), "big")
        signs = []
        for sign in pattern:
            if sign == "X":
                rest, digit = divmod(rest, 10)
                signs.append(str(digit))
            elif sign == "N":
                rest, digit = divmod(rest, 8)
                signs.append(str(digit + 2))
            else:
                signs.append(sign)
        return "".join(signs)
