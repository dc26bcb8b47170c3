"""Whether the Identity header of a call holds: the verification service of RFC 8224, clause 6.2, ATIS-1000074 and RFC 8946.

A header may hold several PASSporTs of SHAKEN: one that holds is enough. What hangs on the header alone (its form, its
certificates, the signatures) is remembered for headers that came out sound; the rest is compared anew with each call that
carries one: the times, the numbers, the authority over the calling one.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, NamedTuple

from streamer.calls.events import Setup
from streamer.calls.numbers import HomePlan, is_withheld, normalise
from streamer.errors import IdentityError
from streamer.identity import certificates, passport, results
from streamer.identity.certificates import Signer, is_signed
from streamer.identity.passport import Passport, Passports

FRESH_S: Final = 60
"""How far the time of issue may lie from the call (RFC 8224, clause 6.2.3; ATIS-1000074)."""
MOST_REMEMBERED: Final = 4_096
"""Headers remembered; the one that came longest ago goes first. Each is of a trusted signer, so that nobody else fills it."""


class Found(NamedTuple):
    """What came of a header: a result (`streamer.identity.results`), and the URL of a certificate that is missing."""

    result: int
    missing: str | None = None


class _Looked(NamedTuple):
    """The PASSporTs of a header: each with who signed it, or with what came of it because nobody is known to have."""

    shaken: list[tuple[Passport, Signer | Found]]
    diversions: list[tuple[Passport, Signer | Found]]

    @property
    def sound(self) -> bool:
        return all(isinstance(by, Signer) for _, by in (*self.shaken, *self.diversions))


class Verifier:
    """Verifies headers by the certificates that are at hand.

    Parameters
    ----------
    signers
        Certificates by the names of their files (`streamer.identity.certificates.file_name`).
    plan
        How the home country spells numbers.
    """

    def __init__(self, signers: Mapping[str, Signer], plan: HomePlan) -> None:
        self._signers = signers
        self._plan = plan
        self._sound: OrderedDict[bytes, _Looked] = OrderedDict()

    def verify(self, setup: Setup, at_ms: int) -> Found:
        """What comes of the header of a set-up, which has one, at the time of the call, ms since 1970."""
        header = setup.identity or ""
        digest = hashlib.sha256(header.encode("utf-8", "surrogatepass")).digest()
        known = self._sound.get(digest)
        if known is None:
            try:
                found = passport.read(header)
            except IdentityError:
                return Found(results.MALFORMED)
            if not found.shaken:
                return Found(results.NOTHING)
            known = self._looked(found, at_ms)
            if known.sound:
                self._sound[digest] = known
            if len(self._sound) > MOST_REMEMBERED:
                self._sound.popitem(last=False)
        else:
            self._sound.move_to_end(digest)
        came = (
            by if isinstance(by, Found) else self._compared(token, by, known, setup, at_ms)
            for token, by in known.shaken
        )  # fmt: skip
        return max(came, key=_worth)

    def _looked(self, found: Passports, at_ms: int) -> _Looked:
        """Each PASSporT with who signed it; what its signature is over is not needed any more."""
        shaken, diversions = (
            [(token._replace(signed=b"", signature=b""), self._signer(token, at_ms)) for token in tokens]
            for tokens in found
        )
        return _Looked(shaken, diversions)

    def _signer(self, token: Passport, at_ms: int) -> Signer | Found:
        """Whose signature a PASSporT has; what comes of it where that does not hold."""
        signer = self._signers.get(certificates.file_name(token.x5u))
        if signer is None:
            return Found(results.UNKNOWN_CERTIFICATE, token.x5u)
        if not signer.trusted:
            return Found(results.UNTRUSTED_CHAIN)
        if not signer.from_s <= at_ms / 1000 <= signer.until_s:
            return Found(results.EXPIRED_CERTIFICATE)
        if not is_signed(token.signed, token.signature, signer.key):
            return Found(results.BAD_SIGNATURE)
        return signer

    def _compared(self, token: Passport, signer: Signer, known: _Looked, setup: Setup, at_ms: int) -> Found:
        """What comes of a sound PASSporT of SHAKEN on this call."""
        if not signer.from_s <= at_ms / 1000 <= signer.until_s:
            return Found(results.EXPIRED_CERTIFICATE)
        if _is_stale(token, at_ms):
            return Found(results.STALE)
        calling, claimed = canonical(token.orig or ""), self._claimed(setup)
        if not claimed:
            return Found(results.NOTHING)
        if calling not in claimed:
            return Found(results.WRONG_CALLER)
        called = {normalise(number, self._plan) for number in (setup.callee, setup.diverted_from) if number}
        if called.isdisjoint(map(canonical, token.dest)):
            sure, unsure = _links(calling, known, at_ms)
            if called.isdisjoint(_reached(token, sure)):
                if called.isdisjoint(_reached(token, sure + unsure)):
                    return Found(results.WRONG_CALLED)
                return Found(results.NOTHING, unsure[0].x5u)
        if not signer.may_speak_for(calling.removeprefix("+")):
            return Found(results.OUTSIDE_AUTHORITY)
        assert token.attest is not None, "SHAKEN's PASSporTs have one"
        return Found(results.LEVELS[token.attest])

    def _claimed(self, setup: Setup) -> set[str]:
        """The numbers that the call claims to come from: the one that is shown, and the asserted one, which is what is signed where
        a line shows another than its own (ATIS-1000074); withheld ones left out.
        """
        numbers = (setup.caller, setup.asserted)
        return {normalise(number, self._plan) for number in numbers if number is not None and not is_withheld(number)}


def _worth(found: Found) -> tuple[int, int]:
    """Which result of several PASSporTs stands: the highest attestation; else one that cannot be told, since it may be the right one;
    else the one that got furthest.
    """
    if found.result > results.NOTHING:
        return 3, found.result
    unknown = {results.NOTHING: 2, results.UNKNOWN_CERTIFICATE: 1}
    return unknown.get(found.result, 0), -found.result


def _is_stale(token: Passport, at_ms: int) -> bool:
    return abs(at_ms - 1000 * token.iat_s) > 1000 * FRESH_S


def _links(calling: str, known: _Looked, at_ms: int) -> tuple[list[Passport], list[Passport]]:
    """The diversions of the calling number's call: those that whoever may speak for the diverting number has signed, and those whose
    certificate is not at hand.
    """
    sure, unsure = [], []
    for token, by in known.diversions:
        if canonical(token.orig or "") != calling or _is_stale(token, at_ms):
            continue
        if isinstance(by, Found):
            if by.result == results.UNKNOWN_CERTIFICATE:
                unsure.append(token)
        elif by.from_s <= at_ms / 1000 <= by.until_s and by.may_speak_for(canonical(token.div or "").removeprefix("+")):
            sure.append(token)
    return sure, unsure


def _reached(token: Passport, diversions: list[Passport]) -> set[str]:
    """The called numbers to which diversions lead from those that a PASSporT is for (RFC 8946), however many there are on the way."""
    reached = set(map(canonical, token.dest))
    for _ in diversions:
        for each in diversions:
            if canonical(each.div or "") in reached:
                reached.update(map(canonical, each.dest))
    return reached


def canonical(number: str) -> str:
    """A number of a PASSporT (RFC 8224, clause 8.3: digits, the country code first, no plus) as ours are spelled.

    >>> canonical("77011234567"), canonical("+7 701 123-45-67"), canonical("112")
    ('+77011234567', '+77011234567', '112')
    """
    digits = "".join(char for char in number if char not in "+-. ()")
    return f"+{digits}" if 7 <= len(digits) <= 15 and digits.isascii() and digits.isdigit() else digits
