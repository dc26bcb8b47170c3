"""`streamer evaluate` as a shell sees it: reports written, figures as JSON, one clear line for what is wrong."""

from xml.etree import ElementTree as ET

import msgspec
import orjson
import pytest

from streamer.commands import main
from streamer.lab.truth import Truth

LONG = ("--seconds", "900000000")
"""What is refused before any work is done, or never."""
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


def test_a_report_that_stands_there_stays_until_another_one_is_written(tmp_path, capsys):
    for name in ("report.md", "report.html"):
        (tmp_path / name).write_text("before")
    assert run("none.jsonl", "--to", "report.md", "--html", "report.html") == 1
    assert {(tmp_path / name).read_text() for name in ("report.md", "report.html")} == {"before"}
    assert run("none.jsonl", "--to", "other.md", "--html", "other.html") == 1
    assert not [*tmp_path.glob("other.*")]


def test_adversaries_whose_calls_all_come_while_windows_fill_are_told_in_words_and_as_json(tmp_path, capsys):
    order = ("--seed", "5", "--rate", "20", "--seconds", "60", "--frauds", "none", "--adversaries")
    assert run(*order, "--to", "report.md", "--json") == 0
    page = (tmp_path / "report.md").read_text()
    assert "## Adversaries that adapt" in page
    assert "| 0.1% | no block | " in page
    assert "nan" not in page
    found = orjson.loads(capsys.readouterr().out)["adversaries"]
    steps = [step["figure"]["adversary"] for row in found for step in row["steps"]]
    assert len(steps) > 5
    assert any("@" in name for name in steps)
    assert any(step["figure"]["calls"] == 0 for row in found for step in row["steps"])


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


MAPPING = (
    'about = ""\nhome = "KZ"\n[times]\nat = "{at}"\ntalk = "{s}"\n[fields]\noperator = "op-a"\ncaller = "{from}"\n'
    'callee = "{to}"\ningress = "national"\n'
)


def test_the_report_on_records_says_what_it_rests_on(tmp_path, capsys):
    times = ["08:00:00", "08:00:10", "07:59:00", "08:00:20", "soon", "08:00:30", "08:00:40"]
    talks = ["30", "0", "15", "0", "10", "-", "none"]
    rows = [
        f"2026-03-02T{at},+77010000001,+7727234567{n},{talk}\n"
        for n, (at, talk) in enumerate(zip(times, talks, strict=True))
    ]
    (tmp_path / "calls.csv").write_text("".join(["at,from,to,s\n", *rows]))
    (tmp_path / "mine.toml").write_text(MAPPING)
    order = ("calls.csv", "--mapping", "mine.toml", "--hold", "1")
    assert run(*order, "--to", "asked.md", "--html", "asked.html") == 0
    assert "messages came after later ones; a larger --hold may put them in order" in capsys.readouterr().err
    page = (tmp_path / "asked.md").read_text()
    assert "7 records were read; *3 of them (42.9%) were of no use*: `wrong_type` in column `s` 2, `wrong_type` in column `at` 1." in page  # fmt: skip
    assert "4 set-ups from 2026-03-02T07:59:00.000Z to 2026-03-02T08:00:20.000Z, 2 answers and 4 ends: 50.0% of the calls" in page  # fmt: skip
    assert "talked for 22.5 s on average" in page
    assert "messages came after later ones; a larger --hold may put them in order.*" in page
    assert "<em>3 of them (42.9%) were of no use</em>" in (tmp_path / "asked.html").read_text()
    assert run(*order, "--json") == 0
    records = orjson.loads(capsys.readouterr().out)["records"]
    assert records["out_of_order"] >= 1
    assert records | {"out_of_order": 0} == {
        "read": 7, "unusable": 3, "out_of_order": 0, "setups": 4, "answers": 2, "ends": 4, "answered_share": 0.5, "mean_talk_s": 22.5,
        "first_at": 1_772_438_340_000, "last_at": 1_772_438_420_000,
        "unusable_by_reason_and_column": [
            {"reason": "wrong_type", "column": "s", "count": 2}, {"reason": "wrong_type", "column": "at", "count": 1},
        ],
    }  # fmt: skip


@pytest.mark.parametrize("truth", [(), ("--truth", "truth.jsonl")])
def test_records_without_a_set_up_of_use_are_an_error_and_no_report(truth, tmp_path, capsys):
    (tmp_path / "calls.csv").write_text("at,from,to,s\n02.03.2026 08:00:00,+77010000001,+77272345678,1\n")
    (tmp_path / "mine.toml").write_text(MAPPING)
    (tmp_path / "truth.jsonl").write_text('{"call_id":"a","fraud":null}\n')
    assert run("calls.csv", "--mapping", "mine.toml", *truth, "--to", "asked.md") == 1
    told = capsys.readouterr().err
    assert "no time of the form iso: '02.03.2026 08:00:00'" in told
    assert (
        "none of 1 records is of use, there is no set-up to judge; see calls.rejects.jsonl, and whether the mapping"
        in told
    )
    assert not (tmp_path / "asked.md").exists()


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
        ((*LONG, "--to", "calls.jsonl/report.md"), "cannot be"),
        ((*LONG, "--to", "report"), "--to report: report.md, for one, since the pictures go to the folder"),
        ((*LONG, "--to", "made.md"), "made.md cannot be written: Is a directory"),
        ((*LONG, "--html", "nosuch/report.html"), "nosuch/report.html cannot be written: No such file or directory"),
        ((*LONG, "--html", "made.md"), "made.md cannot be written: Is a directory"),
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
    (tmp_path / "made.md").mkdir()
    (tmp_path / "odd.json").write_bytes(b'{"detectors":{"nosuch":{}}}')
    assert run(*arguments) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("streamer: ")]
    assert len(said) == 1
    assert says in said[0]
