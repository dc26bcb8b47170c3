"""Files from outside: those of a replay, its mappings and progress, settings, control records, policies."""

import csv
import functools
import gzip
import io
import os
import tempfile
import zipfile
from importlib import resources
from pathlib import Path

import msgspec
import pyarrow
import pyarrow.parquet

from streamer import settings
from streamer.calls.codec import decode_call
from streamer.calls.numbers import home_plan
from streamer.desk import edits, packs
from streamer.errors import DeskError, MessageError, ReplayError, SettingsError
from streamer.lab import control, mapping, progress
from streamer.lab.packed import Counted
from streamer.lab.records import Row, Unreadable, read_csv, read_lines
from streamer.lab.rejects import Rejects
from streamer.lab.source import Source
from tests.fuzzing.target import Target, shape
from tests.fuzzing.targets.messages import SETUPS, samples

PLAN = home_plan("KZ")
MAPPINGS = resources.files("streamer.lab") / "mappings"
ROWS = (
    b"when,from,to,talk\n2025-11-24T03:00:00Z,+77011234567,+77272345678,26\n"
    b'2025-11-24T03:00:05Z,"8 (701) 123-45-67",112,\n2025-11-24 03:00:07+05:00,anonymous,"a ""b""",0.5\n'
)
SICHUAN = (
    "ts,subscriber,peer,direction,duration,city,county,imei,label\n"
    "2019-08-01 05:42:47,line_1,00aa,out,26,广安,岳池县,ff01,0\n"
    "2019-08-01 05:43:47,line_1,00bb,in,15,广安,岳池县,ff01,0\n"
).encode()


@functools.cache
def folder():
    kept = tempfile.TemporaryDirectory(prefix="streamer-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    folder.kept = kept  # as long as the process
    return Path(kept.name)


def written(name, data):
    path = folder() / name
    path.write_bytes(data)
    return path


def columns():
    return mapping.of_columns(
        {"at": "when", "caller": "from", "callee": "to", "talk": "talk"}, "iso", "UTC", {"operator": "o", "ingress": "national"}
    )  # fmt: skip


def replayed(name, data, made=None, hold=3):
    """The file as a replay reads it: `ReplayError`, or messages of the contract and rejects, of each record one or the other."""
    path = written(name, data)
    with Rejects(folder() / "rejects.jsonl") as bad:
        try:
            source = Source([path], made() if made else None, PLAN, bad, hold=hold)
            messages = list(source)
        except ReplayError as error:
            return "ReplayError", shape(str(error).replace(str(path), ""))
        events = [decode_call(message.value) for message in messages]
        assert [event.at for event in events] == [message.at for message in messages]
        assert source.made == len(messages)
        refused = bad.counts
        if made is None:
            assert source.records == len(messages) + refused.total()
        bad.lines()
    return tuple(sorted(refused)), min(len(messages), 3), bool(source.out_of_order)


def rows(data):
    """CSV: a replay; and the plain reader of CSV finds the same rows as long as nothing is wrong."""
    answer = replayed("calls.csv", data, columns)
    try:
        header, *expected = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="\n"), strict=True)
    except (csv.Error, UnicodeDecodeError, ValueError):
        return answer
    header = [name.strip() for name in header]
    if len(set(header)) < len(header):
        return answer
    path = folder() / "calls.csv"
    with Counted(path) as file:
        found = list(read_csv(path, file))
    for one, row in zip(found, filter(None, expected), strict=True):
        assert isinstance(one, Unreadable) == (len(row) != len(header) or len("".join(row)) > 200_000)
        assert isinstance(one, Unreadable) or list(one.fields.values()) == row
    return answer


def lines(data):
    """JSON Lines: a replay; and splitting at line ends finds the same lines."""
    path = written("calls.jsonl", data)
    with Counted(path) as file:
        found = [line.text for line in read_lines(path, file)]
    assert found == [line.strip() for line in data.split(b"\n") if line.strip()]
    return replayed("calls.jsonl", data)


def mapped(data):
    """JSON Lines of another form by a mapping."""
    return replayed("calls.jsonl", data, columns)


@functools.cache
def sichuan():
    return mapping.read("sichuan")


def mapping_of(data):
    """A mapping: `ReplayError`, or one that makes calls of rows or refuses them by `MessageError`."""
    path = written("mine.toml", data)
    try:
        made = mapping.read(str(path))
    except ReplayError as error:
        return shape(str(error).replace(str(path), ""))
    given = dict.fromkeys(made.columns, "2019-08-01 05:42:47") | {
        "when": "2025-11-24T03:00:00Z",
        "from": "+77011234567",
    }
    told = []
    for text in ("2019-08-01 05:42:47", "1", "", "x"):
        try:
            told.append(len(made.events(Row(Path("a.csv"), 2, dict.fromkeys(made.columns, text) | given, ""))))
        except MessageError as error:
            told.append(error.reason)
    return tuple(told)


def setting(data):
    """A file of settings: `SettingsError`, or settings within their bounds."""
    path = written("settings.toml", data)
    os.environ["STREAMER_CONFIG"] = str(path)
    try:
        found = settings.load()
    except SettingsError as error:
        return shape(str(error).replace(str(path), ""))
    finally:
        del os.environ["STREAMER_CONFIG"]
    assert 1 <= found.partitions <= 1024
    assert len(found.home) == 2
    return tuple(sorted(found.model_fields_set))


VARIABLES = tuple(f"STREAMER_{name.upper()}" for name in settings.Settings.model_fields)


def environment(data):
    """A variable and its value: `SettingsError`, or settings."""
    name = VARIABLES[data[0] % len(VARIABLES)] if data else VARIABLES[0]
    os.environ[name] = data[1:].decode("utf-8", "surrogateescape").replace("\0", "")
    try:
        settings.load()
    except SettingsError as error:
        return name, shape(error)
    finally:
        del os.environ[name]
    return name


def controls(data):
    """Control records: `ReplayError`, or each with kind and key."""
    path = written("control.jsonl", data)
    try:
        found = list(control.read(path))
    except ReplayError as error:
        return shape(str(error).replace(str(path), ""))
    for one in found:
        assert control.line(one).count(b"\n") >= 1
    return len(found), any(one.value is None for one in found)


def progresses(data):
    """A progress file: `ReplayError`, or what one says."""
    path = written("progress.json", data)
    try:
        found = progress._read(path)
    except ReplayError as error:
        return shape(str(error).replace(str(path), ""))
    assert found.form == progress.FORM
    return bool(found.files), found.complete


def policy(data):
    """A policy as a file, and a change to one: `DeskError`, or a policy that `encode` can write."""
    path = written("policy.json", data)
    told = []
    for made in (
        lambda: edits.read_file(path),
        lambda: edits.edited(edits.Policy(version="a"), data.decode("utf-8", "replace").split("\n")),
    ):
        try:
            told.append(type(made()).__name__)
        except DeskError as error:
            told.append(shape(str(error).replace(str(path), "")))
    return tuple(told)


@functools.cache
def parquet_files():
    plain = pyarrow.table({"when": ["2025-11-24T03:00:00Z"] * 3, "from": ["+7701"] * 3, "to": ["112"] * 3, "talk": [1.0, None, 3.0]})  # fmt: skip
    calls = pyarrow.Table.from_pylist([msgspec.json.decode(sample) for sample in samples("setup", "answer")])
    found = []
    for table in (plain, calls):
        for codec in ("none", "snappy"):
            file = io.BytesIO()
            pyarrow.parquet.write_table(table, file, compression=codec)
            found.append(file.getvalue())
    return found


def toml_seeds():
    return [file.read_bytes() for file in MAPPINGS.iterdir() if file.name.endswith(".toml")]


PACK = packs.zipped({"case.json": b"{}", "calls.jsonl": b""})


def pack(data):
    """An evidence pack from whoever likes to send one."""
    try:
        found = packs.checked(data)
    except DeskError as error:
        return shape(error)
    if not found.flaws:
        with zipfile.ZipFile(io.BytesIO(data)) as held:
            assert packs.zipped({name: held.read(name) for name in found.members}) == data
    return tuple(sorted(shape(flaw) for flaw in found.flaws))


SETTINGS = b'bootstrap = "k:9092"\npartitions = 48\nretention_h = { calls = 48 }\nbegin_empty = true\nlinger_ms = 2\nhome = "GB"\n'
PROGRESS = msgspec.json.encode(
    progress.Progress(progress.FORM, False, 1, 2, [progress.Input("a.csv", 3, "d")],
                      msgspec.json.decode(msgspec.json.encode(dict.fromkeys(progress.Terms.__struct_fields__, "a") | dict.fromkeys(
                          ("hold", "partitions", "batch_records", "max_callers", "max_calls"), 1) | {"to": "kafka", "read_back": True}),
                          type=progress.Terms))
)  # fmt: skip
_ROUND = "`ReplayError`, or of each record messages of the contract or a reject"
TARGETS = (
    Target("replay-csv", rows, lambda: [ROWS], 7_500, f"{_ROUND}; rows as Python's csv", (b",", b'"', b'""', b"\r\n", b"\r", b"\n")),
    Target("replay-csv-of-sichuan", lambda data: replayed("calls.csv", data, sichuan), lambda: [SICHUAN], 4_000, _ROUND, (b",", b"in", b"out", b"forward")),
    Target("replay-json-lines", lines, lambda: [SETUPS], 5_000, f"{_ROUND}; lines as `split` finds them", (b"\n", b"\r", b"{}")),
    Target("replay-json-lines-by-a-mapping", mapped, lambda: [b'{"when":"2025-11-24T03:00:00Z","from":"+77011234567","to":112,"talk":{"s":1}}\n' * 2], 4_000, _ROUND, (b'"when"', b'"talk"')),
    Target("replay-gzip", lambda data: replayed("calls.jsonl.gz", data), lambda: [gzip.compress(SETUPS, mtime=0), gzip.compress(b"", mtime=0)], 5_000, _ROUND),
    Target("replay-zstandard", lambda data: replayed("calls.jsonl.zst", data), lambda: [pyarrow.compress(SETUPS, "zstd", asbytes=True)], 5_000, _ROUND),
    Target("replay-parquet", lambda data: replayed("calls.parquet", data), parquet_files, 3_000, _ROUND),
    Target("replay-parquet-by-a-mapping", lambda data: replayed("calls.parquet", data, columns), parquet_files, 3_000, _ROUND),
    Target("replay-control-records", controls, lambda: [b'{"kind":"lists","key":"k","value":{"a":1}}\n{"kind":"lists","key":"k","value":null}\n'], 12_500,
           "`ReplayError`, or each with kind and key"),
    Target("replay-progress", progresses, lambda: [PROGRESS], 12_500, "`ReplayError`, or a file of this form"),
    Target("mapping-toml", mapping_of, toml_seeds, 6_000, "`ReplayError`, or rows become calls or raise `MessageError`",
           (b'"', b"{", b"}", b"[times]", b"[fields]", b'zone = "', b'format = "', b'"{a}"', b"1979-05-27T07:32:00Z", b"%", b"%z", b"+05:00")),
    Target("settings-toml", setting, lambda: [SETTINGS], 2_000, "`SettingsError`, or settings within their bounds", (b"=", b'"', b"partitions", b"retention_h", b"[retention_h]")),
    Target("settings-in-the-environment", environment, lambda: [b"%c%s" % (at, value) for at in range(len(VARIABLES)) for value in (b"1", b"{}")], 2_000,
           "`SettingsError`, or settings"),
    Target("evidence-pack", pack, lambda: [PACK], 3_000, "`DeskError`, or flaws, unless it is the pack as it was written",
           (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"SHA256SUMS", b"case.json")),
    Target("policy-at-the-desk", policy, lambda: [*samples("policy"), b"detectors.robocall.mode=shadow\nmodel.threshold=0.97\ngovernor=default"], 10_000,
           "`DeskError`, or a policy", (b"detectors.", b"=", b"default", b".")),
)  # fmt: skip
