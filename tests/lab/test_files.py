"""No command writes over what it reads, or twice into one file."""

from pathlib import Path

import pytest

from streamer import commands
from streamer.errors import ReplayError
from streamer.lab.files import keep_apart


def refused(read, written):
    with pytest.raises(ReplayError) as error:
        keep_apart(read, written)
    return str(error.value)


def test_files_are_compared_by_where_they_lie(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("calls.jsonl").write_text("x")
    Path("linked").symlink_to("calls.jsonl")
    calls = Path("calls.jsonl")
    assert (
        refused([calls], {"--to": Path("linked")})
        == "linked is read, and --to would write over it: name another file there"
    )
    assert "calls.jsonl is read" in refused([None, tmp_path / "calls.jsonl"], {"--to": calls})
    assert "new is written by --to, and --truth would" in refused([], {"--to": Path("new"), "--truth": Path("./new")})
    keep_apart([calls, None], {"--to": Path("new"), "--truth": Path("other"), "--html": None})
    keep_apart([Path("/dev/stdin")], {"--to": Path("/dev/null"), "--truth": Path("/dev/null")})


@pytest.mark.parametrize(
    "command",
    [
        ("replay", "calls.rejects.jsonl"),
        ("replay", "calls.rejects.jsonl", "--rejects", "r", "--decisions", "calls.rejects.jsonl"),
        ("replay", "calls.rejects.jsonl", "--rejects", "r", "--report", "calls.rejects.jsonl"),
        ("replay", "calls.rejects.jsonl", "--rejects", "r", "--resume", "calls.rejects.jsonl"),
        ("evaluate", "calls.rejects.jsonl", "--html", "report.html"),
        ("simulate", "--to", "calls.rejects.jsonl", "--truth", "calls.rejects.jsonl"),
    ],
)
def test_a_file_that_would_be_written_over_stays_as_it_is(tmp_path, monkeypatch, capsys, command):
    """Mended rejects replayed from where they lie, for one: their own rejects would go there."""
    monkeypatch.chdir(tmp_path)
    file = Path("calls.rejects.jsonl")
    file.write_text("one line\n")
    with pytest.raises(SystemExit) as ended:
        commands.main(command)
    (line,) = capsys.readouterr().err.splitlines()
    assert (ended.value.code, "name another file" in line) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert file.read_text() == "one line\n"
