"""Replays that are killed and go on: the engine's decisions byte for byte, nothing twice in Kafka; another replay is refused."""

import json
import re
import signal
import subprocess
import sys
import time
from itertools import islice
from random import Random

import orjson
import pytest

from streamer.commands import main
from streamer.kafka.topics import Topics
from streamer.lab import control
from streamer.lab.traffic import Traffic
from tests.lab.test_publishing import stored
from tests.lab.test_replay import decisions
from tests.stream.live import Worker

LAYOUT = """
about = ""
[times]
at = "{at}"
format = "ms"
ring = "{ring}"
talk = "{talk}"
[fields]
operator = "op"
caller = { from = "{from}", as = "+7701XXXXXXX" }
callee = "{to}"
ingress = "subscriber"
[end]
cause = "16"
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Small tables, and a folder where files may be left."""
    monkeypatch.setenv("STREAMER_MAX_CALLERS", "20000")
    monkeypatch.setenv("STREAMER_MAX_CALLS", "100000")
    monkeypatch.chdir(tmp_path)


def replay(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["replay", *map(str, arguments)])
    return ended.value.code


def csv(path, rows, seed=1):
    """Records of 40 lines and a dialler, out of order, some of no use."""
    rng = Random(seed)
    lines = []
    for number in range(rows):
        line, talk = (
            ("dialler", rng.choice([0, 2])) if number % 3 == 0 else (f"l{rng.randrange(40)}", rng.randrange(600))
        )
        at = 1_763_953_200_000 + 700 * number + rng.randrange(-20_000, 20_000)
        lines.append(
            f"{'soon' if number % 997 == 5 else at},{line},+7727{rng.randrange(10**7):07},{rng.randrange(20)},{talk}"
        )
    path.write_text("at,from,to,ring,talk\n" + "\n".join(lines) + "\n")


def published(progress):
    """Messages handed over at the last save."""
    return json.loads(progress.read_bytes())["published"] if progress.exists() else 0


def killed(times, arguments, progress, rng):
    """Run and kill that often, each time at a moment nobody chose after the progress moved; then let it end."""
    command = [sys.executable, "-m", "streamer", "replay", *map(str, arguments)]
    for _ in range(times):
        before = published(progress)
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        end = time.monotonic() + 120
        while running.poll() is None and published(progress) <= before:
            assert time.monotonic() < end
            time.sleep(0.002)
        time.sleep(rng.random() * 0.3)
        running.kill()
        _, errors = running.communicate()
        assert running.returncode == -signal.SIGKILL, errors.decode()
    done = subprocess.run(command, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.slow
def test_killed_again_and_again_the_engine_decides_what_it_would_have_undisturbed(tmp_path):
    traffic = Traffic(7, 1, subscribers=400)
    (tmp_path / "control.jsonl").write_bytes(b"".join(map(control.line, control.of_traffic(traffic))))
    (tmp_path / "m.toml").write_text(LAYOUT)
    for number in (1, 2):
        csv(tmp_path / f"day{number}.csv", 12_000, number)
    given = ["day1.csv", "day2.csv", "--mapping", "m.toml", "--control", "control.jsonl", "--hold", "500"]
    assert replay(*given, "--decisions", "whole.jsonl", "--rejects", "whole.rejects", "--report", "whole.json") == 0

    progress = tmp_path / "progress"
    resumed = [
        *given, "--decisions", "pieces.jsonl", "--rejects", "pieces.rejects", "--report", "pieces.json",
        "--resume", progress, "--save-every", "0.1",
    ]  # fmt: skip
    killed(4, resumed, progress, Random(3))
    assert json.loads(progress.read_text())["complete"]

    assert (tmp_path / "pieces.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert (tmp_path / "pieces.rejects").read_bytes() == (tmp_path / "whole.rejects").read_bytes()
    whole, pieces = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("whole", "pieces"))
    assert whole["actions"]["label"] > 100
    assert whole["unmapped"]["by_reason_and_column"][0]["column"] == "at"
    assert pieces["resumed_at"] > 0
    assert pieces["unmapped"].pop("file") == "pieces.rejects"
    assert whole["unmapped"].pop("file") == "whole.rejects"
    assert {**pieces, "resumed_at": None} == whole


@pytest.mark.slow
def test_with_full_tables_every_call_is_decided_once_and_what_was_forgotten_is_told(tmp_path, monkeypatch):
    """An imported table may give up other entries than the one that was exported, so that verdicts may differ, and no more."""
    monkeypatch.setenv("STREAMER_MAX_CALLERS", "1000")
    monkeypatch.setenv("STREAMER_MAX_CALLS", "1000")
    (tmp_path / "m.toml").write_text(LAYOUT)
    rows = (f"{1_763_953_200_000 + 20 * n},l{n * 7 % 3_001},+7727{n % 10**7:07},5,30" for n in range(24_000))
    (tmp_path / "many.csv").write_text("at,from,to,ring,talk\n" + "\n".join(rows) + "\n")
    given = ["many.csv", "--mapping", "m.toml", "--hold", "500"]
    assert replay(*given, "--decisions", "whole.jsonl", "--report", "whole.json") == 0
    progress = tmp_path / "progress"
    again = ["--decisions", "pieces.jsonl", "--report", "pieces.json", "--resume", progress, "--save-every", "0.1"]
    killed(3, [*given, *again], progress, Random(5))

    whole, pieces = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("whole", "pieces"))
    for one in (whole, pieces):
        assert (one["complete"], one["setups"], one["decided"], one["undecided"]) == (True, 24_000, 24_000, 0)
        assert one["callers_evicted"] > 2_000
        assert one["calls_evicted"] > 20_000
    of_calls = [
        [orjson.loads(line)["call_id"] for line in (tmp_path / f"{name}.jsonl").read_bytes().splitlines()]
        for name in ("whole", "pieces")
    ]
    assert of_calls[0] == of_calls[1]
    assert len(set(of_calls[0])) == 24_000


@pytest.mark.slow
@pytest.mark.broker
def test_killed_again_and_again_nothing_is_published_twice_and_every_call_is_decided_once(
    kafka_settings, tmp_path, monkeypatch
):
    for name in ("bootstrap", "prefix", "partitions", "group"):
        monkeypatch.setenv(f"STREAMER_{name.upper()}", str(getattr(kafka_settings, name)))
    sent = [value for _, _, value, _ in islice(Traffic(2, 400, subscribers=4_000).encoded(), 40_000)]
    (tmp_path / "calls.jsonl").write_bytes(b"\n".join([*sent[:20_000], b"{}", *sent[20_000:]]))
    assert replay("calls.jsonl", "--decisions", "engine.jsonl") == 0

    progress = tmp_path / "progress"
    given = [
        "calls.jsonl", "--to", "kafka", "--decisions", "kafka.jsonl", "--resume", progress, "--save-every", "0.2",
        "--speed", "12", "--report", "kafka.json",
    ]  # fmt: skip
    with Worker(kafka_settings, "--no-clamp") as worker:
        worker.says("partitions gained")
        killed(3, given, progress, Random(4))
        assert worker.stop() == 0, worker.log

    assert json.loads((tmp_path / "kafka.json").read_text())["found"] > 0
    records = stored(kafka_settings, Topics(kafka_settings).calls, 4, len(sent))
    assert sorted(value for partition in records for value, _ in partition) == sorted(sent)
    one, other = decisions(tmp_path / "engine.jsonl"), decisions(tmp_path / "kafka.jsonl")
    assert one == other


def begun(tmp_path, *more):
    """A replay that is complete, and its arguments."""
    (tmp_path / "m.toml").write_text(LAYOUT)
    csv(tmp_path / "day.csv", 300)
    given = ["day.csv", "--mapping", "m.toml", "--resume", "progress", "--decisions", "d.jsonl", *more]
    assert replay(*given) == 0
    return given


def test_a_complete_replay_is_not_done_again(tmp_path, capsys):
    given = begun(tmp_path)
    before = (tmp_path / "d.jsonl").read_bytes()
    capsys.readouterr()
    assert replay(*given) == 0
    assert "progress says that this replay is complete; delete it to begin anew" in capsys.readouterr().out
    assert (tmp_path / "d.jsonl").read_bytes() == before
    (tmp_path / "progress").unlink()
    assert replay(*given) == 0
    assert (tmp_path / "d.jsonl").read_bytes() == before


def test_progress_is_told_in_the_file_without_the_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMER_SECRET", "hush-hush")
    begun(tmp_path)
    told = json.loads((tmp_path / "progress").read_text())
    assert "hush" not in (tmp_path / "progress").read_text()
    content = (tmp_path / "day.csv").read_bytes()
    (file,) = told["files"]
    assert (file["path"], file["length"]) == ("day.csv", len(content))
    assert (file["lines_read"], file["bytes_read"]) == (301, len(content))
    assert told["decided"] == 299


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("file", r"day\.csv has changed since progress was written \([0-9,]+ bytes then, [0-9,]+ now\)"),
        ("byte", r"day\.csv has changed since progress was written"),
        ("mapping", "progress: the mapping is another one"),
        ("STREAMER_SECRET", "progress: the setting secret is another one"),
        ("STREAMER_PARTITIONS", "progress: partitions is 5, it was 24"),
        ("STREAMER_TIMEZONE", "progress: the setting timezone is Asia/Almaty, it was none"),
        (["--home", "DE"], "progress: the home country is DE, it was KZ"),
        (["--to", "kafka"], "progress: --to is kafka, it was engine"),
        (["--hold", "7"], "progress: --hold is 7, it was 20000"),
        (["--decisions", "e.jsonl"], r"progress: --decisions is e\.jsonl, it was d\.jsonl"),
        ("other", r"progress is of a replay of day\.csv, not of day\.csv, other\.csv"),
        ("damage", r"progress\.state-. is damaged"),
        ("form", "progress is of form 7, this version reads form 1"),
        ("junk", "progress is no progress file of a replay"),
        ("bytes", "progress is no progress file of a replay"),
    ],
)
def test_another_replay_is_refused_with_what_differs(change, message, tmp_path, monkeypatch, capsys):
    given = begun(tmp_path)
    before = (tmp_path / "d.jsonl").read_bytes()
    day, progress = tmp_path / "day.csv", tmp_path / "progress"
    if isinstance(change, list):
        given += change
    elif change == "file":
        with day.open("ab") as file:
            file.write(b"1,2,3,4,5\n")
    elif change == "byte":
        content = day.read_bytes()
        day.write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
    elif change == "mapping":
        (tmp_path / "m.toml").write_text(LAYOUT.replace('"16"', '"17"'))
    elif change == "other":
        (tmp_path / "other.csv").write_bytes(day.read_bytes())
        given.insert(1, "other.csv")
    elif change == "damage":
        state = tmp_path / json.loads(progress.read_text())["state"]
        state.write_bytes(state.read_bytes()[:-1] + b"\0")
    elif change == "bytes":
        progress.write_bytes(progress.read_bytes().replace(b'"version": "', b'"version": "\xe1'))
    elif change in {"form", "junk"}:
        text = progress.read_text().replace('"form": 1', '"form": 7')
        progress.write_text(text if change == "form" else "once upon a time")
    else:
        monkeypatch.setenv(change, "Asia/Almaty" if change == "STREAMER_TIMEZONE" else "5")
    capsys.readouterr()
    assert replay(*given) == 1
    assert re.search(message, capsys.readouterr().err)
    assert (tmp_path / "d.jsonl").read_bytes() == before


def test_a_reformatted_mapping_or_a_file_touched_is_the_same(tmp_path):
    given = begun(tmp_path)
    (tmp_path / "m.toml").write_text("# a word more\n" + LAYOUT)
    (tmp_path / "day.csv").touch()
    assert replay(*given) == 0


def test_what_became_of_it_is_had_as_json(tmp_path, capsys):
    (tmp_path / "calls.jsonl").write_bytes(b'{"type":"answer"}\n' + next(Traffic(1, 9).encoded())[2])
    assert replay("calls.jsonl", "--json", "--report", "report.json") == 0
    said = capsys.readouterr()
    told = orjson.loads(said.out)
    assert said.err == ""
    assert told == orjson.loads((tmp_path / "report.json").read_bytes())
    assert (told["records"], told["published"], told["decided"], told["undecided"]) == (2, 1, 1, 0)
    assert told["unmapped"]["by_reason_and_column"][0]["examples"][0]["line"] == 1


def test_the_names_of_files_do_not_steer_the_terminal(tmp_path, capsys):
    csv(tmp_path / "calls\x1b[2J.csv", 200)
    (tmp_path / "m.toml").write_text(LAYOUT)
    assert replay("calls\x1b[2J.csv", "--mapping", "m.toml") == 0
    said = capsys.readouterr()
    assert "\\x1b[2J.csv, line 7" in said.err
    assert "\x1b" not in said.out + said.err
