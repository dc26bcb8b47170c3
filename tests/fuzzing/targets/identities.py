"""Identity headers and the lists of numbers in certificates: what callers and carriers write."""

import functools

from cryptography.hazmat.primitives.asymmetric import ec

from streamer.errors import IdentityError
from streamer.identity import authority, passport, results
from streamer.identity.authority import Authority
from streamer.identity.certificates import Signer, file_name
from streamer.identity.verification import Verifier
from tests.fuzzing.target import Target, shape
from tests.identity.signing import CALLED, NOW_S, PLAN, URL, call, diversion, numbers, one, spc, tn_list
from tests.identity.signing import header as signed
from tests.identity.test_passport import EXAMPLE

KEY = ec.derive_private_key(8_224, ec.SECP256R1())


@functools.cache
def verifier():
    held = Signer(KEY.public_key(), trusted=True, from_s=0, until_s=2**40, authorities=(Authority(("709J",), ()),))
    return Verifier({file_name(URL): held}, PLAN)


def header(data):
    """A header is read or refused, and what was refused is malformed on the call that carries it."""
    text = data.decode("utf-8", "surrogateescape")
    setup = call(text)
    found = verifier().verify(setup, setup.at)
    try:
        passports = passport.read(text)
    except IdentityError as error:
        assert found.result == results.MALFORMED
        return shape(error)
    if not passports.shaken:
        assert found == (results.NOTHING, None)
        return "other"
    assert found.result != results.MALFORMED
    if found.result == results.UNKNOWN_CERTIFICATE:
        assert found.missing in {token.x5u for token in passports.shaken}
    elif found.missing is not None:
        assert found.result == results.NOTHING and found.missing in {token.x5u for token in passports.diversions}
    assert found.result <= 0 or min(abs(token.iat_s - NOW_S) for token in passports.shaken) <= 60
    return results.name_of(found.result), min(len(passports.shaken), 3), min(len(passports.diversions), 3)


def numbers_of(data):
    """A list is read or refused; one that has numbers alone holds the first of each range and nothing of another length."""
    try:
        found = authority.read(data)
    except IdentityError as error:
        return shape(error)
    for length, first, _ in found.ranges:
        assert found.holds(f"{first:0{length}d}")
    assert found.codes or not found.holds("1" * 16)
    assert str(found)
    return bool(found.codes), min(len(found.ranges), 5)


def headers():
    made = signed(KEY)
    div = f"{EXAMPLE};info=<https://cert.example.org/passport.cer>;ppt=div"
    sent_on = ",".join(
        (signed(KEY), diversion(CALLED, "77055550000", KEY), diversion("77055550000", "77055550001", KEY))
    )
    elsewhere = signed(KEY, claims={"dest": {"tn": ["77055550000"]}})
    led = f"{elsewhere}\r\nIdentity: {diversion('77055550000', CALLED, KEY)}"
    return [
        text.encode()
        for text in (
            made,
            f"Identity: {div}, {made}",
            signed(KEY, iat=NOW_S - 61),
            div,
            EXAMPLE,
            sent_on,
            led,
            f"{elsewhere},{made}",
        )
    ]


TARGETS = (
    Target("identity-header", header, headers, 40_000, "`IdentityError` alone, and then the call's result is `malformed`",
           (b";info=<", b">", b";alg=ES256", b";ppt=shaken", b'"', b",", b".", b"Identity:", b"y:", b"..", b" ", b"=")),
    Target("tn-auth-list", numbers_of, lambda: [tn_list(spc("709J")), tn_list(numbers("77011234500", 100), one("77010000001"))], 20_000,
           "`IdentityError` alone; what is taken holds what it names", (b"\xa0", b"\xa1", b"\xa2", b"\x30\x82", b"\x16\x04", b"\x02\x01")),
)  # fmt: skip
