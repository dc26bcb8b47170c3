"""What tests of the desk share."""

import orjson
import pytest

from streamer import commands


@pytest.fixture
def desk(kafka_settings, monkeypatch, capsys):
    """Runs a command of the desk as the shell would; gives its exit code, the objects it printed, and what it said."""
    for name in ("bootstrap", "prefix", "group"):
        monkeypatch.setenv(f"STREAMER_{name.upper()}", getattr(kafka_settings, name))
    monkeypatch.setenv("STREAMER_PARTITIONS", "4")

    def run(*arguments, text=False):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            commands.main([*arguments, *(() if text else ("--json",))])
        said = capsys.readouterr()
        objects = [] if text else [orjson.loads(line) for line in said.out.splitlines()]
        return ended.value.code or 0, objects, said.out + said.err

    return run
