"""Calls for help, however they are spelled."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from phonenumbers import PhoneMetadata

from streamer.calls.patterns import expand, parse
from streamer.compiled import loop

_URN: Final = np.frombuffer(b"urn:service:sos", np.uint8)
_MAY_FOLLOW: Final = np.frombuffer(b".;>@? ", np.uint8)
_BEFORE: Final = np.frombuffer(b'< "', np.uint8)


@loop
def _is_of(char: int, some: Any) -> bool:
    for one in some:
        if char == one:
            return True
    return False


@loop
def is_urgent(data: Any, begin: int, end: int) -> bool:
    """Whether a text (bytes `begin` to `end` of uint8 `data`) is a URN of the service `sos` (RFC 5031), of whatever kind of help: there
    are more than a list would have, eCall's (RFC 8147) and those of single countries among them. As a URN it has no case, and may
    have come with brackets or parameters.
    """
    while begin < end and _is_of(data[begin], _BEFORE):
        begin += 1
    behind = begin + _URN.shape[0]
    if behind > end:
        return False
    for place in range(_URN.shape[0]):
        char = data[begin + place]
        if char != _URN[place] and not (65 <= char <= 90 and char + 32 == _URN[place]):
            return False
    return bool(behind == end or _is_of(data[behind], _MAY_FOLLOW))


def emergency_numbers(region: str) -> frozenset[str]:
    """The emergency numbers of a country, from the library's short-number metadata.

    >>> sorted(emergency_numbers("KZ"))
    ['101', '102', '103', '112']
    """
    metadata = PhoneMetadata.short_metadata_for_region(region)
    if metadata is None or metadata.emergency is None or not metadata.emergency.national_number_pattern:
        return frozenset()
    return frozenset(expand(parse(metadata.emergency.national_number_pattern)))
