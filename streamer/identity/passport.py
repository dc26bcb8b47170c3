"""The SIP Identity header (RFC 8224) and the PASSporTs in it (RFC 8225), by SHAKEN's rules (RFC 8588) and those of diversions (RFC 8946).

A header is one or more of ``<protected>.<claims>.<signature>;info=<URL>;alg=ES256;ppt=shaken``, parted by commas or, where several
headers were put together, by their name. Each part of the token is base64url without padding; the signature is that of ES256
(RFC 7518, clause 3.4): r and s, 32 octets each, over the first two parts as they came. The compact form leaves the first two out, and SHAKEN's claims cannot be worked out
from the rest of an INVITE: where SHAKEN is meant, it is malformed.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from streamer.errors import IdentityError

MAX_CHARACTERS: Final = 8_192
"""Longest header that is looked at: one of SHAKEN's has under a thousand characters, and several may have come together."""
MOST_LOOKED_AT: Final = 8
"""PASSporTs of a header that are looked at, the first ones: each costs the check of a signature."""
SHAKEN: Final = "shaken"
DIVERTED: Final = "div"
_SIGNATURE_OCTETS: Final = 64
_MOST_IAT_S: Final = 4_102_444_800
"""The end of the year 2099."""

_CLAIMS: Final = {
    SHAKEN: {"attest": "attest", "origid": "origid", "orig": "orig.tn"},
    DIVERTED: {"orig": "orig.tn", "div": "div.tn"},
}
"""What a PASSporT of each kind that is looked at has to have, by field, as its claims are written."""

# Possessive throughout: what does not fit is found out in one go over it, whatever a header holds.
_NAMED: Final = re.compile(r"\s*+(?:identity|y)\s*+:", re.IGNORECASE)
_TOKEN: Final = re.compile(r"\s*+([A-Za-z0-9_-]*+\.[A-Za-z0-9_-]*+\.[A-Za-z0-9_-]++)")
_PARAMETER: Final = re.compile(r'\s*+;\s*+([A-Za-z0-9_-]++)(?:\s*+=\s*+(<[^<>]*+>|"[^"\\]*+"|[^\s;,"<>]++))?+')
_PARTED: Final = re.compile(r"\s*+(?:,|$|(?=(?:identity|y)\s*+:))", re.IGNORECASE)
_URL: Final = re.compile(
    r"https://(?P<host>[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?)(?::[0-9]{1,5})?/[!-~]*", re.IGNORECASE
)


class Passport(NamedTuple):
    """A PASSporT as it came, its signature not looked at.

    `signed` is what `signature`, r and s in 64 octets, is over. `orig` and `dest` are telephone numbers as written, `orig`
    None and `dest` empty where they are URIs alone; `iat_s` is when it was issued, seconds since 1970; `attest` and `origid`
    are SHAKEN's, `div` is the number that diverted the call to `dest`.
    """

    signed: bytes
    signature: bytes
    x5u: str
    ppt: str | None
    iat_s: int
    orig: str | None
    dest: tuple[str, ...]
    attest: Literal["A", "B", "C"] | None
    origid: str | None
    div: str | None


class Passports(NamedTuple):
    """Those of a header that are looked at: SHAKEN's, each of which says who calls, and those of diversions."""

    shaken: tuple[Passport, ...]
    diversions: tuple[Passport, ...]


class _Protected(Struct, frozen=True):
    typ: Literal["passport"]
    alg: Literal["ES256"]
    x5u: str
    ppt: str | None = None
    crit: Any = None


class _Party(Struct, frozen=True):
    tn: str | None = None


class _Parties(Struct, frozen=True):
    tn: list[str] = []


class _Claims(Struct, frozen=True):
    iat: Annotated[int, Meta(ge=0, le=_MOST_IAT_S)]
    orig: _Party
    dest: _Parties
    attest: Literal["A", "B", "C"] | None = None
    origid: str | None = None
    div: _Party | None = None


_protected: Final = msgspec.json.Decoder(_Protected)
_claims: Final = msgspec.json.Decoder(_Claims, strict=False)
"""A time that is written as a string of digits is taken too, as in the drafts of RFC 8225."""


def read(header: str) -> Passports:
    """The PASSporTs of a header; none of SHAKEN where it holds those of other kinds alone (``div``, ``rcd``).

    What is not sound is left out beside a sound one of SHAKEN. Raises `IdentityError` where there is no such one, but one that is not
    sound, and for what is no Identity header.

    >>> read("eyJhbGciOiJFUzI1NiJ9..c2ln;info=<https://cert.example.org/a.pem>;ppt=div")
    Passports(shaken=(), diversions=())
    """
    if len(header) > MAX_CHARACTERS:
        raise IdentityError(f"the header has {len(header)} characters; at most {MAX_CHARACTERS} are looked at")
    if not header.isascii():
        raise IdentityError("the header is not ASCII")
    found: list[Passport] = []
    unsound: IdentityError | None = None
    try:
        for token, parameters in islice(_parted(header), MOST_LOOKED_AT):
            try:
                passport = _looked_at(token, parameters)
            except IdentityError as error:
                unsound = unsound or error
                continue
            if passport is not None:
                found.append(passport)
    except IdentityError as error:
        unsound = unsound or error
    shaken = tuple(passport for passport in found if passport.ppt == SHAKEN)
    if unsound is not None and not shaken:
        raise unsound
    return Passports(shaken, tuple(passport for passport in found if passport.ppt == DIVERTED))


def _looked_at(token: str, parameters: dict[str, str]) -> Passport | None:
    """A PASSporT of SHAKEN or of a diversion; None for other kinds, and for a diversion's that is not sound.

    Raises `IdentityError` for one of SHAKEN that is not sound.
    """
    kind = parameters.get("ppt")
    if kind not in {None, *_CLAIMS}:
        return None
    try:
        passport = decode(token)
        kind = kind or passport.ppt
        if kind not in _CLAIMS:
            return None
        _agree(passport, kind, parameters)
    except IdentityError:
        if kind == DIVERTED:
            return None
        raise
    return passport


def _parted(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each token with its parameters, names in lower case, brackets and quotes taken off the values."""
    at = 0
    while True:
        named = _NAMED.match(header, at)
        at = named.end() if named else at
        token = _TOKEN.match(header, at)
        if token is None:
            raise IdentityError("the header has no token of three parts where one has to be")
        at = token.end()
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(header, at):
            at = parameter.end()
            name, value = parameter[1].lower(), parameter[2] or ""
            if name in parameters:
                raise IdentityError(f"the header has the parameter {name} twice")
            parameters[name] = value[1:-1] if value[:1] in {"<", '"'} else value
        parted = _PARTED.match(header, at)
        if parted is None:
            raise IdentityError(
                f"the header goes on with {header[at : at + 20]!r} where a parameter or its end has to be"
            )
        yield token[1], parameters
        at = parted.end()
        if at == len(header) and "," not in parted[0]:
            return


def _agree(passport: Passport, kind: str, parameters: dict[str, str]) -> None:
    """Raises `IdentityError` unless the header's parameters say what the PASSporT says, and that has all claims of its kind."""
    if parameters.get("alg", "ES256") != "ES256":
        raise IdentityError(f"the header's alg is {parameters['alg']!r}; SHAKEN's is ES256")
    if passport.ppt != kind:
        raise IdentityError(f"the header's ppt is {kind}, its PASSporT's {passport.ppt!r}")
    if parameters.get("info") != passport.x5u:
        raise IdentityError("the header's info is missing or not the x5u of its PASSporT")
    missing = [said for name, said in _CLAIMS[kind].items() if getattr(passport, name) is None]
    if missing:
        raise IdentityError(f"the PASSporT lacks {', '.join(missing)}")


def decode(token: str) -> Passport:
    """A PASSporT of any kind from its full form. Raises `IdentityError` when it is not sound; its signature is not looked at."""
    parts = token.split(".")
    if len(parts) != 3:
        raise IdentityError(f"the token has {len(parts)} parts; a PASSporT has 3")
    if not parts[0] or not parts[1]:
        raise IdentityError("the token is in the compact form, which has no claims")
    first, second, signature = map(_octets, parts)
    try:
        protected, claims = _protected.decode(first), _claims.decode(second)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise IdentityError(f"the PASSporT is not what it has to be: {error}") from None
    if protected.crit is not None:
        raise IdentityError("the PASSporT asks for extensions (crit) that are not known")
    if host_of(protected.x5u) is None:
        raise IdentityError("the x5u of the PASSporT is no https URL with a host and a path")
    if len(signature) != _SIGNATURE_OCTETS:
        raise IdentityError(f"the signature has {len(signature)} octets; that of ES256 has {_SIGNATURE_OCTETS}")
    return Passport(
        f"{parts[0]}.{parts[1]}".encode(), signature, protected.x5u, protected.ppt, claims.iat, claims.orig.tn,
        tuple(claims.dest.tn), claims.attest, claims.origid, claims.div.tn if claims.div else None,
    )  # fmt: skip


def _octets(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise IdentityError(f"a part of the token is not base64url: {error}") from None


def host_of(url: str) -> str | None:
    """The host of an https URL without user or password, in lower case; None for anything else.

    >>> host_of("https://Cert.Example.org:8443/a.pem"), host_of("https://me@cert.example.org/a.pem"), host_of("http://a/")
    ('cert.example.org', None, None)
    """
    found = _URL.fullmatch(url)
    return found["host"].lower() if found and len(url) <= 2_048 else None
