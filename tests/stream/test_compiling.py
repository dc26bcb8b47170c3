"""A worker's loops are compiled by another process, once, whoever else starts at that moment."""

import os
import subprocess
import sys

import pytest

from streamer.stream import compiling

SCRIPT = """
import gc
from numba.core.registry import CPUDispatcher
from streamer.stream import compiling
compiling.ahead()
from streamer.warming import warm
warm()
loops = [found for found in gc.get_objects() if isinstance(found, CPUDispatcher) and found.py_func.__module__.startswith("streamer.")]
print(sum(sum(found.stats.cache_hits.values()) for found in loops) > 0, sum(sum(found.stats.cache_misses.values()) for found in loops))
"""
NOTED = "from streamer.stream import compiling; open({path!r}, 'a').write('compiled '); {then}"


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Where nothing is kept yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder))
    return folder


@pytest.mark.anew
def test_a_worker_compiles_nothing_itself_where_nothing_was_compiled(kept):
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=os.environ, timeout=900)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True 0\n"


def test_those_that_start_at_one_moment_wait_for_one_compiler(kept, tmp_path):
    path = tmp_path / "noted"
    compiler = [
        sys.executable,
        "-c",
        NOTED.format(path=str(path), then="import time; time.sleep(0.5); compiling.done()"),
    ]
    start = f"from streamer.stream import compiling; compiling.ahead({compiler!r})"
    several = [subprocess.Popen([sys.executable, "-c", start]) for _ in range(3)]
    assert [one.wait(60) for one in several] == [0, 0, 0]
    compiling.ahead(compiler)
    assert path.read_text() == "compiled "


@pytest.mark.parametrize("changed", ["nothing", "processor"])
def test_a_compiler_that_fails_is_told_of_and_loops_of_another_processor_do_not_count(
    kept, tmp_path, monkeypatch, caplog, changed
):
    path = tmp_path / "noted"
    kept.mkdir()
    if changed == "processor":
        compiling.done()
        found = compiling.cpu_target.target_context.codegen()
        monkeypatch.setattr(type(found), "magic_tuple", lambda _: ("another",))
    compiling.ahead([sys.executable, "-c", NOTED.format(path=str(path), then="raise SystemExit(3)")])
    assert path.read_text() == "compiled "
    assert "ended with code 3" in caplog.text
