"""A file through the engine and through a real worker: the same decisions but for `decided_at` and `late`."""

import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import islice
from random import Random

import orjson
import pytest

from streamer.calls.events import Setup
from streamer.commands import main
from streamer.lab import control
from streamer.lab.traffic import Traffic
from tests.stream.live import Worker

pytestmark = pytest.mark.broker

MAPPING = """
about = "a switch's records"
home = "KZ"
delimiter = ";"

[times]
at = "{begun}"
format = "%d.%m.%Y %H:%M:%S"
zone = "+05:00"
ring = "{ring}"
talk = "{talk}"

[fields]
operator = "switch-1"

[direction]
read = "{way}"

[direction.values.O]
caller = { from = "{line}", as = "+7701XXXXXXX" }
callee = { from = "{other}", as = "+7705XXXXXXX" }
ingress = "subscriber"

[direction.values.T]
caller = { from = "{other}", as = "+7705XXXXXXX" }
callee = { from = "{line}", as = "+7701XXXXXXX" }
ingress = "national"
trunk = "interconnect"

[end]
cause = "16"
unanswered_cause = "19"
"""


@pytest.fixture
def at_broker(kafka_settings, monkeypatch, tmp_path):
    """Commands run in this process find the test's own topics, and write where nobody minds."""
    for name in ("bootstrap", "prefix", "partitions", "group"):
        monkeypatch.setenv(f"STREAMER_{name.upper()}", str(getattr(kafka_settings, name)))
    monkeypatch.setenv("STREAMER_MAX_CALLERS", "100000")
    monkeypatch.chdir(tmp_path)
    return kafka_settings


def replay(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["replay", *map(str, arguments)])
    return ended.value.code


def decisions(path):
    """Call to what was decided on it, each time, without what may differ."""
    found = {}
    for line in path.read_bytes().splitlines():
        decision = orjson.loads(line)
        assert isinstance(decision.pop("late"), bool)
        assert decision.pop("decided_at") > 0
        found.setdefault((decision["operator"], decision["call_id"]), []).append(decision)
    return found


def both_ways(settings, tmp_path, *arguments):
    """Decisions by the engine and by a worker, and that they agree."""
    engine, kafka = tmp_path / "engine.jsonl", tmp_path / "kafka.jsonl"
    assert replay(*arguments, "--to", "engine", "--decisions", engine) == 0
    with Worker(settings, "--no-clamp") as worker:
        worker.says("partitions gained")
        assert replay(*arguments, "--to", "kafka", "--decisions", kafka) == 0, worker.log
        assert worker.stop() == 0, worker.log
    one, other = decisions(engine), decisions(kafka)
    assert one.keys() == other.keys()
    assert one == other
    return one


def test_simulated_traffic_with_frauds_retries_and_operators(at_broker, tmp_path, capsys):
    traffic = Traffic(7, 150, seconds=90, subscribers=4_000)
    (tmp_path / "control.jsonl").write_bytes(b"".join(map(control.line, control.of_traffic(traffic))))
    lines, setups = [], Counter()
    for number, (_, event, _) in enumerate(traffic):
        value = orjson.dumps(
            {name: getattr(event, name) for name in event.__struct_fields__} | {"type": type(event).__name__.lower()}
        )
        lines.append(value)
        if isinstance(event, Setup):
            setups[event.operator, event.call_id] += 1
            if number % 40 == 0:  # a retry, a moment later by its own clock
                lines.append(value.replace(b'"at":%d' % event.at, b'"at":%d' % (event.at + 700)))
                setups[event.operator, event.call_id] += 1
    lines.insert(500, b"not a record")
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"\n".join(lines))

    found = both_ways(at_broker, tmp_path, path, "--control", tmp_path / "control.jsonl")

    assert {call: len(said) for call, said in found.items()} == setups
    assert all(said == said[:1] * len(said) for said in found.values())  # one effective decision, repeated at most
    actions = Counter(said[0]["action"] for said in found.values())
    assert actions["allow"] > 0.9 * len(found)
    assert actions["block"] > 100
    detectors = {reason.split(".")[0] for said in found.values() for reason in said[0]["reasons"]}
    assert {"cli_spoofing", "number_invalid", "robocall", "wangiri", "range_probing"} <= detectors
    said = capsys.readouterr()
    assert said.out.count(f"{setups.total():,} set-ups") == 2
    assert said.out.count(" 0 undecided") == 2
    assert said.err.count("1 unusable records (not_json 1) in calls.rejects.jsonl") == 2


def test_csv_with_a_mapping_packed_in_disorder_and_with_broken_rows(at_broker, tmp_path, capsys):
    (tmp_path / "switch.toml").write_text(MAPPING)
    rng, rows = Random(4), []
    for number in range(1_500):
        dialler = number % 3 == 0  # one line that calls all the while, briefly
        line, way = ("dialler", "O") if dialler else (f"line-{rng.randrange(300)}", rng.choice("OT"))
        begun = time.strftime("%d.%m.%Y %H:%M:%S", time.gmtime(1_763_953_200 + number))
        talk = rng.choice([0, 2, 3]) if dialler else rng.choice([0, 30, 200])
        rows.append(
            f"{begun};{line};peer-{number if dialler else rng.randrange(300)};{way};{rng.randrange(2, 20)};{talk}"
        )
    for place in range(0, len(rows), 7):  # as records come from several machines
        rows[place : place + 7] = reversed(rows[place : place + 7])
    rows[10:10] = ["no;row", f"{rows[0].rsplit(';', 3)[0]};X;1;1"]
    path = tmp_path / "calls.csv"
    path.write_text("begun;line;other;way;ring;talk\n" + "\n".join(rows) + "\n")

    found = both_ways(at_broker, tmp_path, path, "--mapping", tmp_path / "switch.toml")

    assert len(found) == 1_500
    assert all(len(said) == 1 for said in found.values())
    assert any(said[0]["action"] != "allow" for said in found.values())
    assert "2 unusable records (not_csv 1, out_of_range 1)" in capsys.readouterr().err


def test_a_worker_that_clamps_is_told_of(at_broker, tmp_path, capsys):
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"\n".join(value for _, _, value, _ in Traffic(1, 20, seconds=3).encoded()))
    with Worker(at_broker) as worker:
        worker.says("partitions gained")
        assert replay(path, "--to", "kafka") == 0
    assert "start the workers with --no-clamp" in capsys.readouterr().err


def test_a_worker_that_joins_in_the_middle_is_told_of(at_broker, tmp_path, capsys):
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"\n".join(value for _, _, value, _ in islice(Traffic(1, 40, frauds={}).encoded(), 1_000)))
    with Worker(at_broker, "--no-clamp") as first:
        first.says("partitions gained")
        with Worker(at_broker, "--no-clamp"):
            assert replay(path, "--to", "kafka", "--speed", "1x") == 0, first.log
    said = capsys.readouterr()
    assert " 0 undecided" in said.out
    assert "2 partitions went to another worker meanwhile" in said.err


def test_without_a_worker_it_ends_with_1_and_says_what_to_do(at_broker, tmp_path, capsys):
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"\n".join(value for _, _, value, _ in Traffic(1, 20, seconds=3).encoded()))
    assert replay(path, "--to", "kafka", "--patience", "0.3") == 1
    said = capsys.readouterr()
    assert "0 decided (none)" in said.out
    assert "see that one runs (`streamer worker --no-clamp`)" in said.err


@pytest.mark.parametrize(
    ("to", "number"), [("kafka", signal.SIGINT), ("kafka", signal.SIGTERM), ("engine", signal.SIGINT)]
)
def test_ctrl_c_ends_in_order_with_whole_lines_and_a_summary(at_broker, tmp_path, to, number):
    path, out = tmp_path / "calls.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(b"\n".join(value for _, _, value, _ in Traffic(1, 400, seconds=120).encoded()))
    running = subprocess.Popen(
        [sys.executable, "-m", "streamer", "replay", path, "--to", to, "--speed", "1", "--no-wait", "--decisions", out],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + 30
    while not out.exists() and time.monotonic() < end:
        time.sleep(0.05)
    running.send_signal(number)
    said, errors = running.communicate(timeout=30)
    assert running.returncode == 130, errors
    assert said.startswith("interrupted: of ")
    assert "Traceback" not in errors
    assert all(orjson.loads(line) for line in out.read_bytes().splitlines())
