"""What comes of a header on a call: one that holds by each attestation, and each way in which one does not."""

import tracemalloc

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.identity import results
from streamer.identity import verification as module
from streamer.identity.certificates import file_name, signer
from streamer.identity.results import name_of
from streamer.identity.verification import Verifier
from tests.identity.signing import (
    BEGIN,
    CALLED,
    CALLER,
    DAY,
    NOW_S,
    PLAN,
    URL,
    b64,
    call,
    diversion,
    header,
    issue,
    numbers,
    provider,
    root,
    spc,
    tn_list,
    token,
    verifier,
)


def came(identity, held=None, **more):
    setup = call(identity, **more)
    return name_of((held or verifier()).verify(setup, setup.at).result)


@pytest.mark.parametrize("attest", ["A", "B", "C"])
def test_a_header_that_holds_gives_its_attestation(attest):
    assert came(header(claims={"attest": attest})) == attest


@pytest.mark.parametrize(("caller", "callee", "more"), [
    ("8 (701) 123-45-67", "sip:+77272345678@op.kz;user=phone", {}), ("tel:+7-701-123-45-67", "87272345678", {}),
    ("anonymous", "+77272345678", {"asserted": "sip:+77011234567@op.kz"}), ("+77011234567", "+77055550000", {"diverted_from": "87272345678"}),
])  # fmt: skip
def test_numbers_are_the_same_however_they_are_spelled(caller, callee, more):
    assert came(header(), caller=caller, callee=callee, **more) == "A"


@pytest.mark.parametrize(("claims", "more", "why"), [
    ({}, {"caller": "+77011234568"}, "wrong_caller"), ({}, {"caller": "anonymous", "asserted": "+77011234568"}, "wrong_caller"),
    ({}, {"caller": "+77011234568", "asserted": "+77011234569"}, "wrong_caller"), ({"orig": {"tn": "7011234567"}}, {}, "wrong_caller"),
    ({}, {"callee": "+77272345679"}, "wrong_called"), ({"dest": {"uri": ["sip:a@b"]}}, {}, "wrong_called"),
    ({"dest": {"tn": ["1", f"+{CALLED}"]}}, {}, "A"), ({}, {"caller": "anonymous"}, "nothing"),
])  # fmt: skip
def test_a_header_for_other_numbers_does_not_hold(claims, more, why):
    assert came(header(claims=claims), **more) == why


@pytest.mark.parametrize(("caller", "asserted"), [
    ("+77019990000", f"+{CALLER}"), ("+77019990000", "sip:87011234567@op.kz;user=phone"), (f"+{CALLER}", "+77019990000"),
    ("pbx-12", f"+{CALLER}"), (f"+{CALLER}", "anonymous"),
])  # fmt: skip
def test_the_signed_number_may_be_the_asserted_or_the_shown_one(caller, asserted):
    """A company's line shows the company's number; what is signed is the line's own."""
    assert came(header(), caller=caller, asserted=asserted) == "A"


OTHERS = {
    "for_another_called": header(claims={"dest": {"tn": ["77270000000"]}}),
    "for_another_caller": header(claims={"orig": {"tn": "77010000000"}}),
    "stale": header(iat=NOW_S - 100),
    "forged": header(issue("forger", root()).key),
    "broken": header(claims={"attest": "D"}),
    "unknown": header(protected={"x5u": URL + "x"}, url=URL + "x"),
    "by_a_gateway": header(claims={"attest": "C"}),
    "noise": "hello",
}


@pytest.mark.parametrize("other", OTHERS)
def test_one_passport_that_holds_is_enough_wherever_it_stands(other):
    for made in (f"{header()},{OTHERS[other]}", *([f"{OTHERS[other]},{header()}"] if other != "noise" else [])):
        held = verifier()
        assert came(made, held) == came(made, held) == "A"


@pytest.mark.parametrize(("first", "second", "why"), [
    ("for_another_caller", "for_another_called", "wrong_called"), ("for_another_called", "forged", "wrong_called"),
    ("stale", "forged", "stale"), ("broken", "stale", "stale"), ("for_another_called", "unknown", "unknown_certificate"),
])  # fmt: skip
def test_of_passports_that_do_not_hold_the_one_that_got_furthest_is_told(first, second, why):
    for made in (f"{OTHERS[first]},{OTHERS[second]}", f"{OTHERS[second]},{OTHERS[first]}"):
        setup = call(made)
        found = verifier().verify(setup, setup.at)
        assert (name_of(found.result), found.missing) == (why, URL + "x" if why == "unknown_certificate" else None)


B, C, D, E = CALLED, "77055550000", "77055550001", "77055550002"


@pytest.mark.parametrize(("diversions", "more", "why"), [
    ([(B, C)], {}, "A"), ([(B, C), (C, D)], {}, "A"), ([(C, D), (B, C)], {}, "A"), ([(D, E), (C, D), (B, C)], {}, "A"),
    ([(B, C)], {"callee": f"+{D}"}, "wrong_called"), ([(C, D)], {"callee": f"+{D}"}, "wrong_called"), ([(C, B)], {"callee": f"+{C}"}, "wrong_called"),
    ([(B, C)], {"callee": f"+{D}", "diverted_from": f"+{C}"}, "A"), ([], {"callee": f"+{C}"}, "wrong_called"),
    ([(B, C), (C, B)], {"callee": f"+{D}"}, "wrong_called"), ([(B, C)], {"callee": f"+{B}"}, "A"),
    ([(B, C)], {"callee": "87055550000"}, "A"),
])  # fmt: skip
def test_a_forwarded_call_is_followed_from_number_to_number(diversions, more, why):
    made = ",".join([header(), *(diversion(by, to) for by, to in diversions)])
    last = {"callee": f"+{max(to for _, to in diversions)}"} if diversions else {}
    held = verifier()
    assert came(made, held, **(last | more)) == came(made, held, **(last | more)) == why


@pytest.mark.parametrize("wrong", [
    {"key": issue("forger", root()).key}, {"iat": NOW_S - 61}, {"iat": NOW_S + 61}, {"claims": {"orig": {"tn": "77010000000"}}},
    {"claims": {"dest": {"uri": ["sip:a@b"]}}},
])  # fmt: skip
def test_a_diversion_that_does_not_hold_leads_nowhere(wrong):
    assert came(f"{header()},{diversion(B, C, **wrong)}", callee=f"+{C}") == "wrong_called"
    assert came(f"{header()},{diversion(B, C)}", callee=f"+{C}") == "A"


def by_two(diverting):
    """A verifier that has the certificate of the caller's provider, and another of whoever answers for the diverting number."""
    given = {URL: provider(), DIVERTS: diverting}
    return Verifier(
        {file_name(url): signer([one.certificate, *one.above], [root().certificate]) for url, one in given.items()},
        PLAN,
    )


DIVERTS = "https://cert.example.org/diverts.pem"


def test_whoever_diverts_has_to_have_authority_over_the_diverting_number():
    for tns, why in (
        (tn_list(numbers(B, 2)), "A"),
        (tn_list(spc("1")), "A"),
        (tn_list(numbers(C, 9)), "wrong_called"),
        (None, "wrong_called"),
    ):
        diverting = issue("diverts", root(), tns=tns)
        made = f"{header()},{diversion(B, C, diverting.key, url=DIVERTS)}"
        assert came(made, by_two(diverting), callee=f"+{C}") == why
    unknown = issue("diverts", issue("stranger", ca=True), tns=tn_list(spc("1")))
    made = f"{header()},{diversion(B, C, unknown.key, url=DIVERTS)}"
    assert came(made, by_two(unknown), callee=f"+{C}") == "wrong_called"


def test_a_diversion_by_an_expired_certificate_leads_nowhere():
    until = int((BEGIN + 30 * DAY).timestamp())
    short = issue("short", root(), tns=tn_list(spc("1")), days=30)
    made = f"{header(iat=until)},{diversion(B, C, short.key, url=DIVERTS, iat=until)}"
    held = by_two(short)
    assert came(made, held, callee=f"+{C}", at_ms=1000 * until) == "A"
    assert came(made, held, callee=f"+{C}", at_ms=1000 * until + 1) == "wrong_called"
    assert came(made, by_two(short), callee=f"+{C}", at_ms=1000 * until + 1) == "wrong_called"


def test_nothing_is_said_of_a_diversion_whose_certificate_is_not_at_hand():
    first = diversion(B, C, url=DIVERTS)
    for made, more, expected in (
        (f"{header()},{first}", {"callee": f"+{C}"}, (results.NOTHING, DIVERTS)),
        (f"{header()},{first},{diversion(C, D)}", {"callee": f"+{D}"}, (results.NOTHING, DIVERTS)),
        (f"{header()},{first}", {"callee": f"+{D}"}, (results.WRONG_CALLED, None)),
        (f"{header()},{first}", {"caller": "+77010000000", "callee": f"+{C}"}, (results.WRONG_CALLER, None)),
        (f"{header()},{first}", {"callee": f"+{B}"}, (results.LEVELS["A"], None)),
        (f"{header()},{diversion(B, C)},{first}", {"callee": f"+{C}"}, (results.LEVELS["A"], None)),
    ):
        setup = call(made, **more)
        assert verifier().verify(setup, setup.at) == expected
    setup = call(f"{header()},{first}", callee=f"+{C}")
    assert by_two(provider()).verify(setup, setup.at) == (results.LEVELS["A"], None)


@pytest.mark.parametrize(
    ("late_ms", "why"), [(60_000, "A"), (60_001, "stale"), (-60_000, "A"), (-60_001, "stale"), (10**9, "stale")]
)
def test_a_header_is_fresh_for_a_minute(late_ms, why):
    held = verifier()
    assert came(header(), held, at_ms=1000 * NOW_S + late_ms) == why
    assert came(header(), held, at_ms=1000 * NOW_S) == "A"


def test_a_forged_signature_and_altered_claims_do_not_hold():
    assert came(header(issue("another", root()).key)) == "bad_signature"
    first, second, signature = token(provider().key).split(".")
    _, other, _ = token(provider().key, claims={"attest": "B"}).split(".")
    tail = f";info=<{URL}>;alg=ES256;ppt=shaken"
    assert came(f"{first}.{second}.{signature}{tail}") == "A"
    assert came(f"{first}.{other}.{signature}{tail}") == "bad_signature"
    assert came(f"{first}.{second}.{'A' * 86}{tail}") == "bad_signature"
    assert came(f"{first}.{second}.{'_' * 85}w{tail}") == "bad_signature"


@pytest.mark.parametrize(
    "made", ["hello", "e" * 20_000, "a.b.c;" * 10_000, "é" * 500, "\ud800", header(protected={"alg": "none"})]
)
def test_what_is_no_header_is_malformed(made):
    assert came(made) == "malformed"


def test_headers_of_other_kinds_say_nothing():
    assert came(header(protected={"ppt": "div"}).replace("ppt=shaken", "ppt=div")) == "nothing"


def test_chains_and_times_of_certificates_count():
    assert came(header(), verifier(anchors=[root("another").certificate])) == "untrusted_chain"
    assert came(header(), verifier(anchors=[])) == "untrusted_chain"
    old = issue("old", root(), tns=tn_list(spc("1")), days=2)
    assert came(header(old.key), verifier(old)) == "expired_certificate"
    early = {"at_ms": int(1000 * (BEGIN + DAY).timestamp())}
    assert came(header(old.key, iat=early["at_ms"] // 1000), verifier(old), **early) == "A"
    young = issue("young", root(), tns=tn_list(spc("1")), begin=BEGIN + 100 * DAY)
    assert came(header(young.key), verifier(young)) == "expired_certificate"


def test_a_header_that_held_does_not_outlive_its_certificate():
    until = int((BEGIN + 30 * DAY).timestamp())
    short = issue("short", root(), tns=tn_list(spc("1")), days=30)
    held, made = verifier(short), header(short.key, iat=until)
    assert came(made, held, at_ms=1000 * until) == "A"
    assert came(made, held, at_ms=1000 * until + 1) == "expired_certificate"


def test_the_list_of_numbers_has_to_hold_the_calling_one():
    for tns, why in (
        (tn_list(numbers(CALLER, 2)), "A"),
        (tn_list(numbers("77011234568", 2)), "outside_authority"),
        (None, "outside_authority"),
    ):
        issued = issue("x", root(), tns=tns)
        assert came(header(issued.key), verifier(issued)) == why


def test_a_certificate_that_is_not_at_hand_is_named():
    url = "https://other.example.org/b.pem"
    setup = call(header(protected={"x5u": url}, url=url))
    assert verifier().verify(setup, setup.at) == (results.UNKNOWN_CERTIFICATE, url)


def test_very_many_headers_by_unknown_certificates_are_not_remembered():
    held = verifier()
    rest = token(provider().key).partition(".")[2]

    def flood():
        for number in range(3_000):
            url = f"https://cert.example.org/{number}/{'x' * 1_000}.pem"
            first = b64(orjson.dumps({"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": url}))
            setup = call(f"{first}.{rest};info=<{url}>;ppt=shaken")
            assert held.verify(setup, setup.at) == (results.UNKNOWN_CERTIFICATE, url)

    flood()
    tracemalloc.start()
    flood()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 100_000


def test_of_headers_that_hold_the_oldest_are_forgotten(monkeypatch):
    monkeypatch.setattr(module, "MOST_REMEMBERED", 3)
    held = verifier()
    for number in (0, 1, 2, 0, 3):
        assert came(header(claims={"origid": str(number)}), held) == "A"
    assert len(held._sound) == 3


@given(
    st.lists(st.tuples(st.sampled_from(["A", "B"]), st.integers(-90, 90), st.booleans(), st.booleans(), st.booleans()), max_size=30),
)  # fmt: skip
def test_what_is_remembered_changes_no_result(calls):
    held = verifier()
    for attest, late_s, forged, caller, callee in calls:
        made = HEADERS[attest, forged]
        setup = call(
            made, f"+{CALLER}" if caller else "+77010000000", f"+{CALLED}" if callee else "112", 1000 * (NOW_S + late_s)
        )
        expected = (
            "bad_signature" if forged else "stale" if abs(late_s) > 60 else "wrong_caller" if not caller
            else "wrong_called" if not callee else attest
        )  # fmt: skip
        assert name_of(held.verify(setup, setup.at).result) == expected
        assert held.verify(setup, setup.at) == Verifier(SIGNERS, PLAN).verify(setup, setup.at)


SIGNERS = {file_name(URL): signer([provider().certificate, *provider().above], [root().certificate])}
HEADERS = {
    (attest, forged): header(issue("forger", root()).key if forged else None, claims={"attest": attest})
    for attest in ("A", "B")
    for forged in (False, True)
}
