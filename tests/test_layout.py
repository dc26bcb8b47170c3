"""What holds for every module: it can be imported, says what it is, stays readable, and names no topic itself."""

import ast
import importlib
import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import streamer
from streamer.kafka.topics import Topics
from streamer.settings import Settings

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "streamer").rglob("*.py"))
LONGEST = 300
"""Lines; a longer module is two of something."""


def name(path):
    return path.relative_to(ROOT / "streamer").as_posix()


def docstrings(tree):
    """The nodes that are docstrings, attribute docstrings included."""
    return {
        id(statement.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in node.body
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    }


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "__main__.py"], ids=name)
def test_module_can_be_imported(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    importlib.import_module(".".join(parts).removesuffix(".__init__"))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_module_is_of_readable_length(path):
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_everything_public_says_what_it_is(path):
    silent = []

    def visit(node, where):
        for child in getattr(node, "body", []):
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if child.name.startswith("_"):
                continue
            if ast.get_docstring(child) is None:
                silent.append(where + child.name)
            if isinstance(child, ast.ClassDef):
                visit(child, f"{where}{child.name}.")

    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), "the module itself"
    visit(tree, "")
    assert silent == []


def test_topics_are_named_in_one_place():
    known = {spec.name for spec in Topics(Settings(prefix="", partitions=1)).specs}
    named = []
    for path in MODULES:
        if name(path) == "kafka/topics.py":
            continue
        tree = ast.parse(path.read_text("utf-8"))
        spoken = docstrings(tree)
        named += [
            f"{name(path)}:{node.lineno} {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and id(node) not in spoken and node.value in known
        ]
    assert named == []


def test_nothing_is_left_for_later():
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert [name(path) for path in MODULES if marks.search(path.read_text("utf-8"))] == []


def test_no_module_has_a_name_that_says_nothing():
    hollow = {"utils", "util", "helpers", "helper", "manager", "managers", "data", "common", "misc", "cli"}
    assert [name(path) for path in MODULES if path.stem in hollow or path.parent.name in hollow] == []


def test_faust_finds_the_transport():
    (found,) = (point for point in entry_points(group="faust.transports") if point.name == "confluent")
    assert found.load().__module__ == "streamer.stream.transport"


def test_every_module_with_a_compiled_loop_is_known_to_the_cache_of_compiled_code():
    known = {path for place in streamer.COMPILED for path in (ROOT / "streamer").glob(place)}
    loops = {
        path
        for path in MODULES
        if re.search(r"from streamer.compiled import .*(loop|inlined)", path.read_text("utf-8"))
    }
    assert not loops - known
