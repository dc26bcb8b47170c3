"""Test vectors for the caller key, for whoever publishes call events: what a key is, and where it lies.

Generated from the reference, so that they say what the detector does; published as `schemas/caller-key-vectors.json`.
"""

from __future__ import annotations

from typing import Any, Final

from streamer.calls.numbers import caller_key, home_plan, is_withheld, normalise, partition_of, utf8

PARTITIONS: Final = (4, 24)
"""The partition counts that vectors are given for: the demo's and the default."""

_CALLEE: Final = "87272345678"
_ANONYMOUS: Final = "sip:anonymous@anonymous.invalid"

# home, caller, asserted, callee, what it shows
_CASES: Final[tuple[tuple[str, str, str | None, str, str], ...]] = (
    ("KZ", "+77011234567", None, _CALLEE, "E.164 as it is"),
    ("KZ", "87011234567", None, _CALLEE, "trunk prefix"),
    ("KZ", "8 701 123 45 67", None, _CALLEE, "trunk prefix, blanks"),
    ("KZ", "8 (701) 123-45-67", None, _CALLEE, "brackets and hyphens"),
    ("KZ", "8.701.123.45.67", None, _CALLEE, "dots"),
    ("KZ", "8/701/1234567", None, _CALLEE, "slashes"),
    ("KZ", "7011234567", None, _CALLEE, "bare national number"),
    ("KZ", "6011234567", None, _CALLEE, "bare national number, 6 is the home country's alone"),
    ("KZ", "77011234567", None, _CALLEE, "E.164 without its plus"),
    ("KZ", "007701123456", None, _CALLEE, "international prefix, 10 digits after it: whatever the length, E.164"),
    ("KZ", "0077011234567", None, _CALLEE, "international prefix 00"),
    ("KZ", "81077011234567", None, _CALLEE, "international prefix 810 before the trunk prefix 8"),
    ("KZ", "+7-701-123-45-67", None, _CALLEE, "hyphens"),
    ("KZ", " +77011234567 ", None, _CALLEE, "blanks around"),
    ("KZ", "+7\t7011234567", None, _CALLEE, "a tabulator is a blank"),
    ("KZ", "+7701\u00a01234567", None, _CALLEE, "so is a no-break space"),
    ("KZ", "sip:+77011234567@op.kz", None, _CALLEE, "SIP URI"),
    ("KZ", "sip:+77011234567@op.kz;user=phone", None, _CALLEE, "SIP URI with a parameter"),
    ("KZ", "sip:+77011234567;npdi@op.kz;user=phone", None, _CALLEE, "parameter of the number before the host"),
    ("KZ", "SIPS:+77011234567@op.kz", None, _CALLEE, "schemes in any case"),
    ("KZ", "<sip:87011234567@op.kz>", None, _CALLEE, "angle brackets"),
    ("KZ", "Bank <tel:87011234567>;tag=1", None, _CALLEE, "a display name: what stands in the angle brackets"),
    ("KZ", '"8 (727) <1>" <sip:+77011234567@op.kz>', None, _CALLEE, "a display name in quotes, whatever it shows"),
    (
        "KZ",
        '"\\"<1>" < sip:+77011234567@op.kz >',
        None,
        _CALLEE,
        "with a quote in it, and blanks in the angle brackets",
    ),
    ("KZ", '"Алия" <sip:+77011234567@op.kz>', None, _CALLEE, "a display name in another script"),
    ("KZ", '"+77011234567" <sip:alice@op.kz>', None, _CALLEE, "a display name with a number: that is not who calls"),
    ("KZ", '"<1>"', None, _CALLEE, "quotes alone are no display name"),
    ("KZ", '"8 <7011234567>', None, _CALLEE, "a quote that does not end begins no display name"),
    ("KZ", "sip:%2B77011234567@op.kz", None, _CALLEE, "a plus that is escaped"),
    ("KZ", "tel:+7-701-123-45-67", None, _CALLEE, "tel URI"),
    ("KZ", "tel:7011234567;phone-context=+7", None, _CALLEE, "tel URI with a context"),
    ("KZ", "+79161234567", None, _CALLEE, "the other country of +7"),
    ("KZ", "9161234567", None, _CALLEE, "no leading digit of the home country: E.164 without its plus"),
    ("KZ", "85212345678", None, _CALLEE, "read as a home trunk call, not as Hong Kong"),
    ("KZ", "+85212345678", None, _CALLEE, "Hong Kong with its plus"),
    ("KZ", "447400123456", None, _CALLEE, "foreign, without its plus"),
    ("KZ", "00447400123456", None, _CALLEE, "foreign, international prefix"),
    ("KZ", "+1234567", None, _CALLEE, "7 digits are the least"),
    ("KZ", "+123456", None, _CALLEE, "6 digits are too few: as it came"),
    ("KZ", "+123456789012345", None, _CALLEE, "15 digits are the most"),
    ("KZ", "+1234567890123456", None, _CALLEE, "16 digits are too many: as it came"),
    ("KZ", "+0123456789", None, _CALLEE, "E.164 does not begin with 0: as it came"),
    ("KZ", "0123456789", None, _CALLEE, "nor without its plus"),
    ("KZ", "++77011234567", None, _CALLEE, "two plus signs: as it came"),
    ("KZ", "001234", None, _CALLEE, "too short after the international prefix: a short number"),
    ("KZ", "000123456789", None, _CALLEE, "0 after the international prefix: as it came"),
    ("KZ", "810123456789012345678", None, _CALLEE, "too long after the international prefix: as it came"),
    ("KZ", "112", None, _CALLEE, "short number"),
    ("KZ", "sip:112@op.kz", None, _CALLEE, "short number in a SIP URI"),
    ("KZ", "007", None, _CALLEE, "leading zeros of a short number stay"),
    ("KZ", "1-4-14", None, _CALLEE, "short number with hyphens"),
    ("KZ", "123456789", None, _CALLEE, "9 digits: a short number"),
    ("KZ", " pbx-1234 ", None, _CALLEE, "extension: as it came, trimmed"),
    ("KZ", "sip:alice@pbx.op.kz", None, _CALLEE, "a name: as it came"),
    ("KZ", "+7701123456x", None, _CALLEE, "a letter in the number: as it came"),
    ("KZ", "#31#87011234567", None, _CALLEE, "a service code: as it came"),
    ("KZ", "٧٧٠١١٢٣٤٥٦٧", None, _CALLEE, "digits of another script are not dialled: as it came"),
    ("KZ", "абонент", None, _CALLEE, "not ASCII: as it came, its key in UTF-8"),
    ("KZ", "", None, _CALLEE, "withheld: empty"),
    ("KZ", "  ", None, _CALLEE, "withheld: blank"),
    ("KZ", "anonymous", None, _CALLEE, "withheld by user"),
    (
        "KZ",
        "ANONYMOUS",
        None,
        "+77272345678",
        "withheld in any case; the same key for another spelling of the called number",
    ),
    ("KZ", "Unavailable", None, _CALLEE, "withheld by user"),
    ("KZ", "restricted", None, _CALLEE, "withheld by user"),
    ("KZ", "sip:unknown@op.kz", None, _CALLEE, "withheld by user in a SIP URI"),
    ("KZ", _ANONYMOUS, None, _CALLEE, "withheld: the anonymous URI of RFC 3323"),
    ("KZ", f'"Anonymous" <{_ANONYMOUS}>;tag=1', None, _CALLEE, "withheld, with a display name"),
    ("KZ", '"Anonymous" <sip:+77011234567@op.kz>', None, _CALLEE, "a display name withholds nothing"),
    ("KZ", "Bank <>", None, _CALLEE, "withheld: nothing in the angle brackets"),
    ("KZ", "sip:+77011234567@anonymous.invalid", None, _CALLEE, "withheld by host"),
    ("KZ", "sip:x@Anonymous.Invalid:5060;transport=udp", None, _CALLEE, "withheld by host, port and parameter"),
    ("KZ", "anonymous", "+77011234567", _CALLEE, "withheld, asserted number known"),
    ("KZ", _ANONYMOUS, "sip:87011234567@op.kz;user=phone", _CALLEE, "withheld, asserted number in another spelling"),
    ("KZ", "anonymous", "", _CALLEE, "an empty asserted number is none"),
    ("KZ", "anonymous", _ANONYMOUS, _CALLEE, "a withheld asserted number is none"),
    ("KZ", "anonymous", None, "112", "withheld, to a short number"),
    ("KZ", "+77011234567", "+77017654321", _CALLEE, "shown: the asserted number does not matter"),
    ("KZ", "anonymous.invalid", None, _CALLEE, "a user, not a host: as it came"),
    ("RU", "89161234567", None, "84951234567", "Russia: trunk prefix"),
    ("RU", "9161234567", None, "84951234567", "Russia: bare national number"),
    ("RU", "81077011234567", None, "84951234567", "Russia: international prefix"),
    ("GB", "020 7946 0000", None, "02079460001", "United Kingdom: trunk prefix 0"),
    ("GB", "7400123456", None, "02079460001", "United Kingdom: bare national number"),
    ("GB", "0077011234567", None, "02079460001", "United Kingdom: international prefix before the trunk prefix"),
    ("US", "(201) 555-0123", None, "12015550124", "United States: bare national number"),
    ("US", "1 201 555 0123", None, "12015550124", "United States: trunk prefix"),
    ("US", "011 7 701 1234567", None, "12015550124", "United States: international prefix"),
    ("US", "00 44 20 7946 0000", None, "12015550124", "United States: 00, as others write international numbers"),
    ("RU", "00 44 20 7946 0000", None, "84951234567", "Russia: likewise"),
    ("BR", "0049 30 123456", None, "0211133334444", "Brazil: likewise, where no carrier's prefix fits"),
    ("BR", "0021 49 30 123456", None, "0211133334444", "Brazil: a carrier's prefix"),
    ("DE", "030 123456", None, "030654321", "Germany: national numbers of many lengths after the trunk prefix"),
    ("IT", "3123456789", None, "0212345678", "Italy: no trunk prefix"),
    ("DK", "34412345", None, "32123456", "Denmark: 8 digits, no trunk prefix"),
)


def vectors() -> list[dict[str, Any]]:
    """Every vector: the home country, what came, whether it is withheld, the called number normalised, key and partitions."""
    found = []
    for home, caller, asserted, callee, shows in _CASES:
        plan = home_plan(home)
        key = caller_key(caller, asserted, callee, plan)
        found.append(
            {
                "shows": shows,
                "home": home,
                "caller": caller,
                "asserted": asserted,
                "callee": callee,
                "withheld": is_withheld(caller),
                "callee_normalised": normalise(callee, plan),
                "key": key,
                **{f"partition_of_{count}": partition_of(utf8(key), count) for count in PARTITIONS},
            }
        )
    return found


def document() -> dict[str, Any]:
    """The content of `schemas/caller-key-vectors.json`."""
    plans = {}
    for home in dict.fromkeys(case[0] for case in _CASES):
        plan = home_plan(home)
        plans[home] = {
            "code": plan.code,
            "international": list(plan.international),
            "trunk": plan.trunk,
            "length": plan.length,
            "lengths": list(plan.lengths),
            "leading": list(plan.leading),
        }
    return {
        "title": "Caller key: test vectors",
        "description": (
            "What a record of calls.v1 is keyed by, and its partition (Kafka's murmur2 of the key in UTF-8). The home country's plan "
            "decides how numbers without a plus are read."
        ),
        "plans": plans,
        "vectors": vectors(),
    }
