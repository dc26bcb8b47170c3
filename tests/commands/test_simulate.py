"""`streamer simulate`: reproducible files with their truth, and traffic in Kafka that the engine can judge."""

from collections import Counter
from itertools import pairwise

import msgspec
import pytest

from streamer.calls import codec
from streamer.commands import main
from streamer.kafka import topics
from streamer.lab.truth import Truth
from tests.stream.live import read


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["simulate", *arguments])
    return ended.value.code


def test_the_same_seed_writes_the_same_file_and_the_truth_names_every_call(tmp_path):
    one, two, truth = tmp_path / "1.jsonl", tmp_path / "2.jsonl", tmp_path / "truth.jsonl"
    assert run("--rate", "200", "--seconds", "20", "--seed", "5", "--to", str(one), "--truth", str(truth)) == 0
    assert run("--rate", "200", "--seconds", "20", "--seed", "5", "--to", str(two)) == 0
    assert one.read_bytes() == two.read_bytes()
    events = [codec.decode_call(line) for line in one.read_bytes().splitlines()]
    kinds = Counter(type(event).__name__ for event in events)
    assert kinds["Setup"] == kinds["End"]
    assert 0.5 < kinds["Answer"] / kinds["Setup"] < 0.7
    late = sum(next_.at < one.at for one, next_ in pairwise(events))
    assert late < 0.002 * len(events)  # few originations are published after what followed them
    told = [msgspec.json.decode(line, type=Truth) for line in truth.read_bytes().splitlines()]
    assert {one.call_id for one in told} == {event.call_id for event in events}
    assert len({one.fraud for one in told}) > 4
    assert all((one.fraud is None) == (one.campaign is None) == (one.kind is not None) for one in told)


def test_adversaries_rhythm_publishers_and_processes_can_be_asked_for(tmp_path):
    path, truth = tmp_path / "calls.jsonl", tmp_path / "truth.jsonl"
    asked = (
        "--frauds",
        "robocall+slower@4=0.2,spoofed_roamer@0.5=0.1",
        "--rhythm",
        "--publishers",
        "usual",
        "--processes",
        "2",
    )
    assert run("--rate", "100", "--seconds", "20", "--to", str(path), "--truth", str(truth), *asked) == 0
    told = [msgspec.json.decode(line, type=Truth) for line in truth.read_bytes().splitlines()]
    campaigns = {one.campaign.rsplit(".", 1)[0] for one in told if one.campaign}
    assert campaigns == {"robocall+slower@4", "spoofed_roamer@0.5"}
    events = [codec.decode_call(line) for line in path.read_bytes().splitlines()]
    assert {event.call_id for event in events} == {one.call_id for one in told}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--to", "x", "--frauds", "robocall+loud@3=0.1"),
        ("--to", "x", "--frauds", "robocall=0.6", "--processes", "2"),
        ("--to", "x", "--frauds", "nosuch=0.1"),
        ("--to", "x", "--frauds", "y"),
        ("--to", "x", "--frauds", "robocall=1.5"),
        ("--to", "nosuch/x"),
        ("--to", "x", "--truth", "nosuch/x"),
    ],
)
def test_wrong_usage_is_told(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 1
    assert capsys.readouterr().err.startswith("streamer: ")


def test_where_to_has_to_be_said(capsys):
    assert run() == 2
    assert "--to" in capsys.readouterr().err


@pytest.mark.broker
def test_traffic_in_kafka(make_settings, monkeypatch, capsys):
    settings = make_settings()
    for name in ("bootstrap", "prefix", "partitions"):
        monkeypatch.setenv(f"STREAMER_{name.upper()}", str(getattr(settings, name)))
    assert run("--rate", "50", "--seconds", "4", "--subscribers", "2000", "--to", "kafka") == 0
    published = int(capsys.readouterr().out.split(" events")[0].replace(",", ""))
    records = read(settings, topics.Topics(settings).calls, 4, wanted=published)
    assert len(records) == published > 100
    assert all(codec.decode_call(record.value()) for record in records)
