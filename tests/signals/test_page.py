"""docs/cases.md tells from which figures on a subject is a case."""

from pathlib import Path

from streamer.desk.packs import bounds
from streamer.grounds import RULES

PAGE = Path(__file__).parents[2] / "docs/cases.md"


def told(demand):
    return f"{demand.name} {bounds(demand.least, demand.most)}"


def row(rule):
    return f"| `{rule.name}` | {', '.join(map(told, rule.demands))} | {rule.source} |"


def test_the_page_has_every_rule_with_its_bounds_and_source():
    page = PAGE.read_text("utf-8").splitlines()
    head = page.index("| rule | figures | from where |")
    assert page[head + 2 : head + 2 + len(RULES) + 1] == [*map(row, RULES), ""]
