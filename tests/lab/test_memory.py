"""Files larger than memory: replayed by a process that may not grow by a part of their size."""

import gzip
import subprocess
import sys

import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet

ROOM = 96 * 2**20
"""Bytes by which the address space of a replay may grow once everything is loaded."""
ROWS = 3_200
NOTE = 100_000
"""Characters of a column that is read over."""

SCRIPT = """
import os, resource, sys
os.environ |= {"STREAMER_MAX_CALLERS": "1000", "STREAMER_MAX_CALLS": "1000"}
from streamer.commands import main

def replay(*arguments):
    try:
        main(["replay", *arguments, "--at-column", "at", "--time-format", "s", "--partitions", "4", "--hold", "100"])
    except SystemExit as ended:
        return ended.code

small, big, whole, room = sys.argv[1:]
assert not replay(small)
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + int(room),) * 2)
if whole == "whole":
    from pathlib import Path
    Path(big).read_bytes()
else:
    sys.exit(replay(big))
"""


def write(path, rows):
    """Records with a long note, each a different one; not in memory together."""
    records = (
        {"at": n, "caller": f"+7701{n:07}", "callee": f"+7727{n:07}", "note": f"{n:07}" * (NOTE // 7)}
        for n in range(rows)
    )
    if path.suffix == ".parquet":
        schema = pa.schema(
            [(name, pa.string() if name != "at" else pa.int64()) for name in ("at", "caller", "callee", "note")]
        )
        with parquet.ParquetWriter(path, schema, use_dictionary=False, compression="none") as file:
            for record in records:
                file.write_table(pa.Table.from_pylist([record], schema=schema), row_group_size=10**9)
    elif path.name.endswith(".jsonl.gz"):
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.writelines(orjson.dumps(record) + b"\n" for record in records)
    elif path.name.endswith(".jsonl.zst"):
        with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd") as file:
            for record in records:
                file.write(orjson.dumps(record) + b"\n")
    else:
        with path.open("w") as file:
            file.write("at,caller,callee,note\n")
            file.writelines(",".join(map(str, record.values())) + "\n" for record in records)
    return path


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl.gz", "x.jsonl.zst"])
def test_a_file_larger_than_memory_is_replayed(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").mkdir()
    small, big = write(tmp_path / "small" / name, 3), write(tmp_path / name, ROWS)
    assert ROWS * NOTE > 3 * ROOM
    done = run(small, big, "in pieces", ROOM)
    assert done.returncode == 0, done.stderr
    assert f"{ROWS:,} records read" in done.stdout
    assert f"{ROWS:,} decided" in done.stdout


def test_a_bound_that_would_not_hold_the_file_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").mkdir()
    small, big = write(tmp_path / "small" / "x.csv", 3), write(tmp_path / "x.csv", ROWS)
    done = run(small, big, "whole", ROOM)
    assert done.returncode == 1
    assert "MemoryError" in done.stderr


def test_one_row_group_larger_than_memory_is_replayed(tmp_path, monkeypatch):
    """All columns are read, by a mapping that wants the long one too."""
    monkeypatch.chdir(tmp_path)
    small, big = tmp_path / "small.parquet", tmp_path / "x.parquet"
    rows = 400_000
    for path, count in ((small, 3), (big, rows)):
        schema = pa.schema([("at", pa.int64()), ("note", pa.string())])
        notes = pa.array(f"{n:0800}" for n in range(count))
        table = pa.table({"at": range(count), "note": notes}, schema=schema)
        parquet.write_table(table, path, use_dictionary=False, compression="none", row_group_size=10**9)
    assert parquet.ParquetFile(big).num_row_groups == 1
    assert big.stat().st_size > 3 * ROOM
    script = """
import resource, sys
from pathlib import Path
from streamer.lab.packed import Counted
from streamer.lab.parquet import read_rows
from streamer.lab.records import Place

def count(path):
    with Counted(Path(path)) as file:
        return sum(int(row.fields["note"]) == row.line - 1 for row in read_rows(Path(path), file, {"at", "note"}, Place()))

small, big, room = sys.argv[1:]
assert count(small) == 3
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + int(room),) * 2)
print(count(big))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, small, big, str(ROOM)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == rows
