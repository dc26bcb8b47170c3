"""What can come of verifying an Identity header: a closed set, one small integer a call.

0 says nothing: there was no header, none of SHAKEN's, a diversion that could not be checked, or no time to look at it. 1 to 3 are the attestations of a header
that holds, the higher the more its signer vouches for. Below 0 is why one does not hold: `-1 - i` for `FAILURES[i]`.
"""

from __future__ import annotations

from typing import Final

NOTHING: Final = 0
LEVELS: Final = {"C": 1, "B": 2, "A": 3}
"""Attestation to result (ATIS-1000074: full, partial, gateway), as the feature `attested` has it."""

FAILURES: Final[dict[str, str]] = {
    "malformed": "the Identity header, or the PASSporT in it, is not what RFC 8224, 8225 and 8588 ask for",
    "unknown_certificate": "the certificate that the PASSporT names is not in the folder of certificates",
    "untrusted_chain": "the certificate leads to no trust anchor",
    "expired_certificate": "the certificate, or one above it, did not hold at the time of the call",
    "bad_signature": "the signature is not that of the certificate's key over this PASSporT",
    "stale": "the PASSporT was issued more than 60 s before or after the call",
    "wrong_caller": "the PASSporT is for another calling number",
    "wrong_called": "the PASSporT is for another called number",
    "outside_authority": "the certificate has no authority over the calling number",
}
"""Why a header does not hold, in the order in which it is looked at, and in words."""

(
    MALFORMED, UNKNOWN_CERTIFICATE, UNTRUSTED_CHAIN, EXPIRED_CERTIFICATE, BAD_SIGNATURE, STALE, WRONG_CALLER, WRONG_CALLED,
    OUTSIDE_AUTHORITY,
) = (-1 - place for place in range(len(FAILURES)))  # fmt: skip

_NAMES: Final = {
    NOTHING: "nothing",
    **{level: name for name, level in LEVELS.items()},
    **{-1 - place: name for place, name in enumerate(FAILURES)},
}


def name_of(result: int) -> str:
    """A result in one word.

    >>> name_of(3), name_of(STALE), name_of(NOTHING)
    ('A', 'stale', 'nothing')
    """
    return _NAMES[result]
