"""Panels and boards as values, and the JSON that Grafana provisions them from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import orjson

DATASOURCE: Final = {"type": "prometheus", "uid": "streamer-prometheus"}
"""The uid is pinned in `deploy/grafana/provisioning/datasources`, so that nothing is chosen by hand."""
SCHEMA_VERSION: Final = 39
"""Of Grafana's dashboard model; newer Grafanas migrate it themselves."""
_WIDTH: Final = 24
"""Columns of Grafana's grid."""


@dataclass(frozen=True)
class Query:
    """One PromQL expression and how its series are named; `$operator` and `$__rate_interval` are filled in by Grafana."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One picture. `unit` is Grafana's: `short`, `s`, `percentunit`, `ops` (a second), `dateTimeFromNow`."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Literal["timeseries", "stat"] = "timeseries"
    width: int = 12
    height: int = 8


@dataclass(frozen=True)
class Board:
    """One dashboard; `name` is that of its file, and its uid with `streamer-` before it."""

    name: str
    title: str
    panels: tuple[Panel, ...]
    by_operator: bool = False


def document(board: Board) -> dict[str, Any]:
    """The board as Grafana's dashboard model has it; panels fill rows from the left."""
    panels, x, y, tall = [], 0, 0, 0
    for number, panel in enumerate(board.panels, 1):
        if x + panel.width > _WIDTH:
            x, y, tall = 0, y + tall, 0
        panels.append(_panel(panel, number, x, y))
        x, tall = x + panel.width, max(tall, panel.height)
    return {
        "uid": f"streamer-{board.name}",
        "title": board.title,
        "tags": ["streamer"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "refresh": "10s",
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "tags": ["streamer"], "title": "streamer", "asDropdown": True}],
        "templating": {"list": [_operators()] if board.by_operator else []},
        "panels": panels,
    }


def files(boards: tuple[Board, ...]) -> dict[str, bytes]:
    """The boards' files: name to content."""
    form = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return {f"{board.name}.json": orjson.dumps(document(board), option=form) for board in boards}


def differences(boards: tuple[Board, ...], folder: Path) -> list[str]:
    """What is not in the folder as the code has it, a line a file; none when all is."""
    wanted = files(boards)
    held = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    return sorted(
        [
            f"{name} differs" if name in held else f"{name} is missing"
            for name in wanted
            if held.get(name) != wanted[name]
        ]
        + [f"{name} is of no board" for name in held if name not in wanted]
    )


def write(boards: tuple[Board, ...], folder: Path) -> list[str]:
    """Make the folder hold the boards and no other JSON file; gives the names of what it holds."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = files(boards)
    for path in folder.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, content in wanted.items():
        (folder / name).write_bytes(content)
    return sorted(wanted)


def _panel(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    stat = panel.kind == "stat"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}}
        if stat
        else {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": DATASOURCE, "expr": query.expr, "legendFormat": query.legend or "__auto"}
            for at, query in enumerate(panel.queries)
        ],
    }  # fmt: skip


def _operators() -> dict[str, Any]:
    return {
        "name": "operator",
        "label": "operator",
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": "label_values(streamer_setups_total, operator)", "refId": "operator"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }
