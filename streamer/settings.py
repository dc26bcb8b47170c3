"""One frozen `Settings`: environment (`STREAMER_*`), then a TOML file (`STREAMER_CONFIG`), then the defaults here."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple
from zoneinfo import available_timezones

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as UnreadableError

from streamer.errors import SettingsError, near

_SERVICE: Final = re.compile(
    r"STREAMER(?:_[A-Z0-9_]+)?_SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)"
    r"|STREAMER(?:_[A-Z0-9_]+)?_PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?"
)
"""What Kubernetes puts into every container for a service whose name begins with streamer; so it does `STREAMER_PORT`, told by its value."""

_BROKER: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")


class Settings(BaseSettings):
    """Everything that can be set. Durations carry their unit in the name."""

    model_config = SettingsConfigDict(env_prefix="STREAMER_", frozen=True, extra="forbid", allow_inf_nan=False)

    # Kafka
    bootstrap: str = Field(
        "127.0.0.1:9092", min_length=1, description="Kafka bootstrap servers, host:port, comma-separated"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how clients talk to the brokers"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism, with a SASL protocol"
    )
    sasl_username: str | None = Field(None, description="SASL user")
    sasl_password: SecretStr | None = Field(None, description="SASL password")
    ssl_ca: Path | None = Field(
        None, description="PEM file of the authorities that brokers' certificates are checked by"
    )
    ssl_certificate: Path | None = Field(None, description="PEM file of the client's certificate")
    ssl_key: Path | None = Field(None, description="PEM file of the client's key")
    prefix: str = Field("", description="put before every topic name", pattern=r"^[A-Za-z0-9._-]*$")
    partitions: int = Field(24, ge=1, le=1024, description="partitions of the topics keyed by caller; fixed for life")
    retention_h: dict[str, Annotated[float, Field(ge=0.1, le=876_000)]] = Field(
        default_factory=dict, description='hours kept, by topic, where not as the contract says: {"calls": 48}'
    )
    replication: int = Field(1, ge=1, le=10, description="replicas of every topic")
    min_insync_replicas: int | None = Field(
        None,
        ge=1,
        le=10,
        description="replicas that must have a message before it counts; unset: as the cluster has it",
    )
    group: str = Field("streamer-scorer", min_length=1, description="consumer group of the scoring workers")
    session_timeout_ms: int = Field(6_000, ge=1_000, le=300_000, description="a silent worker is expelled after this")
    start_at: Literal["earliest", "latest"] = Field("earliest", description="where a new group starts to read")

    # the worker
    batch_records: int = Field(500, ge=1, le=10_000, description="most records of one batch")
    linger_ms: int = Field(
        1, ge=0, le=100, description="how long a poll waits for company at most, when many records come, ms"
    )
    batch_timeout_s: float = Field(
        60.0,
        gt=0,
        le=3_600,
        description="a batch that is not finished by then, or an event loop that hangs for so long, stops the worker",
    )
    drain_s: float = Field(
        10.0, gt=0, le=3_600, description="how long a leaving worker may take to finish what is in flight"
    )
    checkpoint_s: float = Field(
        5.0, ge=0.2, le=3_600, description="each partition's state is saved about so often while calls come"
    )
    begin_empty: bool = Field(
        False, description="begin with empty windows where state cannot be restored, instead of stopping"
    )
    max_callers: int = Field(
        2_000_000, ge=1_000, le=500_000_000, description="callers held at most; the idlest go first"
    )
    max_calls: int = Field(
        4_000_000,
        ge=1_000,
        le=500_000_000,
        description="calls remembered at most, set-ups a second times 600; the longest silent go first; 100 to 400 bytes each",
    )
    clamp: bool = Field(True, description="keep `at` within [append - 5 min, append + 5 s]; off for replays of history")
    brake_share: float = Field(
        1.0, gt=0, le=1, description="stop when more than this share of the input is bad; 1 = never"
    )
    brake_records: int = Field(10_000, ge=100, le=100_000_000, description="records the brake looks back on")
    shed_lag_s: float = Field(5.0, gt=0, le=86_400, description="above this age of the input sampled evidence is shed")
    metrics_host: str = Field("127.0.0.1", pattern=r"^\S+$", description="address of /metrics, /livez and /readyz")
    metrics_port: int = Field(6_067, ge=0, le=65_535, description="port of /metrics, /livez and /readyz; 0 picks one")
    secret: SecretStr = Field(
        SecretStr("streamer"),
        min_length=1,
        description="key of every keyed hash and of exported state; set your own, the same for all workers",
    )

    # numbering
    home: str = Field("KZ", pattern=r"^[A-Z]{2}$", description="home country, ISO 3166-1 alpha-2")
    timezone: str | None = Field(
        None, description="IANA name of the time zone by which offices at home are empty; unset: the capital's"
    )

    # Identity headers (STIR/SHAKEN)
    identity_verify: bool = Field(False, description="verify the SIP Identity headers of set-ups (STIR/SHAKEN)")
    identity_anchors: Path = Field(
        Path(".run/identity/anchors"), description="folder of the trust anchors of SHAKEN certificates, PEM files"
    )
    identity_certificates: Path = Field(
        Path(".run/identity/certificates"),
        description="folder of the certificates that `streamer identity fetch` keeps",
    )
    identity_hosts: str = Field(
        "", description="hosts that certificates may be fetched from, comma-separated; .example.org is all below it"
    )
    identity_timeout_ms: float = Field(
        100.0,
        gt=0,
        le=1_000,
        description="a call whose header is not verified this long after its batch came goes on without",
    )

    # the trainer
    trainer_group: str = Field(
        "streamer-trainer", min_length=1, description="consumer group whose one partition is the trainer's lease"
    )
    trainer_data: Path = Field(Path(".run/trainer"), description="folder of the trainer's own snapshots")
    trainer_metrics_port: int = Field(6_057, ge=0, le=65_535, description="port of the trainer's /metrics")
    mature_s: float = Field(
        259_200.0, gt=0, le=315_360_000, description="an allowed sampled call without a report is honest after this"
    )
    trainer_kept_s: float = Field(
        2_592_000.0, gt=0, le=315_360_000, description="how long the trainer keeps cases and reports to be joined"
    )
    publish_every_s: float = Field(60.0, gt=0, le=31_536_000, description="a new model version at most this often")

    # whoever merges signals
    signals_group: str = Field(
        "streamer-signals",
        min_length=1,
        description="consumer group whose one partition is the lease of whoever merges signals",
    )
    signals_metrics_port: int = Field(6_058, ge=0, le=65_535, description="port of the merger's /metrics")

    log_format: Literal["json", "text"] = Field("json", description="one JSON object a line, or text for people")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severity logged")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, name: str | None) -> str | None:
        if name is not None and name not in (known := available_timezones()):
            told = f"{name!r} is no IANA time zone, as Europe/Moscow is one{near(name, known)}"
            raise PydanticCustomError("time_zone", "{told}", {"told": told})
        return name

    @field_validator("bootstrap")
    @classmethod
    def _names_brokers(cls, told: str) -> str:
        for broker in told.split(","):
            found = _BROKER.fullmatch(broker.strip())
            if found is None or not 0 < int(found["port"] or 9_092) < 65_536:
                raise ValueError(f"{broker!r} is not host:port, without a scheme, the port from 1 to 65535")
        return told

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then the TOML file that `STREAMER_CONFIG` names."""
        named = os.environ.get("STREAMER_CONFIG")
        toml = [TomlConfigSettingsSource(settings_cls, Path(named))] if named else []
        return (init_settings, env_settings, *toml)


NOT_SETTINGS: Final[dict[str, str]] = {
    "STREAMER_CONFIG": "path of a TOML file with settings",
    "STREAMER_CACHE": "folder of downloads and compiled loops; `$XDG_CACHE_HOME/streamer`, else `~/.cache/streamer`",
    "STREAMER_JAVA_HOME": "Java for the local broker, where the one from PyPI will not do",
}
"""Names in the environment that begin like a setting and are none, and what they mean."""


class Source(NamedTuple):
    """Where a value comes from: `kind`, and the variable or file (empty for defaults and options)."""

    kind: Literal["option", "environment", "TOML", "default"]
    name: str = ""

    def __str__(self) -> str:
        """As it is told to people."""
        return " ".join(part for part in (self.kind, self.name) if part)


def load(**given: Any) -> Settings:
    """The settings in force; `given` (command-line options) wins over everything else, None counts as not given.

    Raises `SettingsError` for an unknown key (with the nearest known one), a value out of range or a missing file.
    """
    sources = sources_of(**given)
    try:
        return Settings(**{key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name, *inner = (str(part) for part in first["loc"])
        where = ".".join((name, *inner))
        source = f" ({sources[name]})" if name in sources and sources[name].name else ""
        told = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"setting {where}: {told}{source}") from None
    except UnreadableError as error:
        cause = f": {error.__cause__}" if error.__cause__ else ""
        raise SettingsError(f"{error}{cause}; tables are written as JSON in the environment") from None
    except RecursionError:
        raise SettingsError(f"setting {_deepest(sources)} is nested too deeply") from None


def _deepest(sources: dict[str, Source]) -> str:
    """The setting whose variable has the most brackets, and where it comes from."""
    told = {name: os.environ[source.name] for name, source in sources.items() if source.kind == "environment"}
    name = max(told, key=lambda name: told[name].count("[") + told[name].count("{"))
    return f"{name} ({sources[name]})"


def sources_of(**given: Any) -> dict[str, Source]:
    """Where the value of each setting comes from. Raises `SettingsError` for a key that is none, or a file of no use."""
    known = list(Settings.model_fields)
    variables = {f"STREAMER_{field.upper()}": field for field in known}
    found = dict.fromkeys(known, Source("default"))
    file = os.environ.get("STREAMER_CONFIG")
    for key in _content(file) if file else ():
        if key not in known:
            raise _unknown(key, known, str(file))
        found[key] = Source("TOML", str(file))
    for name in os.environ:
        told = name.upper()  # pydantic takes them in any case
        if told in variables:
            found[variables[told]] = Source("environment", name)
        elif told.startswith("STREAMER_") and name not in NOT_SETTINGS and not _of_a_service(name):
            raise _unknown(name, [*variables, *NOT_SETTINGS], "the environment")
    return found | {key: Source("option") for key, value in given.items() if value is not None}


def _of_a_service(name: str) -> bool:
    """Whether a variable is one that Kubernetes tells of a service.

    >>> _of_a_service("STREAMER_WORKER_SERVICE_HOST"), _of_a_service("STREAMER_SERVICES")
    (True, False)
    """
    link = name.endswith("_PORT") and re.match(r"(?:tcp|udp|sctp)://", os.environ.get(name, ""))
    return bool(link or _SERVICE.fullmatch(name))


def _content(file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(file).read_bytes().decode("utf-8"))
    except OSError as error:
        raise SettingsError(f"STREAMER_CONFIG names {file}, which cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from None


def _unknown(name: str, known: Iterable[str], where: str) -> SettingsError:
    spelled = {_bare(each): each for each in known}
    near = difflib.get_close_matches(_bare(name), spelled, n=1)
    hint = f"; did you mean {spelled[near[0]]}?" if near else "; `streamer config show` lists what there is"
    return SettingsError(f"unknown setting {name} in {where}{hint}")


def _bare(name: str) -> str:
    return name.lower().removeprefix("streamer_").replace("-", "_")
