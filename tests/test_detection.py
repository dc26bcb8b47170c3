"""The page of detectors says what the code does, and the command that writes it."""

from pathlib import Path

import pytest

from streamer import detection
from streamer.commands import main
from streamer.detectors import DETECTORS

ROOT = Path(__file__).parents[1]


def test_the_page_says_what_the_code_does():
    assert (ROOT / "docs/detection.md").read_text("utf-8") == detection.page(), "run `streamer detectors`"


def test_every_detector_has_its_section_with_causes_and_thresholds():
    sections = detection.page().split("\n## ")[1:]
    assert [section.splitlines()[0] for section in sections] == [one.id for one in DETECTORS]
    for one, section in zip(DETECTORS, sections, strict=True):
        assert all(f"`{one.id}.{cause.name}` ({cause.action})" in section for cause in one.causes)
        assert all(f"`{name}` {value:g}" in section for name, value in one.thresholds.items())


def test_a_page_that_differs_is_told_and_written(tmp_path, capsys):
    page = tmp_path / "docs/page.md"

    def run(*options):
        with pytest.raises(SystemExit) as ended:
            main(["detectors", "--out", str(page), *options])
        return ended.value.code

    assert run("--check") == 1
    assert "differs: run `streamer detectors`" in capsys.readouterr().err
    assert run() == 0
    assert run("--check") == 0
    page.write_text("something else", encoding="utf-8")
    assert run("--check") == 1
