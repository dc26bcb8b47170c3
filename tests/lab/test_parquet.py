"""Parquet: the same calls as from CSV or JSON Lines; every type as text; reading goes on behind any row; broken files told."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as files

from streamer.calls.codec import decode_call
from streamer.calls.numbers import home_plan
from streamer.errors import ReplayError
from streamer.lab import mapping, parquet
from streamer.lab.packed import Counted
from streamer.lab.records import Line, Place, Row, Unreadable
from streamer.lab.rejects import Rejects
from streamer.lab.source import Source
from streamer.lab.traffic import Traffic

PLAN = home_plan("KZ")
AT = datetime(2025, 11, 24, 3, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def bad(tmp_path):
    with Rejects(tmp_path / "rejects.jsonl") as rejects:
        yield rejects


def rows(path, wanted=(), place=None):
    with Counted(path) as file:
        return list(parquet.read_rows(path, file, wanted, place or Place()))


def test_csv_and_parquet_of_the_same_records_make_the_same_calls(tmp_path, bad):
    columns = {"at": "when", "caller": "from", "callee": "to", "talk": "talk"}
    records = [
        {"when": AT + timedelta(seconds=n), "from": f"+7701000{n % 50:04}", "to": f"+7727{n:07}", "talk": float(n % 7)}
        for n in range(3_000)
    ]
    (tmp_path / "x.csv").write_text(
        "when,from,to,talk\n" + "".join(f"{r['when'].isoformat()},{r['from']},{r['to']},{r['talk']}\n" for r in records)
    )
    files.write_table(pa.Table.from_pylist(records), tmp_path / "x.parquet", row_group_size=700)

    def messages(name):
        mapped = mapping.of_columns(columns, "iso", "UTC", {"operator": "o", "ingress": "national", "call_id": "{to}"})
        return list(Source([tmp_path / name], mapped, PLAN, bad))

    assert messages("x.parquet") == messages("x.csv")
    assert len(messages("x.parquet")) == 6_000 + 3_000 - len(records[::7])


def test_messages_of_the_contract_need_no_mapping(tmp_path, bad):
    sent = [value for _, _, value, _ in Traffic(1, 50, seconds=5).encoded()]
    plain = [{name: value for name, value in as_dict(value).items() if value is not None} for value in sent]
    names = sorted({name for each in plain for name in each})
    table = pa.table({name: [each.get(name) for each in plain] for name in names})
    whole = table.set_column(names.index("at"), "at", table["at"].cast(pa.timestamp("ms", "UTC")))
    for name, each in (("x.parquet", table), ("y.pq", whole)):
        files.write_table(each, tmp_path / name)
        source = Source([tmp_path / name], None, PLAN, bad)
        found = list(source)
        assert sorted(map(str, (decode_call(message.value) for message in found))) == sorted(
            map(str, map(decode_call, sent))
        )
        assert source.taken == source.size


def as_dict(value):
    import orjson

    return orjson.loads(value)


def test_values_of_every_type_become_text(tmp_path):
    table = pa.table(
        {
            "text": ["я", None],
            "word": pa.array(["a", "b"]).dictionary_encode(),
            "whole": pa.array([77011234567, None], pa.int64()),
            "data frame": [77011234567.0, float("nan")],
            "fraction": [0.5, -1e300],
            "money": pa.array([Decimal("12.50"), Decimal("3.00")]),
            "yes": [True, False],
            "local": pa.array([AT.replace(tzinfo=None), None], pa.timestamp("ns")),
            "zoned": pa.array([AT, None], pa.timestamp("us", "+05:00")),
            "day": pa.array([AT.date(), None]),
            "long": pa.array([timedelta(seconds=1.5), None], pa.duration("ns")),
            "bytes": pa.array([b"abc", b""]),
            "who": pa.array([{"from": "1", "to": {"n": 2}}, None]),
            "many": pa.array([[1, 2], None]),
        }
    )
    path = tmp_path / "x.parquet"
    files.write_table(table, path)
    one, other = rows(path)
    assert (one.line, other.line) == (1, 2)
    assert one.fields == {
        "text": "я", "word": "a", "whole": "77011234567", "data frame": "77011234567", "fraction": "0.5", "money": "12.5",
        "yes": "true", "local": "2025-11-24T03:00:00.123456", "zoned": "2025-11-24T08:00:00.123456+05:00",
        "day": "2025-11-24", "long": "1.5", "bytes": "abc", "who.from": "1", "who.to.n": "2", "many": "[1,2]",
    }  # fmt: skip
    assert {name for name, value in other.fields.items() if not value} == {
        "text", "whole", "data frame", "local", "zoned", "day", "long", "bytes", "who.from", "who.to.n", "many",
    }  # fmt: skip
    assert float(other.fields["fraction"]) == -1e300
    assert {"who", "who.from", "who.to.n", "text"} <= set(parquet.columns(path))
    assert rows(path, {"who.to.n", "text"})[0].fields == {"text": "я", "who.from": "1", "who.to.n": "2"}


def test_a_value_that_is_none_is_told_with_its_column_and_reading_goes_on(tmp_path):
    path = tmp_path / "x.parquet"
    far = pa.array([0, 2**60], pa.int64()).cast(pa.timestamp("ms"))
    raw = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff", b"b"], pa.binary()).buffers())
    files.write_table(pa.table({"at": far, "name": pa.array(["a", "b"]), "raw": raw}), path)
    one, other = rows(path)
    assert isinstance(one, Unreadable)
    assert isinstance(other, Unreadable)
    assert (one.line, one.column, one.reason) == (1, "raw", "wrong_type")
    assert (other.line, other.column) == (2, "at")
    assert '"name":"b"' in other.text
    assert [type(row) for row in rows(path, {"name"})] == [Row, Row]


def test_a_whole_number_beyond_64_bits_is_told_with_its_column_and_reading_goes_on(tmp_path, bad):
    path = tmp_path / "x.parquet"
    whole = [-(2**63) - 1, -(2**63), 2**64 - 1, 2**64, 10**30]
    table = {"n": pa.array(map(Decimal, whole), pa.decimal128(38, 0)), "m": pa.array([Decimal(10**30)] * 5)}
    files.write_table(pa.table(table), path)
    told = [(row.column, row.message) if isinstance(row, Unreadable) else row.fields["n"] for row in rows(path, {"n"})]
    unsound = ("n", "n: a whole number beyond 64 bits")
    assert told == [unsound, str(-(2**63)), str(2**64 - 1), unsound, unsound]
    with Counted(path) as file:
        found = list(parquet.read_messages(path, file, Place()))
    assert [(row.line, row.reason, row.column) for row in found] == [
        (n, "wrong_type", "n" if n in (1, 4, 5) else "m") for n in range(1, 6)
    ]
    assert found[1].text == '{"n":-9223372036854775808}'
    assert list(Source([path], None, PLAN, bad)) == []
    assert bad.counts == {"wrong_type": 5}


def test_reading_goes_on_behind_any_row_of_any_row_group(tmp_path):
    path = tmp_path / "x.parquet"
    files.write_table(pa.table({"n": np.arange(5_000)}), path, row_group_size=1_500)
    for cut in (0, 1, 1_023, 1_024, 1_499, 1_500, 1_501, 4_500, 4_999, 5_000):
        place = Place()
        with Counted(path) as file:
            begun = [row.fields["n"] for row in islice(parquet.read_rows(path, file, (), place), cut)]
        found = rows(path, (), place)
        assert begun + [row.fields["n"] for row in found] == [str(n) for n in range(5_000)]
        assert [row.line for row in found] == list(range(cut + 1, 5_001))
        with Counted(path) as file:
            lines = list(parquet.read_messages(path, file, Place(cut)))
        assert lines[:1] == ([Line(path, cut + 1, b'{"n":%d}' % cut)] if cut < 5_000 else [])


def test_a_column_that_is_missing_and_a_broken_file_are_told(tmp_path, bad):
    path = tmp_path / "x.parquet"
    files.write_table(pa.table({"a": range(9_000), "b": [{"c": n} for n in range(9_000)]}), path)
    mapped = mapping.of_columns(
        {"at": "a", "caller": "b.c", "callee": "d"}, "s", "UTC", {"operator": "o", "ingress": "national"}
    )
    with pytest.raises(ReplayError, match=r"x\.parquet has no column d, .*; it has a, b, b\.c"):
        list(Source([path], mapped, PLAN, bad))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ReplayError, match=r"x\.parquet is no sound Parquet file"):
        rows(path)
    path.write_bytes(content[:4] + b"\xff" * 2_000 + content[2_004:])
    with pytest.raises(ReplayError, match=r"x\.parquet, behind row 0: "):
        rows(path)
    with pytest.raises(ReplayError, match="Parquet is packed inside"):
        Source([tmp_path / "x.parquet.gz"], mapped, PLAN, bad)


def test_a_column_whose_name_is_no_text_is_told(tmp_path):
    path = tmp_path / "x.parquet"
    files.write_table(pa.table({"whenever": ["a"]}), path)
    path.write_bytes(path.read_bytes().replace(b"whenever", b"when\x80ver"))
    with pytest.raises(ReplayError, match=r"x\.parquet is no sound Parquet file"):
        rows(path)
