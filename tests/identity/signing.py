"""Certification authorities, certificates and PASSporTs of the tests' own."""

import base64
import datetime as dt
import functools
import json
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from streamer.calls.events import Setup
from streamer.calls.numbers import home_plan
from streamer.identity.certificates import file_name, signer
from streamer.identity.verification import Verifier

PLAN = home_plan("KZ")
NOW_S = 1_763_953_000
BEGIN = dt.datetime(2025, 11, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
LONG = 36_500
URL = "https://cert.example.org/a.pem"
CALLER, CALLED = "77011234567", "77272345678"
OID = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.26")


def der(tag, content):
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(octets))) + octets + content


def text(value):
    return der(0x16, value.encode())


def spc(code):
    return der(0xA0, text(code))


def numbers(start, count):
    return der(0xA1, der(0x30, text(start) + der(0x02, count.to_bytes(count.bit_length() // 8 + 1))))


def one(number):
    return der(0xA2, text(number))


def tn_list(*entries):
    return der(0x30, b"".join(entries))


class Issued(NamedTuple):
    """A certificate, its key, and those above it up to but without the root."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    above: tuple = ()

    @property
    def pem(self):
        return b"".join(each.public_bytes(Encoding.PEM) for each in (self.certificate, *self.above))


def issue(
    name, by=None, *, ca=False, tns=None, begin=BEGIN, days=365, key=None, constraints=True, usage=None, depth=None
):
    """A certificate by an `Issued`, by itself if that is None; `tns` is the value of its TNAuthList."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + days * DAY)
    )
    if constraints:
        made = made.add_extension(x509.BasicConstraints(ca=ca, path_length=depth), critical=True)
    if usage is not None:
        signs = {"digital_signature": not usage, "key_cert_sign": usage, "crl_sign": usage}
        others = (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        )
        made = made.add_extension(x509.KeyUsage(**signs, **dict.fromkeys(others, False)), critical=True)
    if tns is not None:
        made = made.add_extension(x509.UnrecognizedExtension(OID, tns), critical=False)
    signed = made.sign(by.key if by else key, SHA256())
    above = (by.certificate, *by.above) if by and by.certificate.issuer != by.certificate.subject else ()
    return Issued(signed, key, above)


@functools.cache
def root(name="root"):
    return issue(name, ca=True, days=LONG)


@functools.cache
def provider(tns=tn_list(spc("709J"))):
    """A service provider's certificate, by an authority between it and the root."""
    return issue("SHAKEN 709J", issue("between", root(), ca=True, days=LONG), tns=tns, days=LONG)


def b64(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def token(key, *, protected=None, claims=None, iat=NOW_S):
    head = {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": URL, **(protected or {})}
    body = {"attest": "A", "dest": {"tn": [CALLED]}, "iat": iat, "orig": {"tn": CALLER},
            "origid": "123e4567-e89b-12d3-a456-426655440000", **(claims or {})}  # fmt: skip
    signed = ".".join(b64(json.dumps(part, separators=(",", ":"), sort_keys=True).encode()) for part in (head, body))
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(SHA256())))
    return f"{signed}.{b64(r.to_bytes(32) + s.to_bytes(32))}"


def header(key=None, *, url=URL, **more):
    made = token(key or provider().key, **more)
    return f"{made};info=<{url}>;alg=ES256;ppt=shaken"


def diversion(by, to, key=None, *, url=URL, claims=None, **more):
    """What whoever answers for a called number adds to a call that it sends on (RFC 8946)."""
    own = {"div": {"tn": by}, "dest": {"tn": [to]}, "attest": None, "origid": None, **(claims or {})}
    made = token(key or provider().key, protected={"ppt": "div", "x5u": url}, claims=own, **more)
    return f"{made};info=<{url}>;alg=ES256;ppt=div"


def call(identity, caller=f"+{CALLER}", callee=f"+{CALLED}", at_ms=1000 * NOW_S, **more):
    return Setup(
        call_id="c",
        at=at_ms,
        operator="op-a",
        caller=caller,
        callee=callee,
        ingress="national",
        identity=identity,
        **more,
    )


def verifier(issued=None, anchors=None, url=URL):
    """A verifier that has one certificate at hand."""
    issued = issued or provider()
    trusted = [root().certificate] if anchors is None else anchors
    return Verifier({file_name(url): signer([issued.certificate, *issued.above], trusted)}, PLAN)
