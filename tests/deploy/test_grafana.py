"""The dashboards read into Grafana's own published types and written back: nothing of them is unknown there, or of another type."""

import json

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import prometheus, stat, timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard

from streamer.dashboards.boards import BOARDS
from streamer.dashboards.panels import document

OPTIONS = {"timeseries": timeseries.Options, "stat": stat.Options}


@pytest.fixture(scope="module", autouse=True)
def _panels_and_queries_are_known():
    register_default_plugins()


def lost(given, taken, where=""):
    """What of `given` is not in `taken`, or is something else there."""
    if isinstance(given, dict) and isinstance(taken, dict):
        for name, value in given.items():
            yield from lost(value, taken[name], f"{where}.{name}") if name in taken else [f"{where}.{name}"]
    elif isinstance(given, list) and isinstance(taken, list) and len(given) == len(taken):
        for row, (one, other) in enumerate(zip(given, taken, strict=True)):
            yield from lost(one, other, f"{where}[{row}]")
    elif given != taken:
        yield f"{where}: {given!r} is {taken!r}"


def read_and_written(made):
    return json.loads(JSONEncoder().encode(Dashboard.from_json(made)))


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_grafanas_types_know_all_of_a_board(board):
    made = json.loads(json.dumps(document(board)))
    assert list(lost(made, read_and_written(made))) == []
    for panel in Dashboard.from_json(made).panels:
        assert isinstance(panel.options, OPTIONS[panel.type_val])
        assert all(isinstance(target, prometheus.Dataquery) for target in panel.targets)


@pytest.mark.parametrize(
    "place", [(), ("panels", 0), ("panels", 0, "options"), ("panels", 0, "targets", 0), ("panels", 0, "gridPos")]
)
def test_a_member_that_grafana_does_not_know_would_be_found(place):
    made = json.loads(json.dumps(document(BOARDS[0])))
    here = made
    for step in place:
        here = here[step]
    here["unheard"] = 1
    assert list(lost(made, read_and_written(made))) != []
