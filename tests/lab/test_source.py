"""Files as one stream: merged by time, keyed by caller, bad records told; files that cannot be told apart are refused."""

import re
import tracemalloc
from itertools import islice

import msgspec
import orjson
import pytest

from streamer.calls.codec import MAX_BYTES, decode_call
from streamer.calls.numbers import home_plan
from streamer.errors import ReplayError
from streamer.lab import control, mapping
from streamer.lab.rejects import Rejects, Told
from streamer.lab.source import Reached, Source
from streamer.lab.traffic import Traffic

PLAN = home_plan("KZ")
COLUMNS = {"at": "at", "caller": "from", "callee": "to", "talk": None}


def source(files, bad, columns=None, **more):
    mapped = mapping.of_columns(columns, "s", "UTC", {"operator": "o", "ingress": "national"}) if columns else None
    return Source(files, mapped, PLAN, bad, **more)


@pytest.fixture
def bad(tmp_path):
    with Rejects(tmp_path / "rejects.jsonl") as rejects:
        yield rejects


def test_messages_of_the_contract_go_on_byte_for_byte_keyed_by_caller(tmp_path, bad):
    sent = [value for _, _, value, _ in Traffic(1, 50, seconds=5).encoded()]
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"\n".join(sent))
    read = source([path], bad)
    found = list(read)
    assert sorted(message.value for message in found) == sorted(sent)
    assert [message.at for message in found] == sorted(message.at for message in found)
    assert (read.records, read.made, read.taken, read.out_of_order) == (len(sent), len(sent), read.size, 0)
    for message in found:
        event = decode_call(message.value)
        assert message.call == ((event.operator, event.call_id) if type(event).__name__ == "Setup" else None)
    assert not bad.path.exists()


def test_several_files_are_merged_by_time(tmp_path, bad):
    for name, times in (("a.csv", (1, 5, 3)), ("b.csv", (4, 2))):
        rows = "".join(f"{at},+7701000000{at},+77010000009\n" for at in times)
        (tmp_path / name).write_text("at,from,to\n" + rows)
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    assert [message.at for message in source(files, bad, COLUMNS)] == [1_000, 2_000, 3_000, 4_000, 5_000]
    in_turn = source(files, bad, COLUMNS, hold=0)
    assert [message.at for message in in_turn] == [1_000, 5_000, 3_000, 4_000, 2_000]


def test_bad_records_are_counted_written_down_and_passed_over(tmp_path, bad):
    path = tmp_path / "calls.csv"
    path.write_text("at,from,to\n1,+77010000001,+77010000009\nsoon,1,2\n1,2\n2,+77010000001,\n")
    assert len(list(source([path], bad, COLUMNS))) == 1
    bad.__exit__(None, None, None)
    told = [orjson.loads(line) for line in bad.path.read_bytes().splitlines()]
    assert [(row["line"], row["reason"], row["record"]) for row in told] == [
        (3, "wrong_type", "soon,1,2"),
        (4, "not_csv", "1,2"),
        (5, "missing_field", "2,+77010000001,"),
    ]
    assert [row["column"] for row in told] == ["at", None, "to"]
    assert bad.counts.total() == 3
    assert bad.lines()[:3] == [
        f"3 unusable records (wrong_type 1, not_csv 1, missing_field 1) in {bad.path}; the first ones of each kind:",
        "  1 wrong_type, column at",
        f"    {path}, line 3: no time in s: 'soon'",
    ]


@pytest.mark.parametrize("rest", ["", "\n", "\n1,+77010000001,+77010000009\n", "\n1,2\n"])
def test_columns_that_the_mapping_reads_are_asked_for_whether_a_row_follows_or_not(tmp_path, bad, rest):
    path = tmp_path / "calls.csv"
    path.write_text("at,from,callee" + rest)
    with pytest.raises(ReplayError, match=r"calls\.csv has no column to, .*; it has at, from, callee"):
        list(source([path], bad, COLUMNS))
    path.write_text("at,from,to\n")
    assert list(source([path], bad, COLUMNS)) == []


def test_the_report_counts_by_reason_and_column_with_the_first_few_as_examples(tmp_path, bad):
    path = tmp_path / "calls.jsonl"
    sound = next(Traffic(1, 50, seconds=5).encoded())[2]
    broken = [b'{"type":"answer","call_id":7}'] * 5 + [b"{", sound.replace(b'"at":', b'"when":')]
    path.write_bytes(b"\n".join([sound, *broken]))
    assert len(list(source([path], bad))) == 1
    document = bad.document()
    assert document["unusable"] == 7
    assert [(one["reason"], one["column"], one["count"]) for one in document["by_reason_and_column"]] == [
        ("wrong_type", "call_id", 5),
        ("not_json", None, 1),
        ("missing_field", "at", 1),
    ]
    assert document["by_reason_and_column"][0]["examples"] == [
        {
            "file": str(path), "line": line, "message": "Expected `str`, got `int` - at `$.call_id`",
            "record": '{"type":"answer","call_id":7}',
        }
        for line in (2, 3, 4)
    ]  # fmt: skip


@pytest.mark.parametrize("hold", [0, 1, 20_000])
def test_a_source_goes_on_where_another_one_was(tmp_path, hold):
    """Read in two pieces, cut anywhere, the messages, counts and rejects are those of one reading."""
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for number, path in enumerate(files):
        rows = [f"{(at * 7 + number) % 40},u-{at % 5},u-{at % 3},{at % 4 * 9}" for at in range(30)]
        rows[7:7] = ["soon,1,2,3", "1,2"]
        path.write_text("at,from,to,talk\n" + "\n".join(rows) + "\n")
    layout = (
        'about = ""\n[times]\nat = "{at}"\nformat = "s"\ntalk = "{talk}"\n[fields]\noperator = "o"\ningress = "national"\n'
        'caller = { from = "{from}", as = "+7701XXXXXXX" }\ncallee = { from = "{to}", as = "+7702XXXXXXX" }\n'
    )
    (tmp_path / "m.toml").write_text(layout)

    def begun(told=None, reached=None):
        rejects = Rejects(tmp_path / "r.jsonl", told=told)
        mapped = mapping.read(str(tmp_path / "m.toml"))
        return rejects, Source(files, mapped, PLAN, rejects, hold=hold, reached=reached)

    rejects, whole = begun()
    wanted = list(whole)
    end = msgspec.msgpack.encode((whole.reached(), rejects.told()))
    written = rejects.path.read_bytes()
    rejects.__exit__(None, None, None)
    assert len(wanted) == 60 + 60 + 44
    for cut in range(0, len(wanted) + 1, 9):
        rejects, first = begun()
        going = iter(first)
        found = list(islice(going, cut))
        kept = msgspec.msgpack.encode((first.reached(), rejects.told()))
        list(islice(going, 11))  # whatever is read on after the save does not count
        rejects.__exit__(None, None, None)
        reached, told = msgspec.msgpack.decode(kept, type=tuple[Reached, Told])
        rejects, second = begun(told, reached)
        assert found + list(second) == wanted
        assert msgspec.msgpack.encode((second.reached(), rejects.told())) == end
        assert rejects.path.read_bytes() == written
        rejects.__exit__(None, None, None)


def test_strict_stops_at_the_first_one(tmp_path):
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"{}\n")
    with Rejects(tmp_path / "rejects", strict=True) as bad, pytest.raises(ReplayError, match="line 1"):
        list(source([path], bad))


def test_json_rows_are_mapped_like_csv_objects_inside_by_dots(tmp_path, bad):
    path = tmp_path / "x.ndjson"
    path.write_bytes(b'{"at":1,"who":{"from":"+77010000001"},"to":"+77010000002"}\n[1]\n{"at":null}\n')
    found = list(source([path], bad, COLUMNS | {"caller": "who.from"}))
    assert [decode_call(message.value).caller for message in found] == ["+77010000001"]
    assert bad.counts == {"wrong_type": 1, "missing_field": 1}


@pytest.mark.parametrize("name", ["x.ndjson", "x.csv"])
def test_numbers_that_a_data_frame_made_floating_point_are_read_as_what_they_were(name, tmp_path, bad):
    path = tmp_path / name
    froms = ["77011234567.0", "77011234567", "7.70113E+10", "7.7011234567E10", "77011234567.5"]
    if name.endswith("csv"):
        path.write_text("at,from,to,id\n" + "".join(f"1.0,{each},77272345678.0,3e4\n" for each in froms))
    else:
        lines = (f'{{"at":1.0,"from":{each},"to":77272345678.0,"id":"3e4"}}\n' for each in froms)
        path.write_text("".join(lines))
    found = [decode_call(message.value) for message in source([path], bad, COLUMNS)]
    assert [event.caller for event in found] == ["77011234567", "77011234567", "77011234567.5"]
    assert {(event.callee, event.at) for event in found} == {("77272345678", 1_000)}
    (group,) = bad.groups
    assert (group.reason, group.column, group.count) == ("wrong_type", "from", 2)
    assert [example.message.split(":")[0] for example in group.examples] == [
        "'7.70113E+10' has an exponent, so that figures of the number may be lost",
        "'7.7011234567E10' has an exponent, so that figures of the number may be lost" if name.endswith("csv")
        else "'7.7011234567E+10' has an exponent, so that figures of the number may be lost",
    ]  # fmt: skip


def test_names_of_json_columns_may_have_dots_of_their_own(tmp_path, bad):
    path = tmp_path / "x.ndjson"
    whose = [
        b'{"a.b.c":"+77010000001"}',
        b'{"a":{"b.c":1,"b":{"c":2}}}',
        b'{"a.b":{"c":3},"a":{"b":{"d":9}}}',
        b'{"a":{"b":{"c":4}}}',
    ]
    empty = [b'{"a":{"b":{"c":{}}}}', b'{"a":{"b":5}}', b'{"a":[{"b":{"c":6}}]}']
    path.write_bytes(b"".join(b'{"at":1,"to":"+77010000002","who":%s}\n' % each for each in (*whose, *empty)))
    found = list(source([path], bad, COLUMNS | {"caller": "who.a.b.c"}))
    assert [decode_call(message.value).caller for message in found] == ["+77010000001", "1", "3", "4"]
    assert [(group.reason, group.column, group.count) for group in bad.groups] == [("missing_field", "who.a.b.c", 3)]


def test_a_json_column_nested_too_deeply_is_told_and_reading_goes_on(tmp_path, bad):
    path = tmp_path / "x.ndjson"
    deep = b"[" * 900 + b"]" * 900
    path.write_bytes(b'{"at":1,"from":%s,"to":"1","note":1}\n{"at":1,"from":"1","to":"2","note":%s}\n' % (deep, deep))
    assert len(list(source([path], bad, COLUMNS))) == 1
    assert [(group.reason, group.column, group.count) for group in bad.groups] == [("not_json", "from", 1)]


def peak_of(read):
    """What `read` gives, and the most bytes that it held."""
    tracemalloc.start()
    try:
        return read(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_objects_inside_a_json_line_take_no_more_memory_than_the_line_however_their_names_add_up(tmp_path, bad):
    path = tmp_path / "x.ndjson"
    inner = orjson.dumps({str(n): 1 for n in range(6_000)})
    path.write_bytes(b'{"at":1,"from":"1","to":"2","%s":%s}\n' % (b"A" * 60_000, inner))
    found, peak = peak_of(lambda: list(source([path], bad, COLUMNS)))
    assert len(found) == 1
    assert peak < 30 * path.stat().st_size


@pytest.mark.parametrize("way", ["", '[direction]\nread = "{way}"\n[direction.values.in]\n'])
def test_a_row_whose_message_no_worker_takes_is_told_with_its_column(way, tmp_path, bad):
    layout = 'about = ""\n[times]\nat = "{at}"\nformat = "s"\n[fields]\noperator = "o"\ningress = "national"\n'
    fields = 'caller = "{from}"\ncallee = "{to}"\n' + way + 'user_agent = "{agent}/{version}"\n'
    (tmp_path / "m.toml").write_text(layout + fields)
    path = tmp_path / "x.csv"
    rows = (f"1,+77010000001,+77010000009,in,{'a' * length},1" for length in (MAX_BYTES - 1_000, 120_000, 10))
    path.write_text("\n".join(["at,from,to,way,agent,version", *rows]))
    found = list(Source([path], mapping.read(str(tmp_path / "m.toml")), PLAN, bad))
    assert [len(decode_call(message.value).user_agent) for message in found] == [MAX_BYTES - 998, 12]
    (group,) = bad.groups
    assert (group.reason, group.column, group.examples[0].line) == ("too_large", "agent, version", 3)
    assert re.fullmatch(
        r"a message of 120,\d+ bytes, most of them in `user_agent`; at most 65,536 are taken", group.examples[0].message
    )


def test_files_whose_calls_could_not_be_told_apart_are_refused(tmp_path, bad):
    (tmp_path / "d").mkdir()
    files = [tmp_path / "x.csv", tmp_path / "d" / "x.csv"]
    for path in files:
        path.write_text("at,from,to\n")
    with pytest.raises(ReplayError, match="calls of both would have the same ids"):
        source(files, bad, COLUMNS)


@pytest.mark.parametrize(
    ("name", "columns", "message"),
    [
        ("-", COLUMNS, "standard input is not read"),
        ("-", None, "standard input is not read"),
        ("x.csv", None, r"x\.csv is not JSON Lines by its name .*--mapping"),
        ("calls\udcff.jsonl", None, r"calls\udcff\.jsonl: this name is not UTF-8, .*: rename it"),
        ("nosuch.jsonl", None, r"nosuch\.jsonl cannot be read"),
        ("nosuch", None, r"^nosuch cannot be read: there is no such file$"),
        ("folder", None, r"^folder cannot be read: it is a folder$"),
    ],
)
def test_what_cannot_be_read_is_told(name, columns, message, tmp_path, bad, monkeypatch):
    from pathlib import Path

    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("at,from,to\n")
    Path("folder").mkdir()
    with pytest.raises(ReplayError, match=message):
        source([Path(name)], bad, columns)


def test_control_records_survive_the_way_through_a_file(tmp_path):
    path = tmp_path / "control.jsonl"
    sent = [*control.of_traffic(Traffic(1, 1, subscribers=400)), control.Control("lists", "gone", None)]
    path.write_bytes(b"".join(map(control.line, sent)))
    assert list(control.read(path)) == sent
    assert {"operators", "trunks", "subscribers.location", "subscribers.line"} <= {record.kind for record in sent}
    path.write_bytes(control.line(sent[0]) + b'{"kind":"lists"}\n')
    with pytest.raises(ReplayError, match=r"control\.jsonl, line 2: .*key"):
        list(control.read(path))
    path.write_bytes(b'{"kind":"lists","key":"k","value":' + b"[" * 5_000)
    with pytest.raises(ReplayError, match=r"control\.jsonl, line 1: .*recursion"):
        list(control.read(path))
