"""Settings of every Kafka client, in librdkafka's names: the one place for addresses, TLS, SASL and tuning."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, ClusterMetadata

from streamer.errors import SettingsError, StoppedError
from streamer.kafka.client_log import client_log
from streamer.settings import Settings

MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024
"""Largest message any client of ours sends or takes in, in bytes: a model snapshot, or a dead letter with its headers."""

SLICE_S: Final = 0.5
"""Longest wait inside librdkafka at one time: signals are heeded between two waits alone."""

Config = dict[str, Any]

_Client = TypeVar("_Client")

GoOn = Callable[[], bool]
"""Asked while waiting for brokers; False means stop waiting."""

FINAL_ERRORS: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own errors are named so
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
    }
)
"""Errors that waiting does not mend."""

REFUSALS: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001
        KafkaError._SSL,  # noqa: SLF001
        KafkaError.SASL_AUTHENTICATION_FAILED,
    }
)
"""What a question gets back where brokers and this client do not agree on who it is or how they talk."""

_REFUSED_S: Final = 2.0
"""For how long brokers that go down may break off a TLS handshake; for longer, the port does not speak TLS."""
_HANDSHAKE: Final = ("SSL handshake failed", "in state SSL_HANDSHAKE")

_UNANSWERED: Final = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    }
)
"""What a question gets back that no broker has answered."""


_SILENT: Final = (
    "nothing is said there, or the connection is closed: are bootstrap and security_protocol what the brokers have?"
)


def client_config(settings: Settings, **more: Any) -> Config:
    """What all clients share: address, identity, TLS and SASL; `more` (librdkafka's names) wins over it.

    Raises `SettingsError` when a SASL protocol is asked for without a user and password, a TLS file is missing, or something
    is set for SASL or TLS that the protocol does not use.
    """
    for family, spoken in (
        ("sasl_", settings.security_protocol.startswith("SASL")),
        ("ssl_", settings.security_protocol.endswith("SSL")),
    ):
        given = sorted(name for name in settings.model_fields_set if name.startswith(family))
        idle = [name for name in given if getattr(settings, name) is not None]
        if idle and not spoken:
            raise SettingsError(
                f"security_protocol {settings.security_protocol} does not use {', '.join(idle)}: set the protocol"
                " (STREAMER_SECURITY_PROTOCOL) that the brokers have, or leave these out"
            )
    config: Config = {
        "bootstrap.servers": settings.bootstrap,
        "client.id": "streamer",
        "security.protocol": settings.security_protocol,
        # A restarted broker is found again within a second instead of librdkafka's ten.
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
        "socket.nagle.disable": True,
        "allow.auto.create.topics": False,
    }
    if settings.security_protocol.startswith("SASL"):
        if not settings.sasl_username or settings.sasl_password is None:
            raise SettingsError(f"{settings.security_protocol} needs the settings sasl_username and sasl_password")
        config |= {
            "sasl.mechanism": settings.sasl_mechanism,
            "sasl.username": settings.sasl_username,
            "sasl.password": settings.sasl_password.get_secret_value(),
        }
    if settings.security_protocol.endswith("SSL"):
        files = {
            "ssl.ca.location": ("ssl_ca", settings.ssl_ca),
            "ssl.certificate.location": ("ssl_certificate", settings.ssl_certificate),
            "ssl.key.location": ("ssl_key", settings.ssl_key),
        }
        for key, (setting, file) in files.items():
            if file is None:
                continue
            if not file.is_file():
                raise SettingsError(f"setting {setting} names {file}, which is not a file")
            config[key] = str(file)
        if (settings.ssl_certificate is None) != (settings.ssl_key is None):
            raise SettingsError("ssl_certificate and ssl_key belong together: set both or neither")
    return config | more


def consumer_config(settings: Settings, group: str, **more: Any) -> Config:
    """Settings of a consumer of `group`; `more` wins (``**{"fetch.wait.max.ms": 10}``).

    Offsets are never committed on their own: whoever consumes says when a record is done with.
    """
    return (
        client_config(settings)
        | {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": settings.start_at,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": settings.session_timeout_ms,
            "heartbeat.interval.ms": min(500, settings.session_timeout_ms // 3),
            "fetch.wait.max.ms": 100,
            # librdkafka's default of 1,000 ms stops a catch-up for a second whenever its queue is full.
            "fetch.queue.backoff.ms": 2,
            "queued.min.messages": 20_000,
            "fetch.message.max.bytes": MAX_MESSAGE_BYTES,
            "receive.message.max.bytes": 128 * 1024 * 1024,
        }
        | more
    )


def producer_config(settings: Settings, **more: Any) -> Config:
    """Settings of an idempotent producer that waits for all replicas and partitions like the Java client; `more` wins."""
    return (
        client_config(settings)
        | {
            "acks": "all",
            "enable.idempotence": True,
            # librdkafka's own default (CRC32) would put a caller elsewhere than the Java client does.
            "partitioner": "murmur2_random",
            "linger.ms": 0,
            "queue.buffering.max.messages": 500_000,
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "delivery.timeout.ms": 120_000,
        }
        | more
    )


class Heard:
    """What librdkafka says of trouble on the way to the brokers: the `error_cb` of a client that asks and is polled.

    Parameters
    ----------
    tell
        Is told the same.
    """

    def __init__(
        self, tell: Callable[[KafkaError], None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell: Final = tell
        self._clock: Final = clock
        self._closed: float | None = None
        self.last: KafkaError | None = None
        """The last that names a broker."""
        self.refusal: KafkaError | None = None
        """What no waiting mends."""

    def __call__(self, error: KafkaError) -> None:
        """Take in an error."""
        if self._tell is not None:
            self._tell(error)
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            return
        self.last = error
        if error.code() in REFUSALS:
            self.refusal = error
        elif not any(mark in str(error.str()) for mark in _HANDSHAKE):
            self._closed = None
        elif self._closed is None:
            self._closed = self._clock()
        elif self._clock() - self._closed > _REFUSED_S:
            self.refusal = KafkaError(KafkaError._SSL, error.str())  # noqa: SLF001


class _Reader(Consumer):
    heard: Heard | None = None
    group: str = ""


class _Asker(AdminClient):
    heard: Heard | None = None


def _made(kind: Callable[[Config], _Client], config: Config) -> _Client:
    """A client; raises `SettingsError` for a setting that librdkafka does not take, such as a file that holds no certificate."""
    try:
        return kind(config)
    except KafkaException as error:
        raise SettingsError(f"{error.args[0].str()}; see the settings security_protocol, sasl_* and ssl_*") from error


def consumer(settings: Settings, group: str, **more: Any) -> Consumer:
    """A consumer of `group` that is not subscribed to anything yet; `metadata` tells why if its `error_cb` is a `Heard`."""
    made = _made(_Reader, {"logger": client_log()} | consumer_config(settings, group, **more))
    made.group = group
    heard = more.get("error_cb")
    made.heard = heard if isinstance(heard, Heard) else None
    return made


def producer(settings: Settings, **more: Any) -> Producer:
    """An idempotent producer."""
    return _made(Producer, {"logger": client_log()} | producer_config(settings, **more))


def admin(settings: Settings, **more: Any) -> AdminClient:
    """A client for topics, groups and the cluster itself."""
    # log_level 4: on closing, librdkafka tells at level 6 of events that nobody waits for any more
    return _made(AdminClient, client_config(settings, **({"log_level": 4} | more)))


def asker(settings: Settings, **more: Any) -> AdminClient:
    """As `admin`, for one that asks and is let go: `metadata` tells why the brokers do not answer it."""
    heard = Heard()
    made = _made(_Asker, client_config(settings, **({"log_level": 2, "error_cb": heard} | more)))
    made.heard = heard
    return made


def always() -> bool:
    """The `GoOn` of whoever waits to the end."""
    return True


def metadata(
    client: AdminClient | Consumer, wait_s: float, go_on: GoOn = always, topic: str | None = None
) -> ClusterMetadata:
    """What the brokers say of the cluster and its topics (of `topic` alone if given).

    Asked again until they answer. Raises librdkafka's `KafkaException`, which `unanswered` puts into words, when they have
    not within `wait_s` or refuse this client (`REFUSALS`), `StoppedError` once `go_on` says no. Nothing may be assigned to
    a consumer that asks.
    """
    heard: Heard | None = getattr(client, "heard", None)
    until, slice_s = time.monotonic() + wait_s, min(SLICE_S, wait_s)
    while True:
        try:
            return client.list_topics(topic, timeout=slice_s) if topic else client.list_topics(timeout=slice_s)
        except KafkaException as error:
            reason = error.args[0]
            if reason.code() not in _UNANSWERED:
                raise
            if heard is not None:
                client.poll(0)
                if heard.refusal is not None:
                    raise KafkaException(heard.refusal) from error
            if time.monotonic() > until:
                if heard is not None:
                    raise KafkaException(heard.last or KafkaError(reason.code(), _SILENT)) from error
                raise
        if not go_on():
            raise StoppedError(f"stopped while waiting for the brokers: {reason.str()}")


def named(client: Consumer, topic: str | None) -> str:
    """What a client could not read, for people: the topic, or its group where the brokers refuse that."""
    return topic or f"a topic, with group {getattr(client, 'group', '')},"


def unanswered(error: KafkaException, wait_s: float) -> str:
    """Why there was no answer, for people, by what `metadata` raised."""
    reason = error.args[0]
    if reason.code() in REFUSALS:
        return f"the brokers refuse this client: {reason.str()}; security_protocol, sasl_* and ssl_* have to be what the brokers have"
    return f"the brokers do not answer within {wait_s:.0f} s: {reason.str()}"


def masked(config: Mapping[str, Any]) -> Config:
    """`config` as it may be shown: without the password.

    >>> masked({"sasl.username": "u", "sasl.password": "p"})
    {'sasl.username': 'u', 'sasl.password': '***'}
    """
    return {key: "***" if "password" in key else value for key, value in config.items()}
