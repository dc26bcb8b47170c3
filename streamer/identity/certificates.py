"""The certificates that PASSporTs are signed by: their chains, when they hold, and whom they may speak for.

SHAKEN certificates name no host, so that the web's rules (a subjectAltName above all) would refuse every one of them. What is
asked of a chain: each signature, basicConstraints on whatever signs certificates and their absence, or ``CA:FALSE``, on what
signs calls, keyCertSign where a keyUsage is said, at most `MAX_DEPTH` authorities between the certificate and its anchor, a
P-256 key (ATIS-1000080). Revocation is not looked at: SHAKEN's authorities list it out of band.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from streamer.errors import IdentityError
from streamer.identity import authority
from streamer.identity.authority import Authority
from streamer.identity.passport import host_of

MAX_BYTES: Final = 65_536
"""Largest file of certificates that is read."""
MAX_CERTIFICATES: Final = 8
"""Most certificates of one chain's file."""
MAX_DEPTH: Final = 4

_OID: Final = x509.ObjectIdentifier(authority.OID)
_ES256: Final = ec.ECDSA(SHA256())


class Signer(NamedTuple):
    """A certificate as calls are judged by it.

    `trusted`: it leads to an anchor. `from_s` and `until_s`: when it and all above it hold, seconds since 1970; of one that
    leads nowhere its own time. `authorities` are the TNAuthLists of the chain, empty where the certificate itself has none.
    """

    key: ec.EllipticCurvePublicKey
    trusted: bool
    from_s: int
    until_s: int
    authorities: tuple[Authority, ...]

    def may_speak_for(self, digits: str) -> bool:
        """Whether the certificate has authority over a number, its digits with the country code and without plus."""
        return bool(self.authorities) and all(one.holds(digits) for one in self.authorities)


def file_name(url: str) -> str:
    """The name of the file that holds the certificate of an https URL. Raises `IdentityError` for any other.

    >>> file_name("https://cert.example.org/a.pem")
    'cert.example.org-350717c3f7d5d08377fff46192131210.pem'
    """
    host = host_of(url)
    if host is None:
        raise IdentityError(f"{url[:200]!r} is no https URL with a host and a path")
    return f"{host[:200]}-{hashlib.sha256(url.encode()).hexdigest()[:32]}.pem"


def read(content: bytes) -> list[x509.Certificate]:
    """The certificates of a file, PEM or one in DER. Raises `IdentityError` when there are none, too many, or unsound ones."""
    if len(content) > MAX_BYTES:
        raise IdentityError(f"{len(content)} bytes are more than certificates need; at most {MAX_BYTES} are read")
    try:
        if b"-----BEGIN" in content:
            found = x509.load_pem_x509_certificates(content)
        else:
            found = [x509.load_der_x509_certificate(content)]
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise IdentityError(f"no certificate in PEM or DER: {error}") from None
    return found


def signer(chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]) -> Signer:
    """The first certificate of a chain, judged by the others and the anchors. Raises `IdentityError` for an unsound one."""
    if len(chain) > MAX_CERTIFICATES:
        raise IdentityError(
            f"{len(chain)} certificates are more than a chain needs; at most {MAX_CERTIFICATES} are looked at"
        )
    try:
        key = chain[0].public_key()
        own = _authority(chain[0])
        path = _path(chain, anchors)
        above = [found for one in path[1:] if (found := _authority(one)) is not None]
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise IdentityError(f"an unsound certificate: {error}") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise IdentityError("the certificate's key is not one of the curve P-256, which SHAKEN asks for")
    return Signer(
        key,
        bool(path),
        max(_seconds(one.not_valid_before_utc) for one in path or chain[:1]),
        min(_seconds(one.not_valid_after_utc) for one in path or chain[:1]),
        () if own is None else (own, *above),
    )


def is_signed(signed: bytes, signature: bytes, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether a signature of ES256, r and s in 64 octets, is that of the key's holder."""
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    try:
        key.verify(encode_dss_signature(r, s), signed, _ES256)
    except InvalidSignature:
        return False
    return True


def _seconds(time: datetime) -> int:
    return int(time.timestamp())


def _authority(certificate: x509.Certificate) -> Authority | None:
    try:
        found = certificate.extensions.get_extension_for_oid(_OID).value
    except x509.ExtensionNotFound:
        return None
    assert isinstance(found, x509.UnrecognizedExtension)
    return authority.read(found.value)


def _path(chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]) -> Sequence[x509.Certificate]:
    """The certificates from the first to an anchor; empty where none leads there.

    A path holds from the latest beginning of any certificate on it, so that these are the times at which one is looked for.
    """
    if not anchors:
        return ()
    first, *others = chain
    begin, end = first.not_valid_before_utc, first.not_valid_after_utc
    begins = {
        begin,
        *(one.not_valid_before_utc for one in (*others, *anchors) if begin <= one.not_valid_before_utc <= end),
    }
    builder = (
        PolicyBuilder()
        .store(Store(list(anchors)))
        .max_chain_depth(MAX_DEPTH)
        .extension_policies(ca_policy=_CA, ee_policy=_EE)
    )
    for time in sorted(begins):
        try:
            return builder.time(time).build_client_verifier().verify(first, others).chain
        except VerificationError:
            continue
    return ()


def _signs_certificates(policy: Policy, certificate: x509.Certificate, found: x509.BasicConstraints) -> None:
    if not found.ca:
        raise ValueError("a certificate that is no authority's has signed another")


def _signs_calls(policy: Policy, certificate: x509.Certificate, found: x509.BasicConstraints | None) -> None:
    if found is not None and found.ca:
        raise ValueError("an authority's certificate has signed a call")


def _may_sign_certificates(policy: Policy, certificate: x509.Certificate, found: x509.KeyUsage | None) -> None:
    if found is not None and not found.key_cert_sign:
        raise ValueError("the usage of an authority's key has no keyCertSign")


_CA: Final = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _signs_certificates)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign_certificates)
)
_EE: Final = ExtensionPolicy.permit_all().may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, _signs_calls)
