"""The header and the PASSporT: the example of its draft, what is taken and what is refused."""

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import IdentityError
from streamer.identity import passport
from streamer.identity.certificates import is_signed
from tests.identity.signing import CALLED, CALLER, NOW_S, URL, diversion, header, provider, token

EXAMPLE = (
    "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9"
    ".eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6IjE0NDMyMDgzNDUiLCJvcmlnIjp7InRuIjoiMTIxNTU1NTEyMTIifX0"
    ".rq3pjT1hoRwakEGjHCnWSwUnshd0-zJ6F1VOgFWSjHBr8Qjpjlk-cpFYpFYsojNCpTzO3QfPOlckGaS6hEck7w"
)
"""draft-ietf-stir-passport, appendix A. The signature that RFC 8225 prints in its place is not that of the key that it prints."""
ITS_KEY = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8HNbQd/TmvCKwPKHkMF9fScavGeH
78YTU8qLS8I5HLHSSmlATLcslQMhNC/OhlWBYC626nIlo7XeebYS7Sb37g==
-----END PUBLIC KEY-----
"""


def test_the_example_of_the_draft_verifies_with_its_key_and_no_other():
    found = passport.decode(EXAMPLE)
    assert (found.orig, found.dest, found.iat_s, found.ppt, found.attest) == ("12155551212", (), 1443208345, None, None)
    assert found.x5u == "https://cert.example.org/passport.cer"
    assert is_signed(found.signed, found.signature, load_pem_public_key(ITS_KEY))
    assert not is_signed(found.signed, found.signature, provider().key.public_key())
    assert not is_signed(found.signed + b"A", found.signature, load_pem_public_key(ITS_KEY))


def only(made):
    """The one PASSporT of SHAKEN in a header."""
    (found,) = passport.read(made).shaken
    return found


def test_the_example_is_of_no_kind_that_is_verified():
    assert passport.read(f"{EXAMPLE};info=<https://cert.example.org/passport.cer>") == ((), ())


@pytest.mark.parametrize("spelled", [
    "{}", "Identity: {}", "y:{}", " {} ", "eyJhIjoxfQ.eyJhIjoxfQ.AAAA;info=<https://a.example/>;ppt=div, {}",
    "{}, hello", "{},", "a.b.c;info=<https://a.example/>;ppt=shaken, {}",
])  # fmt: skip
def test_a_header_is_read_however_it_came(spelled):
    made = header()
    found = only(spelled.format(made, made))
    assert (found.attest, found.orig, found.dest, found.iat_s, found.x5u) == ("A", CALLER, (CALLED,), NOW_S, URL)
    assert is_signed(found.signed, found.signature, provider().key.public_key())


@pytest.mark.parametrize("between", [",", " , ", "\r\nIdentity: ", ",\r\ny: ", "\nidentity:"])
def test_every_passport_of_shaken_and_of_a_diversion_is_read_in_order(between):
    made = [header(claims={"origid": "1"}), diversion(CALLED, "77055550000"), header(claims={"origid": "2"})]
    for text in (between.join(made), f"Identity: {between.join(made)}"):
        found = passport.read(text)
        assert [each.origid for each in found.shaken] == ["1", "2"]
        assert [(each.orig, each.div, each.dest, each.ppt) for each in found.diversions] == [
            (CALLER, CALLED, ("77055550000",), "div")
        ]


@pytest.mark.parametrize("unsound", [
    diversion(CALLED, "77055550000", claims={"div": None}), diversion(CALLED, "77055550000", claims={"orig": {"uri": "sip:a@b"}}),
    diversion(CALLED, "77055550000").replace("div", "shaken"), header(claims={"div": {"tn": CALLED}}).replace("shaken", "div"),
    diversion(CALLED, "77055550000", claims={"div": {"uri": "sip:a@b"}}), diversion(CALLED, "77055550000").replace(URL, URL + "x"),
])  # fmt: skip
def test_the_passport_of_a_diversion_that_is_not_sound_is_left_out(unsound):
    made = header()
    assert passport.read(f"{made},{unsound}") == (passport.read(made).shaken, ())


def test_the_kind_of_a_passport_may_be_said_by_itself_alone():
    made = f"{header()},{diversion(CALLED, '77055550000')}".replace(";ppt=shaken", "").replace(";ppt=div", "")
    assert tuple(map(len, passport.read(made))) == (1, 1)


def test_so_many_passports_are_looked_at_and_no_more():
    made = [header(), *(diversion(CALLED, "77055550000") for _ in range(12))]
    found = passport.read(",".join(made))
    assert (len(found.shaken), len(found.diversions)) == (1, passport.MOST_LOOKED_AT - 1)


def test_parameters_may_be_quoted_parted_by_blanks_in_any_order_and_more_than_are_known():
    made = token(provider().key)
    assert only(f'{made} ; ppt="shaken" ;alg = ES256; x ; y="z";Info=<{URL}>').attest == "A"


@pytest.mark.parametrize("parameters", ["", f";info=<{URL}>", f";info={URL};alg=ES256"])
def test_the_parameters_that_may_be_missing(parameters):
    made = token(provider().key) + parameters
    if "info" in parameters:
        assert only(made).attest == "A"
    else:
        with pytest.raises(IdentityError, match="info is missing"):
            passport.read(made)


@pytest.mark.parametrize(("protected", "claims", "text"), [
    ({"alg": "none"}, {}, "Invalid enum value 'none'"), ({"alg": "HS256"}, {}, "Invalid enum value"),
    ({"typ": "JWT"}, {}, "Invalid enum value"), ({"crit": ["x"]}, {}, "crit"), ({"x5u": "http://a.example/"}, {}, "no https URL"),
    ({"x5u": "https://a.example"}, {}, "no https URL"), ({"x5u": "https://me:pw@a.example/"}, {}, "no https URL"),
    ({"x5u": "https://a.example/ b"}, {}, "no https URL"), ({"x5u": "https://cert.example.org/b.pem"}, {}, "not the x5u"),
    ({"ppt": "div"}, {}, "ppt is shaken"), ({"ppt": None}, {}, "ppt is shaken"),
    ({}, {"attest": "D"}, "Invalid enum value"), ({}, {"attest": None}, "lacks attest"), ({}, {"origid": None}, "lacks origid"),
    ({}, {"orig": {"uri": "sip:a@b"}}, "lacks orig.tn"), ({}, {"iat": "now"}, "Expected `int`"), ({}, {"iat": -1}, ">= 0"),
    ({}, {"iat": 10**30}, "int"), ({}, {"dest": {"tn": CALLED}}, "Expected `array`"), ({}, {"dest": None}, "Expected `object`"),
])  # fmt: skip
def test_what_is_not_sound_is_refused_with_a_reason(protected, claims, text):
    with pytest.raises(IdentityError, match=text):
        passport.read(header(protected=protected, claims=claims))


@pytest.mark.parametrize(("made", "text"), [
    ("", "no token"), ("hello", "no token"), ("a.b", "no token"), ("..c2ln;info=<https://a.example/>;ppt=shaken", "compact form"),
    ("a.b.c;info=<https://a.example/>;ppt=shaken", "base64url"), ("YQ.YQ.YQ;ppt=shaken", "not what it has to be"),
    ("a.b.c;ppt=shaken;ppt=shaken", "twice"), ("a.b.c d", "goes on with"), ("a.b.c;info=<https://a.example/", "goes on with"),
    ("a.b.c;ppt=div,", "no token"), ("a" * 9_000, "9000 characters"), ("." * 8_000, "no token"), (" ;" * 4_000, "no token"),
])  # fmt: skip
def test_what_is_no_header_is_refused_with_a_reason(made, text):
    with pytest.raises(IdentityError, match=text):
        passport.read(made)


@pytest.mark.parametrize("octets", [0, 63, 65])
def test_a_signature_of_another_length_is_none(octets):
    first, second, _ = token(provider().key).split(".")
    with pytest.raises(IdentityError, match=f"signature has {octets} octets|three parts"):
        passport.read(f"{first}.{second}.{'A' * ((octets * 4 + 2) // 3)};info=<{URL}>;ppt=shaken")


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")), st.integers(0, 400))
def test_whatever_is_put_into_a_header_it_is_read_or_refused(noise, place):
    sound = header()
    for made in (noise, sound[:place] + noise + sound[place:], sound[:place] + noise):
        try:
            found = passport.read(made)
        except IdentityError:
            continue
        for each in found.shaken:
            assert each.ppt == "shaken" and len(each.signature) == 64 and each.attest in {"A", "B", "C"}
