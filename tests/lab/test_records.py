"""Files of records: every row comes out as it went in, or is told with its line and its text; memory stays bounded."""

import csv
import gzip
import io
import re
import sys
import tracemalloc
from contextlib import nullcontext
from itertools import islice

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import ReplayError
from streamer.lab import parquet
from streamer.lab.packed import Counted
from streamer.lab.records import LONGEST_LINE, Line, Place, Row, Unreadable, read_csv, read_lines

CELLS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), max_size=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("records")


def read(path, content, reader=read_csv, **more):
    path.write_bytes(content)
    with Counted(path) as file:
        found = list(reader(path, file, **more))
        assert file.taken == file.size == len(content)
    return found


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=20), st.sampled_from(",;\t"), st.booleans())
def test_rows_come_out_as_a_csv_writer_put_them_in(folder, rows, delimiter, packed):
    text = io.StringIO()
    written = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    written.writerows([("a", "b", "c"), *rows])
    content = text.getvalue().encode()
    path = folder / ("x.csv.gz" if packed else "x.csv")
    found = read(path, gzip.compress(content) if packed else content, delimiter=delimiter)
    assert [tuple(row.fields.values()) for row in found] == rows


def test_lines_are_those_of_the_file_and_a_record_may_span_several(tmp_path):
    found = read(tmp_path / "x.csv", b'a,b\r\n1,"two\nlines"\r\n\r\n3,4\r\n')
    assert [(row.line, row.fields) for row in found] == [
        (2, {"a": "1", "b": "two\nlines"}),
        (5, {"a": "3", "b": "4"}),
    ]
    assert found[0].text == '1,"two\nlines"'


def test_broken_rows_are_told_and_reading_goes_on(tmp_path):
    found = read(
        tmp_path / "x.csv",
        b'a,b\n1\n1,2,3\n"x"y,2\n\xff,2\n' + b"y" * (LONGEST_LINE + 10) + b",1\n8,9\n",
    )
    assert [type(row) for row in found] == [Unreadable] * 5 + [Row]
    assert [row.line for row in found] == [2, 3, 4, 5, 6, 7]
    wanted = [
        "1 fields; the first line names 2 columns",
        "3 fields;",
        "expected after",
        "not utf-8",
        "a line of more than",
    ]
    for row, text in zip(found, wanted, strict=False):
        assert text in row.message
        assert row.reason == "not_csv"
        assert row.text
    assert found[3].text == "\\xff,2"
    assert len(found[4].text) <= 1_000


ENDLESS = b'"a\n' + b'","a\n' * (LONGEST_LINE // 5 + 3)
"""More lines than a record may have, none of which ends it."""


def test_a_record_of_too_many_lines_is_told_and_the_next_line_begins_another(tmp_path):
    found = read(tmp_path / "x.csv", b"a,b\n1,2\n" + ENDLESS + b"3,4\n")
    assert [type(row) for row in found] == [Row, *[Unreadable] * (len(found) - 2), Row]
    last = 2 + LONGEST_LINE // 5 + 1
    wanted = (
        f"a record of more than {LONGEST_LINE} bytes: close the quotation mark that it opens (lines 3 to {last + 1})"
    )
    assert (found[1].line, found[1].reason, found[1].message) == (3, "not_csv", wanted)
    assert found[1].text.startswith('"a\n","a\n')
    assert found[-1].fields == {"a": "3", "b": "4"}
    with pytest.raises(
        ReplayError, match=r"x\.csv, line 1: a record of more than 262144 bytes: close the quotation mark"
    ):
        read(tmp_path / "x.csv", ENDLESS + b"3,4\n")


@pytest.mark.parametrize("header", [b"", b"a,b\n"])
def test_a_record_without_an_end_takes_no_more_memory_than_the_longest_one(header, tmp_path):
    content = header + b'"a\n' + b'","a\n' * (LONGEST_LINE * 8 // 5)
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(content))
    tracemalloc.start()
    try:
        with Counted(path) as file, nullcontext() if header else pytest.raises(ReplayError):
            assert type(next(read_csv(path, file))) is Unreadable
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(content)


CSV = b'a,b\r\n1,"two\nlines"\r\n\r\n3\n' + b"y" * (LONGEST_LINE + 10) + b",1\n5,6\n\xff,2\n" + ENDLESS + b"7,8"
JSON = b'{"a":1}\n\n' + b"x" * (LONGEST_LINE * 2) + b'\n{"b":2}\nlast'


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
@pytest.mark.parametrize(("content", "reader", "count"), [(CSV, read_csv, 9), (JSON, read_lines, 4)])
def test_reading_goes_on_behind_any_record(content, reader, count, ending, tmp_path):
    path = tmp_path / f"x{ending}"
    packed = {"": bytes, ".gz": gzip.compress, ".zst": lambda text: pa.compress(text, "zstd", asbytes=True)}
    path.write_bytes(packed[ending](content))
    with Counted(path) as file:
        whole = list(reader(path, file))
    assert len(whole) == count
    for cut in range(count + 1):
        place = Place()
        with Counted(path) as file:
            begun = list(islice(reader(path, file, place=place), cut))
        assert begun == whole[:cut]
        with Counted(path) as file:
            assert list(reader(path, file, place=place)) == whole[cut:]
        assert place.lines == whole[-1].line or count == cut


def test_zstandard_files_of_several_frames_are_read_whole_and_broken_ones_told(tmp_path):
    frames = [pa.compress(text, "zstd", asbytes=True) for text in (b"one\n", b"two\nthr", b"ee\n")]
    found = read(tmp_path / "x.jsonl.zst", b"".join(frames), read_lines)
    assert [record.text for record in found] == [b"one", b"two", b"three"]
    for broken in (b"plain text", pa.compress(bytes(range(256)) * 999, "zstd", asbytes=True)[:-9]):
        with pytest.raises(ReplayError, match=r"x.jsonl.zst breaks off"):
            read(tmp_path / "x.jsonl.zst", broken, read_lines)


@pytest.mark.parametrize("name", ["x.jsonl.zst", "x.parquet"])
def test_without_pyarrow_it_is_told_how_to_install_it(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / name
    path.write_bytes(b"x")
    with Counted(path) as file, pytest.raises(ReplayError, match=r"PyArrow alone: pip install 'streamer\[parquet\]'"):
        list(read_lines(path, file) if name.endswith("zst") else parquet.read_messages(path, file, Place()))


def test_other_encodings_and_a_byte_order_mark(tmp_path):
    assert read(tmp_path / "x.csv", "\ufeffa\nя\n".encode())[0].fields == {"a": "я"}
    assert read(tmp_path / "x.csv", "a\nя\n".encode("cp1251"), encoding="cp1251")[0].fields == {"a": "я"}
    with pytest.raises(ReplayError, match="line 1: unknown encoding"):
        read(tmp_path / "x.csv", b"a\n1\n", encoding="klingon")


WIDE = 'a,b\r\n1,"two\nlines, Ċ,ਊ,਀,😀"\r\n\r\n3\n' + "ਊ" * (LONGEST_LINE // 2 + 5) + ',1\nя,6\n" \ufeff",8'


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_read_by_its_byte_order_mark_or_its_name_and_on_behind_any_record(order, ending, tmp_path):
    path = tmp_path / f"x{ending}"
    pack = {"": bytes, ".gz": gzip.compress, ".zst": lambda text: pa.compress(text, "zstd", asbytes=True)}[ending]
    for encoding, mark in ((order, ""), (order, "\ufeff"), ("utf-16", "\ufeff"), ("UTF8", "\ufeff")):
        path.write_bytes(pack((mark + WIDE).encode(order)))
        with Counted(path) as file:
            whole = list(read_csv(path, file, encoding=encoding))
        assert [(row.line, row.fields if isinstance(row, Row) else row.message) for row in whole] == [
            (2, {"a": "1", "b": "two\nlines, Ċ,ਊ,਀,😀"}),
            (5, "1 fields; the first line names 2 columns"),
            (6, "a line of more than 262144 bytes"),
            (7, {"a": "я", "b": "6"}),
            (8, {"a": " \ufeff", "b": "8"}),
        ]
    for cut in range(len(whole) + 1):
        place = Place()
        with Counted(path) as file:
            assert list(islice(read_csv(path, file, place=place), cut)) == whole[:cut]
        with Counted(path) as file:
            assert list(read_csv(path, file, place=place)) == whole[cut:]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=20))
def test_rows_in_utf_16_come_out_as_a_csv_writer_put_them_in(folder, encoding, rows):
    text = io.StringIO()
    csv.writer(text, delimiter="\t").writerows([("a", "b"), *rows])
    found = read(folder / "x.txt", ("\ufeff" + text.getvalue()).encode(encoding), delimiter="\t")
    assert [tuple(row.fields.values()) for row in found] == rows


@pytest.mark.parametrize(
    ("content", "encoding", "told"),
    [
        ("a\n1\n\ud800\n2\n".encode("utf-16", "surrogatepass"), "utf-16", "\\x00\\xd8"),
        ("a\n1\n2\n".encode("utf-16") + b"2", "utf-16", "\\x32"),
        ("a\n1\n".encode("gbk") + b"\x81\n2\n", "gbk", "\\x81"),
        (b"a\n1\n+2AA-\n2\n", "utf-7", "\ud800"),
    ],
)
def test_text_that_is_not_of_the_encoding_is_told_and_reading_goes_on(content, encoding, told, tmp_path):
    found = read(tmp_path / "x.csv", content, encoding=encoding)
    assert [row.fields["a"] for row in found if isinstance(row, Row)] == ["1", "2"]
    (bad,) = (row for row in found if isinstance(row, Unreadable))
    assert (bad.reason, bad.text) == ("not_csv", told)
    assert re.fullmatch(f"not {encoding}(-le)?", bad.message)


def test_an_endless_line_of_utf_16_takes_no_more_memory_than_the_longest_one(tmp_path):
    path = tmp_path / "x.csv.gz"
    content = "a\n".encode("utf-16") + b"\x0a" * LONGEST_LINE + b"a\0" * LONGEST_LINE * 8
    path.write_bytes(gzip.compress(content))
    tracemalloc.start()
    try:
        with Counted(path) as file:
            assert [row.message for row in read_csv(path, file)] == [f"a line of more than {LONGEST_LINE} bytes"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(content) / 2


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        ("a\n1\n".encode("utf-16-le"), "utf-16", "no byte order mark: the encoding has to be utf-16-le or utf-16-be"),
        ("a\n1\n".encode("utf-32"), "utf-32", "lines cannot be found in the encoding utf-32; utf-8, utf-16 and those"),
        ("a\n1\n".encode("cp500"), "cp500", "iconv -f cp500 -t utf-8"),
        (b"a\n1\n", "hex", "line 1: 'hex' is not a text encoding"),
        (b"a\n1\n", "idna", "line 1: .*[Uu]nsupported error handling"),
        (b"a\n1\n", "undefined", "line 1: .*undefined"),
        (b"a\n1\n", "a\0", "line 1: .*null"),
        ("ö\n1\n".encode("utf-16-be")[1:], "utf-16-be", "line 1: not utf-16-be"),
    ],
)
def test_an_encoding_that_cannot_be_read_is_told_with_what_can(content, encoding, message, tmp_path):
    with pytest.raises(ReplayError, match=message):
        read(tmp_path / "x.csv", content, encoding=encoding)


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "is empty: a first line"), (b"a,b,a\n1,2,3\n", "a column name comes twice")]
)
def test_a_file_without_sound_column_names_is_refused(tmp_path, content, message):
    with pytest.raises(ReplayError, match=message):
        read(tmp_path / "x.csv", content)


def test_json_lines_blank_too_long_and_without_a_last_line_end(tmp_path):
    content = b'{"a":1}\n\n  {"b":2} \r\n' + b"x" * (LONGEST_LINE * 3) + b"\nlast"
    found = read(tmp_path / "x.jsonl", content, read_lines)
    assert [(record.line, type(record)) for record in found] == [(1, Line), (3, Line), (4, Unreadable), (5, Line)]
    assert [found[0].text, found[1].text, found[3].text] == [b'{"a":1}', b'{"b":2}', b"last"]
    assert found[2].reason == "too_large"


@pytest.mark.parametrize("content", [b"plain text", gzip.compress(b"a\n" * 9_999)[:-9], gzip.compress(b"")[:10] + bytes(5) + b"}"], ids=["plain", "cut", "broken"])  # fmt: skip
def test_a_packed_file_that_breaks_off_is_told(tmp_path, content):
    with pytest.raises(ReplayError, match=r"x.jsonl.gz breaks off"):
        read(tmp_path / "x.jsonl.gz", content, read_lines)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(ReplayError, match=r"nosuch\.csv cannot be read: No such file"):
        Counted(tmp_path / "nosuch.csv")
    with pytest.raises(ReplayError, match="cannot be read: Is a directory"):
        Counted(tmp_path)
