"""Whether the Identity header of a call holds: the verification service of RFC 8224, clause 6.2, and ATIS-1000074.

What hangs on the header alone (its form, its certificate, the signature) is remembered for headers that came out sound;
the rest is compared anew with each call that carries one: the times, the numbers, the authority over the calling one.
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
from streamer.identity.passport import Passport

FRESH_S: Final = 60
"""How far the time of issue may lie from the call (RFC 8224, clause 6.2.3; ATIS-1000074)."""
MOST_REMEMBERED: Final = 4_096
"""Headers remembered; the one that came longest ago goes first. Each is of a trusted signer, so that nobody else fills it."""


class Found(NamedTuple):
    """What came of a header: a result (`streamer.identity.results`), and the URL of a certificate that is missing."""

    result: int
    missing: str | None = None


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
        self._sound: OrderedDict[bytes, tuple[Passport, Signer]] = OrderedDict()

    def verify(self, setup: Setup, at_ms: int) -> Found:
        """What comes of the header of a set-up, which has one, at the time of the call, ms since 1970."""
        header = setup.identity or ""
        digest = hashlib.sha256(header.encode("utf-8", "surrogatepass")).digest()
        known = self._sound.get(digest)
        if known is None:
            try:
                token = passport.read(header)
            except IdentityError:
                return Found(results.MALFORMED)
            if token is None:
                return Found(results.NOTHING)
            signer = self._signers.get(certificates.file_name(token.x5u))
            if signer is None:
                return Found(results.UNKNOWN_CERTIFICATE, token.x5u)
            if not signer.trusted:
                return Found(results.UNTRUSTED_CHAIN)
            if not signer.from_s <= at_ms / 1000 <= signer.until_s:
                return Found(results.EXPIRED_CERTIFICATE)
            if not is_signed(token.signed, token.signature, signer.key):
                return Found(results.BAD_SIGNATURE)
            known = self._sound[digest] = token._replace(signed=b"", signature=b""), signer
            if len(self._sound) > MOST_REMEMBERED:
                self._sound.popitem(last=False)
        else:
            self._sound.move_to_end(digest)
        return Found(self._compared(*known, setup, at_ms))

    def _compared(self, token: Passport, signer: Signer, setup: Setup, at_ms: int) -> int:
        """What comes of a sound header on this call."""
        if not signer.from_s <= at_ms / 1000 <= signer.until_s:
            return results.EXPIRED_CERTIFICATE
        if abs(at_ms - 1000 * token.iat_s) > 1000 * FRESH_S:
            return results.STALE
        calling, claimed = canonical(token.orig or ""), self._claimed(setup)
        if claimed is None:
            return results.NOTHING
        if calling != claimed:
            return results.WRONG_CALLER
        called = {normalise(number, self._plan) for number in (setup.callee, setup.diverted_from) if number}
        if called.isdisjoint(map(canonical, token.dest)):
            return results.WRONG_CALLED
        if not signer.may_speak_for(calling.removeprefix("+")):
            return results.OUTSIDE_AUTHORITY
        assert token.attest is not None, "SHAKEN's PASSporTs have one"
        return results.LEVELS[token.attest]

    def _claimed(self, setup: Setup) -> str | None:
        """The number that the call claims to come from: the one that is shown, the asserted one where it is withheld."""
        for number in (setup.caller, setup.asserted):
            if number is not None and not is_withheld(number):
                return normalise(number, self._plan)
        return None


def canonical(number: str) -> str:
    """A number of a PASSporT (RFC 8224, clause 8.3: digits, the country code first, no plus) as ours are spelled.

    >>> canonical("77011234567"), canonical("+7 701 123-45-67"), canonical("112")
    ('+77011234567', '+77011234567', '112')
    """
    digits = "".join(char for char in number if char not in "+-. ()")
    return f"+{digits}" if 7 <= len(digits) <= 15 and digits.isascii() and digits.isdigit() else digits
