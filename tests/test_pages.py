"""What the pages tell to type: commands that the command line takes, and a backup that brings back what it was made of."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import orjson
import pytest
import typer

from streamer import commands
from streamer.kafka import topics
from streamer.kafka.clients import producer
from streamer.kafka.logs import read

USAGE = typer.BadParameter.__base__
"""What typer raises for options that there are not, for too many arguments and the like."""
ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def told(text):
    """What a page tells to type: inline, and whole lines of blocks of the shell."""
    inline = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    blocks = "\n".join(re.findall(r"^```(?:bash|sh)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    yield from re.findall(r"`((?:STREAMER_\w+=\S+ )*streamer [^`]+)`", inline.replace("\n", " "))
    yield from re.findall(r"^(?:STREAMER_\w+=\S+ )*streamer .*$", blocks.replace("\\\n", " "), re.MULTILINE)


def refused(line):
    """Why the command line would refuse it; None where it takes it, and where a command is only named. Placeholders may be anything."""
    words = shlex.split(line, comments=True)
    words = words[[word.startswith("STREAMER_") for word in words].index(False) + 1 :]
    if not words or words[0].startswith("-") or any(mark in line for mark in "…|[{"):
        return None
    if words[0] not in commands.COMMANDS:
        return f"no command {words[0]}"
    command, rest = commands.load(words[0]), words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return f"no command {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    if hasattr(command, "commands") or not rest:
        return None
    until = next((at for at, word in enumerate(rest) if word in {">", "<", "&", "&&", "||", "2>"}), len(rest))
    try:
        command.make_context(command.name, list(rest[:until]))
    except typer.BadParameter as reason:
        if type(reason) is not typer.BadParameter:  # one that is missing; a placeholder has not the form of a value
            return reason.format_message()
    except USAGE as reason:
        return reason.format_message()
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_tells_to_type_lacks_nothing(page):
    lines = list(told(page.read_text("utf-8")))
    wrong = {line: why for line in lines if (why := refused(line)) is not None}
    assert not wrong


def test_what_is_missing_is_seen():
    assert "--by" in refused("streamer policy mode all op-a enforce")
    assert refused("streamer lists remove-all x") == "no command remove-all"
    assert "--nowhere" in refused("streamer why CALL_ID --nowhere")


@pytest.mark.broker
@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed")
def test_a_backup_made_as_the_page_says_brings_back_entries_and_what_was_taken_out(kafka_settings, tmp_path):
    page = (ROOT / "docs/production.md").read_text("utf-8")
    save, restore = re.search(r"## Backup\n.*?```bash\n(.*?)```", page, re.DOTALL)[1].splitlines()
    into = kafka_settings.model_copy(update={"prefix": kafka_settings.prefix + "into."})
    topics.ensure(into)
    client = producer(kafka_settings)
    held = [
        ("block/exact/caller//+77010000001", orjson.dumps({"list": "block"})),
        ("block/exact/caller//+77010000002", orjson.dumps({"list": "block"})),
        ("block/exact/caller//+77010000001", None),
    ]
    for key, value in held:
        client.produce(topics.Topics(kafka_settings).lists, key=key, value=value)
    client.flush(30)
    for line, settings in ((save, kafka_settings), (restore, into)):
        there = line.replace("-t $t.v1", f"-t {settings.prefix}$t.v1").replace("$KAFKA", settings.bootstrap)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", there], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
    assert [(record.key_text, record.value) for record in read(into, topics.Topics(into).lists)] == held
