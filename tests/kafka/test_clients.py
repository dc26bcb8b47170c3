"""Clients' settings: as librdkafka takes them, and accepted by a broker that asks for TLS, a certificate or a password."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from streamer.doctor.cluster import examine
from streamer.errors import DeliveryError, SettingsError, StreamerError, TopicError, TransportError
from streamer.kafka import logs, topic_changes, topics
from streamer.kafka.broker import LocalBroker, free_port
from streamer.kafka.clients import Heard, admin, client_config, consumer_config, masked, producer, producer_config
from streamer.kafka.sending import Outgoing, exchange, send
from streamer.kafka.tables import TableReader
from streamer.kafka.topics import Topics
from streamer.settings import Settings, load
from streamer.training.reader import assigned, poll

PASSWORD = "correct horse"


def test_a_consumer_never_commits_on_its_own() -> None:
    config = consumer_config(load(session_timeout_ms=1_500, start_at="latest"), "g")
    assert config["enable.auto.commit"] is False
    assert config["enable.auto.offset.store"] is False
    assert config["group.id"] == "g"
    assert config["auto.offset.reset"] == "latest"
    assert config["session.timeout.ms"] == 1_500
    assert config["heartbeat.interval.ms"] * 3 <= 1_500
    assert config["partition.assignment.strategy"] == "cooperative-sticky"


def test_a_producer_is_idempotent_and_partitions_like_java() -> None:
    config = producer_config(load())
    assert config["acks"] == "all"
    assert config["enable.idempotence"] is True
    assert config["partitioner"] == "murmur2_random"


def test_what_is_given_wins() -> None:
    assert producer_config(load(), **{"linger.ms": 5})["linger.ms"] == 5
    assert consumer_config(load(), "g", **{"client.id": "me"})["client.id"] == "me"


@pytest.mark.parametrize("given", [{}, {"sasl_username": "u"}, {"sasl_password": "p"}])
def test_sasl_needs_user_and_password(given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="sasl_username and sasl_password"):
        client_config(load(security_protocol="SASL_SSL", **given))


def test_tls_files_have_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ssl_ca names .*nowhere\.pem"):
        client_config(load(security_protocol="SSL", ssl_ca=tmp_path / "nowhere.pem"))
    there = tmp_path / "there.pem"
    there.write_text("")
    with pytest.raises(SettingsError, match="belong together"):
        client_config(load(security_protocol="SSL", ssl_certificate=there))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"sasl_username": "u", "sasl_password": PASSWORD}, "PLAINTEXT does not use sasl_password, sasl_username"),
        ({"sasl_mechanism": "PLAIN"}, "PLAINTEXT does not use sasl_mechanism"),
        ({"ssl_ca": "ca.pem"}, "PLAINTEXT does not use ssl_ca"),
        ({"security_protocol": "SSL", "sasl_username": "u"}, "SSL does not use sasl_username"),
        (
            {"security_protocol": "SASL_PLAINTEXT", "sasl_username": "u", "sasl_password": "p", "ssl_key": "k"},
            "SASL_PLAINTEXT does not use ssl_key",
        ),
    ],
)
def test_a_protocol_that_was_forgotten_is_told(given: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        client_config(load(**given))


def test_a_file_that_holds_no_certificate_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("garbage")
    with pytest.raises(SettingsError, match=r"ssl\.ca\.location.*ssl_\*"):
        admin(load(security_protocol="SSL", ssl_ca=tmp_path / "ca.pem"))


def test_brokers_that_go_down_are_no_refusal_and_a_port_without_tls_is_one() -> None:
    now = 0.0
    broken = KafkaError(KafkaError._TRANSPORT, "SSL handshake failed: Disconnected")
    heard = Heard(clock=lambda: now)
    heard(broken)
    now = 5.0
    heard(KafkaError(KafkaError._TRANSPORT, "Connection refused"))
    heard(broken)
    heard(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    assert heard.refusal is None
    assert heard.last is broken
    now = 8.0
    heard(broken)
    assert heard.refusal is not None
    assert heard.refusal.code() == KafkaError._SSL


def test_a_shown_config_has_no_password() -> None:
    config = client_config(load(security_protocol="SASL_PLAINTEXT", sasl_username="u", sasl_password=PASSWORD))
    assert config["sasl.password"] == PASSWORD
    assert PASSWORD not in str(masked(config))


# -- a broker that guards itself --------------------------------------------------------------


def make_certificates(folder: Path) -> dict[str, Path]:
    """An authority, and certificates signed by it for the broker (127.0.0.1) and for a client, as PEM files."""

    def openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=folder, timeout=60)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority")
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("broker", "client"):
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signing = ("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        openssl(*signing, "-days", "2", "-extfile", "san", "-out", f"{name}.pem")
    store = folder / "broker.store.pem"
    store.write_text((folder / "broker.key").read_text() + (folder / "broker.pem").read_text())
    return {
        "ca": folder / "ca.pem",
        "store": store,
        "certificate": folder / "client.pem",
        "key": folder / "client.key",
    }


class Guarded:
    """A broker with SASL_SSL and SSL listeners, a user `alice` who may do everything and `bob` who may do nothing."""

    def __init__(self, plain: str, sasl_ssl: str, ssl: str, files: dict[str, Path]) -> None:
        self.plain, self.sasl_ssl, self.ssl, self.files = plain, sasl_ssl, ssl, files


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make certificates with")
    folder = tmp_path_factory.mktemp("guarded")
    files = make_certificates(folder)
    sasl_ssl, ssl = free_port(), free_port()
    local = LocalBroker(
        folder / "broker",
        port=0,
        listeners={"SASL_SSL": sasl_ssl, "SSL": ssl},
        properties={
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "listener.name.sasl_ssl.plain.sasl.jaas.config": (
                f'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="{PASSWORD}";'
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(files["store"]),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(files["ca"]),
            "listener.name.ssl.ssl.client.auth": "required",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS;User:alice;User:CN=client",
        },
    )
    status = local.start(dies_with_parent=True)
    try:
        assert status.address is not None
        client = admin(load(bootstrap=status.address))
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4_096)
        wanted = [UserScramCredentialUpsertion(user, info, PASSWORD.encode()) for user in ("alice", "bob")]
        for future in client.alter_user_scram_credentials(wanted).values():
            future.result(20)
        yield Guarded(status.address, f"127.0.0.1:{sasl_ssl}", f"127.0.0.1:{ssl}", files)
    finally:
        local.stop(delete_data=True)


def round_trip(settings: Settings) -> None:
    """Create topics, write one record and read it back, all as `settings` say."""
    topics.ensure(settings)
    topic = Topics(settings).lists
    client: Producer = producer(settings)
    client.produce(topic, b"value", b"key")
    assert client.flush(20) == 0
    reader = TableReader(settings, [topic])
    try:
        assert [(c.key, c.value) for c in reader.read_to_end(20)] == [("key", b"value")]
    finally:
        reader.close()


@pytest.fixture
def sasl(guarded: Guarded, prefix: str) -> Callable[..., Settings]:
    def make(**given: object) -> Settings:
        own = {
            "bootstrap": guarded.sasl_ssl,
            "security_protocol": "SASL_SSL",
            "sasl_username": "alice",
            "sasl_password": PASSWORD,
            "ssl_ca": guarded.files["ca"],
            "prefix": prefix,
            "partitions": 1,
        }
        return load(**(own | given))

    return make


@pytest.mark.broker
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_sasl_over_tls(sasl: Callable[..., Settings], mechanism: str) -> None:
    round_trip(sasl(sasl_mechanism=mechanism))


@pytest.mark.broker
def test_tls_with_a_certificate_of_the_client(guarded: Guarded, prefix: str) -> None:
    round_trip(
        load(
            bootstrap=guarded.ssl,
            security_protocol="SSL",
            ssl_ca=guarded.files["ca"],
            ssl_certificate=guarded.files["certificate"],
            ssl_key=guarded.files["key"],
            prefix=prefix,
            partitions=1,
        )
    )


@pytest.mark.broker
def test_a_wrong_password_ends_a_reader(sasl: Callable[..., Settings]) -> None:
    reader = TableReader(sasl(sasl_password="wrong"))
    try:
        reader.add("lists.v1", [0])
        with pytest.raises(TransportError, match=r"(?i)authentication"):
            list(reader.read_to_end(20))
    finally:
        reader.close()


ASKED: dict[str, Callable[[Settings], object]] = {
    "ensure": topics.ensure,
    "diff": topic_changes.diff,
    "apply": topic_changes.apply,
    "table": lambda settings: TableReader(settings, ["lists.v1"]),
    "log": lambda settings: list(logs.read(settings, "lists.v1")),
    "send": lambda settings: send(settings, [Outgoing("lists.v1", b"k", b"v")]),
    "exchange": lambda settings: exchange(settings, "x", list),
}


@pytest.mark.broker
@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_wrong_password_is_told_in_words(sasl: Callable[..., Settings], ask: Callable[[Settings], object]) -> None:
    with pytest.raises((TopicError, TransportError, DeliveryError), match=r"refuse this client: .*(?i:authentication)"):
        ask(sasl(sasl_password="wrong"))


@pytest.mark.broker
def test_whatever_else_the_brokers_refuse_is_told(guarded: Guarded, sasl: Callable[..., Settings]) -> None:
    plain = {"bootstrap": guarded.plain, "partitions": 1}
    wrong = {
        "mechanism": sasl(sasl_mechanism="SCRAM-SHA-256"),
        "certificate": load(bootstrap=guarded.ssl, security_protocol="SSL", partitions=1),
        "handshake": load(security_protocol="SSL", **plain),
        "SASL": load(security_protocol="SASL_PLAINTEXT", sasl_username="u", sasl_password="p", **plain),
    }
    for told, settings in wrong.items():
        with pytest.raises(StreamerError, match=f"(?i)refuse this client: .*{told}"):
            topics.ensure(settings)


@pytest.mark.broker
def test_the_doctor_tells_of_a_wrong_password(sasl: Callable[..., Settings]) -> None:
    first = examine(sasl(sasl_password="wrong"))[0]
    assert (first.check, first.state) == ("broker", "failed")
    assert "refuse this client" in first.text
    assert "password" in first.mend
    assert "broker start" not in first.mend


@pytest.mark.broker
def test_no_broker_is_told_with_the_last_that_the_client_heard() -> None:
    with pytest.raises(TopicError, match=r"do not answer within 1 s: .*(?i:refused).*broker start"):
        topics.ensure(load(bootstrap=f"127.0.0.1:{free_port()}"), wait_s=1)


@pytest.mark.broker
def test_a_topic_that_may_not_be_read_ends_a_reader(sasl: Callable[..., Settings]) -> None:
    topics.ensure(sasl())
    settings = sasl(sasl_username="bob")
    reader = TableReader(settings)
    try:
        reader.add(Topics(settings).lists, [0])
        with pytest.raises(TransportError, match="authorization"):
            list(reader.read_to_end(20))
    finally:
        reader.close()


@pytest.mark.broker
def test_a_group_that_may_not_be_used_is_named(guarded: Guarded, sasl: Callable[..., Settings]) -> None:
    topics.ensure(sasl())
    settings = sasl(sasl_username="bob")
    of = Topics(settings).evidence
    able = AclBinding(
        ResourceType.TOPIC, of, ResourcePatternType.LITERAL, "User:bob", "*", AclOperation.READ, AclPermissionType.ALLOW
    )
    administrator = admin(load(bootstrap=guarded.plain))
    for future in administrator.create_acls([able]).values():
        future.result(20)
    reader = assigned(settings, {}, [of])

    def read() -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            list(poll(reader, 0.2))

    try:
        with pytest.raises(TransportError, match=r"with group streamer-trainer-reader, cannot be read: .*(?i:group)"):
            read()
    finally:
        reader.close()
