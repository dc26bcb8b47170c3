"""The command tree as a shell sees it: help without imports, one clear line for what went wrong, an exit code."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streamer import commands, versions
from streamer.doctor import cluster
from streamer.doctor.findings import Finding
from streamer.errors import SettingsError


def shell(*arguments, **env):
    return subprocess.run(
        [sys.executable, "-m", "streamer", *arguments], capture_output=True, text=True, env=os.environ | env, timeout=60
    )


def test_help_names_every_command_and_imports_none():
    code = (
        "import sys\n"
        "from streamer.commands import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit as ended:\n    assert not ended.code, ended.code\n"
        "heavy = {'faust', 'numba', 'numpy', 'river', 'confluent_kafka'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for name in commands.COMMANDS:
        assert f"\n  {name} " in done.stdout


def test_a_known_error_is_one_line_and_exit_code_1(monkeypatch, capsys):
    def fail(*_, **__):
        raise SettingsError("setting partitions: too many")

    monkeypatch.setattr(commands, "app", fail)
    with pytest.raises(SystemExit) as ended:
        commands.main(["worker"])
    assert ended.value.code == 1
    assert capsys.readouterr().err == "streamer: setting partitions: too many\n"


def test_a_bug_is_not_dressed_up(monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(commands, "app", fail)
    with pytest.raises(ZeroDivisionError):
        commands.main(["worker"])


def test_ctrl_c_is_130(monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "app", interrupt)
    with pytest.raises(SystemExit) as ended:
        commands.main(["worker"])
    assert ended.value.code == 130


def test_a_mistyped_setting_is_told_apart_from_a_bug():
    done = shell("worker", STREAMER_PARTITION="4")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "streamer: unknown setting STREAMER_PARTITION in the environment; did you mean STREAMER_PARTITIONS?"
    ]


def tree(command, *words):
    """Every command that does something, with the words that call it; hidden ones are for whoever works on the package."""
    if hasattr(command, "commands"):
        for name, beneath in command.commands.items():
            yield from tree(beneath, *words, name)
    elif not command.hidden:
        yield words, command


ALL = [found for name in commands.COMMANDS for found in tree(commands.load(name), name)]


def test_commands_are_found_at_any_depth():
    assert {("worker",), ("policy", "mode"), ("cases", "export")} <= {words for words, _ in ALL}


@pytest.mark.parametrize(("words", "command"), ALL, ids=lambda given: " ".join(given) if isinstance(given, tuple) else "")  # fmt: skip
def test_help_has_an_example_of_every_command(words, command):
    assert command.epilog is not None
    assert re.search(rf"^Examples?: .*\bstreamer {' '.join(words)}\b", command.epilog)


@pytest.mark.parametrize("arguments", [("doctor", "--json"), ("config", "show", "--json"), ("config", "show")])
def test_what_others_wrote_steers_no_terminal_in_json_either(arguments, monkeypatch, capsys):
    hostile = "\x9b31m\x7f\u202e"
    monkeypatch.setenv("STREAMER_GROUP", f"g{hostile}")
    monkeypatch.setattr(cluster, "examine", lambda *_, **__: [Finding("clock", "ok", f"{hostile}: on time")])
    with pytest.raises(SystemExit):
        commands.main([*arguments])
    said = capsys.readouterr().out
    assert "31m" in said
    assert said.replace("\n", "").isprintable()


def test_a_file_that_the_system_refuses_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as ended:
        commands.main(["config", "page", "--out", str(tmp_path / "file" / "page.md")])
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 1
    assert line.startswith(f"streamer: {tmp_path / 'file'}: ")


SHADOW = ("policy", "mode", "robocall", "op-a", "shadow", "--by", "a", "--why", "b", "--hours")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("replay", "loop"), "streamer: loop cannot be read"),
        (("evaluate", "--policy", "loop"), "streamer: loop cannot be read"),
        (("config", "page", "--check", "--out", "sample"), "sample differs: run "),
        (("lists", "add", "block", "1234567", "--by", "a", "--why", "b", "--expires", ""), "streamer: '' is no time: "),
        (("why", "\udcff"), "streamer: the argument '\\udcff' is not UTF-8"),
        (
            ("lists", "add", "block", "1234567", "--by=\udcff", "--why", "b"),
            "streamer: the argument '--by=\\udcff' is not",
        ),
        ((*SHADOW, "inf"), "streamer: --hours inf ends after the year 2099"),
        ((*SHADOW, "1e300"), "streamer: --hours 1e+300 ends after the year 2099"),
    ],
)
def test_odd_arguments_are_told_in_one_line(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "sample").write_bytes(b"\xff\xfe")
    with pytest.raises(SystemExit) as ended:
        commands.main([*arguments])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith(words)


@pytest.mark.parametrize("option", ["--rate", "--seconds"])
@pytest.mark.parametrize("command", [("simulate", "--to", "calls.jsonl"), ("evaluate",), ("demo",)])
@pytest.mark.parametrize("value", ["inf", "1e308", "nan"])
def test_traffic_without_end_is_wrong_usage(command, option, value, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        commands.main([*command, option, value])
    assert ended.value.code == 2
    assert f"Invalid value for '{option}'" in capsys.readouterr().err


def test_a_file_that_is_there_may_have_any_name(tmp_path, capsys):
    file = tmp_path / "caf\udce9"
    file.write_bytes(b"no pack")
    with pytest.raises(SystemExit):
        commands.main(["cases", "verify", str(file)])
    assert "no ZIP file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", ["config show", "simulate --to /dev/full --rate 20 --seconds 2", "--version", "config show --json"]
)
def test_a_full_disk_is_one_line_whatever_could_not_be_written(arguments):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "streamer", *arguments.split()],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=100, check=False,
        )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith("streamer: what was to be written was not, or not whole: No space left on device")


def test_trouble_of_the_system_without_a_file_is_not_dressed_up(monkeypatch):
    def fail(*_, **__):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(commands, "app", fail)
    with pytest.raises(OSError, match="Too many"):
        commands.main(["worker"])


def test_an_unknown_command_is_wrong_usage():
    done = shell("werker")
    assert done.returncode == 2
    assert "No such command 'werker'" in done.stderr


def test_schemas_that_differ_are_named(tmp_path):
    written = shell("schemas", "--out", str(tmp_path))
    assert written.returncode == 0, written.stderr
    assert shell("schemas", "--check", "--out", str(tmp_path)).returncode == 0
    (tmp_path / "setup.v1.json").write_text("{}\n")
    (tmp_path / "old.v0.json").write_text("{}\n")
    (tmp_path / "trunk.v1.json").unlink()
    found = shell("schemas", "--check", "--out", str(tmp_path))
    assert found.returncode == 1
    for text in ("setup.v1.json differs", "old.v0.json is not made from any message", "trunk.v1.json is missing"):
        assert text in found.stderr


def test_the_versions_are_told_without_loading_the_engine():
    asked = "import sys; from streamer.commands import main\ntry: main(['--version'])\nfinally: assert 'numpy' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, versions.line() + "\n"), done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_a_callback_dropped_is_raised_again(number):
    called = []

    @ctypes.CFUNCTYPE(None)
    def from_c():
        called.append(number)
        signal.raise_signal(number)

    def wait():
        from_c()
        time.sleep(10)

    with pytest.raises(KeyboardInterrupt), commands.ended_like_ctrl_c():
        wait()
    assert called == [number]
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
