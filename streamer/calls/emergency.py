"""Calls for help, however they are spelled."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from phonenumbers import PhoneMetadata

from streamer.calls.compiled_addresses import addressed, separator, starts, trimmed, user_part
from streamer.calls.numbers import HomePlan
from streamer.calls.patterns import expand, parse
from streamer.compiled import loop

_URN_BYTES: Final = len("urn:service:sos")
_MAY_FOLLOW: Final = np.frombuffer(b'.>" ', np.uint8)
_BEFORE: Final = np.frombuffer(b'<" ', np.uint8)
_MOST_DIGITS: Final = 15

FURTHER: Final[dict[str, frozenset[str]]] = {
    # Anatel's list of public emergency services: the federal highway police.
    "BR": frozenset({"191"}),
    # ARCEP's list of emergency numbers: by text for the deaf, homeless people, children in danger, air and sea rescue, attacks and
    # abductions, missing children.
    "FR": frozenset({"114", "115", "119", "191", "196", "197", "116000"}),
    # Ofcom's General Conditions: 999 and 112 by relay, for those who cannot hear or speak.
    "GB": frozenset({"18000"}),
    # AGCOM's national numbering plan, emergency and public safety: the financial police, forest fires, the coast guard.
    "IT": frozenset({"117", "1515", "1530"}),
    # The federal law on the single number 112: the gas emergency service.
    "RU": frozenset({"104"}),
    # The FCC's designation of 988 as the suicide and crisis lifeline.
    "US": frozenset({"988"}),
}
"""Numbers by country that bring help and that the library's metadata does not call emergency numbers, each with its source."""


@loop
def _is_of(char: int, some: Any) -> bool:
    for one in some:
        if char == one:
            return True
    return False


@loop
def is_urgent(data: Any, begin: int, end: int, spelled: Any) -> bool:
    """Whether a number (bytes `begin` to `end` of uint8 `data`) is one that is called for help: one of those `spelled`, see `spelled_for`,
    or a URN of the service `sos` (RFC 5031) of whatever kind of help. There are more of these than a list would have, eCall's (RFC 8147)
    and those of single countries among them. Display names, schemes, brackets, blanks, separators, hosts and parameters make no difference.
    """
    begin, end = trimmed(data, begin, end)
    begin, end = addressed(data, begin, end)
    while begin < end and _is_of(data[begin], _BEFORE):
        begin += 1
    begin, end, _ = user_part(data, begin, end)
    if starts(data, begin, end, b"urn:service:sos"):
        behind = begin + _URN_BYTES
        return bool(behind == end or _is_of(data[behind], _MAY_FOLLOW))
    number = np.int64(1)
    digits = 0
    sign = np.int64(1)
    if starts(data, begin, end, b"%2b"):
        sign = np.int64(-1)
        begin += 3
    for at in range(begin, end):
        char = data[at]
        if 48 <= char <= 57:
            digits += 1
            if digits > _MOST_DIGITS:
                return False
            number = 10 * number + (np.int64(char) - 48)
        elif char == 43 and digits == 0:
            sign = np.int64(-1)
        elif char == 35:  # a hash ends what is dialled
            break
        elif not separator(char):
            return False
    for one in spelled:
        if one == sign * number:
            return True
    return False


def spelled_for(plan: HomePlan) -> Any:
    """int64[k]: the emergency numbers of a home country in all spellings that reach them: each one's digits behind a 1, negative behind
    a plus sign.
    """
    found = set()
    for number in emergency_numbers(plan.region):
        for prefix in ("", plan.trunk, *plan.international):
            found.add(int(f"1{prefix}{number}"))
        for code in ("", plan.code):
            found.add(-int(f"1{code}{number}"))
            found |= {int(f"1{prefix}{code}{number}") for prefix in plan.international}
    return np.array(sorted(found), np.int64)


def emergency_numbers(region: str) -> frozenset[str]:
    """The emergency numbers of a country: those of the library's short-number metadata, and those of `FURTHER`.

    >>> sorted(emergency_numbers("KZ")), sorted(emergency_numbers("GB"))
    (['101', '102', '103', '112'], ['112', '18000', '999'])
    """
    further = FURTHER.get(region, frozenset())
    metadata = PhoneMetadata.short_metadata_for_region(region)
    if metadata is None or metadata.emergency is None or not metadata.emergency.national_number_pattern:
        return further
    return further.union(expand(parse(metadata.emergency.national_number_pattern)))
