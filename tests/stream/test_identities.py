"""Identity headers on their way to the engine: beside the judging, in the worker, with folders that change."""

import asyncio
import logging

import orjson
import pytest

from streamer.calls.clamping import clamped
from streamer.engine import Engine
from streamer.identity.certificates import file_name
from streamer.identity.folder import keep
from streamer.identity.results import (
    LEVELS,
    MALFORMED,
    NOTHING,
    OUTSIDE_AUTHORITY,
    STALE,
    UNKNOWN_CERTIFICATE,
    WRONG_CALLER,
)
from streamer.identity.verification import Verifier
from streamer.kafka import topics
from streamer.settings import Settings
from streamer.stream import identities
from streamer.stream.identities import Identities
from streamer.stream.metrics import Metrics
from tests.identity.signing import CALLED, CALLER, NOW_S, URL, header, numbers, provider, root, tn_list
from tests.stream.live import Calls, Worker, get, read, setup, wait_until
from tests.test_engine import batch

NOW = 1000 * NOW_S


def event(identity, call_id="c", **more):
    found = {"type": "setup", "call_id": call_id, "at": NOW, "operator": "op-a", "caller": f"+{CALLER}", "callee": f"+{CALLED}",
             "ingress": "national", "identity": identity}  # fmt: skip
    return found | more


@pytest.fixture(scope="module", autouse=True)
def warmed():
    """A loop's first call takes its time, on a busy machine more than there is for headers; a worker has it behind it."""
    clamped(NOW, NOW)


@pytest.fixture
def folders(tmp_path):
    keep(tmp_path / "anchors", "root.pem", root().pem)
    keep(tmp_path / "certificates", file_name(URL), provider().pem)
    return {
        "identity_verify": True,
        "identity_anchors": tmp_path / "anchors",
        "identity_certificates": tmp_path / "certificates",
        "identity_hosts": ".example.org",
        "identity_timeout_ms": 1_000,  # however busy this machine is
    }


@pytest.fixture
def stage(folders):
    made = []

    def make(**more):
        metrics = Metrics()
        made.append(Identities(Settings(**(folders | more)), metrics.identity))

        def value(name, **labels):
            return metrics.registry.get_sample_value(name, labels)

        return made[-1], value

    yield make
    for each in made:
        each.close()


def looked(stage, *messages):
    return asyncio.run(stage.look(batch(messages)))


def test_a_batch_is_told_what_came_of_its_headers(stage):
    held, value = stage()
    url = "https://a.example.org/new.pem"
    found = looked(
        held, event(header()), event(None), event(header(), caller="+77010000000"), event(header(iat=NOW_S - 61)),
        event(header(protected={"x5u": url}, url=url)), b'{"identity":broken', {**event(header()), "type": "end"},
        event(header(claims={"attest": "C"})),
    )  # fmt: skip
    assert found.identities == [
        LEVELS["A"],
        NOTHING,
        WRONG_CALLER,
        STALE,
        UNKNOWN_CERTIFICATE,
        NOTHING,
        NOTHING,
        LEVELS["C"],
    ]
    for came, n in {"A": 1, "C": 1, "wrong_caller": 1, "stale": 1, "unknown_certificate": 1}.items():
        assert value("streamer_identities_total", came=came) == n
    assert value("streamer_identity_missing_total", host=".example.org") == 1
    assert value("streamer_identity_certificates") == 1


def test_a_batch_without_headers_goes_through_as_it_is(stage):
    held, _ = stage()
    given = batch([event(None) | {"call_id": str(number)} for number in range(3)])
    for message in given.values:
        assert b"identity" in message
    plain = batch([{key: value for key, value in event(None).items() if key != "identity"}])
    assert asyncio.run(held.look(plain)) is plain
    assert set(asyncio.run(held.look(given)).identities) == {NOTHING}


def test_a_number_of_thousands_of_digits_is_outside_every_authority(stage, folders):
    narrow = provider(tn_list(numbers("77011234500", 100)))
    keep(folders["identity_certificates"], file_name(URL), narrow.pem)
    held, _ = stage()
    long = "7" * 4_400
    made = header(narrow.key, claims={"orig": {"tn": long}})
    found = looked(held, event(made, caller="anonymous", asserted=long), event(header(narrow.key)))
    assert found.identities == [OUTSIDE_AUTHORITY, LEVELS["A"]]


def test_a_header_that_nobody_thought_of_ends_nothing(stage, monkeypatch, caplog):
    held, value = stage()
    monkeypatch.setattr(Verifier, "_compared", lambda *_: 1 // 0)
    found = looked(held, event(header()), event(header()), event(header(protected={"x5u": URL + "x"}, url=URL + "x")))
    assert found.identities == [MALFORMED, MALFORMED, UNKNOWN_CERTIFICATE]
    assert value("streamer_identities_total", came="malformed") == 2
    assert [record.levelname for record in caplog.records if "malformed" in record.getMessage()] == ["ERROR"]


def test_what_there_is_no_time_for_goes_on_without(stage):
    held, value = stage(identity_timeout_ms=1e-6)
    assert looked(held, event(header()), event(header())).identities == [NOTHING, NOTHING]
    assert value("streamer_identities_total", came="late") == 2


def test_a_certificate_that_comes_is_taken_without_a_restart(stage, folders, monkeypatch):
    monkeypatch.setattr(identities, "_LOOK_S", 0.0)
    path = folders["identity_certificates"] / file_name(URL)
    path.unlink()
    held, value = stage()
    assert looked(held, event(header())).identities == [UNKNOWN_CERTIFICATE]
    keep(path.parent, path.name, provider().pem)
    wait_until(lambda: looked(held, event(header())).identities == [LEVELS["A"]])
    assert value("streamer_identity_certificates") == 1


def test_missing_certificates_are_told_once_a_minute_ready_for_a_shell(stage, caplog):
    held, value = stage()
    urls = [f"https://a{number}.example.org/$(id).pem" for number in range(40)] + ["https://other.example.net/a.pem"]
    with caplog.at_level(logging.WARNING, "streamer.identity"):
        for url in urls:
            looked(held, event(header(protected={"x5u": url}, url=url)))
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "certificates are missing: streamer identity fetch 'https://a0.example.org/$(id).pem'",
        "certificates are missing (of hosts that identity_hosts does not allow): streamer identity fetch https://other.example.net/a.pem",
    ]
    assert value("streamer_identity_missing_total", host=".example.org") == 40
    assert value("streamer_identity_missing_total", host="other") == 1
    assert all(len(wanted) <= 10 for wanted in held._wanted.values())


def test_times_are_those_that_the_engine_judges_by(stage):
    """The operator's clock may be wrong by hours: the broker's append time bounds it, unless history is replayed."""
    message = event(header(), at=NOW + 3_600_000)
    given = batch([message])._replace(append_ms=[NOW])
    for clamp, result in ((True, LEVELS["A"]), (False, STALE)):
        held, _ = stage(clamp=clamp)
        assert asyncio.run(held.look(given)).identities == [result]


def test_an_engine_without_the_stage_is_not_moved_by_headers():
    outcomes = Engine(partitions=4, max_callers=10_000).process(
        batch([event("x" * 10_000), event(header(), "d", attestation="B")]), NOW
    )
    assert [orjson.loads(value)["reasons"] for _, _, value in outcomes.decisions] == [[], []]


@pytest.mark.broker
def test_a_worker_verifies_headers_gives_reasons_and_evidence_and_takes_new_certificates(make_settings, folders):
    settings = make_settings()
    topics.ensure(settings)
    own = {f"STREAMER_{name.upper()}": str(value) for name, value in folders.items()}
    calls = Calls(settings)
    policy = {"version": "all", "evidence_sample": 1.0, "detectors": {}}
    calls.producer.produce(calls.topics.policy, key="policy@all", value=orjson.dumps(policy))
    calls.producer.produce(calls.topics.policy, key="current", value=b'{"version":"all"}')
    calls.producer.flush()
    url = "https://new.example.org/b.pem"

    def signed(name, caller=CALLER, **more):
        made = setup(name, f"+{CALLER}", callee=f"+{CALLED}")
        iat = made["at"] // 1000
        return made | {"identity": header(iat=iat, claims={"orig": {"tn": caller}}, **more)}

    with Worker(settings, **own) as worker:
        new = {"protected": {"x5u": url}, "url": url}
        for message in (
            signed("good"),
            signed("wrong", "77010000000"),
            signed("unknown", **new),
            setup("plain", f"+{CALLER}"),
        ):
            calls.publish(message)
        assert not calls.until({"good", "wrong", "unknown", "plain"}), worker.log
        said = {name: found[0][0] for name, found in calls.decided.items()}
        assert {name: decision["reasons"] for name, decision in said.items()} == {
            "good": [], "wrong": ["identity.wrong_caller"], "unknown": ["identity.unknown_certificate"], "plain": [],
        }  # fmt: skip
        assert {decision["action"] for decision in said.values()} == {"allow"}
        told = {}
        for record in read(settings, calls.topics.evidence, 4, wanted=4):
            evidence = orjson.loads(record.value())
            told[evidence["decision"]["call_id"]] = evidence
        seen = {name: (one["features"]["attested"], one["features"]["identity_failed"]) for name, one in told.items()}
        assert seen == {"good": (3, 0), "wrong": (None, 7), "unknown": (None, 2), "plain": (None, None)}
        (finding,) = told["wrong"]["findings"]
        assert (finding["detector"], finding["cause"], finding["action"]) == ("identity", "wrong_caller", "allow")
        assert f"certificates are missing: streamer identity fetch {url}" in worker.log

        keep(folders["identity_certificates"], file_name(url), provider().pem)
        asked = iter(range(1_000))

        def taken():
            name = f"again{next(asked)}"
            calls.publish(signed(name, **new))
            assert not calls.until({name}), worker.log
            return "identity.unknown_certificate" not in calls.decided[name][0][0]["reasons"]

        wait_until(taken)
        port = int(worker.log.split("metrics on http://127.0.0.1:")[1].split("/")[0])
        _, page = get(port, "/metrics")
        assert b'streamer_identities_total{came="wrong_caller"} 1.0' in page
        assert b"streamer_identity_certificates 2.0" in page
        assert worker.stop() == 0, worker.log
