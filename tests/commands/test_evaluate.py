"""`streamer evaluate` as a shell sees it: reports written, figures as JSON, one clear line for what is wrong."""

from xml.etree import ElementTree as ET

import msgspec
import orjson
import pytest

from streamer.commands import main
from streamer.lab.truth import Truth

SHORT = ("--seed", "41", "--rate", "40", "--seconds", "60", "--subscribers", "4000")


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    monkeypatch.setenv("STREAMER_MAX_CALLERS", "50000")
    monkeypatch.setenv("STREAMER_MAX_CALLS", "100000")
    monkeypatch.chdir(tmp_path)


def run(*arguments, command="evaluate"):
    with pytest.raises(SystemExit) as ended:
        main([command, *map(str, arguments)])
    return ended.value.code


def test_simulated_traffic_to_a_page_with_pictures_and_to_one_html_file(tmp_path, capsys):
    assert run(*SHORT, "--to", "out/report.md", "--html", "report.html") == 0
    page = (tmp_path / "out/report.md").read_text("utf-8")
    assert "Seeds: 41" in page
    assert "`irsf`" in page
    assert "no detector yet" in page or "no campaign in these calls" in page
    pictures = [line.split("(")[1].rstrip(")") for line in page.splitlines() if line.startswith("![")]
    assert len(pictures) >= 3
    for picture in pictures:
        ET.fromstring((tmp_path / "out" / picture).read_text("utf-8"))
    html = (tmp_path / "report.html").read_text("utf-8")
    assert html.count("<svg") == len(pictures)
    told = capsys.readouterr()
    assert "events judged in" in told.err
    assert "100 % simulated and judged" in told.err
    assert "report.html written" in told.err


def test_the_same_seeds_write_the_same_page(tmp_path):
    for name in ("one", "two"):
        assert run(*SHORT, "--to", f"{name}/report.md") == 0
    assert (tmp_path / "one/report.md").read_bytes() == (tmp_path / "two/report.md").read_bytes()


def test_a_labelled_history_by_way_of_simulate(tmp_path, capsys):
    files = ("--to", "calls.jsonl", "--truth", "truth.jsonl", "--control", "control.jsonl")
    assert (
        run("--seed", "43", "--rate", "40", "--seconds", "60", "--subscribers", "4000", *files, command="simulate") == 0
    )
    capsys.readouterr()
    assert run("calls.jsonl", "--truth", "truth.jsonl", "--control", "control.jsonl", "--json") == 0
    told = orjson.loads(capsys.readouterr().out)
    setups = len((tmp_path / "truth.jsonl").read_bytes().splitlines())
    assert told["figures"]["setups"] == setups
    assert told["unnamed"] == 0
    spoofed = next(one for one in told["figures"]["frauds"] if one["adversary"] == "cli_spoofing")
    assert spoofed["standing"] == "met"
    assert told["asked"] is None


def test_an_unlabelled_history_and_a_candidate(tmp_path, capsys):
    call = {"type": "setup", "at": 1_764_730_800_000, "operator": "op-a", "caller": "+77030000001", "callee": "+77272345678", "ingress": "national"}  # fmt: skip
    (tmp_path / "calls.jsonl").write_bytes(b"\n".join(orjson.dumps(call | {"call_id": f"c{n}"}) for n in range(3)))
    (tmp_path / "off.json").write_bytes(b'{"version":"off","detectors":{"number_invalid":{"mode":"off"}}}')
    assert run("calls.jsonl", "--candidate", "off.json") == 0
    out = capsys.readouterr().out
    assert "# What would have been blocked" in out
    assert "3 (100.000%) of 1 lines would have been blocked" in out
    assert "3 of 1 lines released" in out
    assert "detectors.number_invalid.mode" in out


def test_records_of_another_form_by_a_mapping(tmp_path, capsys):
    (tmp_path / "calls.csv").write_text("at,from,to\n2026-03-02T08:00:00,+77030000001,+77272345678\nsoon,x,y\n")
    (tmp_path / "mine.toml").write_text(
        'about = ""\nhome = "KZ"\n[times]\nat = "{at}"\n[fields]\noperator = "op-a"\ncaller = "{from}"\ncallee = "{to}"\n'
        'ingress = "national"\ncall_id = "own-{#}"\n'
    )
    assert run("calls.csv", "--mapping", "mine.toml", "--json") == 0
    told = capsys.readouterr()
    assert orjson.loads(told.out)["asked"]["asked"] == 1
    assert "unusable" in told.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--truth", "t.jsonl"), "none is named"),
        (("calls.jsonl", "--truth", "none.jsonl"), "none.jsonl cannot be read"),
        (("calls.jsonl", "--truth", "bad.jsonl"), "bad.jsonl, line 1: Invalid enum value 'wangri'"),
        (("calls.jsonl", "--truth", "other.jsonl"), "none of the 1 calls is one of the 1 that the truth names"),
        (("calls.jsonl", "--candidate", "none.json"), "none.json cannot be read as JSON"),
        (("calls.jsonl", "--candidate", "odd.json"), "no detector is called 'nosuch'"),
        (("calls.jsonl", "--policy", "bad.jsonl"), "a policy has no"),
        (("none.csv", "--mapping", "nosuch"), "no mapping nosuch"),
        (("none.jsonl",), "none.jsonl cannot be read"),
        (("--frauds", "nosuch=0.1"), "nosuch"),
        (("--frauds", "y"), "--frauds"),
        ((*SHORT, "--to", "calls.jsonl/report.md"), "cannot be"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(arguments, says, tmp_path, capsys):
    call = {
        "type": "setup",
        "at": 1,
        "operator": "op-a",
        "caller": "+77030000001",
        "callee": "+77272345678",
        "ingress": "national",
    }
    (tmp_path / "calls.jsonl").write_bytes(orjson.dumps(call | {"call_id": "c"}))
    (tmp_path / "bad.jsonl").write_bytes(b'{"call_id":"c","fraud":"wangri"}')
    (tmp_path / "other.jsonl").write_bytes(msgspec.json.encode(Truth("other")))
    (tmp_path / "odd.json").write_bytes(b'{"detectors":{"nosuch":{}}}')
    assert run(*arguments) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("streamer: ")]
    assert len(said) == 1
    assert says in said[0]
