"""One frozen `Settings`: environment (`STREAMER_*`), then a TOML file (`STREAMER_CONFIG`), then the defaults here."""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from streamer.errors import SettingsError


class Settings(BaseSettings):
    """Everything that can be set. Durations carry their unit in the name."""

    model_config = SettingsConfigDict(env_prefix="STREAMER_", frozen=True, extra="forbid")

    # Kafka
    bootstrap: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, host:port, comma-separated")
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
    retention_h: dict[str, float] = Field(
        default_factory=dict, description='hours kept, by topic, where not as the contract says: {"calls": 48}'
    )
    replication: int = Field(1, ge=1, le=10, description="replicas of every topic")
    min_insync_replicas: int | None = Field(
        None,
        ge=1,
        le=10,
        description="replicas that must have a message before it counts; unset: as the cluster has it",
    )
    group: str = Field("streamer-scorer", description="consumer group of the scoring workers")
    session_timeout_ms: int = Field(6_000, ge=1_000, le=300_000, description="a silent worker is expelled after this")
    start_at: Literal["earliest", "latest"] = Field("earliest", description="where a new group starts to read")

    # the worker
    batch_records: int = Field(500, ge=1, le=10_000, description="most records of one batch")
    linger_ms: float = Field(1.0, ge=0, le=100, description="how long a poll waits for company, when many records come")
    batch_timeout_s: float = Field(60.0, gt=0, description="a batch that is not finished by then stops the worker")
    drain_s: float = Field(10.0, gt=0, description="how long a leaving worker may take to finish what is in flight")
    max_callers: int = Field(2_000_000, ge=1_000, description="callers held at most; the idlest go first")
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
    brake_records: int = Field(10_000, ge=100, description="records the brake looks back on")
    shed_lag_s: float = Field(5.0, gt=0, description="above this age of the input sampled evidence is shed")
    metrics_host: str = Field("127.0.0.1", description="address of /metrics, /livez and /readyz")
    metrics_port: int = Field(6_067, ge=0, le=65_535, description="port of /metrics, /livez and /readyz; 0 picks one")
    secret: SecretStr = Field(
        SecretStr("streamer"),
        description="key of every keyed hash and of exported state; set your own, the same for all workers",
    )

    # numbering
    home: str = Field("KZ", pattern=r"^[A-Z]{2}$", description="home country, ISO 3166-1 alpha-2")

    # the trainer
    trainer_group: str = Field(
        "streamer-trainer", description="consumer group whose one partition is the trainer's lease"
    )
    trainer_data: Path = Field(Path(".run/trainer"), description="folder of the trainer's own snapshots")
    trainer_metrics_port: int = Field(6_068, ge=0, le=65_535, description="port of the trainer's /metrics")
    mature_s: float = Field(
        259_200.0, gt=0, description="an allowed sampled call without a report is honest after this"
    )
    trainer_kept_s: float = Field(
        2_592_000.0, gt=0, description="how long the trainer keeps cases and reports to be joined"
    )
    publish_every_s: float = Field(60.0, gt=0, description="a new model version at most this often")

    log_format: Literal["json", "text"] = Field("json", description="one JSON object a line, or text for people")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severity logged")

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


NOT_SETTINGS = frozenset({"STREAMER_CONFIG", "STREAMER_CACHE", "STREAMER_JAVA_HOME"})
"""Names in the environment that begin like a setting and are none."""


def load(**given: Any) -> Settings:
    """The settings in force; `given` (command-line options) wins over everything else.

    Raises `SettingsError` for an unknown key (with the nearest known one), a value out of range or a missing file.
    """
    known = set(Settings.model_fields)
    for name in os.environ:
        if name.startswith("STREAMER_") and name not in NOT_SETTINGS and name[9:].lower() not in known:
            raise _unknown(name, [f"STREAMER_{field.upper()}" for field in known], "the environment")
    file = os.environ.get("STREAMER_CONFIG")
    if file:
        try:
            content = tomllib.loads(Path(file).read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"STREAMER_CONFIG names {file}, which cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{file} is not valid TOML: {error}") from None
        for key in content:
            if key not in known:
                raise _unknown(key, sorted(known), file)
    try:
        return Settings(**{key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"setting {where}: {first['msg']}") from None


def _unknown(name: str, known: list[str], where: str) -> SettingsError:
    near = difflib.get_close_matches(name, known, n=1)
    return SettingsError(f"unknown setting {name} in {where}" + (f"; did you mean {near[0]}?" if near else ""))
