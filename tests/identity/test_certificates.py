"""Chains: which lead to an anchor, when they hold, and what is no certificate."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from streamer.errors import IdentityError
from streamer.identity import certificates
from tests.identity.signing import BEGIN, DAY, issue, numbers, one, provider, root, spc, tn_list

LIST = tn_list(spc("709J"))


def judged(issued, *anchors):
    return certificates.signer([issued.certificate, *issued.above], [each.certificate for each in anchors or (root(),)])


def test_a_chain_over_an_authority_in_between_leads_to_the_root():
    assert judged(provider()).trusted
    assert judged(issue("direct", root(), tns=LIST)).trusted
    assert judged(issue("without constraints", root(), tns=LIST, constraints=False)).trusted


def test_a_chain_to_another_root_or_none_is_not_trusted():
    assert not judged(provider(), root("another")).trusted
    assert not certificates.signer([provider().certificate, *provider().above], []).trusted
    assert not certificates.signer([provider().certificate], [root().certificate]).trusted
    assert not judged(issue("by itself", tns=LIST)).trusted
    assert not judged(issue("of the same name", issue("root", ca=True), tns=LIST)).trusted


def test_who_is_no_authority_signs_no_certificates():
    assert not judged(issue("x", issue("no authority", root()), tns=LIST)).trusted
    assert not judged(issue("x", issue("nothing said", root(), constraints=False), tns=LIST)).trusted
    assert not judged(issue("x", issue("other usage", root(), ca=True, usage=False), tns=LIST)).trusted
    assert judged(issue("x", issue("right usage", root(), ca=True, usage=True), tns=LIST)).trusted
    short = issue("short", root(), ca=True, depth=0)
    assert judged(issue("x", short, tns=LIST)).trusted
    assert not judged(issue("x", issue("too deep", short, ca=True), tns=LIST)).trusted


def test_an_authority_signs_no_calls():
    assert not judged(issue("x", root(), ca=True, tns=LIST)).trusted


def test_a_chain_holds_while_all_of_it_holds():
    between = issue("between", root(), ca=True, begin=BEGIN + 10 * DAY, days=20)
    found = judged(issue("x", between, tns=LIST, begin=BEGIN + 5 * DAY, days=100))
    assert found.trusted
    assert (found.from_s, found.until_s) == tuple(int((BEGIN + days * DAY).timestamp()) for days in (10, 30))
    never = issue("x", between, tns=LIST, begin=BEGIN + 40 * DAY)
    assert not judged(never).trusted


def test_whom_a_certificate_may_speak_for():
    assert judged(provider()).may_speak_for("77011234567")
    assert not judged(issue("no list", root())).may_speak_for("77011234567")
    narrow = judged(issue("x", root(), tns=tn_list(numbers("77011234500", 100))))
    assert narrow.may_speak_for("77011234567")
    assert not narrow.may_speak_for("77011234600")
    above = issue("above", root(), ca=True, tns=tn_list(one("77011234599")))
    both = judged(issue("x", above, tns=tn_list(numbers("77011234500", 100))))
    assert both.may_speak_for("77011234599")
    assert not both.may_speak_for("77011234567")


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65_537, 2_048)])
def test_a_key_that_is_not_of_p_256_signs_no_calls(key):
    with pytest.raises(IdentityError, match="P-256"):
        judged(issue("x", root(), tns=LIST, key=key))


def test_an_unsound_list_is_refused():
    with pytest.raises(IdentityError, match="TNAuthList"):
        judged(issue("x", root(), tns=b"\x30\x00"))


def test_certificates_are_read_in_pem_and_der():
    issued = provider()
    assert certificates.read(issued.pem) == [issued.certificate, *issued.above]
    assert certificates.read(issued.certificate.public_bytes(Encoding.DER)) == [issued.certificate]


@pytest.mark.parametrize("content", [
    b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"-----BEGIN X-----", b"\x30" * 70_000,
])  # fmt: skip
def test_what_is_no_certificate_is_refused(content):
    with pytest.raises(IdentityError):
        certificates.read(content)


@pytest.mark.parametrize("version", [1, 3, 9])
def test_a_certificate_of_a_version_that_there_is_not_is_refused(version):
    content = provider().certificate.public_bytes(Encoding.DER)
    wrong = content.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01%c" % version, 1)
    assert wrong != content
    with pytest.raises(IdentityError, match="version"):
        certificates.read(wrong)


def test_a_file_of_very_many_certificates_is_refused():
    with pytest.raises(IdentityError, match="9 certificates"):
        certificates.signer([provider().certificate] * 9, [root().certificate])


def test_files_are_named_by_the_whole_url():
    names = {certificates.file_name(f"https://cert.example.org/{path}") for path in ("a", "b", "../a", "a?x", "a/../b")}
    assert len(names) == 5
    assert all(name.startswith("cert.example.org-") and "/" not in name for name in names)
    for url in ("http://a.example/", "https://../a", "https://a\n/", "file:///etc/passwd"):
        with pytest.raises(IdentityError):
            certificates.file_name(url)


def test_the_anchors_own_time_counts():
    old = issue("old root", ca=True, begin=BEGIN, days=10)
    found = judged(issue("x", old, tns=LIST, days=100), old)
    assert not found.trusted or found.until_s == int((BEGIN + 10 * DAY).timestamp())
