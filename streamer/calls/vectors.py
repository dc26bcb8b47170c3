"""Test vectors of the caller key, for publishers in other languages: what a raw caller comes to, and in which partition."""

from __future__ import annotations

from typing import Any, Final

from streamer.calls.numbers import caller_key, home_plan, utf8
from streamer.calls.partitioner import partition_of

_CALLED: Final = "+77272345678"
_SPELLINGS: Final = {
    "KZ": (
        "+77011234567", "8 701 123 45 67", "87011234567", "8-701-123-45-67", "8 (701) 123-45-67", "007 701 123 45 67",
        "0077011234567", "810 7 701 1234567", "81077011234567", "sip:+77011234567@sbc.example;user=phone",
        "sips:87011234567@sbc.example", "tel:+7-701-123-45-67", "tel:+77011234567;phone-context=example", "7011234567",
        "7 701 123 45 67", "77011234567", "6011234567", "+7.727.234.56.78", "7272345678", "87272345678", "+79161234567",
        "89161234567", "9161234567", "79161234567", "+442071234567", "00442071234567", "810442071234567", "442071234567",
        "85212345678", "+85212345678", "0085212345678", "112", "101", "8", "88", "1414", "12345", "123456", "1234567",
        "12345678", "123456789", "+1", "+123456", "+1234567", "+123456789012345", "+1234567890123456", "+0123456789",
        "garbage", "+7701123456a", "extension 12", "  +77011234567  ", "", "anonymous", "Anonymous", "UNKNOWN",
        "sip:anonymous@anonymous.invalid", "restricted", "unavailable", "sip:someone@anonymous.invalid", "<sip:+77011234567@h>",
    ),
    "US": ("+12125551234", "2125551234", "12125551234", "(212) 555-1234", "011442071234567", "911", "sip:+12125551234@h"),
    "GB": ("+442071234567", "02071234567", "00442071234567", "442071234567", "999"),
}  # fmt: skip
_WITHHELD: Final = (
    ("anonymous", "+77011234567", _CALLED),
    ("anonymous", "8 701 123 45 67", _CALLED),
    ("", "sip:+77011234567@h", _CALLED),
    ("anonymous", None, "8 727 234 56 78"),
    ("anonymous", None, "112"),
    ("", "", _CALLED),
    ("unknown", "anonymous", _CALLED),
    ("+77011234567", "+77019999999", _CALLED),
)


def vectors() -> list[dict[str, Any]]:
    """One entry a case: home, caller, asserted, callee, key, and the partition of the key among 4 and among 24."""
    cases: list[tuple[str, str, str | None, str]] = [
        (home, caller, None, _CALLED) for home, callers in _SPELLINGS.items() for caller in callers
    ]
    cases += [("KZ", *case) for case in _WITHHELD]
    found = []
    for home, caller, asserted, callee in cases:
        key = caller_key(caller, asserted, callee, home_plan(home))
        found.append(
            {
                "home": home,
                "caller": caller,
                "asserted": asserted,
                "callee": callee,
                "key": key,
                "partition_of_4": partition_of(utf8(key), 4),
                "partition_of_24": partition_of(utf8(key), 24),
            }
        )
    return found


def document() -> dict[str, Any]:
    """The vectors with what they are about, as published in `schemas/`."""
    return {
        "title": "Caller key: test vectors",
        "description": "The key of a record of calls.v1 and its partition by Kafka's murmur2 over the key's UTF-8 bytes.",
        "vectors": vectors(),
    }
