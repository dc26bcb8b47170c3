"""A report's two forms, and pictures that are well-formed, whatever callers write into their records."""

from xml.etree import ElementTree as ET

import pytest

from streamer.lab.evaluation import pages, plots

HOSTILE = "+7701<script>alert(1)</script>|`\x1b[2J\ud800&"
PARTS = [
    pages.Heading("A report", 1),
    pages.Text("Of `calls.csv`, *none* is"),
    pages.Table(("caller", "calls "), [(HOSTILE, "1,234")]),
    pages.Picture("one", plots.bars([plots.Bar(HOSTILE.replace("\x1b", "").replace("\ud800", ""), 0.5, 0.9, "half")], 1.0, "part"), "a picture"),
]  # fmt: skip


def test_markdown_has_rows_of_equal_cells_and_links_its_pictures():
    page = pages.markdown(PARTS, "report")
    page.encode()
    rows = [line.replace("\\|", "") for line in page.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {3}
    assert rows[1] == "| --- | --: |"
    assert "![a picture](report/one.svg)" in page
    assert "<script" not in page


def test_html_is_one_file_without_anything_of_others():
    page = pages.html(PARTS)
    page.encode()
    assert "<script" not in page
    assert "\x1b" not in page
    assert "<svg" in page
    assert "<code>calls.csv</code>" in page
    assert "<em>none</em>" in page
    assert '<td class="n">1,234</td>' in page
    for outside in ("src=", "href=", "@import", "url("):
        assert outside not in page


@pytest.mark.parametrize(
    "svg",
    [
        plots.bars([], 1.0, "nothing"),
        plots.bars([plots.Bar("a", None, None, ""), plots.Bar("b", 5.0, 7.0, "over", good=False)], 1.0, "part"),
        plots.lines([], "calls", "part", decades=True),
        plots.lines([plots.Series("a", [(1.0, 0.0), (10.0, 1.0)])], "calls", "part", decades=True),
        plots.lines([plots.Series("a", [(0.0, 0.0), (10.0, 1.0)])] * 12, "calls", "part"),
        plots.panels([plots.Panel("p", ["1", "2", "3"], 1, [None, 0.5, 1.0], [0.0, 1.0, 9.0], 1.0, 0.0)] * 4, "a", "b"),
    ],
)
def test_pictures_are_well_formed_and_have_their_size(svg):
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert float(root.get("width")) > 100
    assert float(root.get("height")) > 20


def test_a_bar_is_as_long_as_its_value_and_its_mark_stands_at_its_own():
    root = ET.fromstring(plots.bars([plots.Bar("a", 0.5, 0.75, "x"), plots.Bar("b", 1.0, None, "y")], 1.0, "part"))
    space = "{http://www.w3.org/2000/svg}"
    half, whole = (box for box in root.iter(f"{space}rect") if box.get("x"))
    assert float(whole.get("width")) == pytest.approx(2 * float(half.get("width")), abs=0.2)
    mark = next(line for line in root.iter(f"{space}line") if line.get("stroke") == "#000")
    assert float(mark.get("x1")) - float(half.get("x")) == pytest.approx(0.75 * float(whole.get("width")), abs=0.2)
