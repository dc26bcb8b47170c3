"""Settings: options before environment before TOML before defaults; what is unknown or wrong is told with where it stands."""

import json
import re
from pathlib import Path

import pytest

from streamer import configuration
from streamer.commands import main
from streamer.errors import SettingsError
from streamer.settings import NOT_SETTINGS, Settings, load, sources_of

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """An environment without settings, whatever the tests were started with."""
    import os

    for name in list(os.environ):
        if name.upper().startswith("STREAMER_") and name not in {"STREAMER_CACHE", "STREAMER_JAVA_HOME"}:
            monkeypatch.delenv(name)


@pytest.fixture
def toml(tmp_path, monkeypatch):
    """A TOML file in force, with this text."""

    def write(text):
        path = tmp_path / "streamer.toml"
        path.write_text(text)
        monkeypatch.setenv("STREAMER_CONFIG", str(path))
        return path

    return write


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["config", *arguments])
    return ended.value.code


def test_options_win_over_the_environment_that_over_the_file_that_over_defaults(toml, monkeypatch):
    path = toml('partitions = 8\nhome = "DE"\ngroup = "g"')
    monkeypatch.setenv("STREAMER_HOME", "US")
    monkeypatch.setenv("streamer_partitions", "16")
    settings = load(partitions=32, home=None)
    assert (settings.partitions, settings.home, settings.group, settings.replication) == (32, "US", "g", 1)
    found = {name: str(source) for name, source in sources_of(partitions=32, home=None).items()}
    assert found["partitions"] == "option"
    assert found["home"] == "environment STREAMER_HOME"
    assert found["group"] == f"TOML {path}"
    assert found["replication"] == "default"
    assert load().partitions == 16
    assert str(sources_of()["partitions"]) == "environment streamer_partitions"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "STREAMER_PARTITION",
            "unknown setting STREAMER_PARTITION in the environment; did you mean STREAMER_PARTITIONS?",
        ),
        ("streamer_boot_strap", "unknown setting streamer_boot_strap .* did you mean STREAMER_BOOTSTRAP?"),
        ("STREAMER_CONFIGS", "did you mean STREAMER_CONFIG?"),
        ("STREAMER_QWERTZ", "unknown setting STREAMER_QWERTZ in the environment; `streamer config show` lists"),
    ],
)
def test_an_unknown_variable_is_an_error_with_the_nearest_known_one(name, message, monkeypatch):
    monkeypatch.setenv(name, "4")
    with pytest.raises(SettingsError, match=message):
        load()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("partition = 4", r"unknown setting partition in .*streamer\.toml; did you mean partitions?"),
        ("max-calls = 4", "did you mean max_calls?"),
        ("[worker]\npartitions = 4", "unknown setting worker in"),
        ("partitions = ", r"streamer\.toml is not valid TOML"),
        ("partitions = 0", r"setting partitions: .*greater than or equal to 1 \(TOML .*streamer\.toml\)"),
        ("retention_h = { calls = 'x' }", r"setting retention_h\.calls: .*valid number.* \(TOML "),
    ],
)
def test_a_wrong_file_is_told_with_its_name(text, message, toml):
    toml(text)
    with pytest.raises(SettingsError, match=message):
        load()


def test_a_file_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setenv("STREAMER_CONFIG", "nosuch.toml")
    with pytest.raises(SettingsError, match=r"STREAMER_CONFIG names nosuch\.toml, which cannot be read: No such file"):
        load()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("STREAMER_PARTITIONS", "many", r"setting partitions: .*valid integer.* \(environment STREAMER_PARTITIONS\)"),
        ("STREAMER_SECRET", "", r"setting secret: .*at least 1 .* \(environment STREAMER_SECRET\)"),
        ("STREAMER_GROUP", "", r"setting group: .*at least 1 .* \(environment STREAMER_GROUP\)"),
        ("STREAMER_RETENTION_H", "calls=48", "retention_h.*written as JSON in the environment"),
        (
            "STREAMER_TIMEZONE",
            "Moscow",
            r"^setting timezone: 'Moscow' is no IANA time zone, .* did you mean 'Europe/Moscow'\? \(environment ",
        ),
        ("STREAMER_LOG_LEVEL", "loud", "setting log_level: .*'debug', 'info'"),
        ("STREAMER_BOOTSTRAP", "kafka:99999", r"setting bootstrap: 'kafka:99999' is not host:port.* \(environment"),
        ("STREAMER_MATURE_S", "inf", "setting mature_s: .*finite number"),
        ("STREAMER_MATURE_S", "1e308", "setting mature_s: .*less than or equal to 315360000"),
        ("STREAMER_DRAIN_S", "nan", "setting drain_s: .*finite number"),
        ("STREAMER_MAX_CALLERS", "1000000000000", "setting max_callers: .*less than or equal to 500000000"),
        ("STREAMER_METRICS_HOST", "", "setting metrics_host: "),
        ("STREAMER_RETENTION_H", '{"calls": NaN}', r"setting retention_h\.calls: .*finite number"),
        ("STREAMER_RETENTION_H", '{"calls": 1e300}', r"setting retention_h\.calls: .*less than or equal to 876000"),
        ("STREAMER_RETENTION_H", '{"calls": 1e-9}', r"setting retention_h\.calls: .*greater than or equal to 0\.1"),
        ("STREAMER_BOOTSTRAP", "kafka:0", "setting bootstrap: 'kafka:0' is not host:port"),
        ("STREAMER_BOOTSTRAP", "http://kafka:9092", "setting bootstrap: 'http://kafka:9092' is not host:port"),
        ("STREAMER_BOOTSTRAP", " ", "setting bootstrap: ' ' is not host:port"),
        ("STREAMER_BOOTSTRAP", "kafka:9092,", "setting bootstrap: '' is not host:port"),
    ],
)
def test_a_wrong_value_is_told_with_the_variable(name, value, message, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=message):
        load()


def test_worker_processes_trainer_and_merger_fit_on_one_host():
    settings = Settings()
    workers = range(settings.metrics_port, settings.metrics_port + 64)
    assert settings.trainer_metrics_port not in workers
    assert settings.signals_metrics_port not in workers
    assert settings.trainer_metrics_port != settings.signals_metrics_port


def test_what_kubernetes_tells_of_services_is_passed_over(monkeypatch):
    for name, value in {
        "STREAMER_PORT": "tcp://10.0.0.1:6067",
        "STREAMER_SERVICE_HOST": "10.0.0.1",
        "STREAMER_SERVICE_PORT": "6067",
        "STREAMER_SERVICE_PORT_METRICS": "6067",
        "STREAMER_PORT_6067_TCP": "tcp://10.0.0.1:6067",
        "STREAMER_PORT_6067_TCP_ADDR": "10.0.0.1",
        "STREAMER_WORKER_METRICS_SERVICE_HOST": "10.0.0.1",
        "STREAMER_WORKER_METRICS_PORT": "tcp://10.0.0.1:6067",
        "STREAMER_WORKER_METRICS_PORT_6067_TCP_PROTO": "tcp",
    }.items():
        monkeypatch.setenv(name, value)
    assert load() == Settings()
    for name, value in {"STREAMER_PORT": "6067", "STREAMER_SERVICE_HOSTS": "a", "STREAMER_PORT_6067": "b"}.items():
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            with pytest.raises(SettingsError, match=f"unknown setting {name}"):
                load()


def test_every_number_has_its_bounds():
    open_ended = [
        each.name
        for each in configuration.described()
        if each.type in {"number", "whole number", "table of number"} and not ("≤" in each.range or "<" in each.range)
    ]
    assert open_ended == []


@pytest.mark.parametrize("told", ["kafka-1:9092, kafka_2.example.net:9093", "[::1]:9092", "kafka"])
def test_brokers_are_named_as_librdkafka_takes_them(told):
    assert load(bootstrap=told).bootstrap == told


def test_what_is_no_setting_but_is_read_from_the_environment_is_known(monkeypatch):
    """Every name of ours that the code looks up is either a setting or told beside them."""
    read = {
        name
        for path in (ROOT / "streamer").rglob("*.py")
        for name in re.findall(r"environ(?:\.get\(|\[)\"(STREAMER_[A-Z_]+)\"", path.read_text("utf-8"))
    }
    assert read
    assert read <= NOT_SETTINGS.keys() | {f"STREAMER_{name.upper()}" for name in Settings.model_fields}
    for name in NOT_SETTINGS.keys() - {"STREAMER_CONFIG"}:
        monkeypatch.setenv(name, "/somewhere")
    load()


def test_show_tells_values_and_where_they_come_from_and_hides_secrets(toml, monkeypatch, capsys):
    path = toml('sasl_password = "hush-1"\nretention_h = { calls = 48 }')
    monkeypatch.setenv("STREAMER_SECRET", "hush-2")
    monkeypatch.setenv("STREAMER_SSL_CA", "/etc/ca.pem")
    assert run("show") == 0
    said = capsys.readouterr().out
    assert "hush" not in said
    lines = {line.split()[0]: line for line in said.splitlines()}
    assert lines.keys() == Settings.model_fields.keys()
    assert lines["sasl_password"].split() == ["sasl_password", '"********"', "TOML", str(path)]
    assert lines["ssl_key"].split() == ["ssl_key", "none", "default"]
    assert '{"calls": 48.0}' in lines["retention_h"]
    assert run("show", "--json") == 0
    said = capsys.readouterr().out
    assert "hush" not in said
    told = json.loads(said)
    assert told["secret"] == {"value": "********", "source": "environment", "from": "STREAMER_SECRET"}
    assert told["ssl_ca"]["value"] == "/etc/ca.pem"
    assert told["partitions"] == {"value": 24, "source": "default", "from": None}


def test_the_page_is_what_the_code_says(tmp_path, capsys):
    assert (ROOT / "docs" / "settings.md").read_text("utf-8") == configuration.page(), "run `streamer config page`"
    out = tmp_path / "docs" / "page.md"
    assert run("page", "--check", "--out", str(out)) == 1
    assert run("page", "--out", str(out)) == 0
    assert run("page", "--check", "--out", str(out)) == 0
    out.write_text(out.read_text("utf-8").replace("24", "42", 1), encoding="utf-8")
    assert run("page", "--check", "--out", str(out)) == 1
    assert "differs: run `streamer config page`" in capsys.readouterr().err


def test_the_page_has_every_setting_with_a_meaning():
    text = configuration.page()
    for name, field in Settings.model_fields.items():
        assert field.description
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
        assert f"`STREAMER_{name.upper()}`" in row
        assert len([cell for cell in re.split(r"(?<!\\)\|", row) if cell]) == 6


@pytest.mark.parametrize("text", ["partitions = " + "9" * 5_000, "partitions = " + "[" * 5_000], ids=["long", "deep"])
def test_a_file_that_cannot_be_taken_in_is_told(text, toml):
    toml(text)
    with pytest.raises(SettingsError, match=r"streamer\.toml is not valid TOML"):
        load()


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000])
def test_a_variable_that_is_nested_without_end_is_refused_by_its_name(monkeypatch, deep):
    monkeypatch.setenv("STREAMER_PARTITIONS", "24")
    monkeypatch.setenv("STREAMER_RETENTION_H", deep)
    with pytest.raises(
        SettingsError, match=r"setting retention_h \(environment STREAMER_RETENTION_H\) is nested too deeply"
    ):
        load()
