"""Numbers as lines are known by: one spelling, one key and one id a line, whatever the operator wrote.

The rule is the contract's "caller key". This module is the reference, plain and slow (a few microseconds a number);
`streamer.calls.compiled_numbers` does the same for whole batches and is tested against it.

An id is an int64 that says what it stands for:

- below 10**15: an E.164 number, the integer of its digits (ITU-T E.164: at most 15 digits, no leading zero);
- `SHORT | length << 52 | value`: a string of at most 9 digits (short numbers), leading zeros told apart by the length;
- `OTHER | 62 bits`: anything else, by SipHash-2-4 of its UTF-8 bytes under the secret key.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from phonenumbers import PhoneMetadata, region_code_for_country_code

from streamer.calls.partitioner import partition_of, siphash
from streamer.calls.patterns import Automaton, count, expand, parse
from streamer.errors import SettingsError

__all__ = [
    "OTHER",
    "SHORT",
    "HomePlan",
    "caller_key",
    "home_plan",
    "home_share",
    "is_withheld",
    "normalise",
    "number_id",
    "partition_of",
    "plain_id",
    "written_bare",
]

SHORT: Final = 1 << 60
"""Set in the id of a string of at most 9 digits."""

OTHER: Final = 1 << 62
"""Set in the id of what is neither E.164 nor a short number."""

WITHHELD_USERS: Final = frozenset({"anonymous", "unavailable", "restricted", "unknown"})
WITHHELD_HOST: Final = "anonymous.invalid"
WITHHELD_PREFIX: Final = "withheld:"
SCHEMES: Final = ("sips:", "sip:", "tel:")
_SEPARATORS: Final = str.maketrans("", "", "-./()[]{}<>")
_NAME_ADDR: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*")?+[^<]*+<([^>]*+)>', re.DOTALL)
_AFTER_USER: Final = re.compile("[@;]")
_AFTER_HOST: Final = re.compile(r"[;:>?\s]")
_MOST_PREFIXES: Final = 64
_FROM_ABROAD: Final = "00"
"""What ITU-T E.164 recommends before international numbers, and so what networks abroad write before numbers of any country."""


class HomePlan(NamedTuple):
    """How numbers are dialled in the home country.

    `region` is ISO 3166-1 alpha-2, `code` the calling code, `international` the prefixes of international calls (longest first), `trunk`
    the national (trunk) prefix or "", `length` the usual length of a national number, `lengths` every full length after the trunk prefix,
    `leading` the first digits by which a bare national number is told from a foreign one.
    """

    region: str
    code: str
    international: tuple[str, ...]
    trunk: str
    length: int
    leading: tuple[str, ...]
    lengths: tuple[int, ...]


_EXACT: Final = {"KZ": HomePlan("KZ", "7", ("810", "00"), "8", 10, ("6", "7"), (10,))}
"""Plans that the contract fixes; the metadata knows neither `00` nor the 6xx range."""

_LINES: Final = ("fixed_line", "mobile", "voip", "toll_free", "premium_rate", "shared_cost", "personal_number", "uan")


def home_plan(region: str) -> HomePlan:
    """The dialling rules of a country, from `phonenumbers`' metadata; Kazakhstan's are the contract's own.

    Raises `SettingsError` for a region without a numbering plan.

    >>> home_plan("KZ").international
    ('810', '00')
    >>> home_plan("GB")[:5]
    ('GB', '44', ('00',), '0', 10)
    """
    if region in _EXACT:
        return _EXACT[region]
    metadata = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None or metadata.id != region:
        raise SettingsError(
            f"setting home: {region!r} is no region with a numbering plan; give an ISO 3166-1 alpha-2 code"
        )
    leading = _leading(region)
    main = str(region_code_for_country_code(metadata.country_code))
    if main != region:
        leading = leading - _leading(main) or leading
    described = (metadata.mobile, metadata.fixed_line, metadata.voip)
    example = next(kind.example_number for kind in described if kind is not None and kind.example_number)
    return HomePlan(
        region,
        str(metadata.country_code),
        _international(metadata),
        metadata.national_prefix or "",
        len(example),
        tuple(sorted(leading)),
        tuple(metadata.general_desc.possible_length),
    )


def home_share(plan: HomePlan) -> frozenset[str]:
    """The first national digits under the calling code that are the home country's even where nothing is allocated.

    A code of one country is all its own; the main country of a shared code has what no fixed plan gives to another.

    >>> sorted(home_share(home_plan("KZ"))), sorted(home_share(home_plan("RU")))
    (['6', '7'], ['0', '1', '2', '3', '4', '5', '8', '9'])
    """
    if plan.region in _EXACT:
        return frozenset(plan.leading)
    if region_code_for_country_code(int(plan.code)) != plan.region:
        return frozenset()
    taken = {digit for other in _EXACT.values() if other.code == plan.code for digit in other.leading}
    return frozenset("0123456789") - taken


def _leading(region: str) -> set[str]:
    """The first digits of the region's valid numbers."""
    metadata = PhoneMetadata.metadata_for_region(region, None)
    found: set[str] = set()
    for kind in _LINES:
        described = getattr(metadata, kind)
        if described is not None and described.national_number_pattern:
            found |= _firsts(described.national_number_pattern)
    return found


def _firsts(pattern: str) -> set[str]:
    automaton = Automaton()
    automaton.add(parse(pattern), 0)
    return {str(digit) for digit, after in enumerate(automaton.step(automaton.start())) if after}


def _international(metadata: PhoneMetadata) -> tuple[str, ...]:
    found = set()
    if metadata.preferred_international_prefix:
        found.add(metadata.preferred_international_prefix.replace("~", ""))
    if metadata.international_prefix:
        pattern = parse(metadata.international_prefix)
        if count(pattern) <= _MOST_PREFIXES:
            found |= set(expand(pattern))
    found.add(_FROM_ABROAD)
    return tuple(sorted(found - {""}, key=lambda prefix: (-len(prefix), prefix)))


def _split(raw: str) -> tuple[str, str]:
    """The user part without scheme and separators around it, and what follows the first `@` or `;` (with that mark).

    Of a name-addr (RFC 3261, section 20.10: perhaps a display name, then `<…>`) what stands in the brackets is read.
    """
    text = raw.strip()
    named = _NAME_ADDR.match(text)
    text = (named[1].strip() if named else text).lstrip("<")
    lowered = text[:5].lower()
    for scheme in SCHEMES:
        if lowered.startswith(scheme):
            text = text[len(scheme) :]
            break
    rest = _AFTER_USER.search(text)
    return (text[: rest.start()], text[rest.start() :]) if rest else (text, "")


def is_withheld(raw: str) -> bool:
    """Whether the caller hides the number: RFC 3323's anonymous URI, or what gateways write instead of a number.

    >>> is_withheld("sip:anonymous@anonymous.invalid"), is_withheld("Restricted"), is_withheld(" "), is_withheld("+77011234567")
    (True, True, True, False)
    """
    user, rest = _split(raw)
    user = user.strip().rstrip(">").strip()
    if _lower(user) in WITHHELD_USERS:
        return True
    if rest.startswith("@"):
        return _lower(_AFTER_HOST.split(rest[1:].strip(), 1)[0]) == WITHHELD_HOST
    return not user and not rest


def _lower(text: str) -> str:
    """Lower case of ASCII letters alone: no other letter may turn into one of a known word."""
    return text.lower() if text.isascii() else text


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _is_e164(digits: str) -> bool:
    return 7 <= len(digits) <= 15 and _is_digits(digits) and digits[0] != "0"


def _dialled(raw: str) -> str:
    """The user part without what stands for nothing in a number; `%2B` at its front is the plus that a URI may escape."""
    user, _ = _split(raw)
    if _lower(user[:3]) == "%2b":
        user = "+" + user[3:]
    return "".join(user.split()).translate(_SEPARATORS)


def normalise(raw: str, plan: HomePlan) -> str:
    """The one spelling of a number: `+` and digits, the digits of a short number, else `raw` as it came, trimmed.

    >>> plan = home_plan("KZ")
    >>> [normalise(raw, plan) for raw in ("8 (701) 123-45-67", "sip:+77011234567@op.kz;user=phone", "00447400123456", "112", "bob")]
    ['+77011234567', '+77011234567', '+447400123456', '112', 'bob']
    """
    text = _dialled(raw)
    if text.startswith("+"):
        return text if _is_e164(text[1:]) else raw.strip()
    if not text or not _is_digits(text):
        return raw.strip()
    for prefix in plan.international:
        if text.startswith(prefix):
            if _is_e164(text[len(prefix) :]):
                return "+" + text[len(prefix) :]
            break
    else:
        national = text[len(plan.trunk) :]
        if (
            plan.trunk
            and text.startswith(plan.trunk)
            and len(national) in plan.lengths
            and _is_e164(plan.code + national)
        ):
            return "+" + plan.code + national
        if len(text) == plan.length and text[0] in plan.leading:
            return "+" + plan.code + text
        if len(text) >= 10 and _is_e164(text):
            return "+" + text
    return text if len(text) <= 9 else raw.strip()


def written_bare(raw: str, plan: HomePlan) -> int:
    """The digits of a number without plus or prefix that is read as a home number by its length and first digit; 0 for any other.

    As E.164 without its plus they may be another country's number too: the first is one of Singapore.

    >>> [written_bare(raw, home_plan("KZ")) for raw in ("65 9123 4567", "+6591234567", "87011234567", "112")]
    [6591234567, 0, 0, 0]
    """
    digits = _dialled(raw)
    return int(digits) if normalise(raw, plan) == f"+{plan.code}{digits}" else 0


def caller_key(caller: str, asserted: str | None, callee: str, plan: HomePlan) -> str:
    """What `calls.v1` is keyed by: the line that calls; for a withheld one the asserted number, else the called number.

    >>> caller_key("anonymous", None, "87272345678", home_plan("KZ"))
    'withheld:+77272345678'
    """
    if not is_withheld(caller):
        return normalise(caller, plan)
    if asserted is not None and not is_withheld(asserted):
        return normalise(asserted, plan)
    return WITHHELD_PREFIX + normalise(callee, plan)


def number_id(normalised: str, secret: tuple[int, int]) -> int:
    """The int64 id (positive) of a normalised number; `secret` is a 128-bit key as two words.

    >>> number_id("+77011234567", (1, 2)), number_id("112", (1, 2)) == SHORT | 3 << 52 | 112
    (77011234567, True)
    """
    found = plain_id(normalised)
    return OTHER | siphash(utf8(normalised), secret) & (OTHER - 1) if found is None else found


def plain_id(normalised: str) -> int | None:
    """The id of an E.164 or short number, which needs no hash; None for anything else.

    >>> plain_id("+77011234567"), plain_id("bob")
    (77011234567, None)
    """
    if normalised.startswith("+") and _is_e164(normalised[1:]):
        return int(normalised[1:])
    if 1 <= len(normalised) <= 9 and _is_digits(normalised):
        return SHORT | len(normalised) << 52 | int(normalised)
    return None


def utf8(text: str) -> bytes:
    """UTF-8 of any `str`, lone surrogates included, so that no input can make it fail."""
    return text.encode("utf-8", "surrogatepass")
