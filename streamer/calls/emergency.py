"""Calls for help, however they are spelled."""

from __future__ import annotations

from typing import Final

from phonenumbers import PhoneMetadata

from streamer.calls.patterns import expand, parse

_SERVICES: Final = (
    "", ".ambulance", ".animal-control", ".fire", ".gas", ".marine", ".mountain", ".physician", ".poison", ".police",
)  # fmt: skip
URGENT: Final = tuple(
    spelled for service in _SERVICES for spelled in (f"urn:service:sos{service}", f"URN:SERVICE:SOS{service.upper()}")
)
"""How an IMS network spells calls for help (RFC 5031)."""


def emergency_numbers(region: str) -> frozenset[str]:
    """The emergency numbers of a country, from the library's short-number metadata.

    >>> sorted(emergency_numbers("KZ"))
    ['101', '102', '103', '112']
    """
    metadata = PhoneMetadata.short_metadata_for_region(region)
    if metadata is None or metadata.emergency is None or not metadata.emergency.national_number_pattern:
        return frozenset()
    return frozenset(expand(parse(metadata.emergency.national_number_pattern)))
